"""Rows of datasets on a server: read by ranges, with the very reader that reads local files and object stores."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from blake3 import blake3

from starwhale.domain.dataset_place import is_elsewhere
from starwhale.errors import NotFoundError
from starwhale.storage.dataset_rows.dataset_reader import LocalDatasetReader
from starwhale.storage.dataset_rows.dataset_store import open_folder, sizes_of
from starwhale.storage.dataset_rows.limits import LIMITS, Limits
from starwhale.storage.dataset_rows.manifest import Manifest, load_manifest
from starwhale.storage.dataset_rows.object_copies import files_of_version, send_files
from starwhale.storage.dataset_rows.object_places import ObjectPlaces
from starwhale.storage.dataset_rows.version_files import names_of
from starwhale.storage.remote.connection import BYTES_TYPE
from starwhale.storage.remote.staged_places import RemoteDatasetWriter, Stage, StagedPlaces
from starwhale.storage.remote.upload import PIECE_BYTES, BytesContent, OnSent, upload

if TYPE_CHECKING:
    from starwhale.storage.dataset_rows.dataset_reader import DatasetFolder
    from starwhale.storage.dataset_rows.places import Places
    from starwhale.storage.remote.connection import ServerConnection

NOT_THERE = 416
"""A file ends before the range begins."""


class ServerFiles:
    """The files of datasets of a server: what `ObjectPlaces` and copies ask of a bucket. Keys are `<dataset id>/<folder>/<file>`."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection

    def uri(self, key: str) -> str:
        """Name a file for messages."""
        return f"{self._connection.address}/{key}"

    def read(self, key: str, offset: int = 0, size: int = -1) -> bytes:
        """Return the bytes [offset, offset + size) of a file, or up to its end; fewer only where it ends.

        Raises:
            NotFoundError: There is no such file.
            ServerError: The server cannot be reached.
        """
        if size == 0:
            return b""
        stop = offset + size - 1 if size > 0 else ""
        headers = {"Range": f"bytes={offset}-{stop}"} if offset or size > 0 else {}
        answer = self._connection.send("GET", _path(key), headers=headers, allowed=(NOT_THERE,))
        return b"" if answer.status == NOT_THERE else answer.body

    def put(self, key: str, content: Any, on_sent: OnSent | None = None) -> None:  # Any: has the buffer protocol
        """Write a file, whole or not at all; a long one goes on where an earlier try stopped."""
        view = memoryview(content).cast("B")
        digest = blake3(view).hexdigest()
        if view.nbytes <= PIECE_BYTES:
            headers = {"Content-Type": BYTES_TYPE}
            self._connection.send("PUT", _path(key), view, query={"digest": digest}, headers=headers)
            if on_sent:
                on_sent(view.nbytes)
            return
        upload(self._connection, BytesContent(view), digest, view.nbytes, on_sent)
        self._connection.ask("POST", f"{_path(key)}/finish", query={"digest": digest})

    def lacking(self, dataset_id: str, sizes: Sequence[tuple[str, int | None]]) -> set[str]:
        """Return those files, by name, that are not there or have another size than is said."""
        found: set[str] = set()
        for start in range(0, len(sizes), 1000):
            files = [{"name": name, "size": size} for name, size in sizes[start : start + 1000]]
            found.update(
                self._connection.ask("POST", f"/stores/datasets/{dataset_id}/lacking", {"files": files})["names"]
            )
        return found

    def take(self, dataset_id: str, manifest_digest: str) -> None:
        """Have a version verified whose files were sent.

        Raises:
            CorruptedError: A file is missing or damaged there.
        """
        self._connection.ask("POST", f"/stores/datasets/{dataset_id}/verify", {"manifest_digest": manifest_digest})


