"""All rows of one job as plain values, and back: for a job that goes to another catalog. Nothing of this machine is in them.

Of each table the columns below travel. `job_id` and `owner` are not said again; the parts are numbered from 0 in the order of their commits,
and a range names its part by that number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from typing import Any

from sqlalchemy import JSON, Boolean, Column, Connection, Float, Integer, Table, insert, select

from starwhale.domain.json_shape import Json
from starwhale.storage.catalog.part_sums import read_checked_parts, sum_up
from starwhale.storage.catalog.projects import ensure_project
from starwhale.storage.catalog.schema import attempts, jobs, part_tables, parts, queues, ranges, steps, tasks

Rows = Mapping[str, Sequence[Json]]
KEPT: Mapping[str, tuple[Table, tuple[str, ...]]] = {
    "steps": (steps, ("position", "name", "step", "status", "started_at", "finished_at")),
    "tasks": (tasks, ("id", "step", "task_index", "status")),
    "attempts": (
        attempts,
        ("task_id", "number", "executor", "status", "started_at", "finished_at", "error", "timings"),
    ),
    "queues": (queues, ("step", "queue", "dataset_position", "total", "batch", "cursor")),
    "ranges": (
        ranges,
        (
            "step", "queue", "dataset_position", "start", "stop", "state", "epoch", "crashes", "deaths", "retries", "rows_done",
            "rows_failed", "seconds", "part_id",
        ),
    ),
    "parts": (
        parts,
        ("step", "task_id", "attempt", "dataset_position", "start", "stop", "provisional", "is_retry", "created_at"),
    ),
    "part_tables": (
        part_tables,
        ("part_id", "table_name", "file", "offset", "length", "digest", "row_count", "first_row"),
    ),
}  # fmt: skip
"""Tables and columns that travel, by the name that an archive gives them."""
JOB_COLUMNS = ("id", "name", "handler", "request", "datasets", "record", "created_at", "finished_at", "error")
"""Columns of the job itself that travel."""
LEFT_OUT: Mapping[str, frozenset[str]] = {
    "jobs": frozenset(
        {"project_id", "status", "driver", "removed_at", "checksum"}
    ),  # said where it comes in; no process of this machine
    "steps": frozenset({"job_id", "checksum"}),
    "tasks": frozenset({"job_id", "checksum"}),
    "attempts": frozenset({"checksum"}),
    "queues": frozenset({"job_id", "checksum"}),
    "ranges": frozenset({"job_id", "holder", "deadline_s", "checksum"}),  # nobody works on a range of an archive
    "parts": frozenset({"id", "owner", "visible", "checksum"}),  # numbered and summed up anew; hidden ones stay behind
    "part_tables": frozenset(),
}
"""Columns that do not travel, by table; a column in neither list would be lost without a word, so a test wants each in one."""
_CHUNK = 1000
_YEAR_10000 = 253_402_300_800 - 86_400


def read_job_rows(connection: Connection, job_id: str) -> tuple[Json, Rows]:
    """Return the row of a job, without project, status and driver, and the rows of the other tables by name.

    Only the parts that readers see are among them.

    Raises:
        CorruptedError: What the catalog says of a part is not what was written.
    """
    read_checked_parts(connection, parts.c.owner == job_id)
    chosen = select(*(jobs.c[name] for name in JOB_COLUMNS)).where(jobs.c.id == job_id)
    job = dict(connection.execute(chosen).mappings().one())
    seen = [row.id for row in connection.execute(_parts_of(job_id))]
    number = {part_id: index for index, part_id in enumerate(seen)}
    found: dict[str, list[Json]] = {}
    for name, (table, columns) in KEPT.items():
        query = select(*(table.c[each] for each in columns)).order_by(*table.primary_key.columns)
        rows = [dict(row) for row in connection.execute(_only(name, query, job_id)).mappings()]
        for row in rows:
            if "part_id" in row:
                row["part_id"] = number.get(row["part_id"])
            if "digest" in row:
                row["digest"] = row["digest"].hex()
        found[name] = rows
    return job, found


def is_time(value: Any) -> bool:  # Any: JSON of anybody
    """Whether a value is a time that can be shown: seconds since the epoch, in years of four digits."""
    return type(value) in {int, float} and 0 <= value < _YEAR_10000


def check_rows(rows: Any) -> Rows:  # Any: JSON of anybody
    """Make sure that rows have the columns of their tables, with values of their types; columns of newer programs are left out.

    Raises:
        TypeError: Something is missing or of another type.
    """
    if not isinstance(rows, dict) or set(rows) != set(KEPT):
        raise TypeError("it has other tables than it should")
    for name, (table, columns) in KEPT.items():
        if not isinstance(rows[name], list):
            raise TypeError(f"{name} is not a list")
        for row in rows[name]:
            _check_row(table, columns, row)
        if len({frozenset(row).intersection(columns) for row in rows[name]}) > 1:
            raise TypeError(f"the rows of {name} have different columns")
        _check_keys(table, columns, rows[name])
    return {
        name: [{key: row[key] for key in columns if key in row} for row in rows[name]]
        for name, (_, columns) in KEPT.items()
    }


def write_job_rows(connection: Connection, job: Json, rows: Rows, *, project: str, now: float) -> None:
    """Write a job with everything that belongs to it, in a transaction of the caller.

    Args:
        connection: The transaction.
        job: Values of the job's row, status included.
        rows: As `check_rows` lets them through.
        project: Name of the project.
        now: Seconds since the epoch.
    """
    home = ensure_project(connection, project, now)
    connection.execute(insert(jobs).values(**job, project_id=home.id))
    given: list[int] = []
    for row in rows["parts"]:
        key = connection.execute(insert(parts).values(**row, owner=job["id"], visible=True)).inserted_primary_key
        assert key is not None  # noqa: S101  the table gives numbers
        given.append(key[0])
    for name in ("steps", "tasks", "attempts", "queues", "ranges", "part_tables"):
        table = KEPT[name][0]
        own = {"job_id": job["id"]} if "job_id" in table.c else {}
        more = {"holder": "", "deadline_s": None} if name == "ranges" else {}
        for chunk in _chunks(rows[name]):
            connection.execute(insert(table), [{**_numbered(row, given), **own, **more} for row in chunk])
    sum_up(connection, parts.c.owner == job["id"])


def _check_row(table: Table, columns: Sequence[str], row: Any) -> None:  # Any: JSON of anybody
    """See `check_rows`; what an older program did not know may be missing where it has a default."""
    for name in columns:
        column = table.c[name]
        if not isinstance(row, dict) or (name not in row and not _has_default(column)):
            raise TypeError(f"a row of {table.name} has no {name}")
        if name in row and not _fits(column, row[name]):
            raise TypeError(f"{name} of a row of {table.name} is of another type than it should be")


def _check_keys(table: Table, columns: Sequence[str], rows: Sequence[Json]) -> None:
    """Make sure that no two rows have one key; where the table gives its own numbers, none can."""
    names = [each.name for each in table.primary_key.columns if each.name != "job_id"]
    if all(name in columns for name in names) and len({tuple(row[each] for each in names) for row in rows}) < len(rows):
        raise TypeError(f"two rows of {table.name} are the same one")


def _has_default(column: Column[Any]) -> bool:  # Any: of whatever type
    return column.nullable or column.default is not None or column.server_default is not None


def _numbered(row: Json, given: Sequence[int]) -> Json:
    if "part_id" not in row:
        return row
    digest = {"digest": bytes.fromhex(row["digest"])} if "digest" in row else {}
    number = row["part_id"]
    return {**row, **digest, "part_id": None if number is None else given[number]}


def _parts_of(job_id: str) -> Any:  # Any: what SQLAlchemy knows of a query
    return select(parts.c.id).where(parts.c.owner == job_id, parts.c.visible.is_(True)).order_by(parts.c.id)


def _only(name: str, query: Any, job_id: str) -> Any:  # Any: see _parts_of
    match name:
        case "attempts":
            return query.where(attempts.c.task_id.in_(select(tasks.c.id).where(tasks.c.job_id == job_id)))
        case "parts":
            return query.where(parts.c.owner == job_id, parts.c.visible.is_(True))
        case "part_tables":
            return query.where(part_tables.c.part_id.in_(_parts_of(job_id)))
        case _:
            return query.where(KEPT[name][0].c.job_id == job_id)


def _fits(column: Column[Any], value: Any) -> bool:  # Any: a value of JSON
    if value is None:
        return bool(column.nullable) or column.name == "part_id"
    kind = column.type
    if isinstance(kind, JSON):
        return isinstance(value, dict)
    if isinstance(kind, Boolean):
        return type(value) is bool
    if isinstance(kind, Integer):
        return type(value) is int and 0 <= value < 1 << 62
    if isinstance(kind, Float):
        return is_time(value) if column.name.endswith("_at") else type(value) in {int, float} and isfinite(value)
    return type(value) is str


def _chunks(rows: Sequence[Json]) -> Iterator[Sequence[Json]]:
    for start in range(0, len(rows), _CHUNK):
        yield rows[start : start + _CHUNK]


__all__ = ["Rows", "check_rows", "is_time", "read_job_rows", "write_job_rows"]
