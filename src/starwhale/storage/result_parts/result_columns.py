"""Whole columns of a result table, and where each of its rows is: for sorting, filtering and counting millions of rows.

Rows are numbered in the table's order. A column comes as one Arrow array where all its values are numbers, truth values or short texts; of
every other column the caller reads the rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from starwhale.storage.columns.encode import KEY_COLUMN, escape_name, kind_of, unescape_name
from starwhale.storage.protocols import HIDDEN_COLUMNS, RETRIED
from starwhale.storage.result_parts.result_rows import TAIL, ResultPosition, RowsView
from starwhale.storage.result_parts.result_table import STORED_ID, TableView
from starwhale.storage.result_parts.table_ids import ArrowIds

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Numbers = npt.NDArray[np.integer[Any]]

SIMPLE = frozenset({"null", "bool", "int", "float", "str"})
"""Kinds of values that make a whole column."""


class ResultColumns:
    """The columns of `results` as of one moment: what predict gave, with the inputs of the datasets."""

    def __init__(self, view: RowsView) -> None:
        self._view = view
        self._order: Numbers | None = None
        self._kinds: dict[str, str] = {"id": "str"}
        self._positions, self._ranks, self._steps = self._places()
        self.count = len(self._ranks) + view.tail_count
        """Rows of the table."""
        self.is_plain = not view.has_own
        """Whether no row was logged by the user, so that columns are what predict and the datasets gave."""

    def place(self, number: int) -> ResultPosition:
        """Return where a row is."""
        if number >= len(self._ranks):
            return ResultPosition(TAIL, number - len(self._ranks))
        return ResultPosition(int(self._positions[number]), int(self._ranks[number]), int(self._steps[number]))

    def kinds(self) -> dict[str, str]:
        """Return the columns that predict gave and their kinds; empty where rows have several."""
        return dict(self._kinds)

    def input_kinds(self) -> dict[str, str]:
        """Return the columns that are joined from the datasets and their kinds."""
        found: dict[str, str] = {}
        for position in self._view.positions:
            reader = self._view.reader(position)
            for name, kind in () if reader is None else reader.columns.items():
                _merge(found, f"input/{name}", kind)
        return found

    def column(self, name: str) -> Any:  # Any: an Arrow array
        """Return a column; one of nulls where no row has it, None where it is not simple."""
        if not self.is_plain:
            return None
        if name == "id":
            return self._ids()
        if name in {"_mode", RETRIED, "_index"}:
            return None
        if name.startswith("input/"):
            return self._ordered(self._inputs(name.removeprefix("input/")))
        return self._ordered(_join((batch for _, _, batch, _ in self._view.stretches()), escape_name(name)))

    def item(self, name: str, place: int) -> Any:  # Any: an Arrow array
        """Return one item of every list of a column that predict gave; None where it holds no lists of numbers."""
        if not self.is_plain:
            return None
        return self._ordered(
            _join_items((batch for _, _, batch, _ in self._view.stretches()), escape_name(name), place)
        )

    def _places(self) -> tuple[Numbers, Numbers, Numbers]:
        """Return dataset, rank and step of every row, in the table's order."""
        import numpy as np

        found: list[tuple[int, int, Numbers]] = []
        for position, index, batch, _ in self._view.stretches():
            found.append((position, index, np.array(batch.column(STORED_ID).to_numpy(zero_copy_only=False), np.int64)))
            _add_kinds(self._kinds, batch)
        if not found:
            none = np.empty(0, np.int64)
            return none, none, none
        lengths = [len(ranks) for _, _, ranks in found]
        positions = np.repeat(np.array([position for position, _, _ in found], np.int16), lengths)
        steps = np.repeat(np.array([index for _, index, _ in found], np.int16), lengths)
        whole = np.concatenate([ranks for _, _, ranks in found])
        if len({index for _, index, _ in found}) > 1:
            self._order = np.lexsort((steps, whole, positions))
            return positions[self._order], whole[self._order], steps[self._order]
        return positions, whole, steps

    def _ordered(self, array: Any) -> Any:
        if array is None or self._order is None:
            return array
        import pyarrow as pa

        return array.take(pa.array(self._order))

    def _ids(self) -> Any:
        import pyarrow as pa

        made: list[Any] = []
        for position, _, batch, step in self._view.stretches():
            keys = self._keys(position, batch)
            if keys is None:
                return None
            head, tail = self._view.id_ends(position, step)
            made.append(_compute().binary_join_element_wise(head, keys.cast(pa.string()), tail, ""))
        return self._ordered(_concat(made, pa.string()))

    def _keys(self, position: int, batch: Any) -> Any:
        stored = escape_name("_index")
        if stored in batch.schema.names:
            field = batch.schema.field(stored)
            return batch.column(stored) if kind_of(field) in {"int", "str"} and not _is_long(field) else None
        return self._of_dataset(position, batch, None)

    def _inputs(self, feature: str) -> Any:
        import pyarrow as pa

        made: list[Any] = []
        for position, index, batch, _ in self._view.stretches():
            array = (
                self._of_dataset(position, batch, feature)
                if self._view.joins(index, feature)
                else pa.nulls(batch.num_rows)
            )
            if array is None:
                return None
            made.append(array)
        return _unify(made)

    def _of_dataset(self, position: int, batch: Any, feature: str | None) -> Any:
        """Return a feature of the rows of a stretch, or their keys; None where it is not simple or the dataset is gone."""
        import pyarrow as pa

        reader = self._view.reader(position)
        if reader is None:
            return None if feature is None else pa.nulls(batch.num_rows)
        if not batch.num_rows:
            return pa.nulls(0)
        if feature is not None and reader.columns.get(feature, "null") not in SIMPLE:
            return None
        if feature is not None and feature not in reader.columns:
            near = [
                each
                for each in reader.columns
                if each.casefold() == feature.casefold() or feature.startswith(f"{each}/")
            ]
            return None if near else pa.nulls(batch.num_rows)
        ranks = batch.column(STORED_ID)
        first, last = ranks[0].as_py(), ranks[batch.num_rows - 1].as_py()
        read = reader.read_arrow(first, last + 1, [] if feature is None else [feature])
        name = KEY_COLUMN if feature is None else escape_name(feature)
        if name not in read.schema.names:
            return pa.nulls(batch.num_rows)
        if kind_of(read.schema.field(name)) not in SIMPLE or _is_long(read.schema.field(name)):
            return None
        array = read.column(name)
        if last + 1 - first == batch.num_rows:
            return array

        return array.take(_compute().subtract(ranks, first))


