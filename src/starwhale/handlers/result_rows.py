"""The rows that evaluate receives: nested `input` and `output`, which answer flat keys too."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, cast

from starwhale.domain.features import may_have_gaps
from starwhale.handlers.calls.outputs import PICKLED
from starwhale.storage.protocols import HIDDEN_COLUMNS, TablePage, TableQuery, Value

_NONE = type(None)


class NestedRow(dict[str, Any]):  # Any: cells hold what users gave
    """A dict that answers `row["a/b"]` with `row["a"]["b"]`; its own keys are those of the outer level."""

    __slots__ = ()

    def __missing__(self, key: str) -> Any:  # Any: a cell
        found: Any = self
        parts = key.split("/") if isinstance(key, str) else [key]
        for position, part in enumerate(parts):
            if not isinstance(found, Mapping) or not dict.__contains__(cast("dict[str, Any]", found), part):
                raise KeyError(key)
            found = cast("Mapping[str, Any]", found)[part]
            rest = "/".join(parts[position + 1 :])
            if rest and isinstance(found, dict) and dict.__contains__(cast("dict[str, Any]", found), rest):
                return cast("dict[str, Any]", found)[rest]
        return found

    def __contains__(self, key: object) -> bool:
        if dict.__contains__(self, key):
            return True
        return isinstance(key, str) and "/" in key and self.get(key, _NONE) is not _NONE

    def get(self, key: str, default: Any = None) -> Any:  # Any: a cell
        """Return a cell, by its own key or a flat one."""
        try:
            return self[key]
        except KeyError:
            return default


class ResultRow(NestedRow):
    """One row of the results; `dataset`, `dataset_version`, `key` and `step` say where it comes from."""

    __slots__ = ("_hidden", "_position")
    _hidden: Mapping[str, Sequence[Value]]
    _position: int

    def _of(self, name: str) -> Value:
        column = self._hidden.get(name)
        return None if column is None else column[self._position]

    @property
    def dataset(self) -> str | None:
        """Name of the dataset."""
        return self._of("__dataset")

    @property
    def dataset_version(self) -> str | None:
        """Version of the dataset."""
        return self._of("__dataset_version")

    @property
    def key(self) -> int | str | None:
        """Key of the row in the dataset."""
        return self._of("__key")

    @property
    def step(self) -> str | None:
        """Step that predicted the row."""
        return self._of("__step")


class Pages(Protocol):
    """Where pages of results come from; part of `TaskStores`."""

    def read_page(self, query: TableQuery, cursor: str | None = None) -> TablePage:
        """Read some rows of a result table of the job."""
        ...


def iter_results(stores: Pages, table: str = "results") -> Iterator[ResultRow]:
    """Read the results of the job, page by page, in row order."""
    cursor: str | None = None
    while True:
        page = stores.read_page(TableQuery(table=table), cursor)
        yield from page_rows(page)
        cursor = page.next_cursor
        if cursor is None:
            return


def page_rows(page: TablePage) -> Iterator[ResultRow]:
    """Turn a page into rows."""
    hidden = {name: column for name, column in page.columns.items() if name in HIDDEN_COLUMNS}
    columns = {name: column for name, column in page.columns.items() if name not in hidden}
    if PICKLED in hidden and "output" in columns:
        # Only here is a pickle loaded: bytes that the predict step of this very job wrote.
        columns["output"] = [
            pickle.loads(value) if flag else value  # noqa: S301 - see above
            for value, flag in zip(columns["output"], hidden[PICKLED], strict=True)
        ]
    outer = {name: column for name, column in columns.items() if not name.startswith(("input/", "output/"))}
    groups = {
        group: {
            name.removeprefix(f"{group}/"): column for name, column in columns.items() if name.startswith(f"{group}/")
        }
        for group in ("input", "output")
    }
    inputs = _dicts(groups["input"], page.row_count)
    outputs = _dicts(groups["output"], page.row_count) if groups["output"] else None
    for position, row in enumerate(_rows(outer, page.row_count)):
        row["input"] = next(inputs)
        if outputs is not None and (output := next(outputs)):
            row["output"] = output
        row._hidden, row._position = hidden, position  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - the row is made here
        yield row


def _rows(columns: Mapping[str, Sequence[Value]], count: int) -> Iterator[ResultRow]:
    names = list(columns)
    if not names:
        return (ResultRow() for _ in range(count))
    if not any(map(may_have_gaps, columns.values())):
        return (ResultRow(zip(names, values)) for values in zip(*columns.values()))  # noqa: B905 - equally long; strict costs time per row
    return (
        ResultRow({name: value for name, value in zip(names, values, strict=True) if value is not None})
        for values in zip(*columns.values(), strict=True)
    )


def _dicts(columns: Mapping[str, Sequence[Value]], count: int) -> Iterator[NestedRow]:
    """Make what is nested in each row when its turn comes."""
    if not columns:
        return (NestedRow() for _ in range(count))
    names = list(columns)
    if not any("/" in name for name in names) and not any(map(may_have_gaps, columns.values())):
        return (NestedRow(zip(names, values)) for values in zip(*columns.values()))  # noqa: B905 - equally long; strict costs time per row
    return (_nest(dict(zip(names, values, strict=True))) for values in zip(*columns.values(), strict=True))


def _nest(flat: Mapping[str, Value]) -> NestedRow:
    nested = NestedRow()
    for name, value in flat.items():
        if value is None:
            continue
        *path, last = name.split("/")
        at = nested
        for part in path:
            inner = at.setdefault(part, NestedRow())
            if not isinstance(inner, NestedRow):
                break
            at = inner
        else:
            at[last] = value
            continue
        nested[name] = value
    return nested
