"""Dataset rows: a folder per dataset, with fragments, packs and manifests, on a local disk or on an object store."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from starwhale.domain.dataset_place import parse_server_dataset
from starwhale.domain.object_uri import ObjectUri, is_object_uri, parse_object_uri
from starwhale.errors import LoginError
from starwhale.settings import S3Accounts
from starwhale.storage.columns.files import damaged, make_folder, no_space
from starwhale.storage.dataset_rows.column_cache import ColumnCache
from starwhale.storage.dataset_rows.dataset_reader import DatasetFolder, LocalDatasetReader
from starwhale.storage.dataset_rows.dataset_writer import LocalDatasetWriter
from starwhale.storage.dataset_rows.fragment_file import fragment_name
from starwhale.storage.dataset_rows.limits import LIMITS, Limits
from starwhale.storage.dataset_rows.manifest import Manifest, load_manifest
from starwhale.storage.dataset_rows.packs import Packs, pack_file
from starwhale.storage.dataset_rows.places import LocalPlaces, Places
from starwhale.storage.dataset_rows.share_files import refuse_taken_names, share_version
from starwhale.storage.dataset_rows.version_files import names_of
from starwhale.storage.in_use import Hold, hold

if TYPE_CHECKING:  # object stores are imported by what uses them: most datasets lie here
    from starwhale.storage.dataset_rows.object_copies import Sent
    from starwhale.storage.dataset_rows.object_dataset import ObjectDataset
    from starwhale.storage.dataset_rows.object_places import Bucket as RangeFiles
    from starwhale.storage.objects import Bucket


_KNOWN_MANIFESTS = 16
_KNOWN_FILES = 256
"""Files that a manifest which is remembered names, at most."""


class LocalDatasetStore:
    """Meets `DatasetStore`; any number of threads and processes may use one root at the same time.

    Args:
        root: Folder of all datasets.
        new_id: Makes names of packs; no two calls, of whatever process, may return the same.
        accounts: Gives the keys of object stores; asked when the first one is needed.
        files_of_server: Gives the files of datasets of the server at an address; None where nobody has logged in anywhere.
        limits: How much is written and held at a time.
    """

    def __init__(
        self,
        root: Path,
        *,
        new_id: Callable[[], str] | None = None,
        accounts: Callable[[], S3Accounts] = S3Accounts,
        files_of_server: Callable[[str], RangeFiles] | None = None,
        limits: Limits = LIMITS,
    ) -> None:
        self.root = root
        """Folder of all datasets."""
        self.limits = limits
        """How much is written and held at a time, of datasets that are opened from now on."""
        self._new_id = new_id or _random_id
        self._accounts = accounts
        self._files_of_server = files_of_server
        self._buckets: dict[str, Bucket] = {}
        self._folders: WeakValueDictionary[str, DatasetFolder] = WeakValueDictionary()
        self._kept: dict[str, DatasetFolder] = {}
        self._manifests: OrderedDict[str, Manifest] = OrderedDict()
        self._lock = threading.Lock()

    def has(self, dataset_id: str, manifest_digest: str) -> bool:
        """Whether the dataset of a version is here; then a manifest that is missing is damage."""
        del manifest_digest
        return (self.root / dataset_id).exists()

    def open_version(self, dataset_id: str, manifest_digest: str) -> LocalDatasetReader:
        folder = self.folder(dataset_id)
        manifest = self._manifest(folder.places, manifest_digest)
        if not folder.places.is_local:
            folder.places.know(sizes_of(manifest))
        folder.packs.know(manifest.packs)
        return LocalDatasetReader(folder, manifest, manifest_digest)

    def begin(self, dataset_id: str, base: str | None) -> LocalDatasetWriter:
        make_folder(self.root / dataset_id)
        folder = self.folder(dataset_id)
        manifest = Manifest() if base is None else self._manifest(folder.places, base)
        return LocalDatasetWriter(folder, manifest, self._new_id)

    def files_of(self, dataset_id: str, manifest_digest: str) -> frozenset[str]:
        manifest = load_manifest(self.folder(dataset_id).places, manifest_digest)
        return frozenset(names_of(manifest, manifest_digest))

    def check_present(self, dataset_id: str, manifest_digest: str) -> None:
        """Refuse a version of which a file is missing or has another size; what is in them is verified when it is read.

        Raises:
            CorruptedError: Names the file.
        """
        folder = self.folder(dataset_id)
        manifest = load_manifest(folder.places, manifest_digest)
        sizes = sizes_of(manifest)
        for name in names_of(manifest, manifest_digest):
            path = folder.path / name
            size = path.stat().st_size if path.is_file() else None
            if size is None or size != sizes.get(name, size):
                raise damaged(path, "a file of the version is missing, or has another size")

    def share(self, source_id: str, manifest_digest: str, target_id: str) -> LocalDatasetReader:
        if source_id != target_id:
            make_folder(self.root / target_id)
            source, target = self.folder(source_id), self.folder(target_id)
            if source.places.is_local:
                share_version(source, target, load_manifest(source.places, manifest_digest), manifest_digest)
            else:
                from starwhale.storage.dataset_rows.object_copies import download_version

                manifest = self.open_version(source_id, manifest_digest).manifest
                download_version(source.places, target, manifest, manifest_digest)
        return self.open_version(target_id, manifest_digest)

    def take_in(self, folder: Path, manifest_digest: str, target_id: str, others: Sequence[str]) -> LocalDatasetReader:
        """Give a dataset the files of a version that lie in a folder of nobody, such as an unpacked archive.

        Args:
            folder: Where they lie; they may be removed there afterwards.
            manifest_digest: Digest of the version's manifest.
            target_id: The dataset.
            others: Manifest digests of the versions that it has.

        Raises:
            CorruptedError: A file is missing or damaged.
            ConflictError: A file has the name of another one that a version of the dataset needs.
            NoSpaceError: The disk is full; nothing half-made is left.
        """
        make_folder(self.root / target_id)
        source, target = _open_local(folder, self.limits), self.folder(target_id)
        manifest = load_manifest(source.places, manifest_digest)
        refuse_taken_names(target, manifest, others)
        share_version(source, target, manifest, manifest_digest)
        return self.open_version(target_id, manifest_digest)

    def receive(
        self,
        source: Places,
        version: tuple[Manifest, str],
        target_id: str,
        others: Sequence[str],
        on_file: Callable[[int], None] | None = None,
    ) -> LocalDatasetReader:
        """Fetch what a dataset lacks of the files of a version that is elsewhere; each is verified.

        Args:
            source: Where they are.
            version: Its manifest, and the digest of that.
            target_id: The dataset.
            others: Manifest digests of the versions that it has.
            on_file: Told the bytes of each file that is there then.

        Raises:
            CorruptedError: A file is missing or damaged; nothing of it is kept.
            ConflictError: A file has the name of another one that a version of the dataset needs.
            NoSpaceError: The disk is full; what was fetched stays, and the next try goes on.
        """
        from starwhale.storage.dataset_rows.object_copies import download_version

        make_folder(self.root / target_id)
        target = self.folder(target_id)
        refuse_taken_names(target, version[0], others)
        download_version(source, target, *version, on_file)
        return self.open_version(target_id, version[1])

    def keep(self, dataset_id: str) -> None:
        """Hold a dataset open until this store is closed, so that nothing of it is collected meanwhile."""
        self._kept[dataset_id] = self.folder(dataset_id)

    def elsewhere(self, uri: ObjectUri) -> ObjectDataset:
        """Return a dataset on an object store; nothing is sent yet."""
        from starwhale.storage.dataset_rows.object_dataset import ObjectDataset

        return ObjectDataset(self._bucket(uri.bucket), uri)

    def send(self, dataset_id: str, manifest_digest: str, target: ObjectDataset) -> Sent:
        """Send what a dataset on an object store lacks of the files of a version; same errors as `upload_version`."""
        from starwhale.storage.dataset_rows.object_copies import upload_version

        reader = self.open_version(dataset_id, manifest_digest)
        return upload_version(self.folder(dataset_id).places, target, reader.manifest, manifest_digest)

    def close(self) -> None:
        """Let go what was kept; readers and writers hold what they need themselves."""
        self._kept.clear()
        for bucket in self._buckets.values():
            bucket.close()

    def folder(self, dataset_id: str) -> DatasetFolder:
        """Return where the files of a dataset are."""
        with self._lock:
            folder = self._folders.get(dataset_id)
            if folder is None:
                folder = self._folders[dataset_id] = self._open_folder(dataset_id)
            return folder

    def _manifest(self, places: Places, digest: str) -> Manifest:
        """Read a manifest, or return one that was read before, which its digest says is the same; large ones are read again."""
        with self._lock:
            known = self._manifests.get(digest)
            if known is not None:
                self._manifests.move_to_end(digest)
                return known
        read = load_manifest(places, digest)
        if len(read.run) + len(read.layers) + len(read.packs) <= _KNOWN_FILES:
            with self._lock:
                self._manifests[digest] = read
                if len(self._manifests) > _KNOWN_MANIFESTS:
                    self._manifests.popitem(last=False)
        return read

    def _open_folder(self, dataset_id: str) -> DatasetFolder:
        """Choose where the files of a dataset are: the id of one that is on an object store or a server is its address.

        Raises:
            LoginError: Nobody logged in to the server.
        """
        there = parse_server_dataset(dataset_id)
        if there is not None:
            from starwhale.storage.dataset_rows.object_places import ObjectPlaces

            if self._files_of_server is None:
                raise LoginError(f"nobody logged in to {there.address} here", hint="swcli instance login")
            places = ObjectPlaces(self._files_of_server(there.address), there.dataset_id)
            return open_folder(Path(dataset_id), places, None, self.limits)
        if is_object_uri(dataset_id):
            from starwhale.storage.dataset_rows.object_places import ObjectPlaces

            uri = parse_object_uri(dataset_id)
            path, places = Path(dataset_id), ObjectPlaces(self._bucket(uri.bucket), uri.folder)
            return open_folder(path, places, None, self.limits)
        return _open_local(self.root / dataset_id, self.limits)

    def _bucket(self, name: str) -> Bucket:
        if name not in self._buckets:
            from starwhale.storage.objects import open_bucket

            self._buckets[name] = open_bucket(name, self._accounts())
        return self._buckets[name]


def sizes_of(manifest: Manifest) -> dict[str, int]:
    """Return the bytes of every file of rows and values that a version consists of, by name."""
    return {fragment_name(part): part.size for part in manifest.fragments()} | {
        pack_file(pack.name): pack.size for pack in manifest.packs
    }


def _open_local(path: Path, limits: Limits) -> DatasetFolder:
    return open_folder(path, LocalPlaces(path), _hold(path), limits)


def open_folder(path: Path, places: Places, kept: object, limits: Limits) -> DatasetFolder:
    """Open the folder of a dataset, wherever its files are.

    Args:
        path: The folder, or what stands for it in messages.
        places: Where its files are.
        kept: Keeps them from being collected as long as it lives; None for nothing.
        limits: How much is held at a time.
    """
    packs = Packs(path / "packs", kept, places=places, limits=limits)
    return DatasetFolder(path, places, packs, ColumnCache(limits=limits), limits=limits)


def _hold(path: Path) -> Hold | None:
    try:
        return hold(path)
    except FileNotFoundError:  # there is nothing to read, and what reads says so
        return None
    except OSError as error:
        raise no_space(error, path) from error


def _random_id() -> str:
    return os.urandom(8).hex()


__all__ = ["LocalDatasetStore", "open_folder", "sizes_of"]
