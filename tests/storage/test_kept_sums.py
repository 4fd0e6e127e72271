"""What the catalog says of jobs and of the rows that were worked on has checksums, which SQLite keeps and everything that reads compares."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from starwhale.domain.job import HandlerRecord, Job, RunRequest, Step, Task, TaskError, TaskUpdate
from starwhale.domain.ledger import Pace
from starwhale.domain.status import Status
from starwhale.errors import CorruptedError, NotFoundError, StarwhaleError
from starwhale.storage.catalog.catalog import SqlCatalog, open_catalog
from starwhale.storage.catalog.kept_sums import COLUMNS
from starwhale.storage.catalog.schema import metadata
from starwhale.storage.part import CommitRequest, RangeLease

JOB = "j" * 40
STEP = Step(name="s", record=HandlerRecord(name="s", kind="predict"), consumes_rows=True)
REQUEST = RunRequest(workdir="/é", modules=("m",), arguments=("--x", "1"))
TASK = Task(id="t", job_id=JOB, step=STEP, index=0, total=1, attempt=1, request=REQUEST)


def opened(root: Path) -> closing[SqlCatalog]:
    return closing(open_catalog(root / "catalog.db", root / ".lock", clock=lambda: 5.5))


def fill(catalog: SqlCatalog) -> RangeLease:
    """A job of which one range is done, one is free, one is leased, and some rows are left."""
    catalog.jobs.create(Job(id=JOB, request=REQUEST, handler="s", steps=(STEP,), datasets=()), {"x": [1, None]}, None)
    catalog.jobs.record_attempt_start(TASK, "thread")
    error = TaskError(message="broken", details="trace")
    catalog.jobs.record_attempt_end(
        TaskUpdate(task_id="t", attempt=1, status=Status.FAILED, error=error, timings={"s": 1.5})
    )
    catalog.ledger.create_queue(JOB, "s", "", 0, 90, 2)
    first = catalog.ledger.next_range(JOB, "s", "", "t#1", Pace())
    assert first is not None
    commit = CommitRequest(lease=first, rows_done=2, rows_failed=1)
    assert catalog.ledger.next_range(JOB, "s", "", "t#1", Pace(), commit=commit) is not None
    catalog.ledger.release_holder(JOB, "t#1")
    lease = catalog.ledger.next_range(JOB, "s", "", "t#2", Pace())
    assert lease is not None
    return lease


def damage(root: Path, table: str, change: str) -> None:
    """Change a row as a disk would: nothing is told of it."""
    with closing(sqlite3.connect(root / "catalog.db")) as connection, connection:
        found = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?", [table]
        )
        triggers = found.fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        assert connection.execute(f"UPDATE {table} SET {change}").rowcount  # noqa: S608  texts of this file
        for _, statement in triggers:
            connection.execute(statement)


def test_every_column_of_these_tables_is_covered() -> None:
    for name, columns in COLUMNS.items():
        assert {*columns, "checksum"} == set(metadata.tables[name].columns.keys())


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("jobs", "request = replace(request, '--x', '--y')"),
        ("jobs", "status = 'success'"),
        ("jobs", "created_at = created_at + 1"),
        ("jobs", "checksum = ''"),
        ("steps", "status = 'success'"),
        ("tasks", "status = 'success'"),
        ("attempts", "error = NULL"),
        ("queues", "total = 91"),
        ("ranges", "rows_failed = 0 WHERE rows_failed > 0"),
        ("ranges", "state = 'done' WHERE state = 'leased'"),
        ("ranges", "holder = CAST(x'ff' AS TEXT) WHERE state = 'leased'"),
    ],
)
def test_a_changed_row_is_reported_by_whoever_looks_at_the_job(tmp_path: Path, table: str, change: str) -> None:
    with opened(tmp_path) as catalog:
        fill(catalog)
    damage(tmp_path, table, change)
    with opened(tmp_path) as catalog, pytest.raises(CorruptedError, match=r"catalog\.db is damaged") as raised:
        catalog.jobs.find(JOB)
    assert raised.value.path == str(tmp_path / "catalog.db")
    with opened(tmp_path) as catalog:
        if table == "jobs":
            with pytest.raises(CorruptedError):
                catalog.jobs.list()
        else:
            assert [each.id for each in catalog.jobs.list()] == [JOB]


def test_a_row_that_is_damaged_later_is_not_built_on(tmp_path: Path) -> None:
    with opened(tmp_path) as catalog:
        lease = fill(catalog)
        catalog.jobs.find(JOB)
        damage(tmp_path, "ranges", "rows_done = 1 WHERE state = 'leased'")
        before = catalog.ledger.progress(JOB)
        with pytest.raises(CorruptedError, match="a row of ranges differs from its checksum"):
            catalog.ledger.commit_range(CommitRequest(lease=lease, rows_done=2, rows_failed=0), "t#2")
        assert catalog.ledger.progress(JOB) == before
        damage(tmp_path, "jobs", "name = 'other'")
        with pytest.raises(CorruptedError, match="a row of jobs differs"):
            catalog.jobs.set_status(JOB, Status.RUNNING)


def said(root: Path) -> object:
    """Everything that a program which starts now says of the job; None for an error in our words."""
    try:
        with opened(root) as catalog:
            found = catalog.jobs.find(JOB)
            return (
                found, catalog.jobs.steps(JOB), catalog.jobs.attempts(JOB), catalog.jobs.list(), catalog.ledger.progress(JOB),
                catalog.ledger.is_complete(JOB, "s"), catalog.jobs.ended_tasks(JOB),
            )  # fmt: skip
    except NotFoundError:
        return "lost"
    except StarwhaleError:
        return None


@pytest.mark.parametrize("count", [40, pytest.param(2000, marks=pytest.mark.soak)])
def test_a_flipped_bit_in_a_row_is_reported_or_harmless(tmp_path: Path, count: int) -> None:
    with opened(tmp_path) as catalog:
        fill(catalog)
    path = tmp_path / "catalog.db"
    whole, expected, chance = path.read_bytes(), said(tmp_path), random.Random(count)
    marks = [JOB.encode(), b"--x", b"leased", b'"s"']  # on the pages of rows; the schema is checked by what reads it
    near = [at for mark in marks for at in places(whole, mark)]
    reported = 0
    for _ in range(count):
        content = bytearray(whole)
        content[min(len(content) - 1, max(0, chance.choice(near) + chance.randrange(-30, 90)))] ^= (
            1 << chance.randrange(8)
        )
        path.write_bytes(content)
        found = said(tmp_path)
        assert found in (None, "lost", expected)
        reported += found is None
        for suffix in ("-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)
    assert reported > count // 4


def places(content: bytes, mark: bytes) -> list[int]:
    found, at = list[int](), content.find(mark)
    while at >= 0:
        found.append(at)
        at = content.find(mark, at + 1)
    return found
