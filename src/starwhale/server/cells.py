"""Cells as JSON for the console: what JSON cannot hold, and what is large, is an object with `_type` and often an `href`.

Nothing here reads the content of media; an `href` does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from starwhale.errors import StarwhaleError
from starwhale.media.artifact import BaseArtifact
from starwhale.media.text import Text
from starwhale.media.value import MediaValue
from starwhale.wire.rows import Cell, RowView

SHOWN_CHARACTERS = 2000
"""Characters of a text in a row; the rest is behind its `href`."""
SHOWN_ITEMS = 200
"""Items of a list or object in a row."""
SHOWN_POINTS = 20_000
"""Numbers of an outline or of a run-length encoded mask; less than all would draw something else."""
DEEPEST = 12
"""Levels of nested values in a row."""
SAFE_INTEGER = 2**53
"""Numbers from here on lose digits in a browser."""


class Shown:
    """Makes JSON of the cells of one row."""

    def __init__(self, address: str, row: Mapping[str, str]) -> None:
        """Remember where the content of a cell is asked for: an address, and the words that name the row."""
        self._address = address
        self._row = dict(row)

    def cell(self, column: str, value: Any, at: str = "", depth: int = 0) -> Cell:  # Any: a cell of a user's
        """Return a cell as JSON; `at` is its place within the column's value, as `mask/0`."""
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int):
            return value if -SAFE_INTEGER < value < SAFE_INTEGER else {"_type": "number", "value": str(value)}
        if isinstance(value, float):
            return value if math.isfinite(value) else {"_type": "number", "value": str(value)}
        if isinstance(value, str):
            return self._text(column, value, at)
        if isinstance(value, bytes):
            return {"_type": "bytes", "size_bytes": len(value), "href": self.href(column, at)}
        if isinstance(value, StarwhaleError):
            return {"_type": "error", "code": value.code, "message": value.message}
        if isinstance(value, BaseArtifact):
            return self._media(column, value, at)
        if isinstance(value, MediaValue):
            return {name: self._plain(each) for name, each in value.asdict().items()}
        if depth >= DEEPEST:
            return {"_type": "value", "value": repr(value)[:SHOWN_CHARACTERS]}
        if isinstance(value, Mapping):
            return self._mapping(column, value, at, depth)
        if isinstance(value, Sequence):
            return self._sequence(column, value, at, depth)
        item = getattr(value, "item", None)
        return (
            self.cell(column, item(), at, depth)
            if callable(item)
            else {"_type": "value", "value": repr(value)[:SHOWN_CHARACTERS]}
        )

    def row(self, row: Mapping[str, Any]) -> RowView:
        """Return a row as JSON."""
        return {name: self.cell(name, value) for name, value in row.items()}

    def href(self, column: str, at: str) -> str:
        """Return where the whole content of a cell is."""
        return f"{self._address}?{urlencode({**self._row, 'column': column, **({'at': at} if at else {})})}"

    def _text(self, column: str, value: str, at: str) -> Cell:
        text = value.encode("utf-8", "backslashreplace").decode()  # lone surrogates are no text for JSON
        if len(text) <= SHOWN_CHARACTERS:
            return text
        return {
            "_type": "long_text",
            "value": text[:SHOWN_CHARACTERS],
            "length": len(text),
            "href": self.href(column, at),
        }

    def _media(self, column: str, value: BaseArtifact, at: str) -> Cell:
        shown = {
            name: self._plain(each)
            for name, each in value.asdict(["_dtype_name"]).items()
            if each not in (None, "", [])
        }
        shown["mime_type"] = shown.pop("_mime_type", "")
        if value.link is not None and value.carried_source is None:
            return {
                **shown,
                "link": self._plain(value.link.asdict()),
            }  # nothing is fetched from elsewhere, not even its size
        shown["size_bytes"] = value.size_bytes
        shown["href"] = self.href(column, at)
        if isinstance(value, Text) and (value.size_bytes or 0) <= 4 * SHOWN_CHARACTERS:
            try:
                shown["value"] = self._text(column, value.to_str(), at)
            except (StarwhaleError, UnicodeDecodeError) as error:
                shown["error"] = str(error)
        return shown

    def _mapping(self, column: str, value: Mapping[Any, Any], at: str, depth: int) -> Cell:
        pairs = list(value.items())[:SHOWN_ITEMS]
        cells = [
            (name, self.cell(column, each, f"{at}/{place}".lstrip("/"), depth + 1))
            for place, (name, each) in enumerate(pairs)
        ]
        if len(value) <= SHOWN_ITEMS and "_type" not in value and all(isinstance(name, str) for name, _ in pairs):
            return {self._plain(name): each for name, each in cells}
        return {"_type": "dict", "items": [[self._plain(name), each] for name, each in cells], "length": len(value)}

    def _sequence(self, column: str, value: Sequence[Any], at: str, depth: int) -> Cell:
        cells = [
            self.cell(column, each, f"{at}/{place}".lstrip("/"), depth + 1)
            for place, each in enumerate(value[:SHOWN_ITEMS])
        ]
        return cells if len(value) <= SHOWN_ITEMS else {"_type": "list", "items": cells, "length": len(value)}

    def _plain(self, value: Any) -> Cell:  # Any: an attribute of a media value
        if isinstance(value, str):
            return value.encode("utf-8", "backslashreplace").decode()[:SHOWN_CHARACTERS]
        if isinstance(value, Mapping):
            return {str(name): self._plain(each) for name, each in list(value.items())[:SHOWN_ITEMS]}
        if isinstance(value, (list, tuple)):
            return [self._plain(each) for each in list(value)[:SHOWN_POINTS]]
        if isinstance(value, (int, float, bool)) or value is None:
            return self.cell("", value)
        return str(value)[:SHOWN_CHARACTERS]


def find_within(value: Any, at: str) -> Any:  # Any: a cell, and what lies in it
    """Return what lies at a place within a cell, as `Shown.cell` numbered it.

    Raises:
        LookupError: There is nothing.
    """
    for word in at.split("/") if at else ():
        if not word.isdecimal():
            raise LookupError(at)
        place = int(word)
        if isinstance(value, Mapping):
            listed: list[Any] = list(value.values())
        elif isinstance(value, (list, tuple)):
            listed = list(value)
        else:
            raise LookupError(at)  # noqa: TRY004 - nothing is there, whatever its type
        value = listed[place]
    return value
