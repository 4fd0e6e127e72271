from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import IntegrityError

from starwhale.domain.job import HandlerRecord, Job, RunRequest, Step, Task
from starwhale.domain.ledger import Pace
from starwhale.errors import CorruptedError, RootError
from starwhale.storage.catalog.catalog import open_catalog
from starwhale.storage.catalog.engine import Database
from starwhale.storage.catalog.kept_sums import COLUMNS
from starwhale.storage.catalog.migrations.apply import OURS, REVISIONS, Plan, prepare
from starwhale.storage.catalog.schema import metadata
from starwhale.storage.part import CommitRequest, PartRecord, PartTable

SECOND = """
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade():
    op.execute("ALTER TABLE projects ADD COLUMN colour TEXT")
    {more}
"""


def _prepare(root: Path, plan: Plan = OURS) -> Path:
    prepare(root / "catalog.db", root / ".lock", plan)
    return root / "catalog.db"


def _later_plan(tmp_path: Path, more: str = "") -> Plan:
    scripts = tmp_path / "scripts"
    shutil.copytree(OURS.scripts, scripts, ignore=shutil.ignore_patterns("__pycache__"))
    (scripts / "versions" / "r0008_colour.py").write_text(SECOND.format(more=more))
    return Plan(scripts=scripts, revisions=(*REVISIONS, "0008"))


