"""Copy the files of a version to an object store, or from one: each verified on the way, and only those that are not there yet.

A copy that was interrupted goes on where it stopped: what is there whole is not copied again. Files are named once and never change, so
one with the same name and size is the same; one on this disk is verified before it is relied on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from starwhale.errors import CorruptedError
from starwhale.storage.columns.files import damaged, digest_of, make_folder, sync_files, write_new
from starwhale.storage.dataset_rows.column_cache import ColumnCache
from starwhale.storage.dataset_rows.dataset_reader import DatasetFolder
from starwhale.storage.dataset_rows.fragment_file import FragmentFile, fragment_name
from starwhale.storage.dataset_rows.manifest import Fragment, Manifest, Pack
from starwhale.storage.dataset_rows.object_dataset import ObjectDataset
from starwhale.storage.dataset_rows.pack_index import index_size
from starwhale.storage.dataset_rows.packs import Packs, pack_file
from starwhale.storage.dataset_rows.places import LocalPlaces, Places
from starwhale.storage.dataset_rows.version_files import damages_in

SENDERS = 4
"""Files that are sent at the same time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What a copy came to."""

    files: int
    """Files that were sent."""
    known: int
    """Files that were there already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionFile:
    """One file of a version."""

    name: str
    """Below the dataset's folder."""
    size: int | None
    """Bytes of it; None where only reading tells."""
    read: Callable[[Places], memoryview]
    """Reads it whole, verified."""
    is_manifest: bool = False
    """Whether it names all the others."""


def upload_version(source: Places, target: ObjectDataset, manifest: Manifest, digest: str) -> Sent:
    """Send the files of a version that an object store lacks.

    Args:
        source: Where the dataset lies.
        target: Where it goes.
        manifest: What the version consists of.
        digest: Digest of the manifest.

    Raises:
        CorruptedError: A file of the version is missing or damaged; it is not sent.
        ObjectStoreError: The store cannot be reached, or refuses; what was sent stays, and the next try goes on.
    """
    prefix = f"{target.uri.folder}/"
    there = {
        each.key.removeprefix(prefix): each.size
        for folder in ("fragments", "packs", "manifests")
        for each in target.bucket.list(f"{prefix}{folder}/")
    }
    files = list(files_of_version(manifest, digest))
    lacking = [each for each in files if each.name not in there or there[each.name] != (each.size or there[each.name])]
    send_files(source, lacking, lambda name, content: target.bucket.put(f"{prefix}{name}", content))
    return Sent(files=len(lacking), known=len(files) - len(lacking))


def send_files(source: Places, files: Sequence[VersionFile], put: Callable[[str, memoryview], object]) -> int:
    """Send files of a version, each verified on the way, several at a time; return their bytes.

    Args:
        source: Where they lie.
        files: Which; the manifest goes last, when all that it names is there.
        put: Takes the name and the content of one.

    Raises:
        CorruptedError: One is missing or damaged; it is not sent.
    """

    def send(file: VersionFile) -> int:
        content = file.read(source)
        put(file.name, content)
        return len(content)

    last = [each for each in files if each.is_manifest]
    with ThreadPoolExecutor(SENDERS, thread_name_prefix="starwhale-send") as pool:
        running = [pool.submit(send, each) for each in files if not each.is_manifest]
        try:
            total = sum(each.result() for each in running)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return total + sum(map(send, last))


def download_version(
    source: Places,
    target: DatasetFolder,
    manifest: Manifest,
    digest: str,
    on_file: Callable[[int], None] | None = None,
) -> None:
    """Fetch the files of a version that a local dataset lacks; durable when this returns.

    Args:
        source: Where they are.
        target: The dataset.
        manifest: What the version consists of.
        digest: Digest of the manifest.
        on_file: Told the bytes of each file that is there then.

    Raises:
        CorruptedError: What the store has is not what was written; nothing of it is kept.
        NoSpaceError: The disk is full; what was fetched stays, and the next try goes on.
    """
    here = LocalPlaces(target.path)
    made: list[Path] = []
    for file in files_of_version(manifest, digest):
        path = target.path / file.name
        make_folder(path.parent)
        if not (path.exists() and _is_intact(file, here)):
            write_new(path, file.read(source), sync=False)
            made.append(path)
        if on_file is not None:
            on_file(path.stat().st_size)
    sync_files(made)
    sync_files([target.path, target.path.parent])


def read_fragment(places: Places, part: Fragment) -> memoryview:
    """Read a fragment whole, and compare every byte of it with the checksums.

    Raises:
        CorruptedError: It is missing, or not what was written.
    """
    return FragmentFile(places, part, ColumnCache(1)).check()


def read_pack(places: Places, pack: Pack) -> memoryview:
    """Read a pack whole, and compare every value in it with its checksum.

    Raises:
        CorruptedError: It is missing, or not what was written.
    """
    packs = Packs(Path(), places=places)
    for damage in damages_in(packs, pack):
        raise damage.error
    return places.open(pack_file(pack.name), what="a pack of large values").show(None, size=pack.size)[: pack.size]


def files_of_version(manifest: Manifest, digest: str) -> Iterator[VersionFile]:
    """Every file of a version, its manifest last."""
    for part in manifest.fragments():
        yield VersionFile(
            name=fragment_name(part), size=part.size, read=lambda places, part=part: read_fragment(places, part)
        )
    for pack in manifest.packs:
        index = pack_file(pack.name, ending="idx")
        yield VersionFile(
            name=pack_file(pack.name), size=pack.size, read=lambda places, pack=pack: read_pack(places, pack)
        )
        yield VersionFile(name=index, size=index_size(pack), read=_small(index, pack.index, "the index of a pack"))
    for each in manifest.pack_lists:
        yield VersionFile(name=each.name, size=None, read=_small(each.name, each.digest, "a list of packs"))
    name = f"manifests/{digest}.json"
    yield VersionFile(
        name=name, size=None, read=_small(name, digest, "the manifest of a dataset version"), is_manifest=True
    )


def _small(name: str, digest: str, what: str) -> Callable[[Places], memoryview]:
    def read(places: Places) -> memoryview:
        content = places.read(name, what=what)
        if digest_of(content) != digest:
            raise damaged(places.address(name), f"{what} differs from its checksum")
        return memoryview(content)

    return read


def _is_intact(file: VersionFile, here: Places) -> bool:
    try:
        file.read(here)
    except CorruptedError:
        return False
    return True


__all__ = [
    "Sent",
    "VersionFile",
    "download_version",
    "files_of_version",
    "read_fragment",
    "read_pack",
    "send_files",
    "upload_version",
]
