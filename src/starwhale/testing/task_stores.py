"""The rules of `TaskStores` as tests, for whatever carries them: subclass `TaskStoresContract`, and open the carrier in `connect`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from starwhale.domain.job import DatasetInput, HandlerRecord, Job, RunRequest, Step, Task
from starwhale.errors import LeaseLostError, StarwhaleError
from starwhale.execution.plan import plan_tasks
from starwhale.media import Image
from starwhale.storage.part import PartDraft, RangeLease, TableDraft
from starwhale.storage.protocols import TablePage, TableQuery
from starwhale.storage.stores import StoresRef, open_stores
from starwhale.storage.task_contract import SharedRows, TaskStores
from starwhale.storage.task_side import JobSide, LocalTaskStores, log_path

ROWS = 7
INFO = {"labels": ("cat", "dog"), "scale": 0.5, "raw": b"\0\1"}
_STEP = "contract:predict"
Connect = Callable[[Task], TaskStores]
"""Makes what one attempt sees of storage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """One job on a real store, and two of its attempts over the carrier that is tried."""

    side: JobSide
    """The job's side of the stores."""
    tasks: tuple[Task, ...]
    """Both tasks of its one step."""
    first: TaskStores
    """What the first task sees."""
    second: TaskStores
    """What the second sees."""
    alone: TaskStores
    """What an attempt sees that has the rows to itself."""


