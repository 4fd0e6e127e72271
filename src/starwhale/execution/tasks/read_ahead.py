"""The ranges of a task, one after another: while the present one is predicted, the one before is committed and the next is read and decoded.

Two ranges are leased at most: those that were handed in and are not committed yet, the one that is predicted, and the one after it come one after the
other. A worker that dies was at the first that it has not handed in. See docs/decisions/0042-commits-beside-predict.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from starwhale.storage.part import PartDraft, RangeLease
from starwhale.storage.protocols import Rows
from starwhale.storage.task_contract import TaskStores

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


@dataclass(frozen=True, slots=True)
class _Ahead:
    """What happens while a range is predicted: the commit of the one before with the lease of the one after it, and its reading."""

    leased: Future[tuple[RangeLease | None, float]]
    """The lease, once the commit is done, and the seconds until then."""
    rows: Future[tuple[Rows | None, float]]
    """Its rows, and the seconds of reading them."""


class RangeFeed:
    """Commits what was done, and gives the next range. For one task; whoever made it closes it."""

    def __init__(
        self, stores: TaskStores, *, is_ahead: bool = True, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        """Begin with no range.

        Args:
            stores: The task's side of the stores.
            is_ahead: Whether a range may be leased and read before its turn, and one be committed after its turn.
            clock: Seconds, for timings.
        """
        self._stores = stores
        self._is_ahead = is_ahead
        self._clock = clock
        self._ahead: _Ahead | None = None
        self._beside: ThreadPoolExecutor | None = None

    def next(self, done: PartDraft | None) -> Ready | None:
        """Commit `done`, if given, and return the next range with its rows; None when no rows are left.

        Where the next range is here already, the commit takes place beside its predict: what becomes of it is told by the next call, or by
        `settle`. One is under way at most.

        Raises:
            LeaseLostError: The lease of `done`, or of the one before, has ended.
            CorruptedError: The rows of the range are damaged.
        """
        began = self._clock()
        wants_ahead = self._is_ahead and done is not None and LEAST_S <= done.took_s <= MOST_S
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            lease, commit_s = ahead.leased.result()
            if lease is not None:
                waited_s = self._clock() - began
                return self._ready(done, lease, ahead, wants_ahead=wants_ahead, waited_s=waited_s, commit_s=commit_s)
        lease = self._stores.next_range(done)
        if lease is None:
            return None
        leased = self._clock()
        rows = self._stores.read_rows(lease)
        read = self._clock()
        if wants_ahead and not lease.is_suspect:
            self._hand_in(None)
        decode_s = min(rows.decode_s, read - leased)
        write_s = leased - began + self._clock() - read
        return Ready(lease=lease, rows=rows, read_s=read - leased - decode_s, decode_s=decode_s, write_s=write_s)

    def settle(self) -> None:
        """Wait until what was handed in is committed.

        Raises:
            StarwhaleError: It could not be, and why.
        """
        if self._ahead is not None:
            self._ahead.leased.result()

    def close(self) -> None:
        """Wait for what is under way; leases that were not used go back when the attempt ends."""
        if self._beside is not None:
            self._beside.shutdown(wait=True, cancel_futures=True)

    def _ready(
        self,
        done: PartDraft | None,
        lease: RangeLease,
        ahead: _Ahead,
        *,
        wants_ahead: bool,
        waited_s: float,
        commit_s: float,
    ) -> Ready:
        """Hand in what was done, and give the range that was read ahead."""
        began = self._clock()
        if wants_ahead:
            self._hand_in(done)
        elif done is not None:
            self._stores.commit(done)
        handed_in = self._clock()
        try:
            rows, read_s = ahead.rows.result()
        except BaseException:
            self.settle()
            raise
        assert rows is not None  # noqa: S101 - there is a lease
        write_s = handed_in - began + waited_s * min(commit_s / waited_s, 1.0) if waited_s > 0 else 0.0
        waited_s = self._clock() - handed_in
        decode_s = waited_s * min(rows.decode_s / read_s, 1.0) if read_s > 0 else 0.0  # in the proportion of the whole
        return Ready(lease=lease, rows=rows, read_s=waited_s - decode_s, decode_s=decode_s, write_s=write_s)

    def _hand_in(self, done: PartDraft | None) -> None:
        """Let what was done be committed, and the range after the next be leased and read, by a thread beside this one."""
        if self._beside is None:
            self._beside = ThreadPoolExecutor(max_workers=1, thread_name_prefix="beside-predict")
        answer = self._stores.hand_in(done)
        leased = self._beside.submit(self._timed, answer)
        self._ahead = _Ahead(leased, self._beside.submit(self._read, leased))

    def _timed(self, answer: Callable[[], RangeLease | None]) -> tuple[RangeLease | None, float]:
        began = self._clock()
        return answer(), self._clock() - began

    def _read(self, leased: Future[tuple[RangeLease | None, float]]) -> tuple[Rows | None, float]:
        """Read rows in the thread beside, and say how long that took."""
        began = self._clock()
        lease, _ = leased.result()
        return None if lease is None else self._stores.read_rows(lease), self._clock() - began
