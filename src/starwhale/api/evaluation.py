"""`starwhale.evaluation`: log what was found and read it back, in a task or in a script of one's own."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Self

from starwhale.domain.uri import parse_project_uri
from starwhale.errors import ArgumentTypeError, FieldNameError, HandlerError, RetryLaterError, UsageError
from starwhale.handlers.context import Context, find_runtime_context, get_runtime_context
from starwhale.handlers.decorators import evaluate, predict
from starwhale.handlers.log_buffer import LogBuffer
from starwhale.handlers.metrics import metrics
from starwhale.storage.part import PartDraft
from starwhale.storage.protocols import Key, TablePage, TableQuery, key_order, shown_cells

if TYPE_CHECKING:
    from starwhale.results.logged import Logged

RESULTS = "results"
SUMMARY = "summary"
Row = dict[str, Any]  # Any: cells hold what users gave


class Evaluation:
    """The results of one evaluation: of a job, or of a script that logs under an id of its own.

    Args:
        id: Id of a job, or any text for an evaluation outside of jobs.
        project: Project that keeps it: a name, or `cloud://<alias>/project/<name>`.

    Raises:
        UsageError: The id or the project is empty.
    """

    def __init__(self, id: str, project: str = "self") -> None:
        if not isinstance(id, str) or not id or not project:
            raise UsageError(
                f"an evaluation needs an id and a project, not {id!r} and {project!r}", hint="give both as text"
            )
        self.id = id
        """Id of the job or evaluation."""
        self.project = str(getattr(project, "name", project))
        """Project that keeps it."""
        self._context: Context | None = None
        self._buffer = LogBuffer(id)
        self._lock = threading.Lock()

    @classmethod
    def from_context(cls) -> Evaluation:
        """Return the evaluation of the running task; leaving or closing it flushes and closes nothing that others use.

        Raises:
            HandlerError: No task is running here; it is a RuntimeError too.
        """
        context = get_runtime_context()
        made = cls(context.version or "task", context.log_project or context.run_project or "self")
        made._context = context
        made._buffer = context.log_buffer
        return made

    def log(self, category: str, id: Key, metrics: Mapping[str, Any]) -> None:  # Any: values of users
        """Keep the metrics of a row; the same id again adds columns and replaces equal ones.

        Raises:
            UsageError: Category, id or a metric cannot be stored; raised here, and nothing else is lost.
        """
        if category != RESULTS and self._buffer.id_type(category) is None:
            self._buffer.learn_id_type(category, self._stored_id_type(category))
        self._buffer.log(category, id, metrics)

    def log_result(self, id: Key, metrics: Mapping[str, Any]) -> None:  # Any: values of users
        """Keep the metrics of a row of `results`."""
        self._buffer.log(RESULTS, id, metrics)

    def log_summary(self, *args: Any, **kw: Any) -> None:  # Any: values of users
        """Merge metrics into the summary: one dict, keywords, or both.

        Raises:
            ArgumentTypeError: More than one positional argument, or one that is not a dict.
        """
        if len(args) > 1 or (args and not isinstance(args[0], Mapping)):
            given = ", ".join(type(arg).__name__ for arg in args)
            raise ArgumentTypeError(
                f"log_summary takes one dict and keywords, not {given}", hint='write log_summary({"accuracy": 0.9})'
            )
        metrics: Row = {**args[0]} if args else {}
        metrics.pop("id", None)
        self._buffer.log_summary({**metrics, **kw})

    def get_summary(self) -> Row:
        """Return the summary, with what was just logged; `{}` when there is none."""
        merged: Row = {}
        for row in self._rows(TableQuery(table=SUMMARY)):
            merged.update((name, value) for name, value in row.items() if name != "id" and value is not None)
        return merged

    def scan(
        self,
        category: str,
        start: Key | None = None,
        end: Key | None = None,
        keep_none: bool = False,
        end_inclusive: bool = False,
    ) -> Iterator[Row]:
        """Read the rows of a table in its order, with what was just logged.

        Args:
            category: The table, in any case; an unknown one has no rows.
            start: First id.
            end: Last id.
            keep_none: Whether every row has every column, None where it has nothing.
            end_inclusive: Whether the row `end` itself belongs.
        """
        query = TableQuery(table=self._spelled(category), start=start, end=end, end_inclusive=end_inclusive)
        for row in self._rows(query):
            yield shown_cells(row, keep_none=keep_none)

    iter = scan

    def scan_results(
        self, start: Key | None = None, end: Key | None = None, keep_none: bool = False, end_inclusive: bool = False
    ) -> Iterator[Row]:
        """Read the rows of `results`, in row order.

        Args:
            start: First id.
            end: Last id.
            keep_none: Whether every row has every column, None where it has nothing.
            end_inclusive: Whether the row `end` itself belongs.
        """
        return self.scan(RESULTS, start, end, keep_none, end_inclusive)

    def get_tables(self) -> list[str]:
        """Return the names of the tables that have rows, without the summary, sorted."""
        return sorted({*self._table_names(), *self._buffer.pending_tables()})

    def flush(self, category: str, artifacts_flush: bool = True) -> None:
        """Commit what was logged."""
        del category, artifacts_flush  # a part holds all tables: it is as cheap to commit everything
        self.flush_all()

    def flush_results(self, artifacts_flush: bool = True) -> None:
        """Commit what was logged."""
        self.flush(RESULTS, artifacts_flush)

    def flush_summary(self, artifacts_flush: bool = True) -> None:
        """Commit what was logged."""
        self.flush(SUMMARY, artifacts_flush)

    def flush_all(self, artifacts_flush: bool = True) -> None:
        """Commit what was logged; in a task it is committed with the task's own rows, and readers see it before that.

        Raises:
            StarwhaleError: It cannot be kept, such as on a server that does not answer; it waits on, and the next call tries again.
        """
        del artifacts_flush
        if self._context is not None:
            return  # rows of a range and what was logged for them are one commit, or a retry would log them twice
        with self._lock:
            tables = self._buffer.drain()
            if not tables:
                return
            try:
                self._logged.append(PartDraft(tables=tables))
            except BaseException:
                self._buffer.take_back(tables)
                raise

    def close(self) -> None:
        """Commit what was logged."""
        self.flush_all()

    def __repr__(self) -> str:
        return f"Evaluation({self.id!r}, {self.project!r})"

    def _repr_html_(self) -> str:
        from starwhale.api.notebook.html_view import evaluation_html

        return evaluation_html(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    # ---------------------------------------------------------------------------------------------------- reading

    def _rows(self, query: TableQuery) -> Iterator[Row]:
        """Read committed rows with the waiting ones merged in; waiting ones with ids of their own come where they belong."""
        pending = self._buffer.pending(query.table)
        waiting = dict.fromkeys(sorted((key for key in pending if query.holds(key)), key=key_order))
        is_ordered = query.table != RESULTS  # results are in row order: new rows of users follow
        waiting_names = dict.fromkeys(name for row in pending.values() for name in row)
        cursor: str | None = None
        while True:
            page = self._page(query, cursor)
            empty: Row = dict.fromkeys((*page.columns, *waiting_names)) if pending else {}
            for row in _page_rows(page):
                if is_ordered and waiting:
                    before = key_order(row["id"])
                    for key in list(takewhile(lambda each: key_order(each) < before, waiting)):  # noqa: B023 - used at once
                        del waiting[key]
                        yield {**empty, "id": key, **pending[key]}
                if row["id"] in pending:
                    waiting.pop(row["id"], None)
                    row.update((name, value) for name, value in pending[row["id"]].items() if value is not None)
                yield {**empty, **row} if pending else row
            cursor = page.next_cursor
            if cursor is None:
                break
        for key in waiting:
            yield {**empty, "id": key, **pending[key]}

    def _stored_id_type(self, category: str) -> type | None:
        """Return the type of the ids that a table already has; None when it has none.

        Raises:
            FieldNameError: There is a table whose name differs only in case.
        """
        known = self._spelled(category)
        if known != category:
            message = f"table {category!r} differs from {known!r} only in case"
            raise FieldNameError(message, hint=f"write {known!r}, or choose another name")
        if not isinstance(category, str) or category not in self._table_names():
            return None
        found = self._page(TableQuery(table=category), None).columns.get("id")
        return type(found[0]) if found else None

    def _spelled(self, category: str) -> str:
        """Return a table's name as it was written first; one that is not there as it is asked for."""
        if category == RESULTS or not isinstance(category, str):
            return category
        known = self.get_tables()
        folded = category.casefold()
        return category if category in known else next((each for each in known if each.casefold() == folded), category)

    def _page(self, query: TableQuery, cursor: str | None) -> TablePage:
        if self._context is not None:
            if self._context.stores is None:
                return TablePage(columns={}, row_count=0)
            return self._context.stores.read_page(query, cursor)
        return self._logged.read_page(query, cursor)

    def _table_names(self) -> list[str]:
        if self._context is not None:
            return [] if self._context.stores is None else self._context.stores.table_names()
        return self._logged.table_names()

    @property
    def _logged(self) -> Logged:
        from starwhale.api.instance import default_instance

        there = default_instance().at(self.project)
        project = parse_project_uri(self.project, instances=there.names).project
        return there.jobs.logged(self.id, project)


