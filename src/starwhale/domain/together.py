"""Ranges that are leased together: rows that are few and far between cost a commit for all of them, and not one for each.

They stay ranges of their own in the ledger, each under a number of its own; only that they are granted, committed, cut and given back in the
same transactions. Rows that failed and are tried again lie like that, and the rows of a sample.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from starwhale.domain import ledger
from starwhale.domain.ledger import Pace, Queue, RangeState, RowRange
from starwhale.errors import LeaseLostError

MOST = 1024
"""Ranges that are leased together, at most."""
SHARE = 8
"""Of short suspects that are alike, a share like this is tried together: so the one that kills is found by and by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One of the ranges that a lease consists of."""

    start: int
    """First rank."""
    stop: int
    """Rank after the last."""
    epoch: int
    """Number of its lease."""


def reach(queue: Queue, pace: Pace) -> int:
    """Return how many free ranges `choose` has to see, at most."""
    return min(_most_rows(queue, pace, MOST * queue.batch) * max(2 * max(pace.tasks, 1), SHARE), MOST)


def choose(first: RowRange, behind: Sequence[RowRange], queue: Queue, pace: Pace) -> list[RowRange]:
    """Choose the free ranges that are leased with a free one: about a second of work, and a fair share of what is there.

    Args:
        first: The range whose turn it is.
        behind: Free ranges of its queue behind it, in row order; see `reach`.
        queue: Their queue.
        pace: What the asking task has measured.

    Returns:
        The ranges, the first among them, in row order. Suspects go together only where each is a batch at most, and a share of them.
    """
    if first.deaths or (first.crashes and not _is_short(first, queue)):
        return [first]
    alike = [first, *(each for each in behind if _are_alike(first, each, queue))]
    most = max(len(alike) // SHARE, 1) if first.crashes else MOST
    rows = _most_rows(queue, pace, sum(each.stop - each.start for each in alike))
    counts = itertools.accumulate(each.stop - each.start for each in alike)
    fitting = sum(1 for count in counts if count <= rows)
    return alike[: max(min(fitting, most), 1)]


def commit(
    pieces: Sequence[tuple[RowRange, Piece]], holder: str, now_s: float, stop: int | None = None
) -> tuple[list[RowRange], list[RowRange]]:
    """Mark rows of ranges that were leased together as done: all, or those before `stop` with the others given back.

    Args:
        pieces: What lies in the ledger where each of them begins, and what was leased there, in row order.
        holder: Who says so.
        now_s: Time by the catalog's clock.
        stop: Rank after the last row that is done; None for all.

    Returns:
        The done ranges, and those that are free.

    Raises:
        LeaseLostError: One of the leases has ended, or no row lies before `stop`; nothing changes then.
    """
    done: list[RowRange] = []
    free: list[RowRange] = []
    for found, piece in pieces:
        if done and stop is not None and piece.start >= stop:
            ledger.check_lease(found, piece.epoch, holder, now_s)
            free.append(ledger.release(found))
            continue
        end = piece.stop if stop is None else min(piece.stop, stop)
        finished, rest = ledger.commit(found, piece.epoch, holder, now_s, end)
        done.append(finished)
        free += [] if rest is None else [rest]
    return done, free


def split(
    pieces: Sequence[tuple[RowRange, Piece]], holder: str, now_s: float, cuts: Sequence[int], batch: int
) -> list[list[RowRange]]:
    """Cut ranges that were leased together in groups that are committed apart; everything stays leased as it was.

    Args:
        pieces: See `commit`.
        holder: Who holds them.
        now_s: Time by the catalog's clock.
        cuts: Ranks at which a group begins: where a range does, or a batch in one.
        batch: Rows per batch.

    Returns:
        The ranges of each group; one group more than there are cuts.

    Raises:
        LeaseLostError: One of the leases has ended, or a cut is no boundary; nothing changes then.
    """
    inner = sorted(set(cuts))
    known = {piece.start for _, piece in pieces[1:]}
    found: list[RowRange] = []
    for each, piece in pieces:
        own = [cut for cut in inner if piece.start < cut < piece.stop]
        known.update(own)
        if each.stop != piece.stop:
            message = f"rows {piece.start} to {piece.stop} were cut since they were leased"
            raise LeaseLostError(message)
        found.extend(ledger.split(each, piece.epoch, holder, now_s, own, batch))
    if not known.issuperset(inner):
        message = f"ranges that were leased together cannot be cut at {[cut for cut in inner if cut not in known]}"
        raise LeaseLostError(message)
    bounds = [pieces[0][1].start, *inner, pieces[-1][1].stop]
    return [[each for each in found if low <= each.start < high] for low, high in itertools.pairwise(bounds)]


def _most_rows(queue: Queue, pace: Pace, left: int) -> int:
    return ledger.range_rows(Queue(total=left, batch=queue.batch), pace)


def _is_short(each: RowRange, queue: Queue) -> bool:
    return each.stop - each.start <= queue.batch


def _are_alike(first: RowRange, other: RowRange, queue: Queue) -> bool:
    """Whether two ranges are worked on in the same way."""
    if other.state is not RangeState.FREE or other.deaths or other.crashes != first.crashes:
        return False
    if (other.retries > 0) != (first.retries > 0) or (first.crashes and not _is_short(other, queue)):
        return False
    return ledger.is_whole(other.start, other.stop, queue) == ledger.is_whole(first.start, first.stop, queue)
