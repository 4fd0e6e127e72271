"""The files that one version of a dataset consists of, and whether they are what was written."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from starwhale.errors import CorruptedError
from starwhale.storage.columns.cells import PackRef
from starwhale.storage.columns.files import damaged
from starwhale.storage.dataset_rows.column_cache import ColumnCache
from starwhale.storage.dataset_rows.fragment_file import FragmentFile, fragment_name
from starwhale.storage.dataset_rows.manifest import Fragment, Manifest, Pack
from starwhale.storage.dataset_rows.packs import Packs, pack_file

if TYPE_CHECKING:
    from starwhale.storage.dataset_rows.dataset_reader import DatasetFolder


def names_of(manifest: Manifest, digest: str) -> list[str]:
    """Name the files of a version below its dataset's folder, each once, its manifest last."""
    fragments = [fragment_name(part) for part in manifest.fragments()]
    packs = [pack_file(pack.name, ending=ending) for pack in manifest.packs for ending in ("pack", "idx")]
    lists = [each.name for each in manifest.pack_lists]
    return list(dict.fromkeys([*fragments, *packs, *lists, f"manifests/{digest}.json"]))


def statistics_name(digest: str) -> str:
    """Name the file of a version's statistics below its dataset's folder: no part of the version, and made again when it is gone."""
    return f"statistics/{digest}.json"


def check_fragment(folder: DatasetFolder, part: Fragment) -> None:
    """Read a fragment from disk, whatever of it is in memory.

    Raises:
        CorruptedError: It is missing, or not what was written.
    """
    FragmentFile(folder.places, part, ColumnCache(1)).check()


def check_pack(folder: DatasetFolder, pack: Pack) -> None:
    """Read a pack and its index from disk.

    Raises:
        CorruptedError: One of them is missing, or not what was written.
    """
    for damage in damages_of_pack(folder, pack):
        raise damage.error


@dataclass(frozen=True, slots=True, kw_only=True)
class PackDamage:
    """What is wrong with a pack."""

    error: CorruptedError
    """The file, and what is wrong."""
    ref: PackRef | None = None
    """The value that is lost; None where it is the index."""


def damages_of_pack(folder: DatasetFolder, pack: Pack) -> Iterator[PackDamage]:
    """Read a pack and its index, whatever of them is in memory, and name every value that is damaged."""
    yield from damages_in(Packs(folder.packs.folder, folder.packs.hold, places=folder.places), pack)


def damages_in(packs: Packs, pack: Pack) -> Iterator[PackDamage]:
    """Do the same with packs that the caller has opened."""
    try:
        items = packs.index(pack)
    except CorruptedError as error:
        yield PackDamage(error=error)
        return
    for ref in items:
        try:
            packs.source(ref).verify()
        except CorruptedError as error:
            yield PackDamage(error=error, ref=ref)


def check_carried(folder: DatasetFolder, manifest: Manifest, written: Collection[Path]) -> None:
    """Check what a new version takes over from older ones, so that damage is not handed on in silence.

    Fragments are read, once per process: they are small beside what they refer to. Of packs presence and length are looked at, and
    every value is verified when it is read, or when a writer is about to refer to it again.

    Args:
        folder: The dataset.
        manifest: What the new version will consist of.
        written: Files that its writer has just written.

    Raises:
        CorruptedError: A file is missing or damaged; the hint says what to do.
    """
    new = {path.name for path in written}
    try:
        for part in manifest.fragments():
            if f"{part.file}.parquet" not in new and part.digest not in folder.checked:
                check_fragment(folder, part)
                folder.checked.add(part.digest)
        for pack in manifest.packs:
            if pack.index not in folder.checked:
                check_present(folder, pack)
                folder.checked.add(pack.index)
    except CorruptedError as error:
        error.hint = "nothing was committed; restore the file from a copy, or build anew what it holds with --overwrite"
        raise


def check_present(folder: DatasetFolder, pack: Pack) -> None:
    """Look whether a pack and its index are there and as long as they were; what is in them is checked when it is read.

    Raises:
        CorruptedError: One of them is not.
    """
    place = f"{folder.packs.folder}/{pack.name}"
    for path, size in ((f"{place}.pack", pack.size), (f"{place}.idx", None)):
        try:
            found = os.stat(path).st_size  # noqa: PTH116  a commit may look at thousands
        except OSError as error:
            raise damaged(path, f"it is missing or unreadable ({error.strerror})") from error
        if size is not None and found != size:
            raise damaged(path, f"it has {found} bytes instead of {size}")


__all__ = [
    "PackDamage",
    "check_carried",
    "check_fragment",
    "check_pack",
    "check_present",
    "damages_in",
    "damages_of_pack",
    "names_of",
    "statistics_name",
]
