"""One version or job in one file: a plain tar that any tar program can list, with an index first and the checksums of everything last.

    index.json        what it is (`ArchiveIndex`), and the name and size of each file, in order
    files/<name>      the files
    checksums.json    BLAKE3 of every entry before it

It is written and read in one pass, so that it may be larger than the memory. Reading takes the entries of the index in their order and
no others: regular files, with names below the folder that is read into. Nothing in it is executed or unpickled. The format knows nothing
of datasets, models and jobs; the modules beside this one do. Decision records 0022 and 0023.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import tarfile
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

from blake3 import blake3

from starwhale.errors import CorruptedError, NoSpaceError, StarwhaleError, UsageError
from starwhale.storage.columns.files import make_folder, no_space
from starwhale.transfer.archive_index import MEMBERS, ArchiveIndex, canonical
from starwhale.transfer.archive_reader import EntryReader, damaged
from starwhale.transfer.target import written_beside

INDEX, CHECKSUMS, FILES = "index.json", "checksums.json", "files/"
MAX_INDEX_BYTES = 64 << 20
"""Bytes of an index: half a million files and more."""
_PIECE = 1 << 20
OnBytes = Callable[[int, int], None]
"""Told after each piece how many bytes of how many have gone by."""


class Readable(Protocol):
    """Something that gives bytes until it has no more."""

    def read(self, size: int = -1, /) -> bytes:
        """Return at most so many bytes; none at the end."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveFile:
    """Where one file of an archive comes from."""

    path: Path
    """The file; for messages too."""
    digest: str = ""
    """Its BLAKE3 where that is known: other bytes are not exported."""
    content: Readable | None = None
    """What to read in place of the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedArchive:
    """What goes into an archive."""

    index: ArchiveIndex
    """What it holds."""
    sources: Iterable[ArchiveFile]
    """Its files in the order of the index; asked for one after another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpacked:
    """An archive, or a member of one, whose files lie in a folder of nobody; all of it is verified."""

    index: ArchiveIndex
    """What it holds."""
    folder: Path
    """Where its files lie, by their names; whoever takes them may move them."""
    digests: Mapping[str, str] = field(default_factory=dict[str, str])
    """Name → BLAKE3 of each file."""

    def members(self) -> tuple[Unpacked, ...]:
        """What else the archive holds."""
        found: list[Unpacked] = []
        for number, member in enumerate(self.index.members):
            prefix = f"{MEMBERS}/{number}/"
            digests = {name: self.digests[prefix + name] for name, _ in member.files}
            found.append(Unpacked(index=member, folder=self.folder / MEMBERS / str(number), digests=digests))
        return tuple(found)


def join_members(packed: PackedArchive, members: Iterable[PackedArchive]) -> PackedArchive:
    """Put what else goes into an archive behind its own files."""
    from dataclasses import replace
    from itertools import chain

    more = tuple(members)
    index = replace(packed.index, members=tuple(each.index for each in more))
    return PackedArchive(index=index, sources=chain(packed.sources, *(each.sources for each in more)))


def write_archive(target: Path, packed: PackedArchive, on_bytes: OnBytes | None = None) -> int:
    """Write an archive beside its target, sync and rename it; what fails leaves nothing, and a file that is there is replaced.

    Args:
        target: File to make or replace.
        packed: What goes into it.
        on_bytes: Told how far it is.

    Returns:
        Bytes of the archive.

    Raises:
        UsageError: Nothing can be written there, or there are too many files for an index.
        CorruptedError: A file is missing, too short, or differs from its digest.
        NoSpaceError: The disk is full, or has less room than the archive needs.
    """
    _check_room(target.parent, packed.index.size_bytes, target)
    try:
        with written_beside(target) as out:
            with tarfile.open(fileobj=out, mode="w|", format=tarfile.GNU_FORMAT) as tar:
                _write_entries(tar, packed, on_bytes)
            return out.tell()
    except StarwhaleError:
        raise
    except OSError as error:
        raise no_space(error, target) from error


def read_index(path: Path) -> ArchiveIndex:
    """Read what an archive says that it holds; nothing is verified yet.

    Raises:
        UsageError: It cannot be read, or is no file.
        CorruptedError: It is no archive of this program.
        RootError: A newer program wrote it.
    """
    with _opened(path) as (entries, _):
        return _read_index(entries)[0]


@contextmanager
def unpacked_archive(path: Path, tmp: Path, on_bytes: OnBytes | None = None) -> Generator[Unpacked]:
    """Give an archive whose files were verified, synced and written below `tmp`; whatever of them is there at the end goes.

    Raises:
        UsageError: It cannot be read, or is no file.
        CorruptedError: It is no archive of this program, or not whole, or damaged.
        RootError: A newer program wrote it.
        NoSpaceError: The disk is full, or has less room than the archive needs; that is found before anything is written.
    """
    folder = tmp / f"import-{secrets.token_hex(12)}"
    try:
        make_folder(folder)
        yield _unpack(path, folder, on_bytes)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unpack(path: Path, folder: Path, on_bytes: OnBytes | None) -> Unpacked:
    with _opened(path) as (entries, size_bytes):
        index, text = _read_index(entries)
        total = index.size_bytes
        counted = _Counter(total, on_bytes)
        if total > size_bytes:
            raise damaged(path, f"its files have {total} bytes, and it has {size_bytes}")
        _check_room(folder, total, path)
        sums = {INDEX: blake3(text).hexdigest()}
        for name, size in index.all_files():
            make_folder((folder / name).parent)
            entries.open(f"{FILES}{name}", size)
            sums[f"{FILES}{name}"] = _write(entries, folder / name, counted)
        _check_sums(entries, sums)
    digests = {name.removeprefix(FILES): digest for name, digest in sums.items() if name != INDEX}
    return Unpacked(index=index, folder=folder, digests=digests)


