"""Dataset rows on a local disk: a folder per dataset, with fragments, packs and manifests."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from pathlib import Path
from weakref import WeakValueDictionary

from starwhale.storage.in_use import Hold, hold
from starwhale.storage.tables.dataset_reader import DatasetFolder, LocalDatasetReader
from starwhale.storage.tables.dataset_writer import LocalDatasetWriter
from starwhale.storage.tables.files import make_folder, no_space
from starwhale.storage.tables.fragments import ColumnCache
from starwhale.storage.tables.manifest import Manifest, load_manifest
from starwhale.storage.tables.packs import Packs
from starwhale.storage.tables.places import LocalPlaces
from starwhale.storage.tables.share_files import share_version
from starwhale.storage.tables.version_files import names_of


class LocalDatasetStore:
    """Meets `DatasetStore`; any number of threads and processes may use one root at the same time.

    Args:
        root: Folder of all datasets.
        new_id: Makes names of packs; no two calls, of whatever process, may return the same.
    """

    def __init__(self, root: Path, *, new_id: Callable[[], str] | None = None) -> None:
        self.root = root
        """Folder of all datasets."""
        self._new_id = new_id or _random_id
        self._folders: WeakValueDictionary[str, DatasetFolder] = WeakValueDictionary()
        self._kept: dict[str, DatasetFolder] = {}
        self._lock = threading.Lock()

    def open_version(self, dataset_id: str, manifest_digest: str) -> LocalDatasetReader:
        folder = self._folder(dataset_id)
        return LocalDatasetReader(folder, load_manifest(folder.places, manifest_digest), manifest_digest)

    def begin(self, dataset_id: str, base: str | None) -> LocalDatasetWriter:
        make_folder(self.root / dataset_id)
        folder = self._folder(dataset_id)
        manifest = Manifest() if base is None else load_manifest(folder.places, base)
        return LocalDatasetWriter(folder, manifest, self._new_id)

    def files_of(self, dataset_id: str, manifest_digest: str) -> frozenset[str]:
        manifest = load_manifest(self._folder(dataset_id).places, manifest_digest)
        return frozenset(names_of(manifest, manifest_digest))

    def share(self, source_id: str, manifest_digest: str, target_id: str) -> LocalDatasetReader:
        if source_id != target_id:
            make_folder(self.root / target_id)
            source, target = self._folder(source_id), self._folder(target_id)
            share_version(source, target, load_manifest(source.places, manifest_digest), manifest_digest)
        return self.open_version(target_id, manifest_digest)

    def keep(self, dataset_id: str) -> None:
        """Hold a dataset open until this store is closed, so that nothing of it is collected meanwhile."""
        self._kept[dataset_id] = self._folder(dataset_id)

    def close(self) -> None:
        """Let go what was kept; readers and writers hold what they need themselves."""
        self._kept.clear()

    def _folder(self, dataset_id: str) -> DatasetFolder:
        with self._lock:
            folder = self._folders.get(dataset_id)
            if folder is None:
                path = self.root / dataset_id
                places = LocalPlaces(path)
                packs = Packs(path / "packs", _hold(path), places=places)
                folder = DatasetFolder(path, places, packs, ColumnCache())
                self._folders[dataset_id] = folder
            return folder


def _hold(path: Path) -> Hold | None:
    try:
        return hold(path)
    except FileNotFoundError:  # there is nothing to read, and what reads says so
        return None
    except OSError as error:
        raise no_space(error, path) from error


def _random_id() -> str:
    return secrets.token_hex(8)


__all__ = ["LocalDatasetStore"]
