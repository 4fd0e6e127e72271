"""The ledger in SQL: the pure rules of `domain.ledger`, each applied inside one transaction that holds the write lock.

A *holder* is one attempt of one task, by its `domain.attempt_name.attempt_key`. Rows of a queue go to holders range by range; committing a range and
granting the next are one transaction, so that nothing stands between what is done and what is visible.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection, and_, case, func, insert, select, update

from starwhale.domain import ledger as rules
from starwhale.domain import together
from starwhale.domain.attempt_name import parse_attempt_key
from starwhale.domain.ledger import Pace, RangeState, RowRange
from starwhale.errors import ConflictError
from starwhale.storage.catalog.engine import Database
from starwhale.storage.catalog.ledger_rows import (
    Place,
    cut_new,
    figures_of,
    find_queue,
    free_behind,
    insert_range,
    lease_on,
    leased_rows,
    place_of,
    places_of,
    queue_rows,
    rows_like,
    rows_of,
    take_free,
    to_progress,
    to_range,
    to_values,
    write_range,
    write_ranges,
)
from starwhale.storage.catalog.schema import attempts, queues, ranges
from starwhale.storage.part import CommitRequest, RangeLease
from starwhale.storage.protocols import StepProgress

if TYPE_CHECKING:
    from starwhale.storage.catalog.task_access import Once


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
        own = and_(rows_of(queues, job_id, step, queue), queues.c.dataset_position == dataset_position)
        with self._database.write() as connection:
            row = connection.execute(select(queues).where(own)).first()
            if row is None:
                values = {"job_id": job_id, "step": step, "queue": queue, "dataset_position": dataset_position}
                cursor = start if chosen is None else total
                connection.execute(insert(queues).values(**values, total=total, batch=batch, cursor=cursor))
                if chosen is not None:
                    tiles = [{**values, **to_values(each)} for each in rules.tile(total, batch, chosen)]
                    if tiles:
                        connection.execute(insert(ranges), tiles)
                elif start:
                    left_out = RowRange(start=0, stop=start, state=RangeState.DONE)
                    connection.execute(insert(ranges).values(**values, **to_values(left_out)))
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
        lease_s: float | None = None,
        once: Once | None = None,
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
            lease_s: How long the lease lasts unless it is renewed, by the catalog's clock; None when it ends with the holder's process.
            once: Remembers the answer, for a request that may come again.

        Returns:
            The lease; None when no rows are left to hand out, although others may still be at work.

        Raises:
            LeaseLostError: The lease of `commit` has ended; nothing is kept of it and nothing is granted.
        """
        queue_of = job_id, step, queue

        def act(connection: Connection) -> list[RangeLease]:
            if commit is not None:
                self._commit(connection, commit, holder)
            if lease_s is not None:
                self._release_expired(connection, rows_of(ranges, *queue_of))
            return self._grant_next(connection, queue_of, holder, pace, lease_s)

        return next(iter(self._do(act, once)), None)

    def _do(self, act: Callable[[Connection], list[RangeLease]], once: Once | None) -> list[RangeLease]:
        """Do something in one transaction; what was done before is answered as it was then."""
        with self._database.write() as connection:
            if once is not None and (earlier := once.earlier(connection)) is not None:
                return earlier
            leases = act(connection)
            if once is not None:
                once.keep(connection, leases)
            return leases

    def _grant_next(
        self, connection: Connection, queue_of: tuple[str, str, str], holder: str, pace: Pace, lease_s: float | None
    ) -> list[RangeLease]:
        """Lease the next range of a queue, within a transaction; an empty list when no rows are left to hand out."""
        job_id, step, queue = queue_of
        own = rows_of(ranges, job_id, step, queue)
        found = take_free(connection, own) or cut_new(connection, job_id, step, queue, pace)
        if found is None:
            return []
        position, cut, free = found
        here = and_(own, ranges.c.dataset_position == position)
        chosen, rest = [free], None
        if not queue:
            behind = free_behind(connection, here, free, cut, pace)
            free, rest = rules.shorten(free, cut, pace)
            chosen = together.choose(free, behind, cut, pace) if rest is None else [free]
        deadline_s = None if lease_s is None else self._clock() + lease_s
        granted = [rules.grant(each, holder, deadline_s) for each in chosen]
        write_ranges(connection, here, [to_values(each) for each in granted])
        if rest is not None:
            place = {"job_id": job_id, "step": step, "queue": queue, "dataset_position": position}
            connection.execute(insert(ranges).values(**place, **to_values(rest)))
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
        return [lease_on(whole, granted)]

    def split_range(
        self, lease: RangeLease, cuts: Sequence[int], holder: str, once: Once | None = None
    ) -> list[RangeLease]:
        """Cut a lease at batch boundaries; what it falls into stays leased.

        Args:
            lease: A range, or several that were leased together.
            cuts: Ranks at which a new lease begins.
            holder: Attempt that holds it.
            once: Remembers the answer, for a request that may come again.

        Raises:
            LeaseLostError: The lease has ended; nothing changes.
        """
        own = queue_rows(lease)

        def act(connection: Connection) -> list[RangeLease]:
            rows = leased_rows(connection, own, lease)
            batch = 1 if lease.rebatched else lease.batch
            pieces = [(to_range(row), piece) for row, piece in zip(rows, lease.all_pieces, strict=True)]
            groups = together.split(pieces, holder, self._clock(), cuts, batch)
            known = {row.start for row in rows}
            found = [each for group in groups for each in group]
            write_ranges(connection, own, [to_values(each) for each in found if each.start in known])
            for each in found:
                if each.start not in known:
                    insert_range(connection, rows[0], each)
            return [lease_on(lease, group) for group in groups]

        return self._do(act, once)

    def commit_range(self, commit: CommitRequest, holder: str, once: Once | None = None) -> None:
        """Commit a range without asking for more.

        Raises:
            LeaseLostError: The lease has ended; nothing is kept.
        """

        def act(connection: Connection) -> list[RangeLease]:
            self._commit(connection, commit, holder)
            return []

        self._do(act, once)

    def renew(self, job_id: str, holder: str, lease_s: float) -> int:
        """Put the end of all leases of an attempt off, as far as they have one, and return how many it has.

        Args:
            job_id: Job.
            holder: The attempt, which lives.
            lease_s: How long they last from now on, by the catalog's clock.
        """
        held = and_(ranges.c.job_id == job_id, ranges.c.state == RangeState.LEASED, ranges.c.holder == holder)
        with self._database.write() as connection:
            rows = connection.execute(select(ranges).where(held)).all()
            for row in rows:
                write_range(connection, rows_like(row), rules.renew(to_range(row), holder, self._clock() + lease_s))
        return len(rows)

    def held(self, job_id: str, step: str, holder: str) -> list[RangeLease]:
        """Return the ranges that an attempt holds, one by one, in row order."""
        chosen = and_(ranges.c.step == step, ranges.c.state == RangeState.LEASED, ranges.c.holder == holder)
        return self._leases(job_id, chosen)

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
        places = {place for each in suspects for place in places_of(each)}
        is_alone = is_alone and not any(each.pieces for each in suspects)
        return self._release(chosen, places, is_alone=is_alone)

    def release_all(self, job_id: str) -> int:
        """End all leases of a job, for a new driver takes over. Returns how many there were."""
        return self._release(and_(ranges.c.job_id == job_id, ranges.c.state == RangeState.LEASED))

    def deaths(self, lease: RangeLease) -> int:
        """How many workers have died on a range alone, by any driver of the job."""
        own = and_(
            rows_of(ranges, lease.job_id, lease.step, lease.queue), ranges.c.dataset_position == lease.dataset_position
        )
        with self._database.read() as connection:
            found = connection.execute(select(ranges.c.deaths).where(own, ranges.c.start == lease.start))
            return found.scalar_one_or_none() or 0

    def suspects(self, job_id: str, step: str) -> list[RangeLease]:
        """Ranges on which workers have died and that are not done: to be tried alone. Those that are free have no holder."""
        return self._leases(
            job_id, and_(ranges.c.step == step, ranges.c.crashes > 0, ranges.c.state != RangeState.DONE)
        )

    def _leases(self, job_id: str, chosen: ColumnElement[bool]) -> list[RangeLease]:
        """Return ranges of a job as leases, whoever holds them, in row order."""
        batch = select(queues.c.batch).where(
            queues.c.job_id == job_id,
            queues.c.step == ranges.c.step,
            queues.c.queue == ranges.c.queue,
            queues.c.dataset_position == ranges.c.dataset_position,
        )
        query = select(ranges, batch.scalar_subquery().label("batch")).where(ranges.c.job_id == job_id, chosen)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(ranges.c.dataset_position, ranges.c.start)).all()
        return [
            RangeLease(
                job_id=job_id,
                step=row.step,
                queue=row.queue,
                dataset_position=row.dataset_position,
                start=row.start,
                stop=row.stop,
                epoch=row.epoch,
                batch=row.batch,
                rebatched=row.batch > 1 and row.stop - row.start <= row.batch,
                is_suspect=row.crashes > 0,
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
            counted: dict[str, Any] = {row.step: row for row in connection.execute(done)}  # Any: see rows_like
            rows = connection.execute(totals.group_by(queues.c.step)).all()
        return [to_progress(row.step, row.total, counted.get(row.step)) for row in rows]

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
        own = queue_rows(lease)
        rows = leased_rows(connection, own, lease)
        pieces = [(to_range(row), piece) for row, piece in zip(rows, lease.all_pieces, strict=True)]
        done, free = together.commit(pieces, holder, self._clock(), commit.stop)
        part_ids = commit.add_parts(connection) if commit.add_parts is not None else [None] * len(done)
        figures = [figures_of(commit, each) for each in done]
        written = [{**to_values(a), **b, "part_id": c} for a, b, c in zip(done, figures, part_ids, strict=True)]
        write_ranges(connection, own, written)
        if commit.timings:
            task_id, number = parse_attempt_key(holder)
            attempt = attempts.c.task_id == task_id, attempts.c.number == number
            connection.execute(update(attempts).where(*attempt).values(timings=dict(commit.timings)))
        known = {row.start for row in rows}
        write_ranges(connection, own, [to_values(each) for each in free if each.start in known])
        for rest in free:
            if rest.start not in known:
                insert_range(connection, rows[0], rest)

    def _release_expired(self, connection: Connection, own: ColumnElement[bool]) -> None:
        late = and_(own, ranges.c.state == RangeState.LEASED, ranges.c.deadline_s < self._clock())
        for row in connection.execute(select(ranges).where(late)).all():
            write_range(connection, rows_like(row), rules.release(to_range(row)))

    def _release(
        self, chosen: ColumnElement[bool], suspects: AbstractSet[Place] = frozenset(), *, is_alone: bool = False
    ) -> int:
        with self._database.write() as connection:
            rows = connection.execute(select(ranges).where(chosen)).all()
            for row in rows:
                if place_of(row) in suspects:
                    free = rules.give_back_suspect(to_range(row), find_queue(connection, row).batch, is_alone=is_alone)
                else:
                    free = [rules.release(to_range(row))]
                first, *others = free
                write_range(connection, rows_like(row), first)
                for other in others:
                    insert_range(connection, row, other)
        return len(rows)
