"""Compaction while a step runs: few files, the same rows, readers that never fail."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from starwhale.domain.job import DatasetInput, HandlerRecord, Step
from starwhale.errors import CorruptedError
from starwhale.storage.catalog.catalog import SqlCatalog, open_catalog
from starwhale.storage.layout import Layout
from starwhale.storage.part import PartDraft, RangeLease, TableDraft
from starwhale.storage.protocols import TableQuery
from starwhale.storage.result_parts import compact
from starwhale.storage.result_parts.part_codec import encode_draft
from starwhale.storage.result_parts.results import LocalResultStore, ResultScope, describe_part

JOB = "j" * 40
STEP = "m:predict"
COMMITS = 400
DATASET = DatasetInput(
    uri="a",
    given="a",
    dataset_id="a",
    project="self",
    name="a",
    version="v" * 40,
    manifest_digest="d",
    row_count=COMMITS,
)
SCOPE = ResultScope(
    owner=JOB,
    steps=(Step(name=STEP, record=HandlerRecord(name=STEP, kind="predict"), consumes_rows=True),),
    datasets=(DATASET,),
)


class Driver:
    """Commits ranges of one row by two attempts, as the parent of a job does."""

    def __init__(self, root: Path) -> None:
        layout = Layout(root)
        self.catalog: SqlCatalog = open_catalog(layout.catalog, root / ".lock")
        self.store = LocalResultStore(layout, self.catalog)
        self.compactions = 0

    def commit(self, rank: int, value: object = None) -> None:
        """Commit one row with a log of its own and one that every row shares."""
        lease = RangeLease(job_id=JOB, step=STEP, dataset_position=0, start=rank, stop=rank + 1, epoch=1, batch=1)
        tables = [
            TableDraft(name="predictions", ids=[rank], columns={"_index": [rank], "output": [value or rank * 2]}),
            TableDraft(
                name="logged", ids=["shared", f"own {rank}"], columns={"last": [rank, None], f"c{rank % 3}": [1, 2]}
            ),
        ]
        encoded = encode_draft(PartDraft(lease=lease, tables=tables))
        task = f"{JOB}/0/{rank % 2}"
        stored = self.store.write(JOB, f"{task}#1", encoded)
        with self.catalog.write() as connection:
            self.store.record(connection, describe_part(JOB, encoded, stored, step=STEP, task_id=task, attempt=1))
        if self.store.should_compact(JOB):
            self.compactions += 1
            assert self.store.compact(JOB) > 0

    def files(self) -> list[str]:
        return sorted(path.name for path in self.store.folder(JOB).iterdir())


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[Driver]:
    made = Driver(tmp_path)
    yield made
    made.catalog.close()


@pytest.mark.needs_time
def test_hundreds_of_commits_end_in_few_files_and_readers_never_fail(driver: Driver, tmp_path: Path) -> None:
    failures: list[BaseException] = []
    seen: list[int] = []
    is_over = threading.Event()

    def read() -> None:
        elsewhere = LocalResultStore(Layout(tmp_path), driver.catalog)
        try:
            while not is_over.is_set():
                rows = list(elsewhere.reader.rows(SCOPE, TableQuery(table="results")))
                assert [row["output"] for row in rows] == [row["_index"] * 2 for row in rows]
                assert [row["_index"] for row in rows] == list(range(len(rows)))
                list(elsewhere.reader.rows(SCOPE, TableQuery(table="logged")))
                seen.append(len(rows))
        except BaseException as error:  # noqa: BLE001 - handed to the test's own thread
            failures.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    most = 0
    for rank in range(COMMITS):
        driver.commit(rank)
        most = max(most, len(driver.files()))
    is_over.set()
    reader.join(60)
    assert failures == []
    assert seen == sorted(seen), "what was visible stays visible"
    assert driver.compactions == COMMITS // 64
    assert most <= 8, "files do not pile up while the step runs"
    driver.store.compact(JOB, STEP)
    files = driver.files()
    assert len(files) == 2, f"one stretch per table: {files}"
    assert all(name.endswith(".rows") for name in files), "no segment is left"
    assert driver.store.verify(JOB) == []


def test_equal_ids_keep_the_order_of_their_commits(driver: Driver) -> None:
    for rank in reversed(range(150)):  # the last commit has the lowest rank
        driver.commit(rank)
    driver.store.compact(JOB, STEP)
    rows = {row["id"]: row for row in driver.store.reader.rows(SCOPE, TableQuery(table="logged"))}
    assert rows["shared"] == {"id": "shared", "last": 0, "c0": 1, "c1": 1, "c2": 1}
    assert len(rows) == 151
    found = list(driver.store.reader.rows(SCOPE, TableQuery(table="results")))
    assert [row["output"] for row in found] == [rank * 2 for rank in range(150)]


def test_what_compresses_well_is_merged_a_bounded_piece_at_a_time(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Arrays of zeros take no room on disk, and would all be in memory at once."""
    monkeypatch.setattr(compact, "MERGED_BYTES", 1 << 20)
    for rank in range(40):
        driver.commit(rank, value=bytes(100_000))
    driver.store.compact(JOB, STEP)
    merged = {t.file: t for part in driver.catalog.parts.visible(JOB) for t in part.tables if t.table_name != "logged"}
    whole = [dataclasses.replace(table, first_row=0, row_count=1) for table in merged.values()]
    sizes = [driver.store.batch(JOB, table).nbytes * 10 for table in whole]
    assert len(sizes) == 4, "ten rows lie in each"
    assert max(sizes) <= 1 << 20
    assert driver.store.compact(JOB, STEP) == 0, "what is full is not written again"
    rows = list(driver.store.reader.rows(SCOPE, TableQuery(table="results")))
    assert [row["output"] for row in rows] == [bytes(100_000)] * 40


def test_a_segment_into_which_a_part_was_just_written_is_kept(driver: Driver) -> None:
    for rank in range(10):
        driver.commit(rank)
    lease = RangeLease(job_id=JOB, step=STEP, dataset_position=0, start=10, stop=11, epoch=1, batch=1)
    late = encode_draft(
        PartDraft(lease=lease, tables=[TableDraft(name="predictions", ids=[10], columns={"output": [20]})])
    )
    stored = driver.store.write(JOB, f"{JOB}/0/0#1", late)  # written, not committed yet
    driver.store.compact(JOB)
    with driver.catalog.write() as connection:
        driver.store.record(connection, describe_part(JOB, late, stored, step=STEP, task_id=f"{JOB}/0/0", attempt=1))
    rows = list(driver.store.reader.rows(SCOPE, TableQuery(table="results")))
    assert [row["output"] for row in rows] == [rank * 2 for rank in range(11)]
    driver.commit(11)
    driver.commit(12)
    driver.store.compact(JOB)
    assert [name for name in driver.files() if name.endswith("#1.seg") or "%231.seg" in name] == []


def test_damage_is_named_and_stops_no_job(driver: Driver) -> None:
    for rank in range(10):
        driver.commit(rank)
    path = driver.store.folder(JOB) / driver.files()[0]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert driver.store.compact(JOB, STEP) == 0, "a compaction that cannot be done is put off"
    fresh = LocalResultStore(driver.store._layout, driver.catalog)  # nothing cached
    with pytest.raises(CorruptedError, match="still readable: ") as raised:
        _read_all(fresh)
    assert path.name in str(raised.value)


def _read_all(store: LocalResultStore) -> None:
    for table in ("results", "logged"):
        list(store.reader.rows(SCOPE, TableQuery(table=table)))
