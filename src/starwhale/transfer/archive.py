"""One version in one file: a plain tar that any tar program can list, with an index first and the checksums of everything last.

    index.json        what it is (`ArchiveIndex`), and the name and size of each file, in order
    files/<name>      the files
    checksums.json    BLAKE3 of every entry before it

It is written and read in one pass, so that it may be larger than the memory. Reading takes the entries of the index in their order and
no others: regular files, with names below the folder that is read into. Nothing in it is executed or unpickled. The format knows nothing
of datasets; models and runtimes go the same way. Decision record 0022.
"""

from __future__ import annotations

import json
import os
import re
import tarfile
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, cast

from blake3 import blake3

from starwhale.errors import CorruptedError, RootError
from starwhale.storage.tables.files import make_folder, no_space, sync_folder

FORMAT = 1
"""Number of the format; a higher one belongs to a newer program."""
INDEX, CHECKSUMS, FILES = "index.json", "checksums.json", "files/"
MAX_INDEX_BYTES = 64 << 20
"""Bytes of an index: a million files and more."""
_PIECE = 1 << 20
_NAME = re.compile(r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveIndex:
    """What an archive holds."""

    kind: str
    """`dataset`, later `model` and `runtime`."""
    name: str
    """Name of the thing."""
    project: str
    """Project that it came from."""
    version: str
    """Whole version id."""
    content_digest: str
    """Digest of the version's content."""
    message: str = ""
    """What the user said about it."""
    tags: tuple[str, ...] = ()
    """The user's tags."""
    manifest: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What `info` shows."""
    files: tuple[tuple[str, int], ...] = ()
    """Name and bytes of each file, in the order of the archive."""

    def to_json(self) -> bytes:
        """Write canonical JSON."""
        return _canonical({**asdict(self), "format": FORMAT})

    @classmethod
    def from_json(cls, text: bytes) -> ArchiveIndex:
        """Read what `to_json` wrote.

        Raises:
            ValueError: It is no index.
            RootError: A newer program wrote it.
        """
        state: Any = json.loads(text)
        if not isinstance(state, dict) or type(state.get("format")) is not int:
            raise ValueError("its index is not one of this program")
        if state.pop("format") > FORMAT:
            raise RootError("this archive was written by a newer program", hint="upgrade starwhale-evaluation")
        if set(state) != {each.name for each in fields(cls)}:
            raise ValueError("its index has other fields than it should")
        for name in ("kind", "name", "project", "version", "content_digest", "message"):
            if type(state[name]) is not str:
                raise ValueError(f"{name} in its index is not a text")
        tags, files = cast("list[Any]", state["tags"]), cast("list[Any]", state["files"])
        if not (isinstance(state["manifest"], dict) and all(type(tag) is str for tag in tags)):
            raise ValueError("its index has other fields than it should")
        checked: dict[str, Any] = {"tags": tuple(tags), "files": tuple(_checked_file(each) for each in files)}
        return cls(**{**state, **checked})


def write_archive(target: Path, index: ArchiveIndex, files: Iterable[Path]) -> int:
    """Write an archive beside its target, sync and rename it; what fails leaves nothing.

    Args:
        target: File to make or replace.
        index: What it holds.
        files: Where the files of the index lie, in its order; asked for one after another, so that each can be checked before.

    Returns:
        Bytes of the archive.

    Raises:
        NoSpaceError: The disk is full.
    """
    beside = target.with_name(f".{target.name}.{os.getpid()}.{os.urandom(4).hex()}")
    sums: dict[str, str] = {}
    try:
        with beside.open("xb") as out:
            with tarfile.open(fileobj=out, mode="w|", format=tarfile.GNU_FORMAT) as tar:
                text = index.to_json()
                _add(tar, INDEX, len(text), BytesIO(text), sums)
                for (name, size), path in zip(index.files, files, strict=True):
                    with path.open("rb") as source:
                        _add(tar, f"{FILES}{name}", size, source, sums)
                text = _canonical(sums)
                _add(tar, CHECKSUMS, len(text), BytesIO(text), {})
            out.flush()
            os.fsync(out.fileno())
            size = out.tell()
        beside.replace(target)
        sync_folder(target.parent)
        return size
    except OSError as error:
        raise no_space(error, target) from error
    finally:
        beside.unlink(missing_ok=True)


def read_index(path: Path) -> ArchiveIndex:
    """Read what an archive says that it holds; nothing is verified yet.

    Raises:
        CorruptedError: It is no archive of this program.
        RootError: A newer program wrote it.
        OSError: It cannot be read.
    """
    with _opened(path) as tar:
        return _read_index(path, tar)[0]


def unpack_archive(path: Path, folder: Path) -> ArchiveIndex:
    """Write the files of an archive into a folder, verified and synced; whoever calls removes the folder when that fails.

    Raises:
        CorruptedError: It is no archive of this program, or not whole, or damaged.
        RootError: A newer program wrote it.
        NoSpaceError: The disk is full.
        OSError: It cannot be read.
    """
    sums: dict[str, str] = {}
    with _opened(path) as tar:
        index, text = _read_index(path, tar)
        sums[INDEX] = blake3(text).hexdigest()
        for name, size in index.files:
            source = _entry(path, tar, f"{FILES}{name}", size)
            make_folder((folder / name).parent)
            sums[f"{FILES}{name}"] = _write(path, source, size, folder / name)
        expected = _canonical(sums)
        found = _entry(path, tar, CHECKSUMS, len(expected)).read()
        if found != expected:
            try:
                said: Any = json.loads(found)
                wrong = next(name for name, digest in sums.items() if said.get(name) != digest)
            except (ValueError, AttributeError, StopIteration):
                wrong = CHECKSUMS
            raise _damaged(path, f"{wrong} differs from its checksum")
    return index


def _add(tar: tarfile.TarFile, name: str, size: int, source: BinaryIO, sums: dict[str, str]) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = size
    hashing = _Hashing(source)
    tar.addfile(entry, cast("BinaryIO", hashing))
    sums[name] = hashing.hasher.hexdigest()


class _Hashing:
    """Hashes what is read through it."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self.hasher = blake3()

    def read(self, size: int = -1) -> bytes:
        content = self._source.read(size)
        self.hasher.update(content)
        return content


@contextmanager
def _opened(path: Path) -> Generator[tarfile.TarFile]:
    with path.open("rb") as file:
        try:
            with tarfile.open(fileobj=file, mode="r|") as tar:
                yield tar
        except (tarfile.TarError, EOFError) as error:
            raise _damaged(path, f"it is no archive, or not whole ({error})") from error


def _entry(path: Path, tar: tarfile.TarFile, name: str, size: int) -> BinaryIO:
    """Open the next entry, which has to be this one."""
    found = tar.next()
    if found is None:
        raise _damaged(path, f"it ends before {name}")
    tar.members = []  # type: ignore[attr-defined]  # it would remember every entry that has gone by
    if found.name != name or found.type != tarfile.REGTYPE or (size >= 0 and found.size != size):
        raise _damaged(path, f"{found.name!r} stands where {name!r} should, or has another size")
    source = tar.extractfile(found)
    assert source is not None  # noqa: S101  it is a regular file
    return cast("BinaryIO", source)


def _read_index(path: Path, tar: tarfile.TarFile) -> tuple[ArchiveIndex, bytes]:
    source = _entry(path, tar, INDEX, -1)
    text = source.read(MAX_INDEX_BYTES + 1)
    try:
        index = ArchiveIndex.from_json(text)
    except (ValueError, TypeError, KeyError) as error:
        raise _damaged(path, f"its index cannot be read ({error})") from error
    return index, text


def _write(path: Path, source: BinaryIO, size: int, target: Path) -> str:
    hasher, done = blake3(), 0
    try:
        with target.open("xb") as out:
            while piece := _read(path, source):
                hasher.update(piece)
                out.write(piece)
                done += len(piece)
            out.flush()
            os.fsync(out.fileno())
    except OSError as error:
        raise error if isinstance(error, CorruptedError) else no_space(error, target) from error
    if done != size:
        raise _damaged(path, f"it ends within {target.name}")
    return hasher.hexdigest()


def _read(path: Path, source: BinaryIO) -> bytes:
    try:
        return source.read(_PIECE)
    except tarfile.TarError as error:
        raise _damaged(path, f"it is not whole ({error})") from error


def _checked_file(entry: Any) -> tuple[str, int]:  # Any: JSON of anybody
    name, size = entry
    if type(name) is not str or not _NAME.match(name) or type(size) is not int or size < 0:
        raise ValueError(f"{name!r} is not a name of a file in an archive")
    return name, size


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def _damaged(path: Path, reason: str) -> CorruptedError:
    return CorruptedError(
        f"corrupted archive {path}: {reason}", path=str(path), hint="get the file again; nothing was imported"
    )


__all__ = ["ArchiveIndex", "read_index", "unpack_archive", "write_archive"]
