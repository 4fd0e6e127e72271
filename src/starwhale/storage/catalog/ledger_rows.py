"""Rows of the ledger as the values of `domain.ledger`, and back; what a transaction of the ledger reads and writes."""

from __future__ import annotations

import dataclasses
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, bindparam, insert, select, update

from starwhale.domain import ledger as rules
from starwhale.domain import together
from starwhale.domain.ledger import Pace, Queue, RangeState, RowRange
from starwhale.domain.together import Piece
from starwhale.errors import LeaseLostError
from starwhale.storage.catalog.schema import queues, ranges
from starwhale.storage.part import CommitRequest, RangeLease
from starwhale.storage.protocols import StepProgress

Place = tuple[str, str, int, int]
"""Step, queue, position of the dataset and first rank: names a range of a job."""
_VARIABLES = 500
"""SQLite bounds the variables of a statement."""


def rows_of(
    table: Any, job_id: str, step: str, queue: str
) -> ColumnElement[bool]:  # Any: queues or ranges; their columns are known by name
    """Choose the rows of a queue, of the table of queues or of ranges."""
    return and_(table.c.job_id == job_id, table.c.step == step, table.c.queue == queue)


def queue_rows(lease: RangeLease) -> ColumnElement[bool]:
    """Choose the ranges of the queue that a lease lies in."""
    own = rows_of(ranges, lease.job_id, lease.step, lease.queue)
    return and_(own, ranges.c.dataset_position == lease.dataset_position)


def leased_rows(
    connection: Connection, own: ColumnElement[bool], lease: RangeLease
) -> list[Row[Any]]:  # Any: see rows_like
    """Return the ranges of a lease, whoever has them now.

    Raises:
        LeaseLostError: No range begins at one of them.
    """
    starts = [each.start for each in lease.all_pieces]
    found: dict[int, Row[Any]] = {}
    for at in range(0, len(starts), _VARIABLES):
        chosen = ranges.c.start.in_(starts[at : at + _VARIABLES])
        found |= {row.start: row for row in connection.execute(select(ranges).where(own, chosen))}
    if len(found) < len(starts):
        message = f"rows {lease.start} to {lease.stop} of step {lease.step!r} were never leased"
        raise LeaseLostError(message)
    return [found[start] for start in starts]


def lease_on(like: RangeLease, chosen: Sequence[RowRange]) -> RangeLease:
    """Return the lease of some ranges, the rest as in another."""
    first, last = chosen[0], chosen[-1]
    pieces = [Piece(start=each.start, stop=each.stop, epoch=each.epoch) for each in chosen] if len(chosen) > 1 else ()
    return dataclasses.replace(like, start=first.start, stop=last.stop, epoch=first.epoch, pieces=tuple(pieces))


def figures_of(commit: CommitRequest, done: RowRange) -> dict[str, int | float]:
    """Return what one of the ranges of a commit has to count."""
    if not commit.lease.pieces:
        return {"rows_done": commit.rows_done, "rows_failed": commit.rows_failed, "seconds": commit.took_s}
    failed = commit.failed_ranks
    rows_failed = bisect_left(failed, done.stop) - bisect_left(failed, done.start)
    rows = done.stop - done.start
    return {
        "rows_done": rows,
        "rows_failed": rows_failed,
        "seconds": commit.took_s * rows / max(commit.rows_done, 1),
    }


def place_of(row: Row[Any]) -> Place:  # Any: see rows_like
    """Return what names the range of a row."""
    return row.step, row.queue, row.dataset_position, row.start


def places_of(lease: RangeLease) -> list[Place]:
    """Return what names the ranges of a lease."""
    return [(lease.step, lease.queue, lease.dataset_position, each.start) for each in lease.all_pieces]


def rows_like(row: Row[Any]) -> ColumnElement[bool]:  # Any: what SQLAlchemy knows of a row of several columns
    """Choose the ranges of the same queue."""
    return and_(rows_of(ranges, row.job_id, row.step, row.queue), ranges.c.dataset_position == row.dataset_position)


def to_range(row: Row[Any]) -> RowRange:  # Any: see rows_like
    """Make the value that a row stands for."""
    return RowRange(
        start=row.start,
        stop=row.stop,
        state=RangeState(row.state),
        epoch=row.epoch,
        holder=row.holder,
        deadline_s=row.deadline_s,
        crashes=row.crashes,
        deaths=row.deaths,
        retries=row.retries,
    )


