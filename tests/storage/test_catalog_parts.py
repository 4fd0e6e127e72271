from __future__ import annotations

import dataclasses
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from starwhale.errors import CorruptedError, ResultsError
from starwhale.storage.catalog.catalog import SqlCatalog, open_catalog
from starwhale.storage.part import PartRecord, PartTable

TABLE = PartTable(table_name="results", file="a.seg", offset=0, length=10, digest=b"d" * 32, row_count=3)


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[SqlCatalog]:
    opened = open_catalog(tmp_path / "catalog.db", tmp_path / ".lock", clock=lambda: 5.0)
    yield opened
    opened.close()


def _provisional(attempt: int, task: str = "t") -> PartRecord:
    return PartRecord(owner="j", task_id=task, attempt=attempt, provisional=True)


def _seen(catalog: SqlCatalog) -> list[tuple[str, int, bool]]:
    return [(each.task_id, each.attempt, each.provisional) for each in catalog.parts.visible("j")]


def test_parts_are_read_back_in_the_order_of_their_commits(catalog: SqlCatalog) -> None:
    part = PartRecord(owner="j", step="s", task_id="t", attempt=1, dataset_position=0, start=0, stop=3, tables=(TABLE,))
    ids = [catalog.parts.commit(part), catalog.parts.commit(dataclasses.replace(part, start=3, stop=6, tables=()))]
    catalog.parts.commit(PartRecord(owner="other"))
    found = catalog.parts.visible("j")
    assert found[0] == dataclasses.replace(part, id=ids[0], created_at=5.0)
    assert [each.id for each in found] == ids == sorted(ids)
    assert [each.id for each in catalog.parts.visible("j", after=ids[0])] == ids[1:]


def test_parts_of_a_transaction_that_fails_are_not_there(catalog: SqlCatalog) -> None:
    def fail() -> None:
        with catalog.write() as connection:
            catalog.parts.add(connection, PartRecord(owner="j", tables=(TABLE,)))
            message = "torn"
            raise OSError(message)

    with pytest.raises(OSError, match="torn"):
        fail()
    assert catalog.parts.visible("j") == []


def test_a_newer_attempt_hides_the_provisional_parts_of_older_ones(catalog: SqlCatalog) -> None:
    for part in (_provisional(1), _provisional(1), _provisional(1, "other")):
        catalog.parts.commit(part)
    assert _seen(catalog) == [("t", 1, True), ("t", 1, True), ("other", 1, True)]
    catalog.parts.commit(_provisional(2))
    assert _seen(catalog) == [("other", 1, True), ("t", 2, True)]


def test_the_end_of_an_attempt_makes_its_parts_final_and_hides_the_others(catalog: SqlCatalog) -> None:
    for attempt in (1, 2, 1):
        catalog.parts.commit(_provisional(attempt))
    catalog.parts.finalize_attempt("t", 2)
    assert _seen(catalog) == [("t", 2, False)]
    catalog.parts.hide_provisional("t")
    assert _seen(catalog) == [("t", 2, False)]


def test_what_a_dead_task_left_is_hidden(catalog: SqlCatalog) -> None:
    catalog.parts.commit(_provisional(1))
    catalog.parts.commit(PartRecord(owner="j", task_id="t", attempt=1, start=0, stop=1))
    catalog.parts.hide_provisional("t")
    assert _seen(catalog) == [("t", 1, False)]


def test_compaction_moves_tables_all_or_none(catalog: SqlCatalog) -> None:
    ids = [catalog.parts.commit(PartRecord(owner="j", tables=(TABLE,))) for _ in range(2)]
    moved = dataclasses.replace(TABLE, file="b.parquet", length=99, digest=b"e" * 32)
    catalog.parts.replace_locations("j", {ids[0]: [moved], ids[1]: [dataclasses.replace(moved, first_row=3)]})
    assert [each.tables for each in catalog.parts.visible("j")] == [
        (moved,),
        (dataclasses.replace(moved, first_row=3),),
    ]
    unknown = dataclasses.replace(TABLE, table_name="unknown")
    with pytest.raises(ResultsError, match="no table 'unknown'"):
        catalog.parts.replace_locations("j", {ids[0]: [TABLE], ids[1]: [unknown]})
    assert catalog.parts.visible("j")[0].tables == (moved,)