def _check_sums(entries: EntryReader, sums: Mapping[str, str]) -> None:
    expected = canonical(sums)
    entries.open(CHECKSUMS, len(expected))
    found = entries.read_all()
    if found == expected:
        entries.end()
        return
    wrong = CHECKSUMS
    try:
        said: Any = json.loads(found)  # Any: JSON of anybody
        wrong = next(name for name, digest in sums.items() if said.get(name) != digest)
    except (ValueError, AttributeError, StopIteration, RecursionError):
        pass
    raise damaged(entries.path, f"{wrong} differs from its checksum")


def _write_entries(tar: tarfile.TarFile, packed: PackedArchive, on_bytes: OnBytes | None) -> None:
    index = packed.index
    sums: dict[str, str] = {}
    text = index.to_json()
    if len(text) > MAX_INDEX_BYTES:
        message = f"this has too many files for an archive: its index would have {len(text)} bytes, and may have {MAX_INDEX_BYTES}"
        raise UsageError(message, hint="put many small files into one, or export parts of it")
    _add(tar, INDEX, len(text), BytesIO(text), sums)
    counted = _Counter(index.size_bytes, on_bytes)
    for (name, size), source in zip(index.all_files(), packed.sources, strict=True):
        try:
            if source.content is not None:
                _add(tar, f"{FILES}{name}", size, _Counted(source.content, counted), sums)
            else:
                with _opened_source(source) as content:
                    _add(tar, f"{FILES}{name}", size, _Counted(content, counted), sums)
        except OSError as error:
            if error.errno is None and not isinstance(
                error, CorruptedError
            ):  # tarfile's word for a file that ends early
                raise _not_exported(source, "is shorter than it was") from error
            raise
        if source.digest and sums[f"{FILES}{name}"] != source.digest:
            raise _not_exported(source, "differs from its checksum")
    text = canonical(sums)
    _add(tar, CHECKSUMS, len(text), BytesIO(text), {})


def _opened_source(source: ArchiveFile) -> BinaryIO:
    try:
        return source.path.open("rb")
    except FileNotFoundError as error:
        raise _not_exported(source, "is gone") from error
    except OSError as error:
        raise _not_exported(source, f"cannot be read ({error.strerror})") from error


def _add(tar: tarfile.TarFile, name: str, size: int, source: Readable, sums: dict[str, str]) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = size
    hashing = _Hashing(source)
    tar.addfile(entry, cast("BinaryIO", hashing))
    sums[name] = hashing.hasher.hexdigest()


class _Counter:
    """Tells somebody how many bytes have gone by, about once per piece."""

    def __init__(self, total: int, on_bytes: OnBytes | None) -> None:
        self._total = total
        self._on_bytes = on_bytes
        self._done = self._told = 0

    def add(self, size: int) -> None:
        """Count more bytes."""
        self._done += size
        if self._on_bytes is not None and (self._done - self._told >= _PIECE or self._done == self._total):
            self._told = self._done
            self._on_bytes(self._done, self._total)


class _Counted:
    """Counts what is read through it."""

    def __init__(self, source: Readable, counter: _Counter) -> None:
        self._source = source
        self._counter = counter

    def read(self, size: int = -1, /) -> bytes:
        content = self._source.read(size)
        self._counter.add(len(content))
        return content


class _Hashing:
    """Hashes what is read through it."""

    def __init__(self, source: Readable) -> None:
        self._source = source
        self.hasher = blake3()

    def read(self, size: int = -1) -> bytes:
        content = self._source.read(size)
        self.hasher.update(content)
        return content


@contextmanager
def _opened(path: Path) -> Generator[tuple[EntryReader, int]]:
    """Open an archive, and say how many bytes it has."""
    try:
        if path.exists() and not path.is_file():
            raise UsageError(f"cannot read {path}: it is not a file", hint="give the name of an archive")
        file = path.open("rb")
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", hint="give the name of an archive") from error
    with file:
        yield EntryReader(path, file), os.fstat(file.fileno()).st_size


def _read_index(entries: EntryReader) -> tuple[ArchiveIndex, bytes]:
    size = entries.open(INDEX)
    if size > MAX_INDEX_BYTES:
        raise damaged(entries.path, f"its index has {size} bytes, and may have {MAX_INDEX_BYTES}")
    text = entries.read_all()
    try:
        return ArchiveIndex.from_json(text), text
    except (ValueError, TypeError, KeyError) as error:
        raise damaged(entries.path, f"its index cannot be read: {error}") from error


def _write(entries: EntryReader, target: Path, counted: _Counter) -> str:
    hasher = blake3()
    try:
        with target.open("xb") as out:
            while piece := entries.read(_PIECE):
                hasher.update(piece)
                out.write(piece)
                counted.add(len(piece))
            out.flush()
            os.fsync(out.fileno())
    except OSError as error:
        raise error if isinstance(error, CorruptedError) else no_space(error, target) from error
    return hasher.hexdigest()


def _check_room(folder: Path, needed: int, path: Path) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        message = f"no space left for {path}: it needs {needed} bytes, and {folder} has {free} free"
        raise NoSpaceError(message, hint="free some space; nothing was written")


def _not_exported(source: ArchiveFile, what: str) -> CorruptedError:
    message = f"corrupted file {source.path}: it {what}"
    return CorruptedError(message, path=str(source.path), hint="nothing was exported; restore the file from a copy")


__all__ = [
    "ArchiveFile",
    "ArchiveIndex",
    "OnBytes",
    "PackedArchive",
    "Unpacked",
    "join_members",
    "read_index",
    "unpacked_archive",
    "write_archive",
]
