"""JSON and JSON Lines files as rows."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

from starwhale.datasets.importers.json_stream import JsonStream, unique_object
from starwhale.datasets.importers.place import HTTP_TIMEOUT_S, Row, SourcePlace, TextPlace, list_places
from starwhale.datasets.importers.registry import Importer
from starwhale.errors import DatasetSourceError, nearest

_LINES_SUFFIXES = (".jsonl", ".ndjson")
_Record = dict[str, object]
_DECODER = json.JSONDecoder(object_pairs_hook=unique_object)


def read_json(
    paths: SourcePlace | Sequence[SourcePlace],
    *,
    field_selector: str = "",
    encoding: str | None = None,
    timeout_s: float = HTTP_TIMEOUT_S,
) -> Iterator[Row]:
    """Yield the rows of JSON files, directories of them (and below) and http(s) addresses; keys count from 0 over all of them.

    A file holds an object (one row) or an array of objects, found at `field_selector` (`a.b.c`) when it is given. Of a file that
    ends in `.jsonl` each line is such a file. All of them are streamed, one row at a time.

    Raises:
        DatasetSourceError: A file is missing, unreadable or malformed; with file, line and column.
    """
    key = 0
    for name in list_places(paths, (".json", *_LINES_SUFFIXES)):
        place = TextPlace(name=name, encoding=encoding, timeout_s=timeout_s)
        for record in _records(place, field_selector):
            yield key, record
            key += 1


def read_json_text(text: str, *, field_selector: str = "") -> Iterator[Row]:
    """Yield the rows of JSON text."""
    yield from enumerate(_document(JsonStream(io.StringIO(text), "the given text"), "the given text", field_selector))


def _records(place: TextPlace, field_selector: str) -> Iterator[_Record]:
    with place.open() as text:
        if not place.name.lower().partition("?")[0].endswith(_LINES_SUFFIXES):
            yield from _document(JsonStream(text, place.name), place.name, field_selector)
            return
        for number, line in enumerate(text, start=1):
            if not line.strip():
                continue
            value = _parse_line(line, place.name, number)
            if not field_selector and isinstance(value, dict):
                yield cast("_Record", value)
            else:
                stream = JsonStream(io.StringIO(line), place.name, line=number)
                yield from _document(stream, place.name, field_selector)


def _parse_line(line: str, name: str, number: int) -> object:
    try:
        return _DECODER.decode(line)
    except json.JSONDecodeError as error:
        raise DatasetSourceError(
            f"{name}, line {number}, column {error.colno}: malformed JSON: {error.msg}",
            path=name,
            line=number,
            column=error.colno,
            hint="mend that line",
        ) from error
    except (RecursionError, ValueError) as error:
        message = f"{name}, line {number}: JSON that cannot be read: {error}"
        raise DatasetSourceError(message, path=name, line=number, hint="mend that line") from error


def _document(stream: JsonStream, name: str, selector: str) -> Iterator[_Record]:
    """Yield the rows of a document, and look at the rest of it too: a file that is cut off is not read in part."""
    yield from _walk(stream, name, selector, [], selector.split(".") if selector else [])
    stream.end()


def _walk(stream: JsonStream, name: str, selector: str, passed: list[str], left: list[str]) -> Iterator[_Record]:
    if not left:
        yield from _rows(stream, name, has_selector=bool(selector))
        return
    part = left[0]
    kind, line = stream.peek(), stream.line
    known: list[str] = []
    is_found = False
    if kind == "{":
        for member in stream.members():
            known.append(member)
            if member == part:
                is_found = True
                yield from _walk(stream, name, selector, [*passed, part], left[1:])
            else:
                stream.skip()
    elif kind == "[" and part.isdecimal():
        for position in stream.elements():
            if position == int(part):
                is_found = True
                yield from _walk(stream, name, selector, [*passed, part], left[1:])
            else:
                stream.skip()
    else:
        found = f"there is {_kind(stream.value().value)} {_inside(passed)}, which has no {part!r}"
        raise _no_match(selector, found, name, line)
    if not is_found:
        hint = nearest(part, known) or ("the object there is empty" if kind == "{" else "it has fewer items")
        raise _no_match(selector, f"there is no {part!r} {_inside(passed)}", name, line, hint)


def _rows(stream: JsonStream, name: str, *, has_selector: bool) -> Iterator[_Record]:
    if stream.peek() == "[":
        for position, piece in enumerate(stream.items()):
            if not isinstance(piece.value, dict):
                raise DatasetSourceError(
                    f"{name}, line {piece.line}: item {position} of the array is {_kind(piece.value)}, not an object",
                    path=name,
                    line=piece.line,
                )
            yield cast("_Record", piece.value)
        return
    piece = stream.value()
    if not isinstance(piece.value, dict):
        raise DatasetSourceError(
            f"{name}, line {piece.line}: an object or an array of objects is expected, not {_kind(piece.value)}",
            path=name,
            line=piece.line,
            hint="" if has_selector else "say with a field selector where the rows are",
        )
    yield cast("_Record", piece.value)


def _no_match(selector: str, found: str, name: str, line: int, hint: str = "") -> DatasetSourceError:
    message = f"{name}, line {line}: the field selector {selector!r} does not match: {found}"
    return DatasetSourceError(message, path=name, line=line, hint=hint)


def _inside(passed: list[str]) -> str:
    return f"in {'.'.join(passed)!r}" if passed else "at the top"


def _kind(value: object) -> str:
    if value is None:
        return "null"
    names = {
        dict: "an object",
        list: "an array",
        str: "text",
        bool: "true or false",
        int: "a number",
        float: "a number",
    }
    if isinstance(value, list):
        return f"an array of {len(cast('list[object]', value))} items"
    return names.get(cast("type[Any]", type(value)), type(value).__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonOptions:
    """How the files are written."""

    field_selector: str = ""
    """Where the rows lie: `a.b.c`."""

    encoding: str | None = None
    """None means UTF-8, with or without a byte order mark."""


def _read(places: Sequence[str], options: JsonOptions) -> Iterator[Row]:
    return read_json(places, field_selector=options.field_selector, encoding=options.encoding)


IMPORTER = Importer(read=_read, options=JsonOptions, suffixes=(".json", *_LINES_SUFFIXES))
