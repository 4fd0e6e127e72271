"""The ranges of a task, one after another, with the rows of the next one read and decoded while the present one is predicted.

Two ranges are in memory at most: the one that is predicted, and the one after it. Both are leased, in this order; a worker that dies was
at the first.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from starwhale.storage.protocols import PartDraft, RangeLease, Rows, TaskStores

LEAST_S = 0.05
"""Ranges that took less are still growing to their size: leasing ahead would hold that up."""
MOST_S = 2.0
"""Ranges that took more are single batches of a slow model: leased ahead, they would wait here while other tasks have nothing to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A range that can be predicted."""

    lease: RangeLease
    """The range."""
    rows: Rows
    """Its rows."""
    read_s: float
    """Seconds that were spent waiting for them to be read."""
    decode_s: float
    """Seconds that were spent waiting for them to be decoded."""
    write_s: float
    """Seconds that were spent committing the range before and leasing."""


class RangeFeed:
    """Commits what was done, and gives the next range. For one task; whoever made it closes it."""

    def __init__(
        self, stores: TaskStores, *, is_ahead: bool = True, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        """Begin with no range.

        Args:
            stores: The task's side of the stores.
            is_ahead: Whether a range may be leased and read before its turn.
            clock: Seconds, for timings.
        """
        self._stores = stores
        self._is_ahead = is_ahead
        self._clock = clock
        self._ahead: tuple[RangeLease, Future[tuple[Rows, float]]] | None = None
        self._reader: ThreadPoolExecutor | None = None

    def next(self, done: PartDraft | None) -> Ready | None:
        """Commit `done`, if given, and return the next range with its rows; None when no rows are left.

        Raises:
            LeaseLostError: The lease of `done` has ended.
            CorruptedError: The rows of the range are damaged.
        """
        began = self._clock()
        wants_ahead = self._is_ahead and done is not None and LEAST_S <= done.seconds <= MOST_S
        if self._ahead is None:
            lease = self._stores.next_range(done)
            if lease is None:
                return None
            leased = self._clock()
            rows = self._stores.read_rows(lease)
            read = self._clock()
            if wants_ahead and not lease.is_suspect:
                self._read_ahead(self._stores.next_range())
            decode_s = min(rows.decode_s, read - leased)
            write_s = leased - began + self._clock() - read
            return Ready(lease=lease, rows=rows, read_s=read - leased - decode_s, decode_s=decode_s, write_s=write_s)
        lease, future = self._ahead
        self._ahead = None
        following: RangeLease | None = None
        if wants_ahead:
            following = self._stores.next_range(done)
        elif done is not None:
            self._stores.commit(done)
        leased = self._clock()
        rows, took_s = future.result()
        waited_s = self._clock() - leased
        decode_s = waited_s * min(rows.decode_s / took_s, 1.0) if took_s > 0 else 0.0  # in the proportion of the whole
        self._read_ahead(following)
        return Ready(lease=lease, rows=rows, read_s=waited_s - decode_s, decode_s=decode_s, write_s=leased - began)

    def close(self) -> None:
        """Wait for what is being read; leases that were not used go back when the attempt ends."""
        if self._reader is not None:
            self._reader.shutdown(wait=True, cancel_futures=True)

    def _read_ahead(self, lease: RangeLease | None) -> None:
        if lease is None:
            return
        if self._reader is None:
            self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="read-ahead")
        self._ahead = lease, self._reader.submit(self._read, lease)

    def _read(self, lease: RangeLease) -> tuple[Rows, float]:
        """Read rows in the reader's thread, and say how long that took."""
        began = self._clock()
        rows = self._stores.read_rows(lease)
        return rows, self._clock() - began
