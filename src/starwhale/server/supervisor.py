"""Begins what waits, and goes on with what a dead driver left: a thread of the server, which starts a process per job and outlives none of them.

Which job comes next is decided by `execution.supervise`. What is known is read from the catalog each time, so that a server that was killed goes on by itself.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import Counter
from typing import TYPE_CHECKING

from starwhale.domain.job import ResumeChanges, TaskError
from starwhale.domain.status import Status
from starwhale.errors import ConflictError, StarwhaleError
from starwhale.execution.supervise import WAITS, QueuedJob, QueueLimits, choose
from starwhale.server.driver import start_driver

if TYPE_CHECKING:
    from starwhale.instances import Instance
    from starwhale.storage.catalog.job_records import JobRecord

logger = logging.getLogger(__name__)
LOOK_S = 1.0
"""Time between two looks at what waits."""
MADE_S = 3600.0
"""A driver has to take the job over in so many seconds: its model is unpacked before, and the environment of its runtime made."""
MOST_DEATHS = 3
"""A job whose driver died so many times under this server is left as interrupted."""


class Supervisor:
    """Runs the jobs that were submitted to one instance. Whoever made it closes it; drivers live on."""

    def __init__(self, instance: Instance, limits: QueueLimits) -> None:
        self._instance = instance
        self._limits = limits
        self._is_over = threading.Event()
        self._starting: dict[str, QueuedJob] = {}
        self._deaths: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="starwhale-supervisor", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Begin nothing any more; what runs goes on."""
        self._is_over.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._is_over.wait(LOOK_S):
            try:
                self._look()
            except StarwhaleError as error:
                # The next look may be luckier: another program holds the catalog, the disk is full.
                logger.warning("jobs that wait cannot be looked at: %s", error)
            except Exception:
                # The entry point of a thread: were it to end here, no job would ever begin again, and nobody would be told.
                logger.exception("jobs that wait cannot be looked at")

    def _look(self) -> None:
        """Begin what there is room for."""
        jobs = self._instance.jobs
        running: list[QueuedJob] = []
        waiting: list[QueuedJob] = []
        for each in jobs.submitted():
            with self._lock:
                is_starting = each.id in self._starting
            if is_starting or self._instance.catalog.jobs.is_driven(each):
                running.append(_queued(jobs.most_tasks(each), each))
            elif each.status is Status.QUEUED or self._was_left(each):
                waiting.append(_queued(jobs.most_tasks(each), each))
        for each in choose(waiting, running, self._limits):
            self._begin(each)

    def _was_left(self, job: JobRecord) -> bool:
        """Whether the driver of a job died, or could not begin before it was let go; one that was told to stop has let it go for good."""
        was_begun = job.driver is not None or job.record.get(WAITS, False)
        return job.status is Status.INTERRUPTED and was_begun and self._deaths[job.id] < MOST_DEATHS

    def _begin(self, job: QueuedJob) -> None:
        with self._lock:
            self._starting[job.id] = job
        threading.Thread(target=self._start, args=(job.id,), name=f"starwhale-begin-{job.id[:6]}", daemon=True).start()

    def _start(self, job_id: str) -> None:
        """Start the driver of a job, and write down why it could not begin."""
        try:
            self._deaths[job_id] += 1
            start_driver(self._instance, job_id, ResumeChanges(), patience_s=MADE_S)
        except ConflictError:  # somebody else goes on with it
            return
        except StarwhaleError as error:
            logger.warning("job=%s cannot be begun: %s", job_id, error)
            self._fail(job_id, TaskError(message=error.message, hint=error.hint, is_user_error=False))
        except Exception as error:
            # The entry point of a thread: a job that nobody fails would be begun anew every second.
            logger.exception("job=%s cannot be begun", job_id)
            message = f"the job could not be begun: {type(error).__name__}: {error}"
            self._fail(job_id, TaskError(message=message, hint="the server's log says more", is_user_error=False))
        finally:
            with self._lock:
                self._starting.pop(job_id, None)

    def _fail(self, job_id: str, error: TaskError) -> None:
        with contextlib.suppress(StarwhaleError):  # it has ended meanwhile, and said why
            self._instance.catalog.jobs.set_status(job_id, Status.FAILED, error=error)


def _queued(tasks: int, job: JobRecord) -> QueuedJob:
    return QueuedJob(id=job.id, project=job.project, tasks=tasks, since=job.created_at)
