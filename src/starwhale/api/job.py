"""`Job`: a run that was made, and a way to make one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from starwhale.api.evaluation import Evaluation
from starwhale.api.instance import default_instance
from starwhale.domain.job import RunRequest
from starwhale.domain.uri import Uri
from starwhale.errors import NotBuiltYetError
from starwhale.storage.protocols import Key, TableQuery, Value

if TYPE_CHECKING:
    from starwhale.results.report import JobReport
    from starwhale.storage.catalog.records import JobRecord


class Job:
    """A job of the local instance; what it says is read anew each time."""

    def __init__(self, uri: str) -> None:
        found = default_instance().jobs.get(str(uri))
        self.id = found.id
        """40 characters."""
        self.uri = Uri(kind="job", project=found.project, name=found.id)
        """The URI with nothing left out."""

    @classmethod
    def get(cls, uri: str) -> Job:
        """Return a job by id, unique beginning, name, URI, `latest` or `latest~N`.

        Raises:
            NotFoundError: Nothing fits.
        """
        return cls(uri)

    @classmethod
    def list(cls, project: str = "", page_index: int = 1, page_size: int = 20) -> tuple[list[Job], dict[str, Any]]:
        """Return a page of jobs, the newest first, and what page it is."""
        offset = (max(page_index, 1) - 1) * page_size
        found = default_instance().jobs.list(str(project) or None, limit=page_size + 1, offset=offset)
        jobs = [Job(each.id) for each in found[:page_size]]
        return jobs, {
            "page_index": page_index,
            "page_size": page_size,
            "size": len(jobs),
            "has_more": len(found) > page_size,
        }

    @classmethod
    def create(  # noqa: PLR0917 - the signature that scripts rely on
        cls,
        project: str,
        model: Any,
        run_handler: Any,
        datasets: Sequence[str] | None = None,
        runtime: str | None = None,
        resource_pool: str = "default",
        ttl: int = 0,
        dev_mode: bool = False,
        dev_mode_password: str = "",
        dataset_head: int = 0,
        overwrite_specs: Any = None,
    ) -> Job:
        """Run a handler and return the job; on the local instance the run has ended then."""
        del resource_pool, ttl, dev_mode, dev_mode_password, overwrite_specs  # of servers
        if runtime:
            raise NotBuiltYetError("Job.create with a runtime is not built yet", hint="leave `runtime` out")
        return cls.create_local(model, run_handler, project, datasets, dataset_head)

    @classmethod
    def create_local(
        cls,
        model: Any,  # Any: a directory or what names one
        run_handler: Any,  # Any: a name, a position or the function itself
        project: str = "self",
        datasets: Sequence[str] | None = None,
        dataset_head: int = 0,
    ) -> Job:
        """Run a handler of a model directory over datasets, and return the job when it has ended."""
        name = getattr(run_handler, "__qualname__", None)
        handler = f"{run_handler.__module__}:{name}" if name else str(run_handler)
        request = RunRequest(
            workdir=str(model),
            modules=(handler.partition(":")[0],) if ":" in handler else (),
            handler=handler,
            datasets=tuple(str(each) for each in datasets or ()),
            project=str(project),
            dataset_head=dataset_head,
        )
        return cls(default_instance().jobs.run(request).job_id)

    @classmethod
    def create_remote(cls, *args: Any, **kw: Any) -> Job:
        """Run a job on a server (not built yet)."""
        del args, kw
        raise NotBuiltYetError("Job.create_remote is not built yet", hint="use Job.create_local")

    @property
    def status(self) -> str:
        """Where it stands, in upper case."""
        return str(self._record.status).upper()

    @property
    def basic_info(self) -> dict[str, Any]:
        """The manifest."""
        from starwhale.results.manifest import job_manifest

        return job_manifest(self._record)

    def info(self) -> JobReport:
        """Return manifest and report."""
        from starwhale.results.report import make_report

        return make_report(default_instance().stores, self._record)

    @property
    def tables(self) -> list[str]:
        """Names of the tables that have rows, without the summary."""
        from starwhale.results.read import table_names

        return table_names(default_instance().stores, self._record)

    @property
    def summary(self) -> dict[str, Any]:
        """The summary; `{}` when there is none."""
        from starwhale.results.read import summary

        return summary(default_instance().stores, self._record)

    def get_table_rows(
        self,
        name: str,
        start: Key | None = None,
        end: Key | None = None,
        keep_none: bool = False,
        end_inclusive: bool = False,
    ) -> Iterator[dict[str, Value]]:
        """Read the rows of a table in its order; an unknown table has none."""
        from starwhale.results.read import read_rows

        query = TableQuery(table=name, start=start, end=end, end_inclusive=end_inclusive)
        return read_rows(default_instance().stores, self._record, query, keep_none=keep_none)

    @property
    def evaluation_store(self) -> Evaluation:
        """The job's results as an Evaluation."""
        return Evaluation(self.id, self.uri.project)

    @property
    def _record(self) -> JobRecord:
        return default_instance().jobs.get(self.id)

    def __repr__(self) -> str:
        return f"Job({self.uri.full!r})"


job = Job.get