def _columns(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {row[1] for row in connection.execute("PRAGMA table_info(projects)")}


def _anatomy(path: Path) -> dict[str, object]:
    """What a database consists of, whatever the order in which it was made."""
    with closing(sqlite3.connect(path)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found: dict[str, object] = {}
        for table in tables:
            sql = connection.execute("SELECT sql FROM sqlite_master WHERE name = ?", [table]).fetchone()[0]
            indexes = connection.execute(f"PRAGMA index_list({table})").fetchall()
            found[table] = {
                "columns": sorted(row[1:] for row in connection.execute(f"PRAGMA table_info({table})")),
                "keys": sorted(row[2:] for row in connection.execute(f"PRAGMA foreign_key_list({table})")),
                "counts": "AUTOINCREMENT" in sql,
                "indexes": sorted(
                    (is_unique, origin, [row[2] for row in connection.execute(f"PRAGMA index_info({name})")])
                    for _, name, is_unique, origin, _ in indexes
                ),
            }
        found["named indexes"] = sorted(
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'index'")
        )
        found["triggers"] = sorted(connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"))
        found["revision"] = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    return found


def test_a_new_catalog_is_what_the_migrations_make(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "migrated").mkdir()
    new = _prepare(tmp_path / "new")
    migrated = _prepare(tmp_path / "migrated", replace(OURS))
    assert _anatomy(new) == _anatomy(migrated)


def test_a_new_catalog_needs_no_alembic(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from starwhale.storage.catalog.migrations.apply import prepare\n"
        "root = Path(sys.argv[1]); prepare(root / 'catalog.db', root / '.lock'); print('alembic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_the_migrations_make_exactly_the_tables_of_the_schema(tmp_path: Path) -> None:
    database = Database(_prepare(tmp_path, replace(OURS)))
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    database.close()


def test_the_last_known_revision_is_the_head_of_the_scripts() -> None:
    assert ScriptDirectory(str(OURS.scripts)).get_heads() == [REVISIONS[-1]]


def test_a_fresh_database_is_durable_and_private(tmp_path: Path) -> None:
    path = _prepare(tmp_path)
    database = Database(path)
    with database.read() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    database.close()
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_newer_database_is_refused_and_both_revisions_are_named(tmp_path: Path) -> None:
    path = _prepare(tmp_path, _later_plan(tmp_path))
    before = path.read_bytes()
    with pytest.raises(RootError, match=rf"revision 0008.* up to {REVISIONS[-1]}"):
        _prepare(tmp_path)
    assert path.read_bytes() == before


def test_an_older_database_is_backed_up_and_migrated(tmp_path: Path) -> None:
    catalog = open_catalog(tmp_path / "catalog.db", tmp_path / ".lock")
    catalog.projects.ensure("demo")
    catalog.close()
    path = _prepare(tmp_path, _later_plan(tmp_path))
    assert "colour" in _columns(path)
    backup = tmp_path / "catalog.db.backup-0007"
    assert "colour" not in _columns(backup)
    for each in (path, backup):
        with closing(sqlite3.connect(each)) as connection:
            assert connection.execute("SELECT name FROM projects").fetchall() == [("demo",)]


def test_versions_of_the_first_revision_get_their_checksums(tmp_path: Path) -> None:
    path = _prepare(tmp_path, Plan(revisions=("0001",)))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO projects VALUES (1, 'self', 'self', 1.5, NULL)")
        connection.execute("INSERT INTO bundles VALUES ('b', 1, 'dataset', 'ds', 'ds', 1.5, 1)")
        for number, removed in ((0, None), (1, 2.5)):
            row = (f"version{number}", "b", number, number, 1.25, "why", 10, None, "d" * 64, '{"é": 1.0}', removed)
            connection.execute("INSERT INTO versions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        connection.execute("INSERT INTO tags VALUES ('b', 'latest', 'version0')")
    catalog = open_catalog(path, tmp_path / ".lock")
    found = catalog.versions.history("b", with_removed=True)
    assert [(each.version, each.manifest, each.is_removed) for each in found] == [
        ("version1", {"é": 1.0}, True),
        ("version0", {"é": 1.0}, False),
    ]
    assert catalog.tags.list("b") == {"latest": "version0"}
    catalog.close()


def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    path = _prepare(tmp_path)
    with pytest.raises(RuntimeError, match="torn"):
        _prepare(tmp_path, _later_plan(tmp_path, more="raise RuntimeError('torn')"))
    assert "colour" not in _columns(path)
    _prepare(tmp_path)


@pytest.mark.needs_time
def test_processes_that_open_a_fresh_root_at_once_all_get_it(tmp_path: Path) -> None:
    openers = [subprocess.Popen([sys.executable, __file__, str(tmp_path), f"p{n}"]) for n in range(8)]
    assert [opener.wait(120) for opener in openers] == [0] * 8
    catalog = open_catalog(tmp_path / "catalog.db", tmp_path / ".lock")
    assert {each.name for each in catalog.projects.list()} == {f"p{n}" for n in range(8)}
    catalog.close()


def test_opening_again_does_not_import_alembic(tmp_path: Path) -> None:
    _prepare(tmp_path)
    code = (
        "import sys; from pathlib import Path; from starwhale.storage.catalog.catalog import open_catalog as o\n"
        f"r = Path({str(tmp_path)!r}); c = o(r / 'catalog.db', r / '.lock'); c.jobs.list(); print('alembic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "catalog.db").write_bytes(b"this is not a database at all" * 100)
    with pytest.raises(RootError, match="cannot be read"):
        _prepare(tmp_path)


def test_a_damaged_database_is_named(tmp_path: Path) -> None:
    path = _prepare(tmp_path)
    path.write_bytes(b"\xff" * path.stat().st_size)
    database = Database(path)
    with pytest.raises(CorruptedError, match=re.escape(str(path))), database.write():
        pass
    database.close()


def test_a_write_that_raises_leaves_nothing_and_frees_the_lock(tmp_path: Path) -> None:
    database = Database(_prepare(tmp_path))
    statement = "INSERT INTO projects (id, name, name_folded, created_at) VALUES (1, 'a', 'a', 0)"

    def write_twice() -> None:
        with database.write() as connection:
            connection.exec_driver_sql(statement)
            connection.exec_driver_sql(statement)

    with pytest.raises(IntegrityError):
        write_twice()
    with database.write() as connection:
        connection.exec_driver_sql(statement)
    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM projects").scalar() == 1
    database.close()


def test_a_read_sees_one_moment_while_others_write(tmp_path: Path) -> None:
    database = Database(_prepare(tmp_path))
    count = "SELECT count(*) FROM events"
    with database.read() as reader:
        before = reader.exec_driver_sql(count).scalar()
        with database.write() as writer:
            writer.exec_driver_sql("INSERT INTO events (time, kind, detail) VALUES (0, 'x', '{}')")
        assert reader.exec_driver_sql(count).scalar() == before
    with database.read() as reader:
        assert reader.exec_driver_sql(count).scalar() == 1
    database.close()


def test_threads_that_read_and_then_write_never_fail(tmp_path: Path) -> None:
    catalog = open_catalog(tmp_path / "catalog.db", tmp_path / ".lock")
    failed: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(25):
                with catalog.write() as connection:
                    last = connection.exec_driver_sql("SELECT coalesce(max(time), 0) FROM events").scalar_one()
                    connection.exec_driver_sql(
                        "INSERT INTO events (time, kind, detail) VALUES (?, 'x', '{}')", (last + 1,)
                    )
        except BaseException as error:  # noqa: BLE001 - told to the test below
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []
    assert [each.time for each in catalog.events.list()] == [float(n) for n in range(1, 201)]
    catalog.close()


def _open_fresh(root: str, project: str) -> None:
    catalog = open_catalog(Path(root) / "catalog.db", Path(root) / ".lock")
    catalog.projects.ensure(project)
    catalog.close()


if __name__ == "__main__":
    _open_fresh(*sys.argv[1:])


def _forget_kept_sums(connection: sqlite3.Connection) -> None:
    """Make of a catalog what revision 0005 made."""
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER {name}")
    for table in COLUMNS:
        connection.execute(f"ALTER TABLE {table} DROP COLUMN checksum")
    connection.execute("DROP TABLE task_access")  # a later revision made it


def test_jobs_that_were_there_before_their_checksums_get_them(tmp_path: Path) -> None:
    step = Step(name="s", record=HandlerRecord(name="s", kind="predict"), consumes_rows=True)
    job = Job(id="j" * 40, request=RunRequest(workdir="/é", modules=()), handler="s", steps=(step,), datasets=())
    task = Task(id="t", job_id=job.id, step=step, index=0, total=1, attempt=1, request=job.request)
    with closing(open_catalog(tmp_path / "catalog.db", tmp_path / ".lock", clock=lambda: 5.5)) as opened:
        made = opened.jobs.create(job, {"x": [1.5, None]}, None)
        opened.jobs.record_attempt_start(task, "thread")
        opened.ledger.create_queue(job.id, "s", "", 0, 9, 2)
        lease = opened.ledger.next_range(job.id, "s", "", "t#1", Pace())
        assert lease is not None
    with closing(sqlite3.connect(tmp_path / "catalog.db")) as connection, connection:
        _forget_kept_sums(connection)
        connection.execute("UPDATE alembic_version SET version_num = '0005'")
    with closing(open_catalog(tmp_path / "catalog.db", tmp_path / ".lock", clock=lambda: 5.5)) as opened:
        assert opened.jobs.find(job.id) == made
        opened.ledger.commit_range(CommitRequest(lease=lease, rows_done=2, rows_failed=0), "t#1")
        assert [each.done for each in opened.ledger.progress(job.id)] == [2]
    with closing(open_catalog(tmp_path / "catalog.db", tmp_path / ".lock")) as opened:
        assert opened.jobs.find(job.id).record == {"x": [1.5, None]}


def test_parts_that_were_there_before_their_checksums_get_them(tmp_path: Path) -> None:
    part = PartRecord(
        owner="j", step="s", start=0, stop=3, dataset_position=0,
        tables=(PartTable(table_name="results", file="a.seg", offset=0, length=10, digest=b"d" * 32, row_count=3),),
    )  # fmt: skip
    with closing(open_catalog(tmp_path / "catalog.db", tmp_path / ".lock", clock=lambda: 5.5)) as opened:
        opened.parts.commit(part)
        opened.parts.commit(replace(part, start=3, stop=6, visible=False, tables=()))
        expected = opened.parts.visible("j")
    with closing(sqlite3.connect(tmp_path / "catalog.db")) as connection, connection:
        _forget_kept_sums(connection)
        connection.execute("ALTER TABLE parts DROP COLUMN checksum")
        connection.execute("UPDATE alembic_version SET version_num = '0004'")
    with closing(open_catalog(tmp_path / "catalog.db", tmp_path / ".lock")) as opened:
        assert opened.parts.visible("j") == expected
        assert len(expected) == 1
