"""The files of a dataset that is being changed from here: what is new lies in a folder of this machine until it is sent, the rest on the server."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from starwhale.storage.dataset_rows.dataset_writer import LocalDatasetWriter
from starwhale.storage.dataset_rows.places import FileImage, FileSpan, LocalPlaces

if TYPE_CHECKING:
    from collections.abc import Callable

    from starwhale.storage.dataset_rows.dataset_reader import DatasetFolder
    from starwhale.storage.dataset_rows.manifest import Manifest
    from starwhale.storage.dataset_rows.places import Places
    from starwhale.storage.protocols import DatasetCommit


class Stage:
    """A folder of this machine that goes when nobody refers to it any more."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="starwhale-dataset-"))
        """The folder."""
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)


class StagedPlaces:
    """Meets `Places` over two of them.

    Args:
        folder: What is new.
        elsewhere: Everything else.
    """

    is_local = False

    def __init__(self, folder: Path, elsewhere: Places) -> None:
        self._folder = folder
        self._here = LocalPlaces(folder)
        self._elsewhere = elsewhere

    def address(self, name: str) -> str:
        return self._of(name).address(name)

    def know(self, sizes: Mapping[str, int]) -> None:
        self._elsewhere.know(sizes)

    def open(self, name: str, *, what: str) -> FileImage:
        return self._of(name).open(name, what=what)

    def read(self, name: str, *, what: str) -> bytes:
        return self._of(name).read(name, what=what)

    def fetch(self, wanted: Iterable[tuple[str, FileSpan]]) -> None:
        self._elsewhere.fetch([each for each in wanted if self._of(each[0]) is self._elsewhere])

    def _of(self, name: str) -> Places:
        return self._here if (self._folder / name).is_file() else self._elsewhere


class RemoteDatasetWriter(LocalDatasetWriter):
    """Meets `DatasetWriter`: changes are written here, and sent when they are committed.

    Args:
        folder: The dataset, whose places are staged.
        base: Manifest of the version that the changes are based on.
        new_id: Makes names of files.
        send: Sends the files of a version, and has them verified.
    """

    def __init__(
        self, folder: DatasetFolder, base: Manifest, new_id: Callable[[], str], send: Callable[[str], None]
    ) -> None:
        super().__init__(folder, base, new_id)
        self._send = send
        self._committed: DatasetCommit | None = None

    def commit(self) -> DatasetCommit:
        """Write everything and send it; where the server could not be reached, the next call goes on."""
        if self._committed is None:
            self._committed = super().commit()
        self._send(self._committed.manifest_digest)
        return self._committed


__all__ = ["RemoteDatasetWriter", "Stage", "StagedPlaces"]
