from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from starwhale.domain import ledger as rules
from starwhale.domain import together
from starwhale.domain.job import HandlerRecord, Job, RunRequest, Step
from starwhale.domain.ledger import Pace, Queue, RangeState, RowRange
from starwhale.domain.together import Piece
from starwhale.errors import ConflictError, LeaseLostError
from starwhale.storage.catalog.catalog import SqlCatalog, open_catalog
from starwhale.storage.catalog.schema import ranges
from starwhale.storage.part import CommitRequest, PartRecord, RangeLease
from starwhale.storage.protocols import StepProgress

STEP = "m:predict"


def _open(root: Path, clock: list[float] | None = None) -> SqlCatalog:
    time = clock if clock is not None else [100.0]
    return open_catalog(root / "catalog.db", root / ".lock", clock=lambda: time[0])


def _job(catalog: SqlCatalog, number: int = 0) -> str:
    step = Step(name=STEP, record=HandlerRecord(name=STEP, kind="predict"), consumes_rows=True)
    job = Job(
        id=f"job{number:037}", request=RunRequest(workdir="/", modules=()), handler=STEP, steps=(step,), datasets=()
    )
    return catalog.jobs.create(job, {}, None).id


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[SqlCatalog]:
    opened = _open(tmp_path)
    yield opened
    opened.close()


def _next(
    catalog: SqlCatalog, job: str, holder: str = "t#1", commit: CommitRequest | None = None, pace: Pace | None = None
) -> RangeLease:
    lease = catalog.ledger.next_range(job, STEP, "", holder, pace or Pace(), commit=commit)
    assert lease is not None
    return lease


def test_rows_are_handed_out_in_order_and_commit_shows_as_progress(catalog: SqlCatalog) -> None:
    job = _job(catalog)
    catalog.ledger.create_queue(job, STEP, "", 0, 5, 2)
    catalog.ledger.create_queue(job, STEP, "", 1, 3, 2)
    seen: list[tuple[int, int, int]] = []
    commit = None
    while (lease := catalog.ledger.next_range(job, STEP, "", "t#1", Pace(), commit=commit)) is not None:
        seen.append((lease.dataset_position, lease.start, lease.stop))
        commit = CommitRequest(lease=lease, rows_done=lease.stop - lease.start, rows_failed=lease.start == 0)
    assert seen == [(0, 0, 2), (0, 2, 4), (0, 4, 5), (1, 0, 2), (1, 2, 3)]
    assert catalog.ledger.progress(job) == [StepProgress(step=STEP, done=8, failed=2, total=8)]
    assert catalog.ledger.is_complete(job, STEP)


def test_creating_a_queue_again_changes_nothing(catalog: SqlCatalog) -> None:
    job = _job(catalog)
    catalog.ledger.create_queue(job, STEP, "", 0, 4, 2)
    _next(catalog, job)
    catalog.ledger.create_queue(job, STEP, "", 0, 4, 2)
    assert _next(catalog, job).start == 2
    with pytest.raises(ConflictError, match="4 rows in batches of 2"):
        catalog.ledger.create_queue(job, STEP, "", 0, 5, 2)


def test_queues_of_steps_and_sessions_are_apart(catalog: SqlCatalog) -> None:
    job = _job(catalog)
    for step, queue in ((STEP, ""), (STEP, "session"), ("other", "")):
        catalog.ledger.create_queue(job, step, queue, 0, 1, 1)
    found = [
        catalog.ledger.next_range(job, step, queue, "t#1", Pace())
        for step, queue in ((STEP, ""), (STEP, "session"), ("other", ""))
    ]
    assert [lease and (lease.step, lease.queue, lease.start) for lease in found] == [
        (STEP, "", 0),
        (STEP, "session", 0),
        ("other", "", 0),
    ]


def test_a_refused_commit_keeps_nothing_and_grants_nothing(catalog: SqlCatalog) -> None:
    job = _job(catalog)
    catalog.ledger.create_queue(job, STEP, "", 0, 4, 1)
    lease = _next(catalog, job)
    catalog.ledger.release_holder(job, "t#1")
    again = _next(catalog, job, "t#2")
    commit = CommitRequest(lease=lease, rows_done=1, add_parts=lambda c: [catalog.parts.add(c, PartRecord(owner=job))])
    with pytest.raises(LeaseLostError):
        catalog.ledger.next_range(job, STEP, "", "t#1", Pace(), commit=commit)
    assert (again.start, again.epoch) == (0, lease.epoch + 1)
    assert catalog.parts.visible(job) == []
    assert _next(catalog, job, "t#3").start == 1


