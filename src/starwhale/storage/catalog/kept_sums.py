"""Checksums that SQLite keeps itself, by triggers: of jobs, steps, tasks, attempts, queues and ranges, which many places write to.

Each row has the sum of its other columns. A trigger gives it to a row that is inserted; another compares the row as it was before a change with its
sum, refuses the change where they differ, and sums up anew. So whatever is read to be changed, as the ranges of the ledger are, was compared.
`count_damaged` compares rows that are only read. The triggers call `FUNCTION`, which every connection that writes has (`engine`).
Revision 0006 makes the same triggers: whoever changes them here writes a new revision. Decision record 0021.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from hashlib import blake2b

FUNCTION = "starwhale_row_sum"
"""Name of `sum_of_values` in SQL."""
DAMAGE = "differs from its checksum"
"""What a refused change says."""
COLUMNS = {
    "jobs": (
        "id", "project_id", "name", "handler", "status", "request", "datasets", "record", "driver", "created_at", "finished_at",
        "error", "removed_at",
    ),
    "steps": ("job_id", "position", "name", "step", "status", "started_at", "finished_at"),
    "tasks": ("id", "job_id", "step", "task_index", "status"),
    "attempts": ("task_id", "number", "executor", "status", "started_at", "finished_at", "error", "timings"),
    "queues": ("job_id", "step", "queue", "dataset_position", "total", "batch", "cursor"),
    "ranges": (
        "job_id", "step", "queue", "dataset_position", "start", "stop", "state", "epoch", "holder", "deadline_s", "crashes", "deaths",
        "retries", "rows_done", "rows_failed", "seconds", "part_id",
    ),
}  # fmt: skip
"""Columns that the sum of a row covers, by table."""
_OF_JOB = {
    "jobs": "id = :job",
    "attempts": "task_id IN (SELECT id FROM tasks WHERE job_id = :job)",
}


def sum_of_values(*values: object) -> str:
    """Return the checksum of the values of a row, as SQLite gives them: None, int, float, str or bytes."""
    return blake2b(repr(values).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def add_function(connection: sqlite3.Connection) -> None:
    """Let a connection compute checksums."""
    connection.create_function(FUNCTION, -1, sum_of_values, deterministic=True)


def triggers() -> Iterator[str]:
    """Return the statements that make the triggers."""
    for table, columns in COLUMNS.items():
        update = f"UPDATE {table} SET checksum = {_sum(columns, 'NEW.')} WHERE rowid = NEW.rowid;"  # noqa: S608  names of ours
        yield f"CREATE TRIGGER {table}_sum_insert AFTER INSERT ON {table} BEGIN {update} END"
        changed = ", ".join(f'"{name}"' for name in columns)
        refuse = f"SELECT RAISE(ABORT, 'a row of {table} {DAMAGE}') WHERE OLD.checksum IS NOT {_sum(columns, 'OLD.')};"
        yield f"CREATE TRIGGER {table}_sum_update AFTER UPDATE OF {changed} ON {table} BEGIN {refuse} {update} END"


def sum_up_all() -> Iterator[str]:
    """Return the statements that give all rows their checksums, before there are triggers."""
    for table, columns in COLUMNS.items():
        yield f"UPDATE {table} SET checksum = {_sum(columns)}"  # noqa: S608  names of ours


def count_damaged(table: str, *, of_job: bool = False) -> str:
    """Return the query that counts the rows of a table that differ from their checksums: of the job `:job`, or of all."""
    own = f" AND {_OF_JOB.get(table, 'job_id = :job')}" if of_job else ""
    return f"SELECT count(*) FROM {table} WHERE checksum IS NOT {_sum(COLUMNS[table])}{own}"  # noqa: S608  names of ours


def _sum(columns: tuple[str, ...], prefix: str = "") -> str:
    return f"{FUNCTION}({', '.join(f'{prefix}{chr(34)}{name}{chr(34)}' for name in columns)})"


__all__ = ["COLUMNS", "DAMAGE", "FUNCTION", "add_function", "count_damaged", "sum_of_values", "sum_up_all", "triggers"]
