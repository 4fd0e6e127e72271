"""The file that is written for a user: nothing but a file is replaced, and what fails leaves what was there."""

from __future__ import annotations

import os
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from starwhale.errors import AlreadyExistsError, StarwhaleError, UsageError
from starwhale.storage.columns.files import no_space, sync_folder


def find_target(path: Path, *, force: bool) -> Path:
    """Return the file that a name means, behind links, and refuse a place where none can be written.

    Args:
        path: What the user named.
        force: Whether a file that is there may be replaced.

    Raises:
        UsageError: It is a folder, a device or a pipe, or its folder is not there.
        AlreadyExistsError: The file is there, and nobody said that it may be replaced.
    """
    try:
        target = Path(os.path.realpath(path)) if path.is_symlink() else path
        is_there, is_folder, is_file = target.exists(), target.is_dir(), target.is_file()
        has_folder = target.parent.is_dir()
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}", hint="give the name of a file") from error
    if is_folder or not has_folder:
        what = "is a folder" if is_folder else f"cannot be made: there is no folder {target.parent}"
        raise UsageError(f"{path} {what}", hint="give the name of a file")
    if is_there and not is_file:
        raise UsageError(f"{path} is a device, a pipe or a socket, which is not replaced", hint="name another file")
    if is_there and not force:
        raise AlreadyExistsError(f"there is a file {path} already", hint="replace it with --force")
    return target


@contextmanager
def written_beside(target: Path) -> Generator[BinaryIO]:
    """Open a file beside the target, and put it in its place once it is whole and on disk; what fails leaves nothing.

    Raises:
        UsageError: Nothing can be written there.
        NoSpaceError: The disk is full.
    """
    beside = target.with_name(f".{secrets.token_hex(8)}")
    try:
        out = beside.open("xb")
    except OSError as error:
        if isinstance(mended := no_space(error, target), StarwhaleError):
            raise mended from error
        raise UsageError(f"{target} cannot be written: {error.strerror}", hint="name another file") from error
    try:
        with out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        _put_in_place(beside, target)
        sync_folder(target.parent)
    finally:
        beside.unlink(missing_ok=True)


def _put_in_place(beside: Path, target: Path) -> None:
    try:
        beside.replace(target)
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error.strerror}", hint="name another file") from error


__all__ = ["find_target", "written_beside"]
