"""JSON and JSON Lines files as rows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn, cast

from starwhale.datasets.importers.place import HTTP_TIMEOUT_S, Place, Row, TextPlace, list_places
from starwhale.errors import DatasetSourceError, nearest

_LINES_SUFFIXES = (".jsonl", ".ndjson")
_Record = dict[str, object]


def read_json(
    paths: Place | Sequence[Place],
    *,
    field_selector: str = "",
    encoding: str | None = None,
    timeout_s: float = HTTP_TIMEOUT_S,
) -> Iterator[Row]:
    """Yield the rows of JSON files, directories of them (and below) and http(s) addresses; keys count from 0 over all of them.

    A file holds an object (one row) or an array of objects, found at `field_selector` (`a.b.c`) when it is given. Of a file that
    ends in `.jsonl` each line is such a file. JSON Lines are streamed; other files are read whole.

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
    yield from enumerate(_select(_parse(text, "the given text", None), field_selector, "the given text", None))


def _records(place: TextPlace, field_selector: str) -> Iterator[_Record]:
    with place.open() as text:
        if not place.name.lower().partition("?")[0].endswith(_LINES_SUFFIXES):
            yield from _select(_parse(text.read(), place.name, None), field_selector, place.name, None)
            return
        for number, line in enumerate(text, start=1):
            if line.strip():
                yield from _select(_parse(line, place.name, number), field_selector, place.name, number)


def _parse(text: str, name: str, line: int | None) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        at = line or error.lineno
        hint = "mend that line"
        if line is None and error.msg == "Extra data" and error.lineno > 1:
            hint = "if each line is an object, let its name end in .jsonl"
        elif not text.strip():
            hint = "it is empty"
        raise DatasetSourceError(
            f"{name}, line {at}, column {error.colno}: malformed JSON: {error.msg}",
            path=name,
            line=at,
            column=error.colno,
            hint=hint,
        ) from error
    except (RecursionError, ValueError) as error:
        raise DatasetSourceError(
            f"{_where(name, line)}: JSON that cannot be read: {error}", path=name, line=line, hint="mend the file"
        ) from error


def _select(value: object, field_selector: str, name: str, line: int | None) -> Iterator[_Record]:
    if field_selector:
        value = _walk(value, field_selector, name, line)
    if isinstance(value, dict):
        yield cast("_Record", value)
        return
    if not isinstance(value, list):
        raise DatasetSourceError(
            f"{_where(name, line)}: an object or an array of objects is expected, not {_kind(value)}",
            path=name,
            line=line,
            hint="say with a field selector where the rows are" if not field_selector else "",
        )
    for position, record in enumerate(cast("list[object]", value)):
        if not isinstance(record, dict):
            raise DatasetSourceError(
                f"{_where(name, line)}: item {position} of the array is {_kind(record)}, not an object",
                path=name,
                line=line,
            )
        yield cast("_Record", record)


def _walk(value: object, field_selector: str, name: str, line: int | None) -> object:
    passed: list[str] = []
    for part in field_selector.split("."):
        if isinstance(value, dict) and part in value:
            value = cast("_Record", value)[part]
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(cast("list[Any]", value)):
            value = cast("list[object]", value)[int(part)]
        else:
            _no_match(value, part, ".".join(passed), field_selector, name, line)
        passed.append(part)
    return value


def _no_match(value: object, part: str, passed: str, selector: str, name: str, line: int | None) -> NoReturn:
    inside = f"in {passed!r}" if passed else "at the top"
    hint = ""
    if isinstance(value, dict):
        hint = nearest(part, [str(key) for key in cast("dict[object, object]", value)]) or "the object there is empty"
        found = f"there is no {part!r} {inside}"
    else:
        found = f"there is {_kind(value)} {inside}, which has no {part!r}"
    raise DatasetSourceError(
        f"{_where(name, line)}: the field selector {selector!r} does not match: {found}",
        path=name,
        line=line,
        hint=hint,
    )


def _where(name: str, line: int | None) -> str:
    return name if line is None else f"{name}, line {line}"


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
