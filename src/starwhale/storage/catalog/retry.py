"""Failed rows become free again, and what was made of them gives way: one transaction, after which the job is one that goes on.

Before it, the job stands as it ended; after it, a driver that dies leaves an interrupted job, which any `resume` completes. Nothing is
deleted that was found: of a row that is tried again the error moves to another table, and what steps behind it had said is hidden until
they say it anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from starwhale.domain import ledger as rules
from starwhale.domain.ledger import Queue, RangeState, RowRange
from starwhale.domain.status import Status
from starwhale.errors import CorruptedError
from starwhale.storage.catalog.part_sums import read_checked_parts, sum_up
from starwhale.storage.catalog.schema import jobs, part_tables, parts, queues, ranges, steps, tasks
from starwhale.storage.protocols import ERRORS, RETRIED_ERRORS

FailedRows = Mapping[tuple[str, int], Sequence[int]]
"""Step and position of the dataset → ranks of the rows that failed, sorted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Which rows of a job are tried again, and what follows from that."""

    failed: FailedRows
    """The rows."""
    reset: Sequence[str]
    """Steps that have to end anew: those with such rows, and those behind them."""
    again: Sequence[str]
    """Those of them that run again as a whole, because they consume no rows."""


def free_failed_rows(connection: Connection, job_id: str, retry: Retry) -> int:
    """Give the failed rows of a job back, in a transaction of the driver, and return how many there are.

    The job is running then, whatever it had ended as.

    Raises:
        CorruptedError: The ledger and the errors that are kept tell of different rows; nothing is changed.
    """
    count = 0
    read_checked_parts(connection, parts.c.owner == job_id)  # they are summed up anew below
    own = ranges.c.job_id == job_id, ranges.c.queue == "", ranges.c.state == RangeState.DONE, ranges.c.rows_failed > 0
    for row in connection.execute(select(ranges).where(*own)).all():
        count += _free(connection, row, retry.failed.get((row.step, row.dataset_position), ()))
    _set_errors_aside(connection, job_id)
    _reset_steps(connection, job_id, retry)
    running = {"status": Status.RUNNING.value, "finished_at": None, "error": None}
    connection.execute(update(jobs).where(jobs.c.id == job_id).values(**running))
    return count


def _free(connection: Connection, row: Row[Any], ranks: Sequence[int]) -> int:  # Any: what SQLAlchemy knows of a row
    """Cut one range; the pieces that stay done keep their part."""
    failed = [each for each in ranks if row.start <= each < row.stop]
    if len(failed) != row.rows_failed:
        message = f"{row.rows_failed} rows of {row.start} to {row.stop} of step {row.step!r} failed, and errors of {len(failed)} are kept"
        raise CorruptedError(message, hint="run the evaluation again: swcli job reproduce JOB")
    place = {name: getattr(row, name) for name in ("job_id", "step", "queue", "dataset_position")}
    same = [queues.c[name] == value for name, value in place.items()]
    found = connection.execute(select(queues).where(*same)).one()
    queue = Queue(total=found.total, batch=found.batch, cursor=found.cursor)
    whole = RowRange(
        start=row.start,
        stop=row.stop,
        state=RangeState.DONE,
        epoch=row.epoch,
        holder=row.holder,
        crashes=row.crashes,
        deaths=row.deaths,
        retries=row.retries,
    )
    pieces = rules.free_failed(whole, failed, queue)
    connection.execute(
        delete(ranges).where(*(ranges.c[name] == value for name, value in place.items()), ranges.c.start == row.start)
    )
    connection.execute(insert(ranges), [{**place, **_columns(each, row)} for each in pieces])
    return len(failed)


def _columns(piece: RowRange, row: Row[Any]) -> dict[str, Any]:  # Any: values of columns
    is_done = piece.state is RangeState.DONE
    rows = piece.stop - piece.start
    return {
        "start": piece.start,
        "stop": piece.stop,
        "state": piece.state.value,
        "epoch": piece.epoch,
        "holder": piece.holder,
        "deadline_s": None,
        "crashes": piece.crashes,
        "deaths": piece.deaths,
        "retries": piece.retries,
        "rows_done": rows if is_done else 0,
        "rows_failed": 0,
        "seconds": row.seconds * rows / (row.stop - row.start) if is_done else 0.0,
        "part_id": row.part_id if is_done else None,
    }


def _set_errors_aside(connection: Connection, job_id: str) -> None:
    """Call the errors of all rows that are tried again what they are now: earlier ones."""
    own = select(parts.c.id).where(parts.c.owner == job_id, parts.c.dataset_position.is_not(None))
    moved = update(part_tables).where(part_tables.c.part_id.in_(own), part_tables.c.table_name == ERRORS)
    connection.execute(moved.values(table_name=RETRIED_ERRORS))


def _reset_steps(connection: Connection, job_id: str, retry: Retry) -> None:
    """Let steps end anew; of those that run again as a whole, hide what they have found and forget which rows they shared."""
    fresh = {"status": Status.CREATED.value, "started_at": None, "finished_at": None}
    own = steps.c.job_id == job_id, steps.c.name.in_(retry.reset)
    connection.execute(update(steps).where(*own).values(**fresh))
    ended = tasks.c.job_id == job_id, tasks.c.step.in_(retry.reset)
    connection.execute(update(tasks).where(*ended).values(status=Status.CREATED.value))
    found = parts.c.owner == job_id, parts.c.step.in_(retry.again)
    connection.execute(update(parts).where(*found).values(visible=False))
    sum_up(connection, parts.c.owner == job_id)
    for table in (ranges, queues):
        shared = table.c.job_id == job_id, table.c.step.in_(retry.again), table.c.queue != ""
        connection.execute(delete(table).where(*shared))
