"""Which rows of many fit an expression of `where`, column by column: the same rows that `Where.matches` finds one by one, in a fraction of the time.

A column is looked at as a whole where all its values are numbers, truth values or texts. For every other one, and for what has no
meaning on columns, the answer is None, and whoever asked looks at the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from starwhale.results.where import Tree, item_place

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Mask = npt.NDArray[np.bool_]

compute: Any = import_module("pyarrow.compute")  # its functions are made at run time
EXACT = 2**53
"""Whole numbers up to here are the same as floats; larger ones are compared one by one, as Python does."""
_SIMPLE = frozenset({"bool", "int", "float", "str"})
ColumnOf = Callable[[str], Any]
"""Gives a column as an Arrow array of bool, int64, double or string; an array of nulls where no row has it; None where it is none of these."""


def list_item(kinds: Mapping[str, str], name: str) -> tuple[str, int] | None:
    """Return the column of lists, and the place in them, that a name such as `output/scores/3` means; None where it means none.

    Args:
        kinds: Column → kind of its values.
        name: What was asked for.
    """
    lists, place = item_place(name)
    if place is None or name in kinds or not kinds.get(lists, "").startswith("list"):
        return None
    return lists, place


def heads(name: str) -> list[str]:
    """Return the columns in which a name such as `output/box/3` may lie, itself first."""
    parts = name.split("/")
    return ["/".join(parts[:count]) for count in range(len(parts), 0, -1)]


def is_within(kinds: Mapping[str, str], name: str) -> bool:
    """Whether a name means what lies in an object of a column that predict gave or a user logged; rows are looked at one by one for it."""
    known = {each.casefold(): kind for each, kind in kinds.items()}
    first, *others = heads(name.casefold())
    if first in known or first.startswith("input/"):
        return False
    return next((known[each] not in _SIMPLE for each in others if each in known), False)


class _OneByOneError(Exception):
    """The expression has no meaning on columns."""


@dataclass(frozen=True, slots=True)
class _Column:
    """One side of a comparison."""

    family: str
    """`number`, `text`, or `null` where there is no value at all."""
    array: Any  # Any: an Arrow array, or a number or text
    """The values; one value for all rows where `is_value`."""
    valid: Mask | None
    """Where there is a value; None for everywhere."""
    is_value: bool = False
    """Whether it is one value for all rows."""


def matching(tree: Tree, column_of: ColumnOf, count: int) -> Mask | None:
    """Return which rows fit, as one truth value per row; None where they have to be looked at one by one.

    Args:
        tree: Of an expression.
        column_of: Gives the columns.
        count: Rows.
    """
    try:
        return _Look(column_of, count).mask(tree)
    except _OneByOneError:
        return None


class _Look:
    """One pass over an expression."""

    def __init__(self, column_of: ColumnOf, count: int) -> None:
        self._column_of = column_of
        self._count = count

    def mask(self, tree: Tree) -> Mask:
        """Return the rows for which a part of the expression is true."""
        import numpy as np

        word, *parts = tree
        if word == "not":
            return ~self.mask(parts[0])
        if word in {"and", "or"}:
            found = self.mask(parts[0])
            for each in parts[1:]:
                found = found & self.mask(each) if word == "and" else found | self.mask(each)
            return found
        if word == "null":
            empty = ~self._valid(self._operand(parts[0]))
            return ~empty if parts[1] else empty
        if word == "compare":
            return self._compare(parts[0], self._operand(parts[1]), self._operand(parts[2]))
        if word == "truth":
            return self._truth(self._operand(parts[0]))
        left, right, negated = parts
        found = self._is_in(left, right) if word == "in" else self._contains(left, right)
        return np.asarray(~found if negated else found)

    def _operand(self, tree: Tree) -> _Column:
        if tree[0] == "column":
            return self._column(tree[1])
        if tree[0] != "value":
            raise _OneByOneError
        value = tree[1]
        if value is None:
            return _Column("null", None, self._filled(value=False), is_value=True)
        return _Column("text" if isinstance(value, str) else "number", value, None, is_value=True)

    def _column(self, name: str) -> _Column:
        import pyarrow as pa

        array = self._column_of(name)
        if array is None:
            raise _OneByOneError
        valid: Any = None if array.null_count == 0 else compute.is_valid(array).to_numpy(zero_copy_only=False)
        if pa.types.is_null(array.type):
            return _Column("null", None, self._filled(value=False))
        if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
            return _Column("text", array, valid)
        if pa.types.is_boolean(array.type):
            array = array.cast(pa.int8())
        filled = array if valid is None else compute.fill_null(array, 0)
        return _Column("number", filled.to_numpy(zero_copy_only=False), valid)

    def _compare(self, sign: str, left: _Column, right: _Column) -> Mask:
        both = self._valid(left) & self._valid(right)
        if sign in {"==", "=", "!="}:
            neither = ~(self._valid(left) | self._valid(right))
            same = (
                both & self._values("==", left, right) if left.family == right.family != "null" else False
            ) | neither
            return ~same if sign == "!=" else same
        if left.family != right.family or left.family == "null":
            return self._filled(value=False)
        return both & self._values(sign, left, right)

    def _values(self, sign: str, left: _Column, right: _Column) -> Mask:
        """Compare the values of two sides of one family, whatever stands where there is none."""
        import numpy as np

        if left.family == "number":
            self._check_exact(left, right)
            a, b = left.array, right.array
            found: Any = {
                "==": lambda: a == b,
                "<": lambda: a < b,
                "<=": lambda: a <= b,
                ">": lambda: a > b,
                ">=": lambda: a >= b,
            }[sign]()
            return np.broadcast_to(np.asarray(found, dtype=np.bool_), (self._count,))
        import pyarrow as pa

        if left.is_value and right.is_value:
            raise _OneByOneError
        name = {"==": "equal", "<": "less", "<=": "less_equal", ">": "greater", ">=": "greater_equal"}[sign]
        sides = [pa.scalar(each.array, pa.string()) if each.is_value else each.array for each in (left, right)]
        return compute.fill_null(compute.call_function(name, sides), False).to_numpy(zero_copy_only=False)

    def _check_exact(self, left: _Column, right: _Column) -> None:
        """Leave comparisons of large whole numbers with floats to Python, which loses no digit."""
        import numpy as np

        def is_whole(side: _Column) -> bool:
            return isinstance(side.array, int) if side.is_value else side.array.dtype.kind in "iu"

        if (
            is_whole(left)
            and is_whole(right)
            and not any(s.is_value and abs(s.array) >= 1 << 63 for s in (left, right))
        ):
            return
        for side in (left, right):
            if is_whole(side) and self._count:
                highest = (
                    abs(side.array)
                    if side.is_value
                    else max(abs(int(np.max(side.array))), abs(int(np.min(side.array))))
                )
                if highest > EXACT:
                    raise _OneByOneError

    def _truth(self, side: _Column) -> Mask:
        import numpy as np

        if side.is_value:
            return self._filled(value=bool(side.array))
        if side.family == "null":
            return self._filled(value=False)
        if side.family == "number":
            return self._valid(side) & np.asarray(side.array != 0)

        return compute.fill_null(compute.greater(compute.binary_length(side.array), 0), False).to_numpy(
            zero_copy_only=False
        )

    def _is_in(self, left: Tree, right: Tree) -> Mask:
        if right[0] != "list":
            return self._contains(right, left)
        found = self._filled(value=False)
        for each in right[1:]:
            found = found | self._compare("==", self._operand(left), self._operand(each))
        return found

    def _contains(self, whole: Tree, part: Tree) -> Mask:
        if whole[0] == "list":
            return self._is_in(part, whole)
        side, inner = self._operand(whole), self._operand(part)
        if side.family != "text":
            return self._filled(value=False)
        if inner.family != "text":
            return self._filled(value=False)
        if side.is_value or not inner.is_value:
            raise _OneByOneError

        return compute.fill_null(compute.match_substring(side.array, inner.array), False).to_numpy(zero_copy_only=False)

    def _valid(self, side: _Column) -> Mask:
        return self._filled(value=True) if side.valid is None else side.valid

    def _filled(self, *, value: bool) -> Mask:
        import numpy as np

        return np.full(self._count, value, dtype=np.bool_)
