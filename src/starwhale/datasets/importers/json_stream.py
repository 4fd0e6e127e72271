"""A JSON document read piece by piece: the items of an array come one after the other, however long it is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn, TextIO, cast

from starwhale.errors import DatasetSourceError

CHUNK_CHARACTERS = 1 << 20
"""Characters that are read at a time."""
_SPACE = re.compile(r"[ \t\n\r]*")


def unique_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its members, for `object_pairs_hook`.

    Raises:
        RepeatedNameError: Two of them have one name, of which only one would be left.
    """
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        raise RepeatedNameError(next(name for name in names if names.count(name) > 1))
    return made


class RepeatedNameError(ValueError):
    """An object has two members of one name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"an object has two members called {name!r}")


@dataclass(frozen=True, slots=True)
class Piece:
    """One value of a document, and where it stands."""

    value: Any
    """The value."""
    offset: int
    """Its first byte in the document as UTF-8, from 0."""
    length: int
    """Its bytes."""
    line: int
    """Line of its first character, from 1."""


class JsonStream:
    """A cursor over a document; it holds a few pieces of the text at a time.

    A value that is longer than what is held is read as far as it goes, so that memory follows the longest single item.
    """

    def __init__(self, text: TextIO, name: str, *, line: int = 1) -> None:
        self._file = text
        self._name = name
        self._text = ""
        self._position = 0
        self._marked = (0, 0, line)
        self._line = line
        self._column = 1
        self._is_ended = False
        self._decoder = json.JSONDecoder(object_pairs_hook=unique_object)

    def peek(self) -> str:
        """Return the next character that is no blank; empty at the end."""
        while True:
            match = _SPACE.match(self._text, self._position)
            assert match is not None  # noqa: S101 - it matches nothing too
            self._position = match.end()
            if self._position < len(self._text) or not self._read():
                return self._text[self._position : self._position + 1]

    @property
    def line(self) -> int:
        """Line of the next character that is no blank."""
        self.peek()
        return self._mark(self._position)[1]

    def expect(self, characters: str) -> str:
        """Take one of the characters.

        Raises:
            DatasetSourceError: Something else stands there, with line and column.
        """
        found = self.peek()
        if not found or found not in characters:
            self.fail(f"{' or '.join(map(repr, characters))} is expected" + (f", not {found!r}" if found else ""))
        self._position += 1
        return found

    def value(self) -> Piece:
        """Take a whole value.

        Raises:
            DatasetSourceError: It is malformed, with line and column.
        """
        self.peek()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._position)
            except json.JSONDecodeError as error:
                if not self._read():
                    self.fail(error.msg, error.pos)
                continue
            except RepeatedNameError as error:
                self.fail(str(error))
            except (RecursionError, ValueError) as error:
                self.fail(f"it cannot be read: {error}")
            if end < len(self._text) or not self._read():  # a number may go on
                break
        offset, line = self._mark(self._position)
        piece = Piece(value, offset, self._mark(end)[0] - offset, line)
        self._position = end
        return piece

    def items(self) -> Iterator[Piece]:
        """Take an array, item by item."""
        for _ in self.elements():
            yield self.value()

    def elements(self) -> Iterator[int]:
        """Take an array, position by position; whoever asks takes the item there before the next one."""
        self.expect("[")
        if self.peek() == "]":
            self._position += 1
            return
        position = 0
        while True:
            yield position
            position += 1
            if self.expect(",]") == "]":
                return

    def members(self) -> Iterator[str]:
        """Take an object, name by name; whoever asks takes the value of a name before the next one."""
        self.expect("{")
        if self.peek() == "}":
            self._position += 1
            return
        seen: set[str] = set()
        while True:
            if self.peek() != '"':
                self.fail("a name in double quotes is expected")
            name = cast("str", self.value().value)
            if name in seen:
                self.fail(str(RepeatedNameError(name)))
            seen.add(name)
            self.expect(":")
            yield name
            if self.expect(",}") == "}":
                return

    def skip(self) -> None:
        """Take a value and forget it, an array item by item."""
        if self.peek() == "[":
            for _ in self.items():
                pass
        else:
            self.value()

    def end(self) -> None:
        """Check that the document ends here."""
        if self.peek():
            self.fail("Extra data", hint="if each line is an object, let its name end in .jsonl")

    def fail(self, problem: str, position: int | None = None, hint: str = "mend the file") -> NoReturn:
        """Raise the error that names file, line and column.

        Raises:
            DatasetSourceError: Always.
        """
        line, column = self._where(self._position if position is None else position)
        raise DatasetSourceError(
            f"{self._name}, line {line}, column {column}: malformed JSON: {problem}",
            path=self._name,
            line=line,
            column=column,
            hint=hint if self._text else "it is empty",
        )

    def _where(self, position: int) -> tuple[int, int]:
        lines = self._text.count("\n", 0, position)
        if not lines:
            return self._line, self._column + position
        return self._line + lines, position - self._text.rindex("\n", 0, position)

    def _mark(self, position: int) -> tuple[int, int]:
        """Return the bytes before a position, and its line; positions come in order, so that each character is looked at once."""
        start, count, line = self._marked
        part = self._text[start:position]
        count += len(part) if part.isascii() else len(part.encode(errors="surrogatepass"))
        line += part.count("\n")
        self._marked = (position, count, line)
        return count, line

    def _read(self) -> bool:
        """Read more, and forget what was taken; False at the end. What is held grows by doubling, for a value that is long."""
        if self._is_ended:
            return False
        more = self._file.read(max(CHUNK_CHARACTERS, len(self._text) - self._position))
        if not more:
            self._is_ended = True
            return False
        self._line, self._column = self._where(self._position)
        self._marked = (0, *self._mark(self._position))
        self._text = self._text[self._position :] + more
        self._position = 0
        return True
