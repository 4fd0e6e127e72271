"""What is logged under an id: the tables of a job, or of a script that is no job; read, and added to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starwhale.domain.version import is_version
from starwhale.errors import NotFoundError
from starwhale.results.read import job_scope

if TYPE_CHECKING:
    from starwhale.storage.catalog.job_records import JobRecord
    from starwhale.storage.part import PartDraft
    from starwhale.storage.protocols import TablePage, TableQuery
    from starwhale.storage.result_parts.results import ResultScope
    from starwhale.storage.stores import Stores


class Logged:
    """The tables under one id. Whether a job has it is looked up anew each time: it may come later."""

    def __init__(self, stores: Stores, evaluation_id: str, project: str) -> None:
        self._stores = stores
        self._id = evaluation_id
        self._project = project

    def table_names(self) -> list[str]:
        """Return the names of the tables that have rows, without the summary."""
        return self._stores.results.reader.table_names(self._scope())

    def read_page(self, query: TableQuery, cursor: str | None) -> TablePage:
        """Return a page of a table, with the system's own columns.

        Args:
            query: Which rows.
            cursor: `next_cursor` of the page before; None for the first.
        """
        return self._stores.results.reader.read_page(self._scope(), query, cursor)

    def append(self, draft: PartDraft) -> None:
        """Commit tables under the id."""
        job = self._find_job()
        owner = f"{self._project}/{self._id}" if job is None else job.id
        self._stores.results.append(owner, f"log-{self._id}", draft)

    def _scope(self) -> ResultScope:
        from starwhale.storage.result_parts.results import ResultScope

        job = self._find_job()
        return ResultScope(owner=f"{self._project}/{self._id}") if job is None else job_scope(self._stores, job)

    def _find_job(self) -> JobRecord | None:
        """Return the job with the id; None when there is none."""
        if not is_version(self._id):
            return None
        try:
            return self._stores.catalog.jobs.get(self._id)
        except NotFoundError:
            return None