def test_a_part_that_cannot_be_added_leaves_the_lease_as_it_was(catalog: SqlCatalog) -> None:
    job = _job(catalog)
    catalog.ledger.create_queue(job, STEP, "", 0, 2, 1)
    lease = _next(catalog, job)

    def fail(connection: object) -> list[int]:
        message = "torn"
        raise OSError(message)

    with pytest.raises(OSError, match="torn"):
        catalog.ledger.commit_range(CommitRequest(lease=lease, rows_done=1, add_parts=fail), "t#1")
    assert catalog.ledger.progress(job)[0].done == 0
    catalog.ledger.commit_range(CommitRequest(lease=lease, rows_done=1), "t#1")
    assert catalog.ledger.progress(job)[0].done == 1


def test_commit_and_part_become_visible_together_and_twice_is_refused(catalog: SqlCatalog) -> None:
    job = _job(catalog)
    catalog.ledger.create_queue(job, STEP, "", 0, 2, 2)
    lease = _next(catalog, job)
    commit = CommitRequest(
        lease=lease, rows_done=2, add_parts=lambda c: [catalog.parts.add(c, PartRecord(owner=job, start=0, stop=2))]
    )
    catalog.ledger.commit_range(commit, "t#1")
    with pytest.raises(LeaseLostError):
        catalog.ledger.commit_range(commit, "t#1")
    assert [(part.start, part.stop) for part in catalog.parts.visible(job)] == [(0, 2)]


def test_a_part_of_a_range_may_be_committed_and_the_rest_is_handed_out_again(catalog: SqlCatalog) -> None:
    job = _job(catalog)
    catalog.ledger.create_queue(job, STEP, "", 0, 8, 2)
    first = _next(catalog, job)
    wide = _next(catalog, job, commit=CommitRequest(lease=first, rows_done=2), pace=Pace(rows=2, took_s=0.5))
    assert (wide.start, wide.stop) == (2, 6)
    rest = _next(catalog, job, commit=CommitRequest(lease=wide, stop=4, rows_done=2))
    assert (rest.start, rest.stop) == (4, 6)


def test_a_crash_makes_suspects_in_halves_that_come_first(catalog: SqlCatalog) -> None:
    job = _job(catalog)
    catalog.ledger.create_queue(job, STEP, "", 0, 100, 2)
    first = _next(catalog, job, "a#1")
    _next(catalog, job, "b#1")
    wide = _next(catalog, job, "a#1", commit=CommitRequest(lease=first, rows_done=2), pace=Pace(rows=2, took_s=0.25))
    assert (wide.start, wide.stop) == (4, 12)
    catalog.ledger.release_holder(job, "b#1")
    assert catalog.ledger.release_holder(job, "a#1", suspects=[wide], is_alone=True) == 1
    assert [(each.start, each.stop, each.rebatched) for each in catalog.ledger.suspects(job, STEP)] == [
        (4, 8, False),
        (8, 12, False),
    ]
    half = _next(catalog, job)
    catalog.ledger.release_holder(job, "t#1", suspects=[half], is_alone=True)
    lone = _next(catalog, job)
    assert (lone.start, lone.stop, lone.rebatched, lone.is_suspect) == (4, 6, True, True)
    assert [_next(catalog, job).start for _ in range(3)] == [6, 8, 2]


def test_ranges_in_one_worker_are_tried_alone_before_they_are_cut(catalog: SqlCatalog) -> None:
    job = _job(catalog)
    catalog.ledger.create_queue(job, STEP, "", 0, 100, 1)
    first = _next(catalog, job, "a#1")
    wide = _next(catalog, job, "a#1", commit=CommitRequest(lease=first, rows_done=1), pace=Pace(rows=1, took_s=0.25))
    ahead = _next(catalog, job, "a#1")
    assert (wide.start, wide.stop, ahead.start) == (1, 5, 5)
    catalog.ledger.release_holder(job, "a#1", suspects=[wide], is_alone=False)
    assert [(each.start, each.stop) for each in catalog.ledger.suspects(job, STEP)] == [(1, 5)], "and not what was read"
    again = _next(catalog, job, "a#2")
    assert (again.start, again.stop, again.is_suspect) == (1, 5, True)
    catalog.ledger.release_holder(job, "a#2", suspects=[again], is_alone=True)
    assert [(each.start, each.stop) for each in catalog.ledger.suspects(job, STEP)] == [(1, 3), (3, 5)]


