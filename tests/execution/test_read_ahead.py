"""What is leased and read before its turn, and committed after it, over a ledger in memory with a clock of its own."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from starwhale.domain.ledger import Pace, Queue, cut, range_rows
from starwhale.errors import CorruptedError, LeaseLostError
from starwhale.execution.tasks.read_ahead import RangeFeed
from starwhale.storage.part import PartDraft, RangeLease
from starwhale.storage.protocols import Rows
from starwhale.storage.task_contract import TaskStores


@dataclass
class Ledger:
    """Grants ranges by the real rules; one task."""

    queue: Queue
    speed: float
    """Rows per second."""
    held: list[RangeLease] = field(default_factory=list[RangeLease])
    committed: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    handed_in: list[RangeLease] = field(default_factory=list[RangeLease])
    under_way: int = 0
    may_commit: threading.Event = field(default_factory=threading.Event)
    """Commits of ranges that were handed in wait for it."""
    refused: int = -1
    """The commit of the range that begins here is refused."""
    most_held: int = 0
    readers: Counter[int] = field(default_factory=Counter[int])
    pace: Pace = field(default_factory=Pace)
    damaged: int = -1

    def __post_init__(self) -> None:
        self.may_commit.set()

    @property
    def worked_on(self) -> RangeLease:
        """What a worker that dies now was at."""
        return next(each for each in list(self.held) if each not in self.handed_in)

    def hand_in(self, done: PartDraft | None = None) -> Callable[[], RangeLease | None]:
        assert self.under_way == 0, "one is under way at most"
        self.under_way += 1
        if done is not None:
            assert done.lease is not None
            self.handed_in.append(done.lease)

        def answer() -> RangeLease | None:
            assert done is None or self.may_commit.wait(30)
            try:
                return self.next_range(done)
            finally:
                self.under_way -= 1

        return answer

    def next_range(self, done: PartDraft | None = None) -> RangeLease | None:
        if done is not None:
            self.commit(done)
            assert done.lease is not None
            self.pace = Pace(rows=done.lease.stop - done.lease.start, took_s=done.took_s)
        self.queue, found = cut(self.queue, range_rows(self.queue, self.pace))
        if found is None:
            return None
        lease = RangeLease(
            job_id="j",
            step="s",
            dataset_position=0,
            start=found.start,
            stop=found.stop,
            epoch=1,
            batch=self.queue.batch,
        )
        self.held.append(lease)
        self.most_held = max(self.most_held, len(self.held))
        return lease

    def commit(self, done: PartDraft) -> None:
        assert done.lease is not None
        if done.lease.start == self.refused:
            message = "the lease has ended"
            raise LeaseLostError(message)
        assert done.lease is self.held.pop(0), "the ranges are done in the order in which they were leased"
        self.committed.append((done.lease.start, done.lease.stop))

    def read_rows(self, lease: RangeLease) -> Rows:
        if lease.start <= self.damaged < lease.stop:
            message = f"row {self.damaged} is damaged"
            raise CorruptedError(message)
        self.readers[threading.get_ident()] += 1
        return Rows(keys=cast("list[Any]", list(range(lease.start, lease.stop))), columns={})

    def draft(self, lease: RangeLease) -> PartDraft:
        return PartDraft(lease=lease, took_s=(lease.stop - lease.start) / self.speed)


def work(ledger: Ledger, *, is_ahead: bool = True) -> list[int]:
    """Do all rows, and return them in the order in which they came."""
    feed = RangeFeed(cast("TaskStores", ledger), is_ahead=is_ahead)
    done, seen = None, list[int]()
    try:
        while (ready := feed.next(done)) is not None:
            seen += cast("list[int]", ready.rows.keys)
            assert ready.lease is ledger.worked_on
            done = ledger.draft(ready.lease)
    finally:
        feed.close()
    return seen


@pytest.mark.parametrize("speed", [0.2, 1.0, 10.0, 3000.0, 1e6])
@pytest.mark.parametrize("batch", [1, 7])
def test_rows_come_once_in_row_order_and_two_ranges_are_held_at_most(speed: float, batch: int) -> None:
    ledger = (
        Ledger(Queue(total=20_001, batch=batch), speed) if speed > 1 else Ledger(Queue(total=50, batch=batch), speed)
    )
    total = ledger.queue.total
    assert work(ledger) == list(range(total))
    assert ledger.most_held <= 2
    assert [start for start, _ in ledger.committed] == [0, *(stop for _, stop in ledger.committed[:-1])]
    assert all(start % batch == 0 for start, _ in ledger.committed), "a range is a whole number of batches"


def test_a_range_of_a_second_is_read_by_another_thread_while_the_one_before_is_done() -> None:
    ledger = Ledger(Queue(total=20_000, batch=1), 3000.0)
    work(ledger)
    mine = ledger.readers.pop(threading.get_ident())
    assert len(ledger.readers) == 1
    assert mine <= 5, "only while the ranges grow"
    assert ledger.readers.total() >= 5


def test_ranges_of_a_slow_model_and_of_a_debugger_are_not_held_ahead() -> None:
    slow = Ledger(Queue(total=30, batch=10), 1.0)
    work(slow)
    assert [stop - start for start, stop in slow.committed] == [10, 10, 10], "down to a single batch"
    assert slow.most_held == 1
    debugged = Ledger(Queue(total=2000, batch=1), 100.0)
    work(debugged, is_ahead=False)
    assert debugged.most_held == 1


def test_ranges_adapt_to_a_second_of_work_and_follow_the_speed() -> None:
    ledger = Ledger(Queue(total=60_000, batch=4), 2000.0)
    work(ledger)
    sizes = [stop - start for start, stop in ledger.committed]
    assert sizes[:2] == [4, 256]
    assert set(sizes[4:-1]) == {2000}, sizes
    ledger = Ledger(Queue(total=20_000, batch=1), 2000.0)
    feed = RangeFeed(cast("TaskStores", ledger))
    done, seen = None, 0
    while (ready := feed.next(done)) is not None:
        seen = ready.lease.stop
        ledger.speed = 2000.0 if seen < 4000 else 10.0  # from here on the rows are hard
        done = ledger.draft(ready.lease)
    feed.close()
    assert ledger.committed[-1][1] - ledger.committed[-1][0] <= 10
    assert seen == 20_000


def test_damage_ahead_is_told_when_its_turn_comes() -> None:
    ledger = Ledger(Queue(total=20_000, batch=1), 3000.0, damaged=19_000)
    with pytest.raises(CorruptedError, match="19000"):
        work(ledger)
    assert ledger.committed[-1][1] > 15_000, "everything before was kept"
    assert ledger.held[0].start == ledger.committed[-1][1]
    assert ledger.under_way == 0, "what was handed in is not left behind"


def until_ahead(ledger: Ledger, feed: RangeFeed) -> PartDraft:
    """Work until a range is handed in, whose commit is held up; returns what was done last."""
    ledger.may_commit.clear()
    done = None
    while not ledger.handed_in:
        ready = feed.next(done)
        assert ready is not None
        done = ledger.draft(ready.lease)
    assert done is not None
    return done


def test_a_range_is_committed_while_the_next_one_is_done_and_before_the_one_after() -> None:
    ledger = Ledger(Queue(total=60_000, batch=1), 3000.0)
    with closing(RangeFeed(cast("TaskStores", ledger))) as feed:
        present = until_ahead(ledger, feed)  # it came although the commit of the one before is held up
        (before,) = ledger.handed_in
        assert present.lease is not None
        assert before.stop == present.lease.start
        assert ledger.committed[-1][1] == before.start
        assert ledger.worked_on is present.lease, "a worker that dies now did not die of what it has handed in"
        waits = threading.Thread(target=feed.settle)
        waits.start()
        waits.join(0.05)
        assert waits.is_alive(), "whoever settles waits for the commit"
        ledger.may_commit.set()
        waits.join(30)
        assert ledger.committed[-1] == (before.start, before.stop)
        after = feed.next(present)
        assert after is not None
        assert after.lease.start == present.lease.stop


@pytest.mark.parametrize("asks", ["next", "settle"])
def test_a_commit_that_is_refused_beside_predict_is_told_by_the_next_call(asks: str) -> None:
    ledger = Ledger(Queue(total=60_000, batch=1), 3000.0)
    with closing(RangeFeed(cast("TaskStores", ledger))) as feed:
        present = until_ahead(ledger, feed)
        ledger.refused = ledger.handed_in[0].start
        ledger.may_commit.set()
        committed = list(ledger.committed)
        with pytest.raises(LeaseLostError):
            feed.next(present) if asks == "next" else feed.settle()
    assert ledger.committed == committed, "what came after it is not committed either"
