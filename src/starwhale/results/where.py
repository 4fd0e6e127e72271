"""A small language that says which rows: `output == 7 and input/label != 3`, `input/text contains "x"`, `output is null`.

expression  = all {"or" all};  all = one {"and" one};  one = ["not"] one | "(" expression ")" | comparison
comparison  = operand [("==" | "=" | "!=" | "<" | "<=" | ">" | ">=" | ["not"] "contains" | ["not"] "in") operand | "is" ["not"] "null"]
operand     = number | "text" | true | false | null | [operand, …] | column | `any column`; `output/scores/3` is item 3, from 0, of lists,
              `output/label` the value of a key where a cell holds an object

Nothing of it is run as code. Values of different types are unequal and have no order, so that such a row does not match; a missing value is
null, which equals null alone.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from starwhale.errors import UsageError

Row = Mapping[str, Any]  # Any: cells of users
Operand = Callable[[Row], Any]
Tree = tuple[Any, ...]  # Any: a word that says what it is, and its parts

_TOKEN = re.compile(
    r"""\s*(?:(?P<number>-?(?:\d+\.\d*|\.\d+|\d+)(?:[eE][+-]?\d+)?)(?![\w/])
    |(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    |(?P<quoted>`[^`]+`)
    |(?P<word>[^\W\d][\w/.\-]*)
    |(?P<sign>==|!=|<=|>=|=|<|>|\(|\)|\[|\]|,))""",
    re.VERBOSE,
)
_ORDERS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_CONSTANTS = {"true": True, "false": False, "null": None, "none": None}
_WORDS = frozenset({"and", "or", "not", "is", "in", "contains", *_CONSTANTS})
_DEEPEST = 50
_LONGEST_PLACE = 10


@dataclass(frozen=True, slots=True)
class Where:
    """An expression that was understood."""

    text: str
    """As the user wrote it."""
    columns: tuple[str, ...]
    """The columns that it looks at, as the user wrote them."""
    matches: Callable[[Row], bool]
    """Whether a row fits; names of columns match in any case, and a column that a row lacks is null."""
    tree: Tree
    """The same as a value, for whoever looks at many rows at once: `("and", …)`, `("compare", sign, left, right)`, …"""


class _Part(NamedTuple):
    """A part of an expression, twice: as a function of a row, and as a value."""

    of: Operand
    tree: Tree


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    place: int


def parse_where(text: str) -> Where:
    """Understand an expression.

    Raises:
        UsageError: It is no expression; says where it breaks.

    Example:
        >>> found = parse_where("output == 7 and not input/label in [1, 2]")
        >>> found.columns, found.matches({"output": 7, "input/label": 3}), found.matches({"output": "7"})
        (('output', 'input/label'), True, False)
    """
    return _Parser(text).parse()


class _Parser:
    """Reads tokens from left to right; each rule of the grammar is one method."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = self._split(text)
        self._next = 0
        self._depth = 0
        self._columns: dict[str, None] = {}

    def parse(self) -> Where:
        found = self._any()
        if (rest := self._peek()).kind != "end":
            raise self._broken(f"{rest.text!r} is not expected", rest)
        of = found.of
        return Where(self._text, tuple(self._columns), lambda row: bool(of(row)), found.tree)

    # ---------------------------------------------------------------------------------------------------- the grammar

    def _any(self) -> _Part:
        parts = [self._all()]
        while self._take("or"):
            parts.append(self._all())
        if len(parts) == 1:
            return parts[0]
        of = [each.of for each in parts]
        return _Part(lambda row: any(each(row) for each in of), ("or", *(each.tree for each in parts)))

    def _all(self) -> _Part:
        parts = [self._one()]
        while self._take("and"):
            parts.append(self._one())
        if len(parts) == 1:
            return parts[0]
        of = [each.of for each in parts]
        return _Part(lambda row: all(each(row) for each in of), ("and", *(each.tree for each in parts)))

    def _one(self) -> _Part:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._broken(f"it is nested more than {_DEEPEST} deep", self._peek())
        try:
            if self._take("not"):
                inner, tree = self._one()
                return _Part(lambda row: not inner(row), ("not", tree))
            if self._take("("):
                found = self._any()
                self._expect(")")
                return found
            return self._comparison()
        finally:
            self._depth -= 1

    def _comparison(self) -> _Part:
        left, tree = self._operand()
        token = self._peek()
        if self._take("is"):
            negated = self._take("not")
            if not (self._take("null") or self._take("none")):
                raise self._broken("after 'is' comes 'null' or 'not null'", self._peek())
            return _Part(lambda row: (left(row) is None) is not negated, ("null", tree, negated))
        negated = self._take("not")
        for word, test in (("contains", _contains), ("in", _is_in)):
            if self._take(word):
                right, other = self._operand()
                return _Part(_test(test, left, right, negated=negated), (word, tree, other, negated))
        if negated:
            raise self._broken("after a column, 'not' comes before 'in' or 'contains'", token)
        if token.kind == "sign" and token.text in {"==", "=", "!=", *_ORDERS}:
            self._next += 1
            right, other = self._operand()
            return _Part(_compare(token.text, left, right), ("compare", token.text, tree, other))
        return _Part(left, ("truth", tree))

    def _operand(self) -> _Part:
        token = self._peek()
        self._next += 1
        word = token.text.lower()
        if token.kind in {"number", "text"}:
            return _constant(_literal(token.text))
        if token.kind == "word" and word in _CONSTANTS:
            return _constant(_CONSTANTS[word])
        if token.kind == "quoted" or (token.kind == "word" and word not in _WORDS):
            return self._column(token.text.strip("`"))
        if token.text == "[":
            return self._list()
        self._next -= 1
        raise self._broken("a column or a value is missing", token)

    def _list(self) -> _Part:
        items: list[_Part] = []
        while not self._take("]"):
            if items:
                self._expect(",")
            self._depth += 1
            if self._depth > _DEEPEST:
                raise self._broken(f"it is nested more than {_DEEPEST} deep", self._peek())
            items.append(self._operand())
            self._depth -= 1
        of = [each.of for each in items]
        return _Part(lambda row: [each(row) for each in of], ("list", *(each.tree for each in items)))

    def _column(self, name: str) -> _Part:
        self._columns.setdefault(name)
        return _Part(lambda row: _plain(cell_of(row, name)), ("column", name))

    # ------------------------------------------------------------------------------------------------------ its words

    def _split(self, text: str) -> list[_Token]:
        tokens: list[_Token] = []
        place = 0
        while text[place:].strip():
            found = _TOKEN.match(text, place)
            if found is None:
                start = place + len(text[place:]) - len(text[place:].lstrip())
                raise self._broken(f"{text[start]!r} is not understood", _Token("", text[start], start))
            kind = found.lastgroup or ""
            tokens.append(_Token(kind, found[kind], found.start(kind)))
            place = found.end()
        return [*tokens, _Token("end", "", len(text))]

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self, word: str) -> bool:
        token = self._peek()
        is_it = token.kind in {"word", "sign"} and token.text.lower() == word
        self._next += is_it
        return is_it

    def _expect(self, sign: str) -> None:
        if not self._take(sign):
            raise self._broken(f"{sign!r} is missing", self._peek())

    def _broken(self, what: str, token: _Token) -> UsageError:
        place = f"at character {token.place + 1}" if token.kind != "end" else "at the end"
        message = f"where {self._text!r} breaks {place}: {what}"
        return UsageError(message, hint="write it like: output == 7 and input/label != 3; texts stand in quotes")


def cell_of(row: Row, name: str) -> Any:  # Any: a cell
    """Return a cell by the name of its column in any case, or what lies in it: an item of a list, the value of a key of an object; None for nothing.

    Example:
        >>> (
        ...     cell_of({"output": {"Label": 7, "scores": [0.1, 0.9]}}, "output/scores/1"),
        ...     cell_of({"output": {"Label": 7}}, "output/label"),
        ... )
        (0.9, 7)
    """
    if name in row:
        return row[name]
    folded = {each.casefold(): each for each in row}
    parts = name.split("/")
    for count in range(len(parts), 0, -1):
        column = folded.get("/".join(parts[:count]).casefold())
        if column is not None:
            return _within(row[column], parts[count:])
    return None


def _within(value: Any, parts: Sequence[str]) -> Any:  # Any: a cell, and what lies in it
    for each in parts:
        if isinstance(value, Mapping):
            value = value[each] if each in value else _folded(value, each.casefold())
        elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
            place = item_place(f"list/{each}")[1]
            value = value[place] if place is not None and place < len(value) else None
        else:
            return None
    return value


def _folded(cell: Mapping[Any, Any], folded: str) -> Any:  # Any: a cell, and what lies in it
    return next((value for key, value in cell.items() if str(key).casefold() == folded), None)


def item_place(name: str) -> tuple[str, int | None]:
    """Return the column of lists, and the place in them, that a name may mean: `output/scores/3` is item 3 of `output/scores`."""
    lists, _, last = name.rpartition("/")
    is_place = lists != "" and last.isascii() and last.isdecimal() and len(last) < _LONGEST_PLACE
    return (lists, int(last)) if is_place else (name, None)


def _constant(value: object) -> _Part:
    return _Part(lambda _row: value, ("value", value))


def _literal(text: str) -> Any:  # Any: a number or a text
    number = text.lstrip("-")
    if number[:1] in {'"', "'"}:
        try:
            return ast.literal_eval(text)
        except (SyntaxError, ValueError):
            return text[1:-1]  # a backslash that escapes nothing
    return int(text) if number.isdecimal() else float(text)


def _plain(value: object) -> object:
    """Return the text of a Text value, and everything else as it is."""
    to_text = getattr(value, "to_str", None)
    return to_text() if callable(to_text) else value


def _test(test: Callable[[object, object], bool], left: Operand, right: Operand, *, negated: bool) -> Operand:
    return lambda row: test(left(row), right(row)) is not negated


def _compare(sign: str, left: Operand, right: Operand) -> Operand:
    if sign in _ORDERS:
        order = _ORDERS[sign]

        def is_ordered(row: Row) -> bool:
            try:
                return bool(order(left(row), right(row)))
            except (TypeError, ValueError):
                return False

        return is_ordered
    return lambda row: _equal(left(row), right(row)) is (sign != "!=")


def _equal(left: object, right: object) -> bool:
    try:
        return bool(left == right)
    except (TypeError, ValueError):  # arrays of several shapes
        return False


def _contains(whole: object, part: object) -> bool:
    if isinstance(whole, str):
        return isinstance(part, str) and part in whole
    if isinstance(whole, Mapping):
        return isinstance(part, str) and part in whole
    return isinstance(whole, Sequence) and not isinstance(whole, bytes) and any(_equal(each, part) for each in whole)


def _is_in(part: object, whole: object) -> bool:
    return _contains(whole, part)