class LoggedColumns:
    """The columns of a table that the user logged, as of one moment."""

    def __init__(self, view: TableView) -> None:
        self._view = view
        self.count = len(view.ids)
        """Rows of the table."""

    def place(self, number: int) -> ResultPosition:
        """Return where a row is."""
        return ResultPosition(0, number)

    def kinds(self) -> dict[str, str]:
        """Return the columns and their kinds; empty where rows have several."""
        found: dict[str, str] = {"id": "int" if self._view.ids and isinstance(self._view.ids[0], int) else "str"}
        for batch in self._view.batches():
            _add_kinds(found, batch)
        return found

    def input_kinds(self) -> dict[str, str]:
        """Nothing is joined to a table of the user's."""
        return {}

    def column(self, name: str) -> Any:  # Any: an Arrow array
        """Return a column; one of nulls where no row has it, None where it is not simple or rows were logged several times."""
        import pyarrow as pa

        if name == "id" and isinstance(self._view.ids, ArrowIds):
            return self._view.ids.array
        if name == "id":
            kinds = {type(each) for each in self._view.ids}
            return (
                pa.array(self._view.ids)
                if len(kinds) == 1 and not any(_is_wide(each) for each in self._view.ids)
                else None
            )
        places = self._view.only_places()
        if places is None:
            return None
        array = _join(self._view.batches(), escape_name(name))
        return None if array is None else array.take(pa.array(places, pa.int64()))

    def item(self, name: str, place: int) -> Any:  # Any: an Arrow array
        """Return one item of every list of a column; None where it holds no lists of numbers, or rows were logged several times."""
        import pyarrow as pa

        places = self._view.only_places()
        array = None if places is None else _join_items(self._view.batches(), escape_name(name), place)
        return None if array is None else array.take(pa.array(places, pa.int64()))