def test_deaths_on_a_lone_batch_are_counted_for_whoever_comes_later(tmp_path: Path) -> None:
    catalog = _open(tmp_path)
    job = _job(catalog)
    catalog.ledger.create_queue(job, STEP, "", 0, 4, 2)
    for is_alone, deaths in ((False, 0), (True, 1), (True, 2)):
        lease = _next(catalog, job, "a#1")
        catalog.ledger.release_holder(job, "a#1", suspects=[lease], is_alone=is_alone)
        assert catalog.ledger.deaths(lease) == deaths
    catalog.close()
    catalog = _open(tmp_path)
    lease = _next(catalog, job, "a#1")
    assert (lease.start, lease.rebatched, catalog.ledger.deaths(lease)) == (0, True, 2)
    rest = _next(catalog, job, "a#1", commit=CommitRequest(lease=lease, stop=1, rows_done=1))
    assert (rest.start, rest.rebatched, catalog.ledger.deaths(rest)) == (1, True, 0), "another row is not to blame"
    catalog.close()


def test_a_new_driver_ends_all_leases(catalog: SqlCatalog) -> None:
    job, other = _job(catalog), _job(catalog, 1)
    for each in (job, other):
        catalog.ledger.create_queue(each, STEP, "", 0, 3, 1)
    lease = _next(catalog, job, "a#1")
    _next(catalog, job, "b#1")
    kept = _next(catalog, other, "a#1")
    assert catalog.ledger.release_all(job) == 2
    with pytest.raises(LeaseLostError):
        catalog.ledger.commit_range(CommitRequest(lease=lease, rows_done=1), "a#1")
    catalog.ledger.commit_range(CommitRequest(lease=kept, rows_done=1), "a#1")
    assert _next(catalog, job, "c#1").start == 0


def test_a_lease_past_its_deadline_goes_to_another(tmp_path: Path) -> None:
    clock = [100.0]
    catalog = _open(tmp_path, clock)
    job = _job(catalog)
    catalog.ledger.create_queue(job, STEP, "", 0, 2, 1)
    late = catalog.ledger.next_range(job, STEP, "", "a#1", Pace(), lease_s=10.0)
    assert late is not None
    clock[0] = 111.0
    with pytest.raises(LeaseLostError, match="not renewed"):
        catalog.ledger.commit_range(CommitRequest(lease=late, rows_done=1), "a#1")
    again = catalog.ledger.next_range(job, STEP, "", "b#1", Pace(), lease_s=9.0)
    assert again is not None
    assert (again.start, again.epoch) == (0, 2)
    catalog.close()


def test_short_ranges_are_leased_together_and_committed_as_one(catalog: SqlCatalog) -> None:
    """Every third row of a sample: a lease of single rows that are a second of work, one part for each, and figures for each."""
    job = _job(catalog)
    catalog.ledger.create_queue(job, STEP, "", 0, 30, 1, chosen=range(0, 30, 3))
    pace = Pace(rows=4, took_s=1.0)
    lease = catalog.ledger.next_range(job, STEP, "", "t#1", pace)
    assert lease is not None
    assert (lease.start, lease.stop, list(lease.ranks), lease.row_count) == (0, 10, [0, 3, 6, 9], 4)
    added: list[int] = []

    def add(connection: object) -> list[int]:
        records = [PartRecord(owner=job, start=rank, stop=rank + 1) for rank in (0, 3, 6)]
        added.extend(catalog.parts.add(connection, record) for record in records)  # type: ignore[arg-type]  # the ledger's own
        return added

    done = CommitRequest(lease=lease, stop=7, rows_done=3, rows_failed=1, failed_ranks=(3,), took_s=3.0, add_parts=add)
    after = catalog.ledger.next_range(job, STEP, "", "t#1", pace, commit=done)
    assert after is not None
    assert list(after.ranks) == [9, 12, 15, 18], "what was not committed was given back"
    with catalog.read() as connection:
        own = ranges.c.job_id == job, ranges.c.state == RangeState.DONE, ranges.c.epoch == 1
        rows = connection.execute(ranges.select().where(*own).order_by(ranges.c.start)).all()
    told = [(row.start, row.rows_done, row.rows_failed, row.seconds, row.part_id) for row in rows]
    assert told == [(0, 1, 0, 1.0, added[0]), (3, 1, 1, 1.0, added[1]), (6, 1, 0, 1.0, added[2])]
    with pytest.raises(LeaseLostError):
        catalog.ledger.commit_range(CommitRequest(lease=lease, rows_done=4), "t#1")
    assert catalog.ledger.progress(job)[0].done == 3


