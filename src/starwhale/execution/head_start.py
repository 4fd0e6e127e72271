"""What the driver of a job does for the first time is done beforehand, while the first worker imports the user's modules.

Between a loaded model and its first row stands the driver: it looks the datasets up, writes the job down and leases rows. The first time, most of that is
importing, compiling statements and comparing tables with their checksums. Nothing stays of what is done here, and what goes wrong is left to whoever meets it in
earnest.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Self

from starwhale.domain.attempt_name import attempt_key
from starwhale.domain.job import DatasetInput, HandlerRecord, Job, RunRequest, Step
from starwhale.domain.ledger import Pace
from starwhale.domain.status import Status
from starwhale.errors import NotFoundError
from starwhale.execution.plan import plan_tasks

if TYPE_CHECKING:
    from starwhale.storage.catalog.catalog import SqlCatalog
    from starwhale.storage.stores import Stores

LEAVE_S = 5.0
"""How long a job that cannot be waits for it."""
_NEEDED = ("starwhale.storage.dataset_rows.dataset_store", "starwhale.storage.result_parts.results")
Pin = Callable[[str], DatasetInput]
"""Resolves a dataset URI to an immutable version with all its rows."""


class _OverError(Exception):
    """Ends a rehearsal, and takes back what was written."""


class HeadStart:
    """Gets the stores ready in a thread of its own, from when it is made. Whoever made it enters it for as long as the worker imports."""

    def __init__(self, request: RunRequest, stores: Stores, pin: Pin) -> None:
        """Begin.

        Args:
            request: What the user asks for.
            stores: Where everything is kept.
            pin: Resolves dataset URIs.
        """
        self._request = request
        self._stores = stores
        self._pin = pin
        self._found: dict[str, DatasetInput] = {}
        self._is_over = False
        self._thread = threading.Thread(target=self._get_ready, name="head-start", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait until everything is ready; where there will be no job, until what is being done has been done: the stores are closed then."""
        del error, trace
        self._is_over = kind is not None
        self._thread.join(None if kind is None else LEAVE_S)

    def wait(self) -> None:
        """Return when everything is ready."""
        self._thread.join()

    def pin(self, uri: str) -> DatasetInput:
        """Return the version that a URI means, as it was found beforehand where it was.

        Raises:
            StarwhaleError: Whatever resolving it raises.
        """
        self.wait()
        return self._found.pop(uri, None) or self._pin(uri)

    def _get_ready(self) -> None:
        with suppress(Exception):  # whoever needs it will say what is wrong
            for name in _NEEDED:
                importlib.import_module(name)
            if not self._is_over:
                rehearse(self._stores.catalog)
            for uri in self._request.datasets:
                if self._is_over:
                    return
                found = self._pin(uri)
                self._stores.datasets.open_version(found.dataset_id, found.manifest_digest)
                self._found[uri] = found


def rehearse(catalog: SqlCatalog) -> None:
    """Begin a job in a transaction that is taken back: its statements are compiled from then on, and its tables were compared with their checksums."""
    step = Step(name="rehearsal", record=HandlerRecord(name="rehearsal", kind="predict"), consumes_rows=True)
    request = RunRequest(workdir="", modules=())
    job = Job(id="rehearsal", request=request, handler=step.name, steps=(step,), datasets=())
    task = plan_tasks(job, step)[0]
    with suppress(NotFoundError):
        catalog.jobs.find(job.id)  # compares the tables: with many jobs that takes its time, in which others may write
    with suppress(_OverError), catalog.together():
        catalog.jobs.create(job, {}, None)
        catalog.jobs.attempts(job.id)
        catalog.jobs.ended_tasks(job.id)
        catalog.jobs.steps(job.id)
        catalog.wishes.after(job.id, 0)
        catalog.ledger.create_queue(job.id, step.name, "", 0, 2, 1)
        catalog.jobs.set_status(job.id, Status.RUNNING)
        catalog.jobs.record_attempt_start(task, request.executor)
        catalog.jobs.record_step(job.id, step.name, Status.RUNNING)
        catalog.ledger.next_range(job.id, step.name, "", attempt_key(task.id, task.attempt), Pace())
        catalog.ledger.progress(job.id)
        raise _OverError