WHOLE = PartRecord(
    owner="j", step="s", task_id="t", attempt=1, dataset_position=0, start=0, stop=3, provisional=True, tables=(TABLE,)
)


def change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        assert connection.execute(statement).rowcount == 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE parts SET visible = 0",
        "UPDATE parts SET provisional = 0",
        "UPDATE parts SET is_retry = 1",
        "UPDATE parts SET stop = 2",
        "UPDATE parts SET step = 'r'",
        "UPDATE parts SET dataset_position = NULL",
        "UPDATE parts SET created_at = created_at + 0.001",
        "UPDATE parts SET checksum = ''",
        "UPDATE part_tables SET table_name = 'result'",
        "UPDATE part_tables SET length = 9",
        "UPDATE part_tables SET first_row = 1",
        "DELETE FROM part_tables",
    ],
)
def test_a_changed_row_of_a_part_is_reported_and_never_summed_up(
    tmp_path: Path, catalog: SqlCatalog, statement: str
) -> None:
    number = catalog.parts.commit(WHOLE)
    assert len(catalog.parts.visible("j")) == 1
    change(tmp_path / "catalog.db", statement)
    with pytest.raises(CorruptedError, match=f"part {number} of 'j'"):
        catalog.parts.visible("j")
    if "visible" not in statement and "provisional" not in statement:  # those two are no longer chosen
        with pytest.raises(CorruptedError):
            catalog.parts.finalize_attempt("t", 1)
    with pytest.raises(CorruptedError):
        catalog.parts.visible("j")


def test_every_change_of_a_part_leaves_a_checksum_that_holds(catalog: SqlCatalog) -> None:
    number = catalog.parts.commit(WHOLE)
    catalog.parts.replace_locations("j", {number: [dataclasses.replace(TABLE, file="b.parquet", first_row=7)]})
    catalog.parts.finalize_attempt("t", 1)
    (found,) = catalog.parts.visible("j")
    assert (found.provisional, found.tables[0].file) == (False, "b.parquet")
    catalog.parts.commit(dataclasses.replace(WHOLE, attempt=2))
    catalog.parts.commit(dataclasses.replace(WHOLE, attempt=3))
    assert [each.attempt for each in catalog.parts.visible("j")] == [1, 3]
    catalog.parts.hide_provisional("t")
    assert [each.attempt for each in catalog.parts.visible("j")] == [1]


def test_a_flipped_bit_of_the_catalog_never_changes_which_parts_are_seen(tmp_path: Path) -> None:
    path, lock = tmp_path / "catalog.db", tmp_path / ".lock"
    with closing(open_catalog(path, lock, clock=lambda: 5.0)) as opened:
        for number in range(40):
            part = dataclasses.replace(WHOLE, start=3 * number, stop=3 * number + 3, attempt=number)
            opened.parts.commit(part)
        opened.parts.finalize_attempt("t", 39)
        expected = opened.parts.visible("j")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        query = "SELECT pageno FROM dbstat WHERE name LIKE '%part%'"
        try:
            pages = [number for (number,) in connection.execute(query)]
        except sqlite3.OperationalError:  # built without dbstat
            pages = list(range(path.stat().st_size // size))
    whole, chance, reported = path.read_bytes(), random.Random(5), 0
    for _ in range(60):
        place = (chance.choice(pages) - 1) * size + chance.randrange(size)
        changed = bytearray(whole)
        changed[place] ^= 1 << chance.randrange(8)
        path.write_bytes(changed)
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        try:
            with closing(open_catalog(path, lock, clock=lambda: 5.0)) as opened:
                assert opened.parts.visible("j") == expected
        except CorruptedError:
            reported += 1
    assert reported > 5
