"""What a job says of itself: where it stands, its tables and rows, what its tasks printed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from starwhale.api.evaluation import Evaluation
from starwhale.api.instance import default_instance
from starwhale.domain.uri import Uri, as_instance
from starwhale.errors import NotFoundError, nearest
from starwhale.storage.protocols import Key, TableQuery, Value

if TYPE_CHECKING:
    from starwhale.instances import Instance
    from starwhale.instances.jobs.job_logs import TaskLogLines
    from starwhale.results.figure import Figure
    from starwhale.results.reports.job_report import JobReport
    from starwhale.storage.catalog.job_records import JobRecord, StepRecord


class JobReads:
    """The part of `Job` that only looks; what it says is read anew each time."""

    def __init__(self, uri: str, *, removed: bool = False) -> None:
        there = default_instance().at(uri)
        found = there.jobs.get(str(uri), removed=removed)
        self.id = found.id
        """40 characters."""
        self.uri = Uri(instance=there.name, kind="job", project=found.project, name=found.id)
        """The URI with nothing left out."""

    @property
    def status(self) -> str:
        """Where it stands, in upper case."""
        return str(self._record.status).upper()

    @property
    def basic_info(self) -> dict[str, Any]:
        """The manifest."""
        return self._there.jobs.manifest(self._record)

    def info(self) -> JobReport:
        """Return manifest and report."""
        return self._there.jobs.report(self._record)

    @property
    def tables(self) -> list[str]:
        """Names of the tables that have rows, without the summary."""
        return list(self._there.jobs.tables(self._record))

    @property
    def summary(self) -> dict[str, Any]:
        """The summary; `{}` when there is none."""
        return self._there.jobs.summary(self._record)

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Its figures: each metric with its value, interval, rows, and what else is to be known of it; empty before it has ended well."""
        return self._there.jobs.figures(self._record)

    def get_table_rows(
        self,
        name: str,
        start: Key | None = None,
        end: Key | None = None,
        keep_none: bool = False,
        end_inclusive: bool = False,
    ) -> Iterator[dict[str, Value]]:
        """Read the rows of a table in its order, each with its `id`; an unknown table has none.

        Args:
            name: The table, in any case: `results`, `errors`, or what was logged under that name.
            start: First id.
            end: Last id.
            keep_none: Whether every row has every column, None where it has nothing.
            end_inclusive: Whether the row `end` itself belongs.
        """
        query = TableQuery(table=name, start=start, end=end, end_inclusive=end_inclusive)
        return self._there.jobs.rows(self._record, query, keep_none=keep_none)

    def to_pandas(self, table: str = "results") -> Any:  # Any: a pandas.DataFrame; pandas is optional
        """Return a whole table as a data frame.

        Raises:
            NotFoundError: The job has no such table.
            MissingDependencyError: pandas is not installed.
        """
        return self._there.jobs.frame(self._record, self._check_table(table))

    def to_arrow(self, table: str = "results") -> Any:  # Any: a pyarrow.Table, which ships no types
        """Return a whole table as an Arrow table; columns without an Arrow type come as text.

        Raises:
            NotFoundError: The job has no such table.
        """
        return self._there.jobs.arrow(self._record, self._check_table(table))

    def _check_table(self, table: str) -> str:
        names = [*self.tables, "results", "summary"]
        if table not in names:
            raise NotFoundError(f"job {self.id[:12]} has no table {table!r}", hint=nearest(table, names))
        return table

    @property
    def evaluation_store(self) -> Evaluation:
        """The job's results as an Evaluation."""
        project = self.uri.project
        is_near = default_instance().at(project) is self._there  # so that its name alone leads there
        return Evaluation(self.id, project if is_near else f"{as_instance(self.uri.instance)}/project/{project}")

    @property
    def steps(self) -> list[StepRecord]:
        """Its steps, needs first, with their status and times."""
        return list(self._there.jobs.steps(self.id))

    def results(
        self, table: str = "", where: str | None = None, limit: int = 20, failed: bool = False, *, offset: int = 0
    ) -> list[dict[str, Value]]:
        """Return the first rows of a table that fit.

        Args:
            table: One of `tables`, in any case; empty for `results`.
            where: An expression over the columns, as `swcli job results --where` has it: `"output > 3 and input/text is not null"`.
            limit: At most so many; 0 means all.
            failed: The rows that failed, in row order and with their errors, instead of a table.
            offset: Leave out so many of the first that fit.

        Raises:
            NotFoundError: The job has no such table.
            UsageError: The expression breaks, or names a column that no row has.
        """
        found = self._there.jobs.results(
            self._record, table, where=where or "", limit=limit or None, offset=offset, failed=failed
        )
        return list(found.rows)

    def logs(
        self, step: str = "", task: int | None = None, attempt: int | None = None, limit: int = 0
    ) -> list[TaskLogLines]:
        """Return what its tasks have printed: one value per task that printed anything, with its `lines`.

        Args:
            step: Only this step: the handler's name, or its function's; empty for all.
            task: Only this task of its step, from 0; None for all.
            attempt: This try of each task; None for the last.
            limit: The last so many lines of each; 0 for all.

        Raises:
            NotFoundError: No such step, task or attempt; those that exist are named.
        """
        from starwhale.instances.jobs.job_logs import LogChoice

        choice = LogChoice(step=step, task=task, attempt=attempt)
        return list(self._there.jobs.logs(self.id, choice, limit=limit))

    @property
    def _there(self) -> Instance:
        """The instance that has it."""
        return default_instance().at(as_instance(self.uri.instance))

    @property
    def _address(self) -> str:
        """What names it, on whichever instance, and whichever is selected."""
        return f"{as_instance(self.uri.instance)}/project/{self.uri.project}/job/{self.id}"

    @property
    def _record(self) -> JobRecord:
        try:
            return self._there.jobs.get(self.id)
        except NotFoundError:  # removed, and still held by the user
            return self._there.jobs.get(self.id, removed=True)

    def __repr__(self) -> str:
        from starwhale.api.notebook.job_view import job_line

        return job_line(self._record)

    def _repr_html_(self) -> str:
        from starwhale.api.notebook.job_view import job_html

        return job_html(self._record, self.info(), self._there.console.address)