class TaskStoresContract:
    """What every carrier of the task-side contract must do; one test per rule."""

    def connect(self, side: JobSide) -> AbstractContextManager[Connect]:
        """Open a carrier to the stores of a job; subclasses do."""
        raise NotImplementedError

    @contextmanager
    def carried(self, folder: Path) -> Generator[Carried]:
        """Open a job of seven rows in batches of two."""
        root = folder / "root"
        for name in ("datasets", "blobs", "tmp"):
            (root / name).mkdir(parents=True)
        stores = open_stores(StoresRef(root=str(root)))
        try:
            job = _make_job(stores)
            side = JobSide(stores, job.steps, job.datasets)
            tasks = plan_tasks(job, job.steps[0])
            with self.connect(side) as open_task:
                alone = dataclasses.replace(tasks[0], attempt=2, total=1)
                yield Carried(
                    side=side,
                    tasks=tasks,
                    first=open_task(tasks[0]),
                    second=open_task(tasks[1]),
                    alone=open_task(alone),
                )
        finally:
            stores.close()

    def test_rows_are_handed_out_once_and_show_after_their_commit(self, tmp_path: Path) -> None:
        with self.carried(tmp_path) as each:
            ours, theirs = lease_of(each.first), lease_of(each.second)
            assert (ours.start, ours.stop, theirs.start, theirs.stop) == (0, 2, 2, 4)
            assert numbers(each.second) == []
            after = each.first.next_range(draft(ours))
            assert after is not None
            assert after.start == 4
            assert numbers(each.second) == [0, 10]
            each.second.commit(draft(theirs))
            assert numbers(each.first) == [0, 10, 20, 30]

    def test_values_come_as_they_were_stored(self, tmp_path: Path) -> None:
        with self.carried(tmp_path) as each:
            rows = each.first.read_rows(lease_of(each.first))
            assert rows.keys == [0, 1]
            assert rows.columns["number"] == [0, 10]
            assert rows.columns["nested"] == [{"a": [0, None], "b": ("x", b"\0\1")}] * 2
            assert [picture.to_bytes() for picture in rows.columns["picture"]] == [content(0), content(1)]

    def test_part_of_a_range_gives_the_rest_back(self, tmp_path: Path) -> None:
        with self.carried(tmp_path) as each:
            lease = lease_of(each.first)
            each.first.commit(draft(lease, stop=1))
            again = lease_of(each.second)
            assert (again.start, again.stop) == (1, 2)
            assert numbers(each.second) == [0]

    def test_a_range_is_as_long_as_the_task_wants(self, tmp_path: Path) -> None:
        with self.carried(tmp_path) as each:
            lease = each.first.next_range(wanted=3)
            assert lease is not None
            assert (lease.start, lease.stop) == (0, 2), "whole batches"
            lease = each.first.next_range(wanted=100)
            assert lease is not None
            assert (lease.start, lease.stop) == (2, 4), "a fair share of what is left for two tasks"

    def test_pieces_of_a_range_are_committed_in_any_order(self, tmp_path: Path) -> None:
        with self.carried(tmp_path) as each:
            lease = each.alone.next_range(wanted=ROWS)
            assert lease is not None
            assert (lease.start, lease.stop) == (0, 6), "whole batches"
            pieces = each.alone.split(lease, [4, 2])
            assert [(piece.start, piece.stop) for piece in pieces] == [(0, 2), (2, 4), (4, 6)]
            each.alone.commit(draft(pieces[1]))
            assert numbers(each.second) == [20, 30]
            assert lease_of(each.second).start == 6, "the other pieces are not given back"
            each.alone.commit(draft(pieces[2]))
            after = each.alone.next_range(draft(pieces[0]))
            assert after is None
            assert numbers(each.second) == [10 * k for k in range(6)]

    def test_a_range_is_cut_at_batches_and_by_its_holder_only(self, tmp_path: Path) -> None:
        with self.carried(tmp_path) as each:
            lease = each.alone.next_range(wanted=4)
            assert lease is not None
            for stores, cuts in ((each.alone, [1]), (each.alone, [4]), (each.second, [2])):
                error = error_of(lambda stores=stores, cuts=cuts: stores.split(lease, cuts))
                assert type(error) is LeaseLostError
            whole, rest = each.alone.split(lease, [2])
            assert type(error_of(lambda: each.alone.commit(draft(lease)))) is LeaseLostError, "it is in pieces"
            each.alone.commit(draft(rest))
            each.alone.commit(draft(whole))
            assert numbers(each.second) == [0, 10, 20, 30]

    def test_ranges_that_are_leased_together_are_one_to_the_task(self, tmp_path: Path) -> None:
        with self.carried(tmp_path) as each:
            lease = scattered(each)
            assert [(piece.start, piece.stop) for piece in lease.pieces] == [(0, 2), (4, 6)]
            rows = each.alone.read_rows(lease)
            assert rows.keys == [0, 1, 4, 5]
            assert rows.columns["number"] == [0, 10, 40, 50]
            assert [picture.to_bytes() for picture in rows.columns["picture"]] == [content(k) for k in (0, 1, 4, 5)]
            assert each.alone.next_range(draft(lease)) is None
            assert numbers(each.second) == [0, 10, 20, 30, 40, 50, 60]

    def test_ranges_that_are_leased_together_are_refused_together(self, tmp_path: Path) -> None:
        with self.carried(tmp_path) as each:
            lease = scattered(each)
            each.side.stores.catalog.ledger.release_all(lease.job_id)
            assert lease_of(each.second).start == 0
            assert type(error_of(lambda: each.alone.commit(draft(lease)))) is LeaseLostError
            assert numbers(each.second) == [20, 30, 60], "nothing is kept, of no range"

    def test_part_of_ranges_that_are_leased_together_gives_the_others_back(self, tmp_path: Path) -> None:
        with self.carried(tmp_path) as each:
            lease = scattered(each)
            each.alone.commit(draft(lease, stop=5))
            again = lease_of(each.second)
            assert (again.start, again.stop, again.pieces) == (5, 6, ())
            assert numbers(each.second) == [0, 10, 20, 30, 40, 60]

    def test_ranges_that_are_leased_together_are_cut_where_one_begins(self, tmp_path: Path) -> None:
        with self.carried(tmp_path) as each:
            first, second = each.alone.split(scattered(each), [4])
            each.alone.commit(draft(second))
            assert numbers(each.second) == [20, 30, 40, 50, 60]
            each.alone.commit(draft(first))
            assert numbers(each.second) == [0, 10, 20, 30, 40, 50, 60]

    def test_a_range_is_read_ahead_while_the_one_before_is_committed(self, tmp_path: Path) -> None:
        with self.carried(tmp_path) as each, ThreadPoolExecutor(max_workers=1) as reader:
            first, second = lease_of(each.first), lease_of(each.first)
            assert (first.start, second.start) == (0, 2)
            rows = reader.submit(each.first.read_rows, second)
            third = each.first.next_range(draft(first))
            assert third is not None
            assert third.start == 4
            assert rows.result().keys == [2, 3]
            each.first.commit(draft(second))
            assert numbers(each.second) == [0, 10, 20, 30]

    def test_a_range_that_is_handed_in_is_committed_while_the_next_one_is_worked_on(self, tmp_path: Path) -> None:
        with self.carried(tmp_path) as each:
            first, second = lease_of(each.first), lease_of(each.first)
            answer = each.first.hand_in(draft(first))
            assert each.first.read_rows(second).keys == [2, 3]
            third = answer()
            assert third is not None
            assert third.start == 4
            assert numbers(each.second) == [0, 10]
            answer = each.first.hand_in(draft(second))
            fourth = answer()
            assert fourth is not None
            assert each.first.hand_in()() is None, "without a draft it only asks for more"
            assert numbers(each.second) == [0, 10, 20, 30]

    def test_what_is_done_with_values_after_they_were_handed_in_changes_nothing(self, tmp_path: Path) -> None:
        with self.carried(tmp_path) as each:
            handed_in = draft(lease_of(each.first))
            answer = each.first.hand_in(handed_in)
            handed_in.tables[0].columns["value"][:] = [-1, -1]
            answer()
            assert numbers(each.second) == [0, 10]

    def test_a_lost_lease_is_refused_and_keeps_nothing(self, tmp_path: Path) -> None:
        with self.carried(tmp_path) as each:
            lease = lease_of(each.first)
            each.side.stores.catalog.ledger.release_all(lease.job_id)
            assert lease_of(each.second).start == 0
            for commit in (each.first.commit, each.first.next_range, lambda done: each.first.hand_in(done)()):
                error = error_of(lambda commit=commit: commit(draft(lease)))
                assert type(error) is LeaseLostError
                assert "rows 0 to 2" in error.message
                assert error.hint
            assert numbers(each.second) == []

    def test_a_doubled_commit_is_refused(self, tmp_path: Path) -> None:
        with self.carried(tmp_path) as each:
            lease = lease_of(each.first)
            each.first.commit(draft(lease))
            assert type(error_of(lambda: each.first.commit(draft(lease)))) is LeaseLostError
            assert numbers(each.first) == [0, 10]

    def test_a_lease_of_another_task_is_refused(self, tmp_path: Path) -> None:
        with self.carried(tmp_path) as each:
            lease = lease_of(each.first)
            assert type(error_of(lambda: each.second.commit(draft(lease)))) is LeaseLostError
            each.first.commit(draft(lease))
            assert numbers(each.first) == [0, 10]

    def test_all_rows_are_done_and_then_there_are_none(self, tmp_path: Path) -> None:
        with self.carried(tmp_path) as each:
            lease = each.first.next_range()
            while lease is not None:
                lease = each.first.next_range(draft(lease))
            assert each.second.next_range() is None
            assert numbers(each.second) == [10 * k for k in range(ROWS)]

    def test_sessions_have_queues_of_their_own(self, tmp_path: Path) -> None:
        with self.carried(tmp_path) as each:
            assert lease_of(each.first).start == 0
            shared = SharedRows(session="mine", version="1" * 40, row_count=3, batch=1)
            found = [stores.next_range(queue=shared.queue) for stores in (each.first, each.second)]
            assert [lease and (lease.start, lease.stop) for lease in found] == [(0, 1), (1, 2)]
            assert lease_of(each.second).start == 2

    def test_tables_and_pages(self, tmp_path: Path) -> None:
        with self.carried(tmp_path) as each:
            table = TableDraft(name="mine", ids=["a", "b"], columns={"x": [1.5, None], "y": [None, (1, "z")]})
            each.first.commit(PartDraft(tables=[table]))
            page = each.second.read_page(TableQuery(table="mine"))
            assert page == TablePage(columns={"id": ["a", "b"], "x": [1.5, None], "y": [None, (1, "z")]}, row_count=2)
            assert each.second.table_names() == ["mine"]
            page = each.first.read_page(TableQuery(table="mine", start="b"))
            assert page.columns["id"] == ["b"]

    def test_a_log_is_kept_in_order(self, tmp_path: Path) -> None:
        with self.carried(tmp_path) as each:
            for k in range(20):
                each.first.log(f"line {k} ü\n")
            each.first.table_names()  # messages of one task arrive in order
            text = log_path(each.side.stores.layout, each.tasks[0]).read_text(encoding="utf-8")
            assert text == "".join(f"line {k} ü\n" for k in range(20))

    def test_what_was_logged_is_kept_after_a_sync(self, tmp_path: Path) -> None:
        with self.carried(tmp_path) as each:
            for k in range(20):
                each.second.log(f"line {k}\n")
            each.second.sync()
            text = log_path(each.side.stores.layout, each.tasks[1]).read_text(encoding="utf-8")
            assert text == "".join(f"line {k}\n" for k in range(20))

    def test_a_dataset_says_what_its_owner_keeps_beside_its_rows(self, tmp_path: Path) -> None:
        with self.carried(tmp_path) as each:
            assert each.first.dataset_info(0) == INFO


