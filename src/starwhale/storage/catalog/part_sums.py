"""Checksums of what the catalog says of parts: SQLite returns a flipped byte as it finds it, and a part that is hidden so is a result lost.

One sum covers the row of a part and those of its tables. Whatever changes one of them in a transaction sums up anew before it ends. Revision
0005 computes the same sums: whoever changes them here writes a new revision. Decision record 0021.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, select, update

from starwhale.storage.catalog.row_sums import check_sum, sum_of
from starwhale.storage.catalog.schema import part_tables, parts

FIELDS = (
    "owner", "step", "task_id", "attempt", "dataset_position", "start", "stop", "visible", "provisional", "is_retry",
)  # fmt: skip
"""Columns of a part, beside its number and its time."""
TABLE_FIELDS = ("table_name", "file", "offset", "length", "digest", "row_count", "first_row")
"""Columns of a table of a part."""
SUMMED = ("parts", "part_tables")
"""Tables whose indexes decide which parts are read."""

Facts = Mapping[Any, Any]  # Any: columns by name, as SQLAlchemy gives them
_SET = update(parts).where(parts.c.id == bindparam("part")).values(checksum=bindparam("sum"))


def part_sum(part: Facts, tables: Iterable[Facts]) -> str:
    """Return the checksum of a part: its number and time, everything that its row says, and where its tables lie."""
    flags = {name: bool(part[name]) for name in ("visible", "provisional", "is_retry")}
    own = [flags.get(name, part[name]) for name in FIELDS]
    places = sorted(
        [value.hex() if isinstance(value := table[name], bytes) else value for name in TABLE_FIELDS] for table in tables
    )
    return sum_of(part["id"], float(part["created_at"]).hex(), own, places)


def set_sum(connection: Connection, part: Facts, tables: Iterable[Facts]) -> None:
    """Give a part that was just written its checksum."""
    connection.execute(_SET, {"part": part["id"], "sum": part_sum(part, tables)})


def sum_up(connection: Connection, *chosen: ColumnElement[bool]) -> None:
    """Give parts whose rows have changed their checksums, in the transaction that changed them, and that verified them before."""
    rows = read_parts(connection, *chosen)
    if rows:
        connection.execute(_SET, [{"part": row["id"], "sum": part_sum(row, tables)} for row, tables in rows])


def read_parts(connection: Connection, *chosen: ColumnElement[bool]) -> list[tuple[Facts, Sequence[Facts]]]:
    """Return the rows of parts with those of their tables, by number, not verified."""
    rows = connection.execute(select(parts).where(*chosen).order_by(parts.c.id)).mappings().all()
    query = select(part_tables).join(parts, part_tables.c.part_id == parts.c.id).where(*chosen)
    tables: defaultdict[int, list[Facts]] = defaultdict(list)
    for row in connection.execute(query.order_by(part_tables.c.part_id, part_tables.c.table_name)).mappings():
        tables[row["part_id"]].append(row)
    return [(row, tables[row["id"]]) for row in rows]


def read_checked_parts(connection: Connection, *chosen: ColumnElement[bool]) -> list[tuple[Facts, Sequence[Facts]]]:
    """Do the same, verified. Hidden parts have to be among the chosen ones: a flipped bit may have hidden them.

    Raises:
        CorruptedError: A row differs from its checksum, or one of a table is gone.
    """
    found = read_parts(connection, *chosen)
    for row, tables in found:
        check_sum(connection, row["checksum"], part_sum(row, tables), f"part {row['id']} of {row['owner']!r}")
    return found


__all__ = ["FIELDS", "SUMMED", "TABLE_FIELDS", "Facts", "part_sum", "read_checked_parts", "set_sum", "sum_up"]
