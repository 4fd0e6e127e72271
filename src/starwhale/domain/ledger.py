"""Who may work on which rows: the rules of ranges and leases, as pure functions on values.

A *queue* is the rows of one dataset version that one step consumes. Its rows are ranks 0 … total - 1, cut into *ranges* of whole
batches as they are handed out. A range is granted under a lease, that is an epoch; it ends as done or goes back to the queue.

    free ──grant──▶ leased(epoch n) ──commit(n)──▶ done
      ▲                   │  ▲ renew                 │
      └──────release──────┘   (worker ended, deadline passed, task gave it back); the epoch never comes again
      ▲                                              │
      └──────────────────free_failed─────────────────┘   (the user wants the rows that failed to be tried again)

The storage applies these functions inside one transaction; the simulation in the tests applies the very same ones in memory.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from starwhale.errors import LeaseLostError

MAX_RANGE_ROWS = 65_536
"""Most rows of one range, whatever the speed."""
TARGET_S = 1.0
"""Seconds of work that a range should hold: commits come about once a second."""
LATE_S = 2.0
"""After so long what was done of a range is committed, and the rest of it given back: its rows take longer than those before them."""
GROWTH = 64
"""A range is at most so many times as large as the largest that the task has finished."""


class RangeState(StrEnum):
    """Where one range stands."""

    FREE = "free"
    LEASED = "leased"
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class RowRange:
    """Rows [start, stop) of one queue, and who has them."""

    start: int
    """First rank."""
    stop: int
    """Rank after the last."""
    state: RangeState = RangeState.FREE
    """Where it stands."""
    epoch: int = 0
    """Counts the leases that were granted on it."""
    holder: str = ""
    """Attempt that holds the lease; empty unless leased."""
    deadline_s: float | None = None
    """When the lease ends by the catalog's clock; None when it ends with the holder's process."""
    crashes: int = 0
    """How many workers died while they held it; above 0, the range is a suspect."""
    deaths: int = 0
    """How many of them died while it was all that they worked on, since it was cut to what it is."""
    retries: int = 0
    """How often its rows were given back because they had failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """Progress of the cut: everything below `cursor` is in some range, everything from it on was never handed out."""

    total: int
    """Rows of the queue."""
    batch: int
    """Rows per batch; a range is a whole number of batches, but for the last."""
    cursor: int = 0
    """First rank that was never handed out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What the asking task has measured so far."""

    rows: int = 0
    """Rows of its last finished range; 0 before the first."""
    took_s: float = 0.0
    """Wall time that they took."""
    tasks: int = 1
    """Tasks that share the queue."""
    wanted: int = 0
    """Rows that it can begin with at once, where it knows by itself; 0 leaves it to what it has measured."""
    most: int = MAX_RANGE_ROWS
    """Rows that are not too many bytes for one range."""


