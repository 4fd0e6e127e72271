"""Stop a job, whoever runs it: by a wish that its driver finds in the catalog, or, where nobody runs it, in the catalog alone."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starwhale.domain.status import Status
from starwhale.domain.version import SHORT_VERSION
from starwhale.domain.wish import STOPS, Wish
from starwhale.errors import ConflictError, JobTimeoutError, StatusError

if TYPE_CHECKING:
    from starwhale.storage.catalog.job_records import JobRecord
    from starwhale.storage.stores import Stores

FORCE_AFTER_S = 10.0
"""A driver that has not stopped so long after a forced wish is ended."""
_TRUE = {
    Wish.PAUSE: {Status.PAUSED, Status.INTERRUPTED},
    Wish.CANCEL: {Status.CANCELED},
    Wish.FORCE: {Status.CANCELED},
}
"""The statuses in which there is nothing left to wish for."""
_DONE = {Wish.PAUSE: "paused", Wish.CANCEL: "canceled", Wish.FORCE: "canceled"}


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitLimits:
    """How long a wish is waited for."""

    timeout_s: float | None = None
    """At most so long; None for ever."""
    poll_s: float = 0.1
    """Look so often."""
    force_after_s: float = FORCE_AFTER_S
    """End a driver that does not answer to force after so long."""


def stop_job(stores: Stores, found: JobRecord, wish: Wish, patience: WaitLimits) -> JobRecord:
    """Stop a job and return it when nobody works on it any more.

    Raises:
        StatusError: It has ended otherwise; the message says how.
        JobTimeoutError: It has not stopped in time; the wish stands.
        ConflictError: Its driver does not answer, and must not or cannot be ended from here.
    """
    jobs = stores.catalog.jobs
    began = time.monotonic()
    asked = None
    while True:
        if not jobs.is_driven(found):
            ended = _end(stores, found, wish)
            if ended is not None:
                return ended
        elif found.driver != asked:  # also one that took the job over meanwhile
            asked = found.driver
            stores.catalog.wishes.add(found.id, wish)
        waited = time.monotonic() - began
        if wish is Wish.FORCE and waited >= patience.force_after_s:
            _end_driver(stores, found)
        if patience.timeout_s is not None and waited >= patience.timeout_s:
            message = f"job {found.id[:SHORT_VERSION]} is still {found.status} after {patience.timeout_s:g} s"
            raise JobTimeoutError(
                message, hint="it stops at its next batch; swcli job cancel --force does not wait for it"
            )
        time.sleep(patience.poll_s)
        found = jobs.get(found.id)


def _end(stores: Stores, found: JobRecord, wish: Wish) -> JobRecord | None:
    """Make a wish true for a job that nobody works on; None where somebody has begun to."""
    if found.status in _TRUE[wish]:
        return found
    waits = found.status is Status.QUEUED  # for a server, which has not begun it
    if (wish is Wish.PAUSE and not waits) or found.status in {Status.SUCCESS, Status.FAILED}:
        short = found.id[:SHORT_VERSION]
        message = f"job {short} cannot be {_DONE[wish]}: it has ended, as {found.status}"
        raise StatusError(message, hint=f"see it with: swcli job info {short}")
    return stores.catalog.jobs.end_undriven(found.id, STOPS[wish].status)


def _end_driver(stores: Stores, found: JobRecord) -> None:
    """End a driver that does not answer, where that takes nothing else with it."""
    from starwhale.domain.job import CALLER
    from starwhale.storage.catalog.driver import end_driver

    if found.driver is None or not stores.catalog.jobs.is_driven(found):
        return
    if found.request.executor == CALLER:
        message = f"job {found.id[:SHORT_VERSION]} runs in a notebook or script, process {found.driver.pid}, which does not answer"
        raise ConflictError(
            message, hint="interrupt or restart it there: ending the process would take all of its state with it"
        )
    end_driver(found.driver)
