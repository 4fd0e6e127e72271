"""Go through a work directory and say what belongs to the model, without reading any file."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from starwhale.errors import ModelSourceError
from starwhale.models.ignore import IgnoreRules
from starwhale.models.listing import EntryKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What the system says of a file: while it stays as it is, so does the content, but for changes that are too quick for the clock."""

    size: int
    """Bytes."""
    mtime_ns: int
    """When the content was changed, by what writers say."""
    ctime_ns: int
    """When anything of the file was changed, which nobody can set."""
    inode: int
    """Number of the file."""
    device: int
    """Number of the file system."""
    disk_bytes: int
    """Bytes that it takes on the disk: fewer than `size` where it has holes."""
    is_executable: bool
    """Whether somebody may run it."""

    @classmethod
    def of(cls, found: os.stat_result) -> Stamp:
        """Take what matters of a file's state."""
        return cls(
            size=found.st_size,
            mtime_ns=found.st_mtime_ns,
            ctime_ns=found.st_ctime_ns,
            inode=found.st_ino,
            device=found.st_dev,
            disk_bytes=min(found.st_size, found.st_blocks * 512),
            is_executable=bool(found.st_mode & 0o111),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Walked:
    """Something to be packaged."""

    path: str
    """Below the work directory, with slashes."""
    kind: EntryKind
    """What it becomes."""
    source: Path
    """Of a file: what to read; for a link that leads out, the file that it leads to."""
    target: str = ""
    """Of a link: where it leads, relative to its folder."""
    stamp: Stamp | None = None
    """Of a file: what the system says of it."""


def walk(
    workdir: Path,
    rules: IgnoreRules,
    *,
    skip: Path | None = None,
    on_left_out: Callable[[str], object] = lambda _path: None,
) -> Iterator[Walked]:
    """Yield files, links and empty folders, in no promised order.

    A link stays a link when it leads to something that is packaged too. One that leads to a file elsewhere becomes that file; one that
    leads to a folder elsewhere, or nowhere, is refused.

    Args:
        workdir: The model root, resolved.
        rules: What is left out.
        skip: A folder that is left out whatever the rules say, resolved: the storage root may lie in a work directory.
        on_left_out: Called with the path of each file or folder that is left out; what lies in such a folder is not looked at.

    Raises:
        ModelSourceError: Something cannot be read, or is no file, folder or link.
    """
    folders = [""]
    while folders:
        folder = folders.pop()
        names = _names(workdir / folder, folder)
        if folder and rules.is_environment(names):
            on_left_out(f"{folder}/")
            continue
        kept = 0
        for name in names:
            path = f"{folder}/{name}" if folder else name
            source = workdir / path
            state = _state(source, path)
            mode = state.st_mode
            is_folder = stat.S_ISDIR(mode)
            if source == skip or rules.leaves_out(path, is_folder=is_folder):
                on_left_out(f"{path}/" if is_folder else path)
                continue
            kept += 1
            _check_text(path)
            if is_folder:
                folders.append(path)
            elif stat.S_ISLNK(mode):
                yield _follow(workdir, path, rules)
            elif stat.S_ISREG(mode):
                yield Walked(path=path, kind=EntryKind.FILE, source=source, stamp=Stamp.of(state))
            else:
                raise _refused(path, "is a socket, a pipe or a device, which cannot be packaged")
        if folder and not kept:
            yield Walked(path=folder, kind=EntryKind.FOLDER, source=workdir / folder)


def _follow(workdir: Path, path: str, rules: IgnoreRules) -> Walked:
    link = workdir / path
    try:
        end = link.resolve(strict=True)
        step = Path(os.path.normpath(link.parent / link.readlink()))
    except (OSError, RuntimeError) as error:
        reason = "goes in a circle" if isinstance(error, RuntimeError) else "leads to nothing"
        raise _refused(path, f"is a link that {reason}") from error
    if _is_packaged(workdir, end, rules):
        near = step if _is_packaged(workdir, step, rules) and _leads_to(step, end) else end
        return Walked(path=path, kind=EntryKind.LINK, source=link, target=os.path.relpath(near, link.parent))
    if end.is_file():
        return Walked(path=path, kind=EntryKind.FILE, source=end, stamp=Stamp.of(_state(end, path)))
    what = f"is a link to {end}, which is not packaged with it"
    raise ModelSourceError(
        f"{path!r} {what}", path=path, hint=f"copy the folder to its place, or leave the link out: --exclude '/{path}'"
    )


def _leads_to(step: Path, end: Path) -> bool:
    """Whether the place that a link names, read as text, is where it really leads: `..` after another link may be elsewhere."""
    try:
        return step.resolve(strict=True) == end
    except (OSError, RuntimeError):
        return False


def _is_packaged(workdir: Path, target: Path, rules: IgnoreRules) -> bool:
    """Whether a file or folder lies in the work directory, and neither it nor a folder above it is left out."""
    if not target.is_relative_to(workdir):
        return False
    parts = target.relative_to(workdir).parts
    for end in range(1, len(parts) + 1):
        above = workdir.joinpath(*parts[:end])
        is_folder = above.is_dir() and not above.is_symlink()
        if rules.leaves_out("/".join(parts[:end]), is_folder=is_folder):
            return False
        if is_folder and rules.is_environment(_names(above, "/".join(parts[:end]))):
            return False
    return True


def _names(folder: Path, path: str) -> list[str]:
    try:
        return sorted(each.name for each in folder.iterdir())
    except OSError as error:
        raise _refused(path or str(folder), f"cannot be read: {error.strerror}") from error


def _state(source: Path, path: str) -> os.stat_result:
    try:
        return source.lstat()
    except OSError as error:
        raise _refused(path, f"vanished while it was packaged: {error.strerror}") from error


def _check_text(path: str) -> None:
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise _refused(path, "has a name that is not UTF-8") from error


def _refused(path: str, what: str) -> ModelSourceError:
    return ModelSourceError(
        f"{path!r} {what}", path=path, hint="mend it, or leave it out with --exclude or a line in .swignore"
    )