def lease_of(stores: TaskStores) -> RangeLease:
    """Take the next range, which must be there."""
    lease = stores.next_range()
    assert lease is not None
    return lease


def scattered(each: Carried) -> RangeLease:
    """Take a lease of several ranges: all is done but the first and the third batch."""
    leases = [lease_of(each.second) for _ in range(4)]
    assert [lease.start for lease in leases] == [0, 2, 4, 6]
    for lease in leases[1::2]:
        each.second.commit(draft(lease))
    each.side.stores.catalog.ledger.release_all(leases[0].job_id)
    lease = each.alone.next_range(wanted=ROWS)
    assert lease is not None
    return lease


def draft(lease: RangeLease, stop: int | None = None) -> PartDraft:
    """Make a part whose rows hold ten times their rank."""
    rows = [rank for rank in lease.ranks if stop is None or rank < stop]
    table = TableDraft(name="numbers", ids=list(rows), columns={"value": [10 * k for k in rows]})
    return PartDraft(lease=lease, stop=stop, tables=[table], rows_done=len(rows), took_s=1.0)


def numbers(stores: TaskStores) -> list[int]:
    """Read what was committed of `draft`."""
    return list(cast("Sequence[int]", stores.read_page(TableQuery(table="numbers")).columns.get("value", [])))