def test_of_short_suspects_a_share_is_tried_together(catalog: SqlCatalog) -> None:
    """Of eighty rows, ten; when those kill their worker, one; so a row that kills is found among many in few tries."""
    job = _job(catalog)
    catalog.ledger.create_queue(job, STEP, "", 0, 160, 1, chosen=range(0, 160, 2))
    pace = Pace(rows=1000, took_s=1.0)
    sizes: list[int] = []
    for number in range(1, 4):
        lease = catalog.ledger.next_range(job, STEP, "", f"t#{number}", pace)
        assert lease is not None
        assert lease.is_suspect == (number > 1)
        sizes.append(lease.row_count)
        catalog.ledger.release_holder(job, f"t#{number}", suspects=[lease], is_alone=True)
    assert sizes == [80, 10, 1]
    assert [each.start for each in catalog.ledger.suspects(job, STEP)][:2] == [0, 2]
    assert catalog.ledger.deaths(catalog.ledger.suspects(job, STEP)[0]) == 1, "it was alone"


class _Memory:
    """The pure rules over lists: what the SQL ledger has to equal."""

    def __init__(self, totals: list[int], batch: int) -> None:
        self.queues = [Queue(total=total, batch=batch) for total in totals]
        self.ranges: list[list[RowRange]] = [[] for _ in totals]

    def take(self, holder: str, pace: Pace) -> tuple[int, list[RowRange]] | None:
        free = [
            (each.crashes == 0, position, each.start, index)
            for position, row_ranges in enumerate(self.ranges)
            for index, each in enumerate(row_ranges)
            if each.state is RangeState.FREE
        ]
        if free:
            _, position, start, index = min(free)
            first = self.ranges[position][index]
        else:
            left = [position for position, queue in enumerate(self.queues) if queue.cursor < queue.total]
            if not left:
                return None
            position = left[0]
            queue = self.queues[position]
            self.queues[position], fresh = rules.cut(queue, rules.range_rows(queue, pace))
            assert fresh is not None
            self.ranges[position].append(fresh)
            first, start = fresh, fresh.start
        behind = sorted((each for each in self.ranges[position] if each.start > start), key=lambda each: each.start)
        free_behind = [each for each in behind if each.state is RangeState.FREE]
        first, rest = rules.shorten(first, self.queues[position], pace)
        if rest is not None:
            self.ranges[position].append(rest)
            free_behind = []
        chosen = together.choose(first, free_behind, self.queues[position], pace)
        granted = [rules.grant(each, holder) for each in chosen]
        self._put(position, granted)
        return position, granted

    def commit(self, position: int, leases: list[RowRange], holder: str, stop: int | None) -> None:
        known = {each.start: each for each in self.ranges[position]}
        pieces = [Piece(start=each.start, stop=each.stop, epoch=each.epoch) for each in leases]
        done, free = together.commit([(known[each.start], each) for each in pieces], holder, 0.0, stop)
        self._put(position, [*done, *free])

    def _put(self, position: int, changed: list[RowRange]) -> None:
        known = {each.start: each for each in [*self.ranges[position], *changed]}
        self.ranges[position] = [known[start] for start in sorted(known)]

    def release(self, holder: str | None, *, is_alone: bool | None = None) -> None:
        """Give back what a holder, or anybody, has; `is_alone` is said after a death only."""
        for position, row_ranges in enumerate(self.ranges):
            after: list[RowRange] = []
            for each in row_ranges:
                if each.state is RangeState.LEASED and holder in {None, each.holder}:
                    batch = self.queues[position].batch
                    after.extend(
                        [rules.release(each)]
                        if is_alone is None
                        else rules.give_back_suspect(each, batch, is_alone=is_alone)
                    )
                else:
                    after.append(each)
            self.ranges[position] = after


_ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["next", "next", "commit", "commit", "part", "late", "crash", "release", "all"]),
        st.integers(0, 2),
        st.integers(1, 40),
    ),
    max_size=60,
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    totals=st.lists(st.integers(0, 50), min_size=1, max_size=3),
    batch=st.integers(1, 7),
    actions=_ACTIONS,
    data=st.data(),
)
def test_sql_and_pure_rules_agree_on_every_schedule(
    totals: list[int], batch: int, actions: list[tuple[str, int, int]], data: st.DataObject, catalog: SqlCatalog
) -> None:
    job = _job(catalog, len(catalog.jobs.list(limit=1_000_000)))
    memory = _Memory(totals, batch)
    for position, total in enumerate(totals):
        catalog.ledger.create_queue(job, STEP, "", position, total, batch)
    held: dict[str, list[tuple[int, list[RowRange], RangeLease]]] = {f"t{n}#1": [] for n in range(3)}
    ended: list[tuple[str, RangeLease]] = []
    for action, number, size in actions:
        holder = f"t{number}#1"
        if action == "next":
            pace = Pace(rows=size, took_s=size / 30, tasks=number + 1)
            expected, lease = memory.take(holder, pace), catalog.ledger.next_range(job, STEP, "", holder, pace)
            assert (expected is None) == (lease is None)
            if expected is not None and lease is not None:
                position, granted = expected
                assert lease.dataset_position == position
                assert [(each.start, each.stop, each.epoch) for each in lease.all_pieces] == [
                    (each.start, each.stop, each.epoch) for each in granted
                ]
                held[holder].append((position, granted, lease))
        elif action in {"commit", "part"} and held[holder]:
            position, granted, lease = held[holder].pop(0)
            rows = lease.ranks[: size if action == "part" else None]
            stop = rows[-1] + 1 if action == "part" else None
            memory.commit(position, granted, holder, stop)
            catalog.ledger.commit_range(CommitRequest(lease=lease, stop=stop, rows_done=len(rows)), holder)
            ended.append((holder, lease))
        elif action == "late" and ended:
            owner, lease = data.draw(st.sampled_from(ended))
            with pytest.raises(LeaseLostError):
                catalog.ledger.commit_range(CommitRequest(lease=lease, rows_done=1), owner)
        elif action in {"crash", "release"}:
            is_alone = (
                number > 0 and not any(lease.pieces for _, _, lease in held[holder]) if action == "crash" else None
            )
            memory.release(holder, is_alone=is_alone)
            suspects = [lease for _, _, lease in held[holder]] if action == "crash" else []
            catalog.ledger.release_holder(job, holder, suspects=suspects, is_alone=number > 0)
            ended += [(holder, lease) for _, _, lease in held[holder]]
            held[holder] = []
        elif action == "all":
            memory.release(None)
            catalog.ledger.release_all(job)
            ended += [(owner, lease) for owner, leases in held.items() for _, _, lease in leases]
            held = {owner: [] for owner in held}
    _compare(catalog, job, memory)


def _compare(catalog: SqlCatalog, job: str, memory: _Memory) -> None:
    with catalog.read() as connection:
        rows = connection.execute(
            ranges.select().where(ranges.c.job_id == job).order_by(ranges.c.dataset_position, ranges.c.start)
        ).all()
    found = [(r.dataset_position, r.start, r.stop, r.state, r.epoch, r.holder, r.crashes, r.deaths) for r in rows]
    expected = [
        (position, r.start, r.stop, r.state.value, r.epoch, r.holder, r.crashes, r.deaths)
        for position, row_ranges in enumerate(memory.ranges)
        for r in sorted(row_ranges, key=lambda each: each.start)
    ]
    assert found == expected
    complete = all(
        rules.is_complete(queue, row_ranges) for queue, row_ranges in zip(memory.queues, memory.ranges, strict=True)
    )
    assert catalog.ledger.is_complete(job, STEP) == complete


def _work(root: str, job: str, holder: str) -> None:
    catalog = _open(Path(root))
    commit, pace = None, Pace()
    while (lease := catalog.ledger.next_range(job, STEP, "", holder, pace, commit=commit)) is not None:
        rows = lease.stop - lease.start
        pace = Pace(rows=rows, took_s=1.0, tasks=4)
        part = PartRecord(owner=job, task_id=holder, dataset_position=0, start=lease.start, stop=lease.stop)
        commit = CommitRequest(lease=lease, rows_done=rows, add_parts=lambda c, part=part: [catalog.parts.add(c, part)])
    catalog.close()


def test_processes_that_lease_at_once_never_get_the_same_rows(tmp_path: Path) -> None:
    catalog = _open(tmp_path)
    job = _job(catalog)
    catalog.ledger.create_queue(job, STEP, "", 0, 400, 1)
    workers = [subprocess.Popen([sys.executable, __file__, str(tmp_path), job, f"t{n}#1"]) for n in range(4)]
    assert [worker.wait(60) for worker in workers] == [0, 0, 0, 0]
    spans = sorted((part.start or 0, part.stop or 0) for part in catalog.parts.visible(job))
    assert [row for start, stop in spans for row in range(start, stop)] == list(range(400))
    assert catalog.ledger.is_complete(job, STEP)
    catalog.close()


if __name__ == "__main__":
    _work(*sys.argv[1:])
