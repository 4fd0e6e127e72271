"""Give one dataset the files of another's version: the same files under a second name, copied only where the file system cannot do that.

No file of a dataset is ever changed once a manifest names it, and deleting one takes away one of its names, so that sharing is safe; but
a disk that loses the file loses it for both.
"""

from __future__ import annotations

import filecmp
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from starwhale.errors import ConflictError, CorruptedError
from starwhale.storage.columns.files import make_folder, no_space, sync_files, sync_folder
from starwhale.storage.dataset_rows.dataset_reader import DatasetFolder
from starwhale.storage.dataset_rows.manifest import Manifest, load_manifest
from starwhale.storage.dataset_rows.version_files import check_fragment, check_pack, check_present, names_of

FOLDERS = ("fragments", "packs", "manifests")
"""Folders of a dataset."""


def share_version(source: DatasetFolder, target: DatasetFolder, manifest: Manifest, digest: str) -> None:
    """Give a dataset the files of a version of another; durable when this returns, and nothing of it is left when it fails.

    Both folders have to be held until the catalog names the version: a file under its second name is as old as it was.

    Args:
        source: Dataset that has the version.
        target: Dataset that gets its files.
        manifest: What the version consists of.
        digest: Digest of the manifest.

    Raises:
        CorruptedError: A file of the version is missing or damaged. Values in packs are looked at only where bytes are copied.
        NoSpaceError: The disk is full.
    """
    for part in manifest.fragments():
        check_fragment(source, part)
    for pack in manifest.packs:
        check_present(source, pack)
    made: list[Path] = []
    try:
        for folder in FOLDERS:
            make_folder(target.path / folder)
        copied = [name for name in names_of(manifest, digest) if _place(source, target, manifest, name, made)]
        _check_copies(target, manifest, copied)
        for folder in FOLDERS:
            sync_folder(target.path / folder)
        sync_files([target.path, target.path.parent])
    except BaseException:
        for path in made:
            path.unlink(missing_ok=True)
        raise


def refuse_taken_names(target: DatasetFolder, manifest: Manifest, others: Sequence[str]) -> None:
    """Make sure that no file of a version is about to replace another one: names are random, so that only a forged one would.

    Raises:
        ConflictError: One has the name of another file that a version of the dataset needs.
    """
    wanted = _digests(manifest)
    for digest in others:
        try:
            taken = _digests(load_manifest(target.places, digest))
        except CorruptedError:  # nobody knows what it needs, and it cannot be read either
            continue
        for name in wanted.keys() & taken.keys():
            if wanted[name] != taken[name]:
                message = f"a version of this dataset has another file of the name {name!r}"
                raise ConflictError(message, hint="import it under another name")


def _digests(manifest: Manifest) -> dict[str, str]:
    fragments = {part.file: part.digest for part in manifest.fragments()}
    return {**fragments, **{f"{pack.name}.pack": f"{pack.index} {pack.size}" for pack in manifest.packs}}


def _place(source: DatasetFolder, target: DatasetFolder, manifest: Manifest, name: str, made: list[Path]) -> bool:
    """Make one file; True when its bytes were copied."""
    there, here = source.path / name, target.path / name
    if here.exists():
        if here.samefile(there) or filecmp.cmp(here, there, shallow=False):
            return False
        if not _is_intact(source, manifest, name):  # then it is not for us to say that the other one is worse
            return False
    beside = here.with_name(f".{here.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        is_copied = not _link(there, beside)
        if not here.exists():
            made.append(here)
        beside.replace(here)
    except OSError as error:
        raise no_space(error, here) from error
    finally:
        beside.unlink(missing_ok=True)
    return is_copied


def _link(there: Path, here: Path) -> bool:
    try:
        os.link(there, here)
    except OSError:  # the file system has no such links, or the file has as many as it may
        shutil.copyfile(there, here)
        sync_files([here])
        return False
    return True


def _check_copies(target: DatasetFolder, manifest: Manifest, copied: Sequence[str]) -> None:
    names = set(copied)
    for part in manifest.fragments():
        if f"fragments/{part.file}.parquet" in names:
            check_fragment(target, part)
    for pack in manifest.packs:
        if f"packs/{pack.name}.pack" in names:
            check_pack(target, pack)


def _is_intact(source: DatasetFolder, manifest: Manifest, name: str) -> bool:
    for pack in manifest.packs:
        if name.startswith(f"packs/{pack.name}."):
            try:
                check_pack(source, pack)
            except CorruptedError:
                return False
    return True


__all__ = ["refuse_taken_names", "share_version"]
