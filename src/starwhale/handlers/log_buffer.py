"""What user code has logged and nobody has committed yet: checked at the call, merged, handed over as columns."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starwhale.errors import ArgumentTypeError, FieldNameError, UsageError
from starwhale.media.flatten import flatten
from starwhale.media.weight import LIGHT, weigh
from starwhale.storage.part import TableDraft
from starwhale.storage.protocols import ERRORS, HIDDEN_COLUMNS, RETRIED_ERRORS, Key, Value

SUMMARY = "summary"
"""Table of the summary; it has one row."""
_OWN_TABLES = {
    SUMMARY: "use evaluation.log_summary",
    "predictions": "the system keeps outputs there; choose another name",
    **dict.fromkeys((ERRORS, RETRIED_ERRORS), "the system keeps rows that failed there; choose another name"),
}


class _Table:
    """Rows of one category that wait for a commit."""

    __slots__ = ("id_type", "rows", "spelling")

    def __init__(self) -> None:
        self.rows: dict[Key, dict[str, Value]] = {}
        self.id_type: type | None = None
        self.spelling: dict[str, str] = {}

    def check_names(self, category: str, names: Mapping[str, Value]) -> None:
        for name in names:
            if category == "results" and name in HIDDEN_COLUMNS:
                message = f"metric {name!r} of {category!r} is a column of the system's own"
                raise FieldNameError(message, hint="call it something else")
            known = self.spelling.setdefault(name.casefold(), name)
            if known != name:
                message = f"metric {name!r} of {category!r} differs from {known!r} only in case"
                raise FieldNameError(message, hint="use one spelling")
            if known.casefold() == "id":
                message = f"a metric of {category!r} is called 'id', which is the name of the row's own id"
                raise FieldNameError(message, hint="call it something else")
            if name in HIDDEN_COLUMNS:
                message = f"a metric of {category!r} is called {name!r}, where the system keeps what belongs to the row"
                raise FieldNameError(message, hint="call it something else")


class LogBuffer:
    """Rows that a task logged and that go into its next part; safe to use from several threads.

    Every value is checked when it is logged, so that a bad one raises where it was made and never loses the others.
    """

    def __init__(self, summary_id: str = SUMMARY) -> None:
        self._lock = threading.Lock()
        self._tables: dict[str, _Table] = {}
        self._summary_id = summary_id
        self.on_log: Callable[[], None] | None = None
        """Called after each logged row, outside the lock; whoever commits early sets it."""
        self.weight = 0
        """Bytes of the values that wait, about; numbers are not counted."""

    def log(
        self,
        category: str,
        id: Key,
        metrics: Mapping[str, Any],  # Any: values of users, checked by flatten
        *,
        hidden: Mapping[str, Value] | None = None,
    ) -> None:
        """Keep the metrics of a row; the same id again adds columns and replaces equal ones.

        Args:
            category: The table.
            id: The row.
            metrics: Columns of the user's.
            hidden: Columns of the system's own, of `HIDDEN_COLUMNS`.

        Raises:
            UsageError: The category cannot be a user's table, or the id is not an int or str, or differs from the table's others.
            UnsupportedValueError: A value cannot be stored; names key and type.
            FieldNameError: A name cannot be stored.
        """
        if not isinstance(category, str) or not category or category in _OWN_TABLES:
            message = f"{category!r} cannot be the category of a log"
            raise UsageError(
                message, hint=_OWN_TABLES.get(category, "give a name") if isinstance(category, str) else "give a name"
            )
        self._add(category, _check_id(category, id), _flatten(category, metrics), hidden)

    def log_summary(self, metrics: Mapping[str, Any]) -> None:  # Any: values of users, checked by flatten
        """Merge metrics into the summary; a key `id` is ignored.

        Raises:
            UnsupportedValueError: A value cannot be stored; names key and type.
            FieldNameError: A name cannot be stored.
        """
        if isinstance(metrics, Mapping):
            metrics = {key: value for key, value in metrics.items() if key != "id"}
        self._add(SUMMARY, self._summary_id, _flatten(SUMMARY, metrics))

    def id_type(self, category: str) -> type | None:
        """Return the type of the ids of a category, as far as it is known."""
        found = self._tables.get(category)
        return None if found is None else found.id_type

    def learn_id_type(self, category: str, id_type: type | None) -> None:
        """Take note of the type of the ids that a category already has elsewhere."""
        if id_type is not None:
            with self._lock:
                self._tables.setdefault(category, _Table()).id_type = id_type

    def branch(self) -> LogBranch:
        """Return a buffer for one of several rows that are predicted at the same time: checked as this one is, and kept apart."""
        return LogBranch(self)

    def check(self, category: str, id: Key, row: Mapping[str, Value]) -> None:
        """Refuse what `log` would refuse, and learn from what it would take.

        Raises:
            ArgumentTypeError: The id is of another type than those before.
            FieldNameError: A name cannot be stored.
        """
        with self._lock:
            self._check(category, id, row)

    def drain(self) -> list[TableDraft]:
        """Hand over everything that waits, column by column, and forget it; the types of ids stay known."""
        with self._lock:
            drafts = [_draft(name, table.rows) for name, table in self._tables.items() if table.rows]
            for table in self._tables.values():
                table.rows = {}
            self.weight = 0
        return drafts

    def take_back(self, drafts: Sequence[TableDraft]) -> None:
        """Let wait again what was handed over and could not be committed; what was logged since is the later."""
        with self._lock:
            for draft in drafts:
                table = self._tables.setdefault(draft.name, _Table())
                since, table.rows = table.rows, {}
                empty = {name for name, column in draft.columns.items() if all(value is None for value in column)}
                for place, key in enumerate(draft.ids):
                    cells = {name: column[place] for name, column in draft.columns.items()}
                    row = {name: value for name, value in cells.items() if value is not None or name in empty}
                    table.rows[key] = row
                    self.weight += sum(weigh(value) for value in row.values() if type(value) not in LIGHT)
                for key, row in since.items():
                    kept = table.rows.setdefault(key, {})
                    kept.update((name, value) for name, value in row.items() if value is not None or name not in kept)

    def pending(self, table: str) -> dict[Key, dict[str, Value]]:
        """Return a copy of the rows of a table that wait, so that a reader sees what the same task wrote."""
        with self._lock:
            found = self._tables.get(table)
            return {} if found is None else {key: dict(row) for key, row in found.rows.items()}

    def pending_tables(self) -> list[str]:
        """Return the names of the tables with waiting rows, sorted; the summary is not among them."""
        with self._lock:
            return sorted(name for name, table in self._tables.items() if table.rows and name != SUMMARY)

    def _add(self, category: str, id: Key, row: Mapping[str, Value], hidden: Mapping[str, Value] | None = None) -> None:
        with self._lock:
            table = self._check(category, id, row)
            kept = table.rows.setdefault(id, {})
            for name, value in {**row, **(hidden or {})}.items():
                if value is not None or name not in kept:
                    kept[name] = value
                    if type(value) not in LIGHT:
                        self.weight += weigh(value)
        if self.on_log is not None:
            self.on_log()

    def _check(self, category: str, id: Key, row: Mapping[str, Value]) -> _Table:
        table = self._tables.setdefault(category, _Table())
        if table.id_type is not None and table.id_type is not type(id):
            message = (
                f"id {id!r} of {category!r} is {type(id).__name__}, and the ids before were {table.id_type.__name__}"
            )
            raise ArgumentTypeError(message, hint="use ids of one type in one category")
        table.check_names(category, row)
        table.id_type = type(id)
        return table


class LogBranch(LogBuffer):
    """What one row, or batch, has logged while others were predicted; it is joined with theirs in row order, or dropped with its row."""

    def __init__(self, whole: LogBuffer) -> None:
        super().__init__()
        self._whole = whole
        self._logged: list[tuple[str, Key, Mapping[str, Value], Mapping[str, Value] | None]] = []
        self._is_joined = False

    def id_type(self, category: str) -> type | None:
        return self._whole.id_type(category)

    def learn_id_type(self, category: str, id_type: type | None) -> None:
        self._whole.learn_id_type(category, id_type)

    def pending(self, table: str) -> dict[Key, dict[str, Value]]:
        rows = self._whole.pending(table)
        for key, row in super().pending(table).items():
            rows.setdefault(key, {}).update(row)
        return rows

    def pending_tables(self) -> list[str]:
        return sorted({*self._whole.pending_tables(), *super().pending_tables()})

    def join(self, target: LogBuffer) -> None:
        """Hand what was logged to another buffer; what is logged later, by what the row has left behind, goes to the task's own."""
        with self._lock:
            self._is_joined = True
            logged, self._logged = self._logged, []
        for each in logged:
            target._add(*each)  # noqa: SLF001 - it was checked when it was logged

    def _add(self, category: str, id: Key, row: Mapping[str, Value], hidden: Mapping[str, Value] | None = None) -> None:
        self._whole.check(category, id, row)
        if self._is_joined:
            self._whole._add(category, id, row, hidden)  # noqa: SLF001 - the same row, kept elsewhere
            return
        super()._add(category, id, row, hidden)
        with self._lock:
            self._logged.append((category, id, row, hidden))


def _check_id(category: str, id: object) -> Key:
    if type(id) is int or type(id) is str:
        return id
    if isinstance(id, str):
        return str(id)
    if not isinstance(id, bool) and hasattr(id, "__index__"):
        return int(id)  # pyright: ignore[reportArgumentType] - numbers of NumPy have __index__
    message = f"id {id!r} of {category!r} is {type(id).__name__}"
    raise ArgumentTypeError(message, hint="give an int or str")


def _flatten(category: str, metrics: object) -> dict[str, Value]:
    if not isinstance(metrics, Mapping):
        message = f"metrics of {category!r} are {type(metrics).__name__}"
        raise ArgumentTypeError(message, hint="give a dict")
    return flatten(metrics)


def _draft(name: str, rows: Mapping[Key, Mapping[str, Value]]) -> TableDraft:
    names = dict.fromkeys(name for row in rows.values() for name in row)
    columns = {each: [row.get(each) for row in rows.values()] for each in names}
    return TableDraft(name=name, ids=list(rows), columns=columns)