def to_values(each: RowRange) -> dict[str, Any]:  # Any: values of columns
    """Return the columns of a range."""
    return {
        "start": each.start,
        "stop": each.stop,
        "state": each.state.value,
        "epoch": each.epoch,
        "holder": each.holder,
        "deadline_s": each.deadline_s,
        "crashes": each.crashes,
        "deaths": each.deaths,
        "retries": each.retries,
    }


def to_progress(step: str, total: int, counted: Any) -> StepProgress:  # Any: the sums of a step, or None
    """Say how far a step is."""
    if counted is None:
        return StepProgress(step=step, done=0, failed=0, total=total)
    return StepProgress(
        step=step,
        done=counted.done,
        failed=counted.failed,
        total=total - counted.left_out,
        retried=counted.retried,
        recovered=counted.retried - counted.failed_again,
    )


def write_range(connection: Connection, own: ColumnElement[bool], each: RowRange) -> None:
    """Write a range that is there."""
    write_ranges(connection, own, [to_values(each)])


def write_ranges(
    connection: Connection, own: ColumnElement[bool], written: Sequence[Mapping[str, Any]]
) -> None:  # Any: values of columns
    """Write ranges that are there; all of them with the same columns."""
    if written:
        change = update(ranges).where(own, ranges.c.start == bindparam("at"))
        names = {name: bindparam(f"new_{name}") for name in written[0] if name != "start"}
        given = [{"at": each["start"], **{f"new_{name}": each[name] for name in names}} for each in written]
        connection.execute(change.values(**names), given)


def insert_range(connection: Connection, like: Row[Any], each: RowRange) -> None:  # Any: see rows_like
    """Add a range to the queue of another."""
    key = {name: getattr(like, name) for name in ("job_id", "step", "queue", "dataset_position")}
    connection.execute(insert(ranges).values(**key, **to_values(each)))


def find_queue(connection: Connection, row: Row[Any]) -> Queue:  # Any: see rows_like
    """Return the queue that a range lies in."""
    own = and_(rows_of(queues, row.job_id, row.step, row.queue), queues.c.dataset_position == row.dataset_position)
    found = connection.execute(select(queues.c.total, queues.c.batch, queues.c.cursor).where(own)).one()
    return Queue(total=found.total, batch=found.batch, cursor=found.cursor)


def take_free(connection: Connection, own: ColumnElement[bool]) -> tuple[int, Queue, RowRange] | None:
    """Position of the dataset, queue and range of what was given back: suspects first, then in row order."""
    free = select(ranges).where(own, ranges.c.state == RangeState.FREE)
    for chosen in (ranges.c.crashes > 0, ranges.c.crashes == 0):  # apart: an index has each of them in order
        first = free.where(chosen).order_by(ranges.c.dataset_position, ranges.c.start).limit(1)
        if (row := connection.execute(first).first()) is not None:
            return row.dataset_position, find_queue(connection, row), to_range(row)
    return None


def free_behind(
    connection: Connection, own: ColumnElement[bool], first: RowRange, queue: Queue, pace: Pace
) -> list[RowRange]:
    """Free ranges behind a free one, as far as they may be leased with it."""
    is_like = ranges.c.crashes == first.crashes, ranges.c.start > first.start
    free = select(ranges).where(own, ranges.c.state == RangeState.FREE, *is_like)
    rows = connection.execute(free.order_by(ranges.c.start).limit(together.reach(queue, pace))).all()
    return [to_range(row) for row in rows]


def cut_new(
    connection: Connection, job_id: str, step: str, queue: str, pace: Pace
) -> tuple[int, Queue, RowRange] | None:
    """Position of the dataset, queue and range of what was never handed out, written down as free."""
    own = rows_of(queues, job_id, step, queue)
    left = select(queues).where(own, queues.c.cursor < queues.c.total).order_by(queues.c.dataset_position).limit(1)
    row = connection.execute(left).first()
    if row is None:
        return None
    before = Queue(total=row.total, batch=row.batch, cursor=row.cursor)
    after, fresh = rules.cut(before, rules.range_rows(before, pace))
    if fresh is None:
        return None
    position = queues.c.dataset_position == row.dataset_position
    connection.execute(update(queues).where(own, position).values(cursor=after.cursor))
    insert_range(connection, row, fresh)
    return row.dataset_position, after, fresh