def tile(total: int, batch: int, chosen: Sequence[int]) -> list[RowRange]:
    """Cut all rows of a queue into ranges: the batches in which chosen rows lie are free, what lies between is done and was never leased.

    Args:
        total: Rank after the last row.
        batch: Rows per batch.
        chosen: Ranks of the chosen rows, in any order.

    Example:
        >>> [(each.start, each.stop, each.state.value) for each in tile(10, 4, [5, 1])]
        [(0, 4, 'free'), (4, 8, 'free'), (8, 10, 'done')]
    """
    tiles: list[RowRange] = []
    at = 0
    for number in sorted({rank // batch for rank in chosen}):
        start, stop = number * batch, min((number + 1) * batch, total)
        if start > at:
            tiles.append(RowRange(start=at, stop=start, state=RangeState.DONE))
        tiles.append(RowRange(start=start, stop=stop))
        at = stop
    if at < total:
        tiles.append(RowRange(start=at, stop=total, state=RangeState.DONE))
    return tiles


def range_rows(queue: Queue, pace: Pace) -> int:
    """Choose how many rows the next range should hold: about one second of work, whole batches, a fair share of what is left."""
    if pace.rows == 0 and not pace.wanted:
        return queue.batch
    speed = pace.rows / max(pace.took_s, 1e-6)
    left = queue.total - queue.cursor
    fair = left / (2 * max(pace.tasks, 1)) if pace.tasks > 1 else left
    fit = pace.wanted or min(speed * TARGET_S, pace.rows * GROWTH)
    wanted = min(fit, MAX_RANGE_ROWS, pace.most, max(fair, queue.batch))
    return max(int(wanted) // queue.batch, 1) * queue.batch


def cut(queue: Queue, rows: int) -> tuple[Queue, RowRange | None]:
    """Take the next range of at most `rows` rows off the part that was never handed out; None when nothing is left."""
    if queue.cursor >= queue.total:
        return queue, None
    stop = min(queue.cursor + max(rows, 1), queue.total)
    return dataclasses.replace(queue, cursor=stop), RowRange(start=queue.cursor, stop=stop)


def shorten(row_range: RowRange, queue: Queue, pace: Pace) -> tuple[RowRange, RowRange | None]:
    """Cut a free range that is much longer than what its next holder does in its time; suspects stay what they are.

    Returns:
        The range, and the rest of it, which is free too; None where it is not cut.

    Example:
        >>> first, rest = shorten(
        ...     RowRange(start=8, stop=72), Queue(total=99, batch=4, cursor=99), Pace(rows=10, took_s=1.0)
        ... )
        >>> (first.start, first.stop), rest and (rest.start, rest.stop)
        ((8, 16), (16, 72))
    """
    if pace.rows == 0 or row_range.crashes or row_range.start % queue.batch:
        return row_range, None
    left = Queue(total=row_range.stop, batch=queue.batch, cursor=row_range.start)
    rows = range_rows(left, dataclasses.replace(pace, tasks=1))
    if row_range.stop - row_range.start < 2 * rows:
        return row_range, None
    middle = row_range.start + rows
    return dataclasses.replace(row_range, stop=middle), dataclasses.replace(row_range, start=middle)


def grant(row_range: RowRange, holder: str, deadline_s: float | None = None) -> RowRange:
    """Lease a free range under a new epoch.

    Raises:
        LeaseLostError: The range is not free.
    """
    if row_range.state is not RangeState.FREE:
        message = f"rows {row_range.start} to {row_range.stop} are {row_range.state}, not free"
        raise LeaseLostError(message)
    return dataclasses.replace(
        row_range, state=RangeState.LEASED, epoch=row_range.epoch + 1, holder=holder, deadline_s=deadline_s
    )


def check_lease(row_range: RowRange, epoch: int, holder: str, now_s: float) -> None:
    """Refuse whoever does not hold the lease now.

    Args:
        row_range: The range, as the ledger has it.
        epoch: Number of the lease that is claimed.
        holder: Attempt that claims it.
        now_s: The ledger's clock, in seconds since the epoch.

    Raises:
        LeaseLostError: The lease was released, granted to another, is past its deadline, or the range is done.
    """
    if row_range.state is not RangeState.LEASED or row_range.epoch != epoch or row_range.holder != holder:
        message = f"the lease {epoch} of {holder!r} on rows {row_range.start} to {row_range.stop} has ended"
        raise LeaseLostError(message, hint="its rows are done by another attempt; nothing of this one was kept")
    if row_range.deadline_s is not None and now_s > row_range.deadline_s:
        message = (
            f"the lease {epoch} of {holder!r} on rows {row_range.start} to {row_range.stop} was not renewed in time"
        )
        raise LeaseLostError(message, hint="its rows are done by another attempt; nothing of this one was kept")


def renew(row_range: RowRange, holder: str, deadline_s: float) -> RowRange:
    """Put the end of a lease off. One whose deadline has passed and that nobody else was given goes on: its rows are still nobody else's.

    A range that the holder does not hold, or whose lease ends with a process, is returned as it is.
    """
    if row_range.state is not RangeState.LEASED or row_range.holder != holder or row_range.deadline_s is None:
        return row_range
    return dataclasses.replace(row_range, deadline_s=max(row_range.deadline_s, deadline_s))


def commit(
    row_range: RowRange, epoch: int, holder: str, now_s: float, stop: int | None = None
) -> tuple[RowRange, RowRange | None]:
    """Mark rows as done: all of the range, or those before `stop` with the rest given back.

    Args:
        row_range: The range, as the ledger has it.
        epoch: Number of the lease under which they were done.
        holder: Attempt that did them.
        now_s: The ledger's clock, in seconds since the epoch.
        stop: Rank after the last row that is done; None for all.

    Returns:
        The done range, and the free rest or None.

    Raises:
        LeaseLostError: See `check_lease`; nothing changes then.
    """
    check_lease(row_range, epoch, holder, now_s)
    end = row_range.stop if stop is None else stop
    if not row_range.start < end <= row_range.stop:
        message = f"rows up to {end} are not in the range {row_range.start} to {row_range.stop}"
        raise LeaseLostError(message)
    done = dataclasses.replace(row_range, stop=end, state=RangeState.DONE, deadline_s=None)
    if end == row_range.stop:
        return done, None
    rest = dataclasses.replace(row_range, start=end, state=RangeState.FREE, holder="", deadline_s=None, deaths=0)
    return done, rest


def free_failed(row_range: RowRange, failed: Sequence[int], queue: Queue) -> list[RowRange]:
    """Cut a done range so that the rows of it that failed are free again, and those that succeeded stay done.

    Batches that failed as a whole stay together. Failed rows of a batch of which others succeeded become a range of their own: those others
    are not tried again. A range on which workers have died alone stays a suspect.

    Args:
        row_range: The range; one that is not done is returned as it is.
        failed: Ranks of its rows that failed.
        queue: The queue that it lies in.

    Example:
        >>> cut = free_failed(
        ...     RowRange(start=0, stop=12, state=RangeState.DONE),
        ...     [1, 4, 5, 6, 7, 8],
        ...     Queue(total=12, batch=4, cursor=12),
        ... )
        >>> [(each.start, each.stop, each.state.value) for each in cut]
        [(0, 1, 'done'), (1, 2, 'free'), (2, 4, 'done'), (4, 8, 'free'), (8, 9, 'free'), (9, 12, 'done')]
    """
    if row_range.state is not RangeState.DONE or not failed:
        return [row_range]
    crashes = row_range.crashes if row_range.deaths else 0
    free = dataclasses.replace(
        row_range, state=RangeState.FREE, holder="", crashes=crashes, retries=row_range.retries + 1
    )
    pieces: list[RowRange] = []
    at = row_range.start
    for start, stop in _stretches(failed, queue):
        if start > at:
            pieces.append(dataclasses.replace(row_range, start=at, stop=start))
        pieces.append(dataclasses.replace(free, start=start, stop=stop))
        at = stop
    if at < row_range.stop:
        pieces.append(dataclasses.replace(row_range, start=at))
    return pieces


def is_whole(start: int, stop: int, queue: Queue) -> bool:
    """Whether rows are whole batches of a queue, whose last may be short."""
    return start % queue.batch == 0 and (stop % queue.batch == 0 or stop == queue.total)


def _stretches(ranks: Sequence[int], queue: Queue) -> list[tuple[int, int]]:
    """Put neighbouring ranks together, batch by batch; whole batches that follow each other are one."""
    found: list[tuple[int, int]] = []
    for rank in sorted(ranks):
        if found and found[-1][1] == rank and rank % queue.batch:
            found[-1] = found[-1][0], rank + 1
        else:
            found.append((rank, rank + 1))
    joined: list[tuple[int, int]] = []
    for start, stop in found:
        follows = joined and joined[-1][1] == start and is_whole(*joined[-1], queue)
        if follows and is_whole(start, stop, queue) and stop - joined[-1][0] <= MAX_RANGE_ROWS:
            joined[-1] = joined[-1][0], stop
        else:
            joined.append((start, stop))
    return joined


def split(
    row_range: RowRange, epoch: int, holder: str, now_s: float, cuts: Sequence[int], batch: int
) -> Sequence[RowRange]:
    """Cut a leased range in pieces that stay leased as it was, so that some of them can be committed before the others.

    Args:
        row_range: The range.
        epoch: Its lease.
        holder: Who holds it.
        now_s: Time by the catalog's clock.
        cuts: Ranks at which a piece begins; batch boundaries in the range.
        batch: Rows per batch.

    Raises:
        LeaseLostError: See `check_lease`, or a cut does not lie on a boundary in the range; nothing changes then.
    """
    check_lease(row_range, epoch, holder, now_s)
    inner = sorted(set(cuts))
    if any(not row_range.start < cut < row_range.stop or cut % batch for cut in inner):
        message = f"rows {row_range.start} to {row_range.stop} in batches of {batch} cannot be cut at {inner}"
        raise LeaseLostError(message)
    bounds = [row_range.start, *inner, row_range.stop]
    return [
        dataclasses.replace(row_range, start=start, stop=stop, deaths=row_range.deaths if not inner else 0)
        for start, stop in itertools.pairwise(bounds)
    ]


def give_back_suspect(row_range: RowRange, batch: int, *, is_alone: bool) -> Sequence[RowRange]:
    """Give back a leased range whose worker died while it worked on it.

    Args:
        row_range: The range; one that is not leased is returned as it is.
        batch: Rows per batch.
        is_alone: Whether the worker worked on nothing else. Otherwise another range may have killed it: each is tried alone first. A
            range that was alone is cut in halves, or when it is a single batch the death is counted.
    """
    free = release(row_range, crashed=True)
    if row_range.state is not RangeState.LEASED or not is_alone:
        return [free]
    halves = halve(free, batch)
    if len(halves) == 1:
        return [dataclasses.replace(free, deaths=free.deaths + 1)]
    return [dataclasses.replace(half, deaths=0) for half in halves]


def release(row_range: RowRange, *, crashed: bool = False) -> RowRange:
    """Give a leased range back to the queue; a crash is counted against it. Others are returned as they are."""
    if row_range.state is not RangeState.LEASED:
        return row_range
    return dataclasses.replace(
        row_range, state=RangeState.FREE, holder="", deadline_s=None, crashes=row_range.crashes + crashed
    )


def halve(row_range: RowRange, batch: int) -> Sequence[RowRange]:
    """Cut a suspect in two at a batch boundary, or return it alone when it is a single batch.

    A range whose worker died is tried in halves, so that a row which kills its worker is found in logarithmic tries.
    """
    batches = -(-(row_range.stop - row_range.start) // batch)
    if batches < 2:
        return [row_range]
    middle = row_range.start + (batches // 2) * batch
    return [dataclasses.replace(row_range, stop=middle), dataclasses.replace(row_range, start=middle)]


def is_expired(row_range: RowRange, now_s: float) -> bool:
    """Whether the lease has run out by the catalog's clock."""
    return row_range.state is RangeState.LEASED and row_range.deadline_s is not None and now_s > row_range.deadline_s


def is_complete(queue: Queue, ranges: Sequence[RowRange]) -> bool:
    """Whether every row is in exactly one done range.

    Raises:
        AssertionError: Two ranges overlap, or one lies outside the part that was handed out; that is a bug of ours.
    """
    position = 0
    for each in sorted(ranges, key=lambda r: r.start):
        if each.start != position or each.stop > queue.cursor:
            message = f"ranges do not tile the queue: expected a range from {position}, found {each}"
            raise AssertionError(message)
        position = each.stop
    return position == queue.total and all(each.state is RangeState.DONE for each in ranges)