Columns = ResultColumns | LoggedColumns


def columns_of(view: RowsView | TableView) -> Columns:
    """Return the columns of a table as of one moment."""
    return ResultColumns(view) if isinstance(view, RowsView) else LoggedColumns(view)


def _compute() -> Any:
    return import_module("pyarrow.compute")  # its functions are made at run time


def _add_kinds(found: dict[str, str], batch: Any) -> None:
    for field in batch.schema:
        name = unescape_name(field.name)
        if field.name != STORED_ID and name not in HIDDEN_COLUMNS:
            _merge(found, name, kind_of(field))


def _merge(found: dict[str, str], name: str, kind: str) -> None:
    before = found.get(name, "null")
    found[name] = kind if before == "null" else before if kind in {"null", before} else ""


def _join(batches: Iterable[Any], stored: str) -> Any:
    """Return one column of many stretches; None where it is not simple in one of them."""
    import pyarrow as pa

    made: list[Any] = []
    for batch in batches:
        if stored not in batch.schema.names:
            made.append(pa.nulls(batch.num_rows))
            continue
        field = batch.schema.field(stored)
        if kind_of(field) not in SIMPLE or _is_long(field):
            return None
        made.append(batch.column(stored))
    return _unify(made)


def _join_items(batches: Iterable[Any], stored: str, place: int) -> Any:
    """Return one item of the lists of a column of many stretches; null where a list is shorter, None where they hold no numbers."""
    import pyarrow as pa

    made: list[Any] = []
    for batch in batches:
        if stored not in batch.schema.names:
            made.append(pa.nulls(batch.num_rows))
            continue
        if kind_of(batch.schema.field(stored)) not in {"list<float>", "list<int>"}:
            return None
        made.append(_items(batch.column(stored), place).cast(pa.float64()))
    return _unify(made)


def _items(lists: Any, place: int) -> Any:
    import pyarrow as pa

    compute = _compute()
    is_there = compute.fill_null(compute.greater(compute.list_value_length(lists), place), False)
    starts = lists.offsets.slice(0, len(lists))
    return lists.values.take(compute.if_else(is_there, compute.add(starts, place), pa.scalar(None, starts.type)))


def _unify(arrays: Sequence[Any]) -> Any:
    """Put arrays of one type one behind the other, nulls among them; None where they are of several types."""
    import pyarrow as pa

    types = {each.type for each in arrays} - {pa.null()}
    if len(types) > 1:
        return None
    kind = types.pop() if types else pa.null()
    return _concat([each if each.type == kind else pa.nulls(len(each), kind) for each in arrays], kind)


def _concat(arrays: Sequence[Any], kind: Any) -> Any:
    import pyarrow as pa

    if pa.types.is_string(kind) and sum(each.nbytes for each in arrays) >= 1 << 31:
        return None  # more text than one array holds
    return pa.concat_arrays(arrays) if arrays else pa.nulls(0, kind)


def _is_long(field: Any) -> bool:
    """Whether a column of texts may hold references to long ones."""
    import pyarrow as pa

    return pa.types.is_struct(field.type)


def _is_wide(id: object) -> bool:
    return isinstance(id, int) and not -(1 << 63) <= id < 1 << 63


__all__ = ["Columns", "LoggedColumns", "ResultColumns", "columns_of"]
