"""The ledger in SQL: the pure rules of `domain.ledger`, each applied inside one transaction that holds the write lock.

A *holder* is one attempt of one task, by its `domain.job.attempt_key`. Rows of a queue go to holders range by range; committing a range and
granting the next are one transaction, so that nothing stands between what is done and what is visible.
"""

from __future__ import annotations

import dataclasses
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, bindparam, case, func, insert, select, update

from starwhale.domain import ledger as rules
from starwhale.domain import together
from starwhale.domain.job import parse_attempt_key
from starwhale.domain.ledger import Pace, Queue, RangeState, RowRange
from starwhale.domain.together import Piece
from starwhale.errors import ConflictError, LeaseLostError
from starwhale.storage.catalog.engine import Database
from starwhale.storage.catalog.schema import attempts, queues, ranges
from starwhale.storage.part import CommitRequest, RangeLease
from starwhale.storage.protocols import StepProgress

_Place = tuple[str, str, int, int]
"""Step, queue, position of the dataset and first rank: names a range of a job."""
_VARIABLES = 500
"""SQLite bounds the variables of a statement."""


class Ledger:
    """Who may work on which rows, for all jobs of one catalog; safe with any number of threads and processes."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def create_queue(  # noqa: PLR0913 - the columns of one row
        self,
        job_id: str,
        step: str,
        queue: str,
        dataset_position: int,
        total: int,
        batch: int,
        *,
        start: int = 0,
        chosen: Sequence[int] | None = None,
    ) -> None:
        """Make the queue of one dataset of one step; the same again changes nothing.

        Args:
            job_id: Job.
            step: Step that consumes the rows.
            queue: Empty for predict, else the session.
            dataset_position: Position of the dataset in the job.
            total: Rank after the last row.
            batch: Rows per batch.
            start: Rank of the first row. Those before it are written down as a range that is done and was never leased, so that
                ranges tile every queue from 0.
            chosen: Ranks of the only rows that are wanted, which come with the batches that they lie in; None wants all.

        Raises:
            ConflictError: It is there with another number of rows or another batch.
        """
        own = and_(_of(queues, job_id, step, queue), queues.c.dataset_position == dataset_position)
        with self._database.write() as connection:
            row = connection.execute(select(queues).where(own)).first()
            if row is None:
                values = {"job_id": job_id, "step": step, "queue": queue, "dataset_position": dataset_position}
                cursor = start if chosen is None else total
                connection.execute(insert(queues).values(**values, total=total, batch=batch, cursor=cursor))
                if chosen is not None:
                    tiles = [{**values, **_values(each)} for each in rules.tile(total, batch, chosen)]
                    if tiles:
                        connection.execute(insert(ranges), tiles)
                elif start:
                    left_out = RowRange(start=0, stop=start, state=RangeState.DONE)
                    connection.execute(insert(ranges).values(**values, **_values(left_out)))
            elif (row.total, row.batch) != (total, batch):
                message = f"step {step!r} of job {job_id} has a queue of {row.total} rows in batches of {row.batch}, not {total} in {batch}"
                raise ConflictError(message, hint="start a new job")

    def next_range(  # noqa: PLR0913 - one call does a whole turn of a worker
        self,
        job_id: str,
        step: str,
        queue: str,
        holder: str,
        pace: Pace,
        *,
        commit: CommitRequest | None = None,
        deadline_s: float | None = None,
    ) -> RangeLease | None:
        """Commit the range before, if given, and lease the next, in one transaction.

        Suspects come first, then the first free range, then a new one of the first dataset that has rows left.

        Args:
            job_id: Job.
            step: Step that consumes the rows.
            queue: Empty for predict; the session of `make_distributed_consumption` otherwise.
            holder: Attempt that asks.
            pace: What it has measured.
            commit: The range that it has finished.
            deadline_s: When the lease ends by the catalog's clock; None when it ends with the holder's process.

        Returns:
            The lease; None when no rows are left to hand out, although others may still be at work.

        Raises:
            LeaseLostError: The lease of `commit` has ended; nothing is kept of it and nothing is granted.
        """
        own = _of(ranges, job_id, step, queue)
        with self._database.write() as connection:
            if commit is not None:
                self._commit(connection, commit, holder)
            if deadline_s is not None:
                self._release_expired(connection, own)
            found = _take_free(connection, own) or _cut_new(connection, job_id, step, queue, pace)
            if found is None:
                return None
            position, cut, free = found
            here = and_(own, ranges.c.dataset_position == position)
            chosen = (
                [free] if queue else together.choose(free, _free_behind(connection, here, free, cut, pace), cut, pace)
            )
            granted = [rules.grant(each, holder, deadline_s) for each in chosen]
            _write_all(connection, here, [_values(each) for each in granted])
        first = granted[0]
        is_torn = not rules.is_whole(first.start, first.stop, cut)
        whole = RangeLease(
            job_id=job_id,
            step=step,
            queue=queue,
            dataset_position=position,
            start=first.start,
            stop=first.stop,
            epoch=first.epoch,
            batch=cut.batch,
            rebatched=cut.batch > 1 and (is_torn or (first.crashes > 0 and first.stop - first.start <= cut.batch)),
            is_suspect=first.crashes > 0,
            is_retry=first.retries > 0,
        )
        return _lease_on(whole, granted)

    def split_range(self, lease: RangeLease, cuts: Sequence[int], holder: str) -> list[RangeLease]:
        """Cut a lease at batch boundaries; what it falls into stays leased.

        Args:
            lease: A range, or several that were leased together.
            cuts: Ranks at which a new lease begins.
            holder: Attempt that holds it.

        Raises:
            LeaseLostError: The lease has ended; nothing changes.
        """
        own = _queue_of(lease)
        with self._database.write() as connection:
            rows = _leased(connection, own, lease)
            batch = 1 if lease.rebatched else lease.batch
            pieces = [(_range(row), piece) for row, piece in zip(rows, lease.all_pieces, strict=True)]
            groups = together.split(pieces, holder, self._clock(), cuts, batch)
            known = {row.start for row in rows}
            found = [each for group in groups for each in group]
            _write_all(connection, own, [_values(each) for each in found if each.start in known])
            for each in found:
                if each.start not in known:
                    _insert(connection, rows[0], each)
        return [_lease_on(lease, group) for group in groups]

    def commit_range(self, commit: CommitRequest, holder: str) -> None:
        """Commit a range without asking for more.

        Raises:
            LeaseLostError: The lease has ended; nothing is kept.
        """
        with self._database.write() as connection:
            self._commit(connection, commit, holder)

    def release_holder(
        self, job_id: str, holder: str, *, suspects: Sequence[RangeLease] = (), is_alone: bool = False
    ) -> int:
        """Give the ranges of an attempt back. Returns how many there were.

        Args:
            job_id: Job.
            holder: The attempt, which has ended.
            suspects: Those of them at which its worker was when it died.
            is_alone: Whether the worker was at one range only; see `domain.ledger.give_back_suspect`.
        """
        chosen = and_(ranges.c.job_id == job_id, ranges.c.state == RangeState.LEASED, ranges.c.holder == holder)
        places = {place for each in suspects for place in _places(each)}
        is_alone = is_alone and not any(each.pieces for each in suspects)
        return self._release(chosen, places, is_alone=is_alone)

    def release_all(self, job_id: str) -> int:
        """End all leases of a job, for a new driver takes over. Returns how many there were."""
        return self._release(and_(ranges.c.job_id == job_id, ranges.c.state == RangeState.LEASED))

    def deaths(self, lease: RangeLease) -> int:
        """How many workers have died on a range alone, by any driver of the job."""
        own = and_(
            _of(ranges, lease.job_id, lease.step, lease.queue), ranges.c.dataset_position == lease.dataset_position
        )
        with self._database.read() as connection:
            found = connection.execute(select(ranges.c.deaths).where(own, ranges.c.start == lease.start))
            return found.scalar_one_or_none() or 0

    def suspects(self, job_id: str, step: str) -> list[RangeLease]:
        """Ranges on which workers have died and that are not done: to be tried alone. Those that are free have no holder."""
        chosen = and_(
            ranges.c.job_id == job_id, ranges.c.step == step, ranges.c.crashes > 0, ranges.c.state != RangeState.DONE
        )
        batch = select(queues.c.batch).where(
            queues.c.job_id == job_id,
            queues.c.step == step,
            queues.c.queue == ranges.c.queue,
            queues.c.dataset_position == ranges.c.dataset_position,
        )
        query = select(ranges, batch.scalar_subquery().label("batch")).where(chosen)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(ranges.c.dataset_position, ranges.c.start)).all()
        return [
            RangeLease(
                job_id=job_id,
                step=step,
                queue=row.queue,
                dataset_position=row.dataset_position,
                start=row.start,
                stop=row.stop,
                epoch=row.epoch,
                batch=row.batch,
                rebatched=row.batch > 1 and row.stop - row.start <= row.batch,
                is_suspect=True,
                is_retry=row.retries > 0,
            )
            for row in rows
        ]

    def progress(self, job_id: str) -> Sequence[StepProgress]:
        """How far each step with rows is."""
        done = (
            select(
                ranges.c.step,
                func.sum(ranges.c.rows_done).label("done"),
                func.sum(ranges.c.rows_failed).label("failed"),
                func.sum(case((ranges.c.epoch == 0, ranges.c.stop - ranges.c.start), else_=0)).label("left_out"),
                func.sum(case((ranges.c.retries > 0, ranges.c.rows_done), else_=0)).label("retried"),
                func.sum(case((ranges.c.retries > 0, ranges.c.rows_failed), else_=0)).label("failed_again"),
            )
            .where(ranges.c.job_id == job_id, ranges.c.state == RangeState.DONE)
            .group_by(ranges.c.step)
        )
        totals = select(queues.c.step, func.sum(queues.c.total).label("total")).where(queues.c.job_id == job_id)
        with self._database.read() as connection:
            counted: dict[str, Any] = {row.step: row for row in connection.execute(done)}  # Any: see _like
            rows = connection.execute(totals.group_by(queues.c.step)).all()
        return [_progress(row.step, row.total, counted.get(row.step)) for row in rows]

    def is_complete(self, job_id: str, step: str, queue: str | None = None) -> bool:
        """Whether every row of every queue of a step is in a done range; of one queue when it is given."""
        own_queues = [queues.c.job_id == job_id, queues.c.step == step]
        own_ranges = [ranges.c.job_id == job_id, ranges.c.step == step]
        if queue is not None:
            own_queues.append(queues.c.queue == queue)
            own_ranges.append(ranges.c.queue == queue)
        with self._database.read() as connection:
            total = connection.execute(
                select(func.coalesce(func.sum(queues.c.total), 0)).where(*own_queues)
            ).scalar_one()
            rows = func.coalesce(func.sum(ranges.c.stop - ranges.c.start), 0)
            done = connection.execute(select(rows).where(*own_ranges, ranges.c.state == RangeState.DONE)).scalar_one()
        return bool(done == total)

    def _commit(self, connection: Connection, commit: CommitRequest, holder: str) -> None:
        lease = commit.lease
        own = _queue_of(lease)
        rows = _leased(connection, own, lease)
        pieces = [(_range(row), piece) for row, piece in zip(rows, lease.all_pieces, strict=True)]
        done, free = together.commit(pieces, holder, self._clock(), commit.stop)
        part_ids = commit.add_parts(connection) if commit.add_parts is not None else [None] * len(done)
        figures = [_figures(commit, each) for each in done]
        written = [{**_values(a), **b, "part_id": c} for a, b, c in zip(done, figures, part_ids, strict=True)]
        _write_all(connection, own, written)
        if commit.timings:
            task_id, number = parse_attempt_key(holder)
            attempt = attempts.c.task_id == task_id, attempts.c.number == number
            connection.execute(update(attempts).where(*attempt).values(timings=dict(commit.timings)))
        known = {row.start for row in rows}
        _write_all(connection, own, [_values(each) for each in free if each.start in known])
        for rest in free:
            if rest.start not in known:
                _insert(connection, rows[0], rest)

    def _release_expired(self, connection: Connection, own: ColumnElement[bool]) -> None:
        late = and_(own, ranges.c.state == RangeState.LEASED, ranges.c.deadline_s < self._clock())
        for row in connection.execute(select(ranges).where(late)).all():
            _write(connection, _like(row), rules.release(_range(row)))

    def _release(
        self, chosen: ColumnElement[bool], suspects: AbstractSet[_Place] = frozenset(), *, is_alone: bool = False
    ) -> int:
        with self._database.write() as connection:
            rows = connection.execute(select(ranges).where(chosen)).all()
            for row in rows:
                if _place(row) in suspects:
                    free = rules.give_back_suspect(_range(row), _queue(connection, row).batch, is_alone=is_alone)
                else:
                    free = [rules.release(_range(row))]
                first, *others = free
                _write(connection, _like(row), first)
                for other in others:
                    _insert(connection, row, other)
        return len(rows)


def _of(
    table: Any, job_id: str, step: str, queue: str
) -> ColumnElement[bool]:  # Any: queues or ranges; their columns are known by name
    return and_(table.c.job_id == job_id, table.c.step == step, table.c.queue == queue)


def _queue_of(lease: RangeLease) -> ColumnElement[bool]:
    own = _of(ranges, lease.job_id, lease.step, lease.queue)
    return and_(own, ranges.c.dataset_position == lease.dataset_position)


def _leased(connection: Connection, own: ColumnElement[bool], lease: RangeLease) -> list[Row[Any]]:  # Any: see _like
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


def _lease_on(like: RangeLease, chosen: Sequence[RowRange]) -> RangeLease:
    """Return the lease of some ranges, the rest as in another."""
    first, last = chosen[0], chosen[-1]
    pieces = [Piece(start=each.start, stop=each.stop, epoch=each.epoch) for each in chosen] if len(chosen) > 1 else ()
    return dataclasses.replace(like, start=first.start, stop=last.stop, epoch=first.epoch, pieces=tuple(pieces))


def _figures(commit: CommitRequest, done: RowRange) -> dict[str, int | float]:
    """Return what one of the ranges of a commit has to count."""
    if not commit.lease.pieces:
        return {"rows_done": commit.rows_done, "rows_failed": commit.rows_failed, "seconds": commit.seconds}
    failed = commit.failed_ranks
    rows_failed = bisect_left(failed, done.stop) - bisect_left(failed, done.start)
    rows = done.stop - done.start
    return {
        "rows_done": rows,
        "rows_failed": rows_failed,
        "seconds": commit.seconds * rows / max(commit.rows_done, 1),
    }


def _place(row: Row[Any]) -> _Place:  # Any: see _like
    return row.step, row.queue, row.dataset_position, row.start


def _places(lease: RangeLease) -> list[_Place]:
    return [(lease.step, lease.queue, lease.dataset_position, each.start) for each in lease.all_pieces]


def _like(row: Row[Any]) -> ColumnElement[bool]:  # Any: what SQLAlchemy knows of a row of several columns
    return and_(_of(ranges, row.job_id, row.step, row.queue), ranges.c.dataset_position == row.dataset_position)


def _range(row: Row[Any]) -> RowRange:  # Any: see _like
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


def _values(each: RowRange) -> dict[str, Any]:  # Any: values of columns
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


def _progress(step: str, total: int, counted: Any) -> StepProgress:  # Any: the sums of a step, or None
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


def _write(connection: Connection, own: ColumnElement[bool], each: RowRange) -> None:
    _write_all(connection, own, [_values(each)])


def _write_all(
    connection: Connection, own: ColumnElement[bool], written: Sequence[Mapping[str, Any]]
) -> None:  # Any: values of columns
    """Write ranges that are there; all of them with the same columns."""
    if written:
        change = update(ranges).where(own, ranges.c.start == bindparam("at"))
        names = {name: bindparam(f"new_{name}") for name in written[0] if name != "start"}
        given = [{"at": each["start"], **{f"new_{name}": each[name] for name in names}} for each in written]
        connection.execute(change.values(**names), given)


def _insert(connection: Connection, like: Row[Any], each: RowRange) -> None:  # Any: see _like
    key = {name: getattr(like, name) for name in ("job_id", "step", "queue", "dataset_position")}
    connection.execute(insert(ranges).values(**key, **_values(each)))


def _queue(connection: Connection, row: Row[Any]) -> Queue:  # Any: see _like
    own = and_(_of(queues, row.job_id, row.step, row.queue), queues.c.dataset_position == row.dataset_position)
    found = connection.execute(select(queues.c.total, queues.c.batch, queues.c.cursor).where(own)).one()
    return Queue(total=found.total, batch=found.batch, cursor=found.cursor)


def _take_free(connection: Connection, own: ColumnElement[bool]) -> tuple[int, Queue, RowRange] | None:
    """Position of the dataset, queue and range of what was given back: suspects first, then in row order."""
    free = select(ranges).where(own, ranges.c.state == RangeState.FREE)
    for chosen in (ranges.c.crashes > 0, ranges.c.crashes == 0):  # apart: an index has each of them in order
        first = free.where(chosen).order_by(ranges.c.dataset_position, ranges.c.start).limit(1)
        if (row := connection.execute(first).first()) is not None:
            return row.dataset_position, _queue(connection, row), _range(row)
    return None


def _free_behind(
    connection: Connection, own: ColumnElement[bool], first: RowRange, queue: Queue, pace: Pace
) -> list[RowRange]:
    """Free ranges behind a free one, as far as they may be leased with it."""
    is_like = ranges.c.crashes == first.crashes, ranges.c.start > first.start
    free = select(ranges).where(own, ranges.c.state == RangeState.FREE, *is_like)
    rows = connection.execute(free.order_by(ranges.c.start).limit(together.reach(queue, pace))).all()
    return [_range(row) for row in rows]


def _cut_new(
    connection: Connection, job_id: str, step: str, queue: str, pace: Pace
) -> tuple[int, Queue, RowRange] | None:
    """Position of the dataset, queue and range of what was never handed out, written down as free."""
    own = _of(queues, job_id, step, queue)
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
    _insert(connection, row, fresh)
    return row.dataset_position, after, fresh
