"""Drive a job that stands in the catalog: its loop with what stops it, and letting it go where it cannot run on."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from starwhale.domain.job import Job
from starwhale.domain.status import Status
from starwhale.errors import NoSpaceError, StarwhaleError
from starwhale.execution.attempt_stores import AttemptStores
from starwhale.execution.executors import Executor
from starwhale.execution.interrupts import listen_for_interrupt
from starwhale.execution.outcome import JobOutcome
from starwhale.execution.run import JobRun
from starwhale.execution.run_options import RunOptions
from starwhale.execution.stops import Stops
from starwhale.storage.stores import Stores
from starwhale.storage.task_side import JobSide

if TYPE_CHECKING:
    from starwhale.storage.catalog.job_records import Driver

logger = logging.getLogger(__name__)


def drive(
    job: Job,
    executor: Executor,
    stores: Stores,
    attempts: AttemptStores,
    options: RunOptions,
    *,
    last_event: int = 0,
) -> JobOutcome:
    """Run a job, new or resumed, until it ends or has to stop; where that cannot be, it is left as interrupted.

    Args:
        job: The job, as the catalog has it.
        executor: Places its tasks.
        stores: Where everything is kept.
        attempts: What the executor was opened with.
        options: How this process runs it.
        last_event: The newest event of the job from before this run.
    """
    attempts.side = JobSide(stores, job.steps, job.datasets, crash_point=options.crash_point)
    try:
        run = JobRun(job, executor, attempts, on_progress=options.on_progress)
        wishes = stores.catalog.wishes
        if options.should_stop is not None:
            return run.run(Stops(job, options.should_stop, wishes, last=last_event).find)
        with listen_for_interrupt() as should_stop:
            return run.run(Stops(job, should_stop, wishes, last=last_event).find)
    except NoSpaceError as error:
        executor.close(kill=True)
        let_go(job.id, stores)
        return JobOutcome(job_id=job.id, status=Status.INTERRUPTED, error=error)
    except BaseException:
        executor.close(kill=True)
        let_go(job.id, stores)
        raise


def let_go(job_id: str, stores: Stores) -> None:
    """Leave a job that this process cannot run on as interrupted; one that it has let go already may be another's.

    Where even that cannot be written, because the disk is full, the end of this process says the same.
    """
    try:
        found = stores.catalog.jobs.get(job_id)
        if found.driver != this_driver():
            return
        if found.status in {Status.CREATED, Status.RUNNING, Status.QUEUED, Status.CANCELLING}:
            stores.catalog.ledger.release_all(job_id)
            stores.catalog.jobs.set_status(job_id, Status.INTERRUPTED)
        stores.catalog.jobs.release_driver(job_id)
    except StarwhaleError as error:
        logger.warning("job=%s: cannot be written down as interrupted: %s", job_id, error)


def this_driver() -> Driver:
    """Say which process this is."""
    from starwhale.storage.catalog.driver import this_driver  # SQLAlchemy comes with it

    return this_driver()