class RemoteDatasetStore:
    """Meets `DatasetStore`; safe to use from several threads."""

    def __init__(self, connection: ServerConnection, limits: Limits = LIMITS) -> None:
        self.files = ServerFiles(connection)
        """Files of datasets there."""
        self._connection = connection
        self._limits = limits
        self._folders: WeakValueDictionary[str, DatasetFolder] = WeakValueDictionary()
        self._lock = threading.Lock()
        self._known: set[str] = set()

    def has(self, dataset_id: str, manifest_digest: str) -> bool:
        """Whether a version is there; asked once as long as it is."""
        name = f"{dataset_id}/{manifest_digest}"
        if name not in self._known and not self.files.lacking(
            dataset_id, [(f"manifests/{manifest_digest}.json", None)]
        ):
            self._known.add(name)
        return name in self._known

    def open_version(self, dataset_id: str, manifest_digest: str) -> LocalDatasetReader:
        if is_elsewhere(dataset_id):
            message = f"the dataset at {dataset_id} does not lie on {self._connection.address}"
            raise NotFoundError(message, hint="open it by its address there")
        folder = self.folder(dataset_id)
        return LocalDatasetReader(folder, self._load(folder, manifest_digest), manifest_digest)

    def begin(self, dataset_id: str, base: str | None) -> RemoteDatasetWriter:
        stage = Stage()
        places = StagedPlaces(stage.folder, ObjectPlaces(self.files, dataset_id))
        folder = open_folder(stage.folder, places, stage, self._limits)
        manifest = Manifest() if base is None else self._load(folder, base)
        folder.checked.update(
            part.digest for part in manifest.fragments()
        )  # the server verifies what a version takes over
        folder.checked.update(pack.index for pack in manifest.packs)

        def send(digest: str) -> None:
            self.send_version(places, (load_manifest(places, digest), digest), dataset_id)

        return RemoteDatasetWriter(folder, manifest, lambda: os.urandom(8).hex(), send)

    def files_of(self, dataset_id: str, manifest_digest: str) -> frozenset[str]:
        manifest = load_manifest(self.folder(dataset_id).places, manifest_digest)
        return frozenset(names_of(manifest, manifest_digest))

    def share(self, source_id: str, manifest_digest: str, target_id: str) -> LocalDatasetReader:
        body = {"manifest_digest": manifest_digest, "target": target_id}
        self._connection.ask("POST", f"/stores/datasets/{source_id}/share", body)
        return self.open_version(target_id, manifest_digest)

    def send_version(
        self, source: Places, version: tuple[Manifest, str], target_id: str, on_sent: OnSent | None = None
    ) -> None:
        """Send what a dataset lacks of the files of a version, and have all of it verified.

        Args:
            source: Where they are.
            version: Its manifest, and the digest of that.
            target_id: The dataset.
            on_sent: Told how many more bytes are there.

        Raises:
            CorruptedError: A file of the version is missing or damaged.
            ServerError: The server cannot be reached; what was sent stays, and the next try goes on.
        """
        files = list(files_of_version(*version))
        lacking = self.files.lacking(target_id, [(each.name, each.size) for each in files])
        if on_sent:
            on_sent(sum(each.size or 0 for each in files if each.name not in lacking))
        wanted = [each for each in files if each.name in lacking]
        send_files(source, wanted, lambda name, content: self.files.put(f"{target_id}/{name}", content, on_sent))
        self.files.take(target_id, version[1])

    def folder(self, dataset_id: str) -> DatasetFolder:
        """Return where the files of a dataset are."""
        with self._lock:
            found = self._folders.get(dataset_id)
            if found is None:
                places = ObjectPlaces(self.files, dataset_id)
                found = open_folder(Path(self.files.uri(dataset_id)), places, None, self._limits)
                self._folders[dataset_id] = found
            return found

    @staticmethod
    def _load(folder: DatasetFolder, manifest_digest: str) -> Manifest:
        manifest = load_manifest(folder.places, manifest_digest)
        folder.places.know(sizes_of(manifest))
        folder.packs.know(manifest.packs)
        return manifest


def _path(key: str) -> str:
    dataset_id, _, name = key.partition("/")
    return f"/stores/datasets/{dataset_id}/files/{name}"


__all__ = ["RemoteDatasetStore", "ServerFiles"]