def content(k: int) -> bytes:
    """Return a picture: odd rows have one that lies in a pack."""
    return bytes([k, 1, 2]) * (100_000 if k % 2 else 5)


def error_of(action: Callable[[], object]) -> StarwhaleError:
    """Return what an action raises."""
    try:
        action()
    except StarwhaleError as error:
        return error
    message = "nothing was raised"
    raise AssertionError(message)


def _make_job(stores: Any) -> Job:  # Any: Stores; only what is used here matters
    writer = stores.datasets.begin("contract", None)
    nested = {"a": [0, None], "b": ("x", b"\0\1")}
    for k in range(ROWS):
        writer.put(k, {"number": 10 * k, "nested": nested, "picture": Image(content(k))})
    writer.set_info(INFO)
    dataset = DatasetInput(
        uri="contract/version/1",
        given="contract",
        dataset_id="contract",
        project="self",
        name="contract",
        version="1" * 40,
        manifest_digest=writer.commit().manifest_digest,
        row_count=ROWS,
    )
    record = HandlerRecord(name=_STEP, kind="predict", batch_size=2)
    step = Step(name=_STEP, record=record, replicas=2, consumes_rows=True)
    request = RunRequest(workdir="/", modules=("contract",))
    job = Job(id=stores.catalog.make_id(), request=request, handler=_STEP, steps=(step,), datasets=(dataset,))
    stores.catalog.jobs.create(job, {}, None)
    stores.catalog.ledger.create_queue(job.id, _STEP, "", 0, ROWS, 2)
    return job


def connect_here(side: JobSide) -> Connect:
    """Make the stores of attempts in this process, without a carrier."""
    return lambda task: LocalTaskStores(task, side)
