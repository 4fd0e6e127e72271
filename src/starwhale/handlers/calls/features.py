"""The features of a row as user code sees them: a dict whose keys are attributes too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Any

from starwhale.storage.protocols import Rows

_NONE = type(None)


class Features(dict[str, Any]):  # Any: cells hold what users gave
    """Feature name → value; `row.label` is `row["label"]`."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:  # Any: a cell
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"this row has no feature {name!r}; it has {sorted(self)}") from None

    def __setattr__(self, name: str, value: Any) -> None:  # Any: a cell
        self[name] = value

    def __delattr__(self, name: str) -> None:
        try:
            del self[name]
        except KeyError:
            raise AttributeError(name) from None


def feature_rows(rows: Rows) -> Iterator[Features]:
    """Turn columns into one mapping per row, without the cells that are None; each is made when its turn comes.

    A row costs a zip and a dict; columns with gaps are looked at cell by cell.
    """
    names, columns = list(rows.columns), list(rows.columns.values())
    if not names:
        return (Features() for _ in rows.keys)
    if any(map(may_have_gaps, columns)):
        return (
            Features({name: value for name, value in zip(names, values, strict=True) if value is not None})
            for values in zip(*columns, strict=True)
        )
    return map(Features, map(zip, repeat(names), zip(*columns)))  # noqa: B905 - columns are equally long; strict costs time per row


def may_have_gaps(column: Sequence[object]) -> bool:
    """Whether a column holds None; one whose values are made in turn says so itself."""
    return not getattr(column, "is_full", False) and _NONE in set(map(type, column))
