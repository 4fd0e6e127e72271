"""What is told of one job: where it stands, its report, its tables, rows and figures. Nothing here changes anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from starwhale.domain.json_shape import Json
from starwhale.domain.uri import DEFAULT_PROJECT, parse_project_uri

if TYPE_CHECKING:
    from pathlib import Path

    from starwhale.instances.jobs.stored_predictions import Prediction
    from starwhale.results.figure import Figure
    from starwhale.results.logged import Logged
    from starwhale.results.reports.job_report import JobReport, StepReport
    from starwhale.results.row_index import RowIndexes
    from starwhale.results.scan import Scan
    from starwhale.storage.catalog.job_records import JobRecord, StepRecord
    from starwhale.storage.catalog.records import VersionRecord
    from starwhale.storage.protocols import Key, TableQuery, Value
    from starwhale.storage.stores import Stores

Row = dict[str, "Value"]


class JobReading:
    """The verbs of jobs that only look. Whoever has a record hands it over; nobody looks into stores or results beside them."""

    def __init__(self, stores: Stores, project: str) -> None:
        self._stores = stores
        self._project = project

    # ------------------------------------------------------------------------------------------------------- which

    def list(
        self, project: str | None = None, *, limit: int = 100, offset: int = 0, removed: bool = False
    ) -> Sequence[JobRecord]:
        """Return jobs, the newest first.

        Args:
            project: URI of the project; None for the current one.
            limit: At most so many.
            offset: Leave out so many of the newest.
            removed: The removed ones instead of the others.

        Raises:
            NotFoundError: There is no such project.
        """
        home = self._project if project is None else parse_project_uri(project, instances=self._stores.names).project
        projects = self._stores.catalog.projects
        if home in {self._project, DEFAULT_PROJECT}:  # those two are there from the start
            projects.refuse_removed(home)
        else:
            projects.get(home)
        return self._stores.catalog.jobs.list(home, limit=limit, offset=offset, removed=removed)

    def get(self, job: str, *, removed: bool = False) -> JobRecord:
        """Return one job.

        Args:
            job: How it is addressed.
            removed: Look among the removed ones instead of the others.

        Raises:
            NotFoundError: Nothing fits.
        """
        return self._stores.catalog.jobs.get(job, project=self._project, removed=removed)

    def find(self, job_id: str) -> JobRecord:
        """Return the job with a whole id, also a removed one; `is_removed` says so.

        Raises:
            NotFoundError: There is none, or its project was removed.
        """
        return self._stores.catalog.jobs.find(job_id)

    # -------------------------------------------------------------------------------------------- what is told of it

    def steps(self, job: str) -> Sequence[StepRecord]:
        """Return the steps of one job, needs first."""
        return self._stores.catalog.jobs.steps(self.get(job).id)

    def step_reports(self, job: JobRecord) -> tuple[StepReport, ...]:
        """Return how each step stands: its tasks, its rows, where its time went; needs first."""
        from starwhale.results.reports.job_report import make_steps

        return make_steps(self._stores, job)

    def report(self, job: JobRecord) -> JobReport:
        """Return all that is told about a job as it stands now: what `job info` shows."""
        from starwhale.results.reports.job_report import make_report

        return make_report(self._stores, job)

    def manifest(self, job: JobRecord) -> Json:
        """Return what a job ran, on what, and how it ended."""
        from starwhale.results.reports.manifest import job_manifest

        return job_manifest(job)

    def figures(self, job: JobRecord) -> tuple[Figure, ...]:
        """Return the figures of a job, each with its interval; none before it has ended well.

        Raises:
            CorruptedError: They cannot be read.
        """
        from starwhale.results.figure import figures_of

        return figures_of(job.record)

    def summary(self, job: JobRecord) -> Row:
        """Return what a job logged as its summary, and its figures over all rows; `{}` when there is neither."""
        from starwhale.results.read import summary

        return summary(self._stores, job)

    # ---------------------------------------------------------------------------------------------------- its tables

    def tables(self, job: JobRecord) -> Sequence[str]:
        """Return the names of the tables that have rows, without the summary."""
        from starwhale.results.read import table_names

        return table_names(self._stores, job)

    def rows(self, job: JobRecord, query: TableQuery, *, keep_none: bool = False) -> Iterator[Row]:
        """Read rows of a table in its order, without the system's own columns; an unknown table has none.

        Args:
            job: Whose it is.
            query: Which rows.
            keep_none: Whether every row has every column.
        """
        from starwhale.results.read import JobTables

        return JobTables(self._stores, job).rows(query, keep_none=keep_none)

    def results(
        self,
        job: JobRecord,
        table: str = "",
        *,
        where: str = "",
        limit: int | None = 20,
        offset: int = 0,
        failed: bool = False,
    ) -> Scan:
        """Return the first rows of a table that fit; see `results.scan.scan`.

        Args:
            job: Whose it is.
            table: Its name, in any case; empty for `results`.
            where: An expression over the columns; empty for all rows.
            limit: At most so many; None for all.
            offset: Leave out so many of the first that fit.
            failed: The rows that failed, in row order, and last the one that ended the job.

        Raises:
            NotFoundError: The job has no such table.
            UsageError: The expression breaks, or names a column that no row has; or a number is below its least.
        """
        from starwhale.results.scan import scan

        return scan(self._stores, job, table, where=where, limit=limit, offset=offset, failed=failed)

    def row(self, job: JobRecord, table: str, row_id: Any) -> Row | None:  # Any: a key
        """Return the row of a table with an id; None where there is none."""
        from starwhale.results.read import job_scope
        from starwhale.results.scan import whole_row

        return whole_row(self._stores, job_scope(self._stores, job), table, row_id)

    def frame(self, job: JobRecord, table: str) -> Any:  # Any: a pandas.DataFrame; pandas is optional
        """Return a whole table as a data frame.

        Raises:
            MissingDependencyError: pandas is not installed.
        """
        from starwhale.results.frame import to_pandas

        return to_pandas(self._stores, job, table)

    def arrow(self, job: JobRecord, table: str) -> Any:  # Any: a pyarrow.Table, which ships no types
        """Return a whole table as an Arrow table; columns without an Arrow type come as text."""
        from starwhale.results.frame import to_arrow

        return to_arrow(self._stores, job, table)

    def log_folder(self, job_id: str) -> Path:
        """Return where the logs of a job lie, or will lie."""
        return self._stores.layout.logs(job_id)

    def on_dataset(self, version: VersionRecord) -> Sequence[JobRecord]:
        """Return the jobs of its project that tried rows of a version of a dataset, the newest first."""
        from starwhale.instances.jobs.stored_predictions import jobs_on

        return jobs_on(self._stores, version)

    def predictions(self, job: JobRecord, version: VersionRecord, keys: Sequence[Key]) -> Sequence[Prediction]:
        """Return what a job kept of rows of a version of a dataset, for those of the rows that it has tried."""
        from starwhale.instances.jobs.stored_predictions import predictions

        return predictions(self._stores, job, version, keys)

    def row_indexes(self) -> RowIndexes:
        """Return what finds, orders and counts rows of large tables again and again, and keeps what it has found for that."""
        from starwhale.results.row_index import RowIndexes

        return RowIndexes(self._stores)

    def logged(self, evaluation_id: str, project: str) -> Logged:
        """Return what is logged under an id: of a job, or of a script that is no job."""
        from starwhale.results.logged import Logged

        return Logged(self._stores, evaluation_id, project)
