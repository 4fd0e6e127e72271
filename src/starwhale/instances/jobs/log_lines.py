"""Lines of a log by their place: forwards, backwards, or those that hold a text, of millions of lines without reading them all."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from starwhale.instances.jobs.job_logs import tail_start

MOST_BYTES = 1 << 20
"""Bytes of an answer, about."""
SEARCHED_BYTES = 256 << 20
"""A search that has looked at so many bytes stops, and says where to go on."""
SHOWN_BYTES = 8192
"""A longer line is cut."""
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class LinesWanted:
    """Which lines of a log."""

    start: int | None = None
    """Offset to read from, forwards."""
    before: int | None = None
    """Offset to read up to: the lines before it. With neither, the last lines."""
    search: str = ""
    """Only lines that hold this text, in any case."""
    limit: int = 500
    """At most so many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinesFound:
    """Some lines of a log."""

    lines: tuple[tuple[int, str], ...]
    """Offset and text of each, without its end."""
    start: int
    """Offset of the first line that was looked at."""
    end: int
    """Offset behind the last."""
    size_bytes: int
    """Bytes that the log has."""
    is_searched: bool = True
    """Whether everything was looked at that was asked for."""


def read_lines(path: Path, wanted: LinesWanted) -> LinesFound:
    """Return lines of a log; none of one that is not there yet. A line without its end at the end of the file is one too."""
    if not path.exists():
        return LinesFound(lines=(), start=0, end=0, size_bytes=0)
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if wanted.start is None and wanted.before is None and not wanted.search:
            return _forwards(file, tail_start(path, wanted.limit), size, wanted, size)
        if wanted.start is not None or wanted.before is None:
            return _forwards(file, min(wanted.start or 0, size), size, wanted, size)
        stop = min(wanted.before, size)
        return _forwards(file, _some_before(file, stop, wanted.limit), stop, wanted, size)


def _some_before(file: BinaryIO, stop: int, limit: int) -> int:
    """Return the offset at which the last lines before an offset begin, of no more than an answer holds."""
    first = max(stop - MOST_BYTES, 0)
    file.seek(first)
    content = file.read(stop - first)
    place = len(content)
    if content.endswith(b"\n"):
        place -= 1
    for _ in range(limit):
        place = content.rfind(b"\n", 0, place)
        if place < 0:
            return first if first == 0 else first + content.find(b"\n") + 1
    return first + place + 1


def _forwards(file: BinaryIO, start: int, stop: int, wanted: LinesWanted, size: int) -> LinesFound:
    text = wanted.search.casefold()
    found: list[tuple[int, str]] = []
    at, given = start, 0
    file.seek(start)
    rest = b""
    while at + len(rest) < stop and len(found) < wanted.limit and given < MOST_BYTES:
        if at - start >= SEARCHED_BYTES:
            return LinesFound(lines=tuple(found), start=start, end=at, size_bytes=size, is_searched=False)
        block = file.read(min(_BLOCK_BYTES, stop - at - len(rest)))
        if not block:
            break
        pieces = (rest + block).split(b"\n")
        rest = pieces.pop()
        for piece in pieces:
            if len(found) >= wanted.limit or given >= MOST_BYTES:
                return LinesFound(lines=tuple(found), start=start, end=at, size_bytes=size)
            given += _take(found, at, piece, text)
            at += len(piece) + 1
        if len(rest) >= MOST_BYTES:  # a line that does not end
            given += _take(found, at, rest, text)
            at += len(rest)
            rest = b""
    if rest and at + len(rest) >= stop and len(found) < wanted.limit and given < MOST_BYTES:
        _take(found, at, rest, text)
        at += len(rest)
    return LinesFound(lines=tuple(found), start=start, end=at, size_bytes=size)


def _take(found: list[tuple[int, str]], at: int, line: bytes, text: str) -> int:
    """Add a line that fits, and return the bytes that it adds to the answer."""
    shown = line[:SHOWN_BYTES].decode("utf-8", errors="backslashreplace").rstrip("\r")
    if (
        text
        and text not in shown.casefold()
        and (len(line) <= SHOWN_BYTES or text not in line.decode("utf-8", "replace").casefold())
    ):
        return 0
    more = f"… ({len(line) - SHOWN_BYTES:,} bytes more)" if len(line) > SHOWN_BYTES else ""
    found.append((at, shown + more))
    return min(len(line), SHOWN_BYTES) + 32
