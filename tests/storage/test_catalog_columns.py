"""Lists of columns against the schema: a column that was forgotten in one has no checksum, or is lost by an export."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import JSON, Boolean, Float, Integer, LargeBinary

from starwhale.storage.catalog import schema
from starwhale.storage.catalog.part_sums import part_sum
from starwhale.storage.catalog.row_sums import version_sum
from starwhale.storage.catalog.whole_job import JOB_COLUMNS, KEPT, LEFT_OUT

if TYPE_CHECKING:
    from sqlalchemy import Column, Table

OTHERS = frozenset({"projects", "bundles", "versions", "tags", "events", "task_access"})
"""Tables that are not of a job, or of its course alone: who may act for a task is of no use, and of no business, elsewhere."""
TRAVELLING = {"jobs": (schema.jobs, JOB_COLUMNS), **KEPT}


def test_every_table_is_of_a_job_or_not() -> None:
    assert set(schema.jobs.metadata.tables) == {*TRAVELLING, *OTHERS}
    assert {name: table.name for name, (table, _) in TRAVELLING.items()} == {name: name for name in LEFT_OUT}


@pytest.mark.parametrize("name", TRAVELLING)
def test_every_column_of_a_job_travels_or_is_left_out_on_purpose(name: str) -> None:
    table, kept = TRAVELLING[name]
    assert not set(kept) & LEFT_OUT[name]
    assert {*kept, *LEFT_OUT[name]} == set(table.c.keys())


def value(column: Column[Any], number: int) -> Any:
    """Return one of two values of a column's type."""
    kinds: dict[type, Any] = {
        Boolean: bool(number), Integer: number, Float: float(number), JSON: {"a": number}, LargeBinary: bytes([number]),
    }  # fmt: skip
    return next((each for kind, each in kinds.items() if isinstance(column.type, kind)), str(number))


def row(table: Table, changed: str = "") -> dict[str, Any]:
    return {name: value(column, int(name == changed)) for name, column in table.c.items()}


@pytest.mark.parametrize("name", sorted({*schema.versions.c.keys(), "project", "kind", "name"} - {"checksum"}))
def test_the_checksum_of_a_version_covers_every_column(name: str) -> None:
    of = {"project": "p", "kind": "model", "name": "n"}
    plain = {**row(schema.versions), **of}
    changed = {**plain, name: "other" if name in of else row(schema.versions, name)[name]}
    assert version_sum(SimpleNamespace(**plain)) != version_sum(SimpleNamespace(**changed))


@pytest.mark.parametrize("name", sorted(set(schema.parts.c.keys()) - {"checksum"}))
def test_the_checksum_of_a_part_covers_every_column(name: str) -> None:
    tables = [row(schema.part_tables)]
    assert part_sum(row(schema.parts), tables) != part_sum(row(schema.parts, name), tables)


@pytest.mark.parametrize("name", sorted(set(schema.part_tables.c.keys()) - {"part_id"}))
def test_the_checksum_of_a_part_covers_every_column_of_its_tables(name: str) -> None:
    part = row(schema.parts)
    assert part_sum(part, [row(schema.part_tables)]) != part_sum(part, [row(schema.part_tables, name)])