def log(category: str, id: Key, metrics: Mapping[str, Any]) -> None:  # Any: values of users
    """Keep the metrics of a row of the running job; see `Evaluation.log`."""
    _current("log").log(category, id, metrics)


def log_result(id: Key, metrics: Mapping[str, Any]) -> None:  # Any: values of users
    """Keep the metrics of a row of `results` of the running job."""
    _current("log_result").log_result(id, metrics)


def log_summary(*args: Any, **kw: Any) -> None:  # Any: values of users
    """Merge metrics into the summary of the running job; see `Evaluation.log_summary`."""
    _current("log_summary").log_summary(*args, **kw)


def get_summary() -> Row:
    """Return the summary of the running job."""
    return _current("get_summary").get_summary()


def scan(
    category: str,
    start: Key | None = None,
    end: Key | None = None,
    keep_none: bool = False,
    end_inclusive: bool = False,
) -> Iterator[Row]:
    """Read the rows of a table of the running job; see `Evaluation.scan`."""
    return _current("scan").scan(category, start, end, keep_none, end_inclusive)


def scan_results(
    start: Key | None = None, end: Key | None = None, keep_none: bool = False, end_inclusive: bool = False
) -> Iterator[Row]:
    """Read the rows of `results` of the running job, in row order; see `Evaluation.scan_results`."""
    return _current("scan_results").scan_results(start, end, keep_none, end_inclusive)


iter = scan


def _current(name: str) -> Evaluation:
    if find_runtime_context() is None:
        raise HandlerError(
            f"evaluation.{name} was called outside of a task",
            hint='in a script of your own use Evaluation("my-id", project="self")',
        )
    return Evaluation.from_context()


def _page_rows(page: TablePage) -> Iterator[Row]:
    names = list(page.columns)
    for values in zip(*page.columns.values(), strict=True):
        yield dict(zip(names, values, strict=True))


__all__ = [
    "Evaluation",
    "RetryLaterError",
    "evaluate",
    "get_summary",
    "iter",
    "log",
    "log_result",
    "log_summary",
    "metrics",
    "predict",
    "scan",
    "scan_results",
]
