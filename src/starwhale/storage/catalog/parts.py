"""Parts of results: which there are, which readers see, and where their tables lie."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import ColumnElement, Connection, insert, select, update

from starwhale.domain.status import Status
from starwhale.errors import LeaseLostError, ResultsError
from starwhale.storage.catalog.engine import Database
from starwhale.storage.catalog.part_sums import FIELDS, SUMMED, TABLE_FIELDS, Facts, read_checked_parts, set_sum, sum_up
from starwhale.storage.catalog.schema import attempts, part_tables, parts
from starwhale.storage.part import PartRecord, PartTable


class Parts:
    """The parts of one catalog. `id` is the commit sequence: later parts have larger ones."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def add(self, connection: Connection, part: PartRecord) -> int:
        """Insert a part with its tables inside a transaction of the caller, and return its id.

        A provisional part of an attempt hides the provisional parts of earlier attempts of its task.

        Raises:
            ResultsError: The catalog gave it no number.
        """
        values = {name: getattr(part, name) for name in FIELDS} | {"created_at": part.created_at or self._clock()}
        result = connection.execute(insert(parts).values(**values))
        key = result.inserted_primary_key
        if key is None:
            message = f"the catalog gave no number to a part of {part.owner!r}"
            raise ResultsError(message)
        part_id: int = key[0]
        tables = [_table_values(part_id, each) for each in part.tables]
        if tables:
            connection.execute(insert(part_tables), tables)
        set_sum(connection, {**values, "id": part_id}, tables)
        if part.provisional and part.task_id:
            self._hide(connection, part.task_id, before_attempt=part.attempt)
        return part_id

    def commit(self, part: PartRecord) -> int:
        """Add a part in a transaction of its own."""
        with self._database.write() as connection:
            return self.add(connection, part)

    def visible(self, owner: str, *, after: int = 0) -> list[PartRecord]:
        """Return the parts that readers see, in the order of their commits.

        Args:
            owner: Job id, or the id of a free-standing Evaluation.
            after: Leave out the parts up to this id.

        Raises:
            CorruptedError: What the catalog says of a part is not what was written.
        """
        with self._database.read_checked(SUMMED) as connection:
            found = read_checked_parts(connection, parts.c.owner == owner, parts.c.id > after)
        return [_record(row, tables) for row, tables in found if row["visible"]]

    def visible_with(self, table: str, owners: Sequence[str]) -> dict[str, list[PartRecord]]:
        """Return the parts of several owners that have rows of a table and that readers see, in the order of their commits.

        Raises:
            CorruptedError: What the catalog says of a part is not what was written.
        """
        with_rows = select(part_tables.c.part_id).where(part_tables.c.table_name == table)
        found: dict[str, list[PartRecord]] = {}
        with self._database.read_checked(SUMMED) as connection:
            for row, tables in read_checked_parts(connection, parts.c.owner.in_(owners), parts.c.id.in_(with_rows)):
                if row["visible"]:
                    found.setdefault(row["owner"], []).append(_record(row, tables))
        return found

    def finalize_attempt(self, task_id: str, attempt: int) -> None:
        """Make the provisional parts of an attempt final, and hide those of the other attempts of its task."""
        with self._database.write() as connection:
            self.finalize(connection, task_id, attempt)

    @staticmethod
    def finalize(connection: Connection, task_id: str, attempt: int) -> None:
        """Do what `finalize_attempt` does inside a transaction of the caller."""
        own = parts.c.task_id == task_id, parts.c.provisional.is_(True)
        Parts._change(connection, [*own, parts.c.attempt != attempt], visible=False)
        Parts._change(connection, [*own, parts.c.attempt == attempt], visible=True, provisional=False)

    @staticmethod
    def check_attempt(connection: Connection, task_id: str, attempt: int) -> None:
        """Refuse rows of an attempt that has ended: nobody would ever make them final, or hide them again.

        Raises:
            LeaseLostError: The attempt is known and does not run.
        """
        own = attempts.c.task_id == task_id, attempts.c.number == attempt
        status = connection.execute(select(attempts.c.status).where(*own)).scalar()
        if status is not None and status != Status.RUNNING.value:
            message = f"attempt {attempt} of task {task_id} is {status}"
            raise LeaseLostError(message, hint="what it logs from now on is not kept")

    @staticmethod
    def hide(connection: Connection, task_id: str) -> None:
        """Do what `hide_provisional` does inside a transaction of the caller."""
        Parts._hide(connection, task_id)

    def hide_provisional(self, task_id: str) -> None:
        """Hide what a task left behind without coming to its end."""
        with self._database.write() as connection:
            self._hide(connection, task_id)

    def replace_locations(self, owner: str, locations: Mapping[int, Sequence[PartTable]]) -> None:
        """Say where the tables of parts lie now, after their file was compacted.

        Args:
            owner: Owner of the parts.
            locations: Part id → its tables that have moved; others stay where they are.

        Raises:
            ResultsError: A part has no such table; nothing is changed then.
        """
        with self._database.write() as connection:
            for part_id, moved in locations.items():
                read_checked_parts(connection, parts.c.id == part_id)
                for table in moved:
                    own = part_tables.c.part_id == part_id, part_tables.c.table_name == table.table_name
                    values = {
                        key: value
                        for key, value in _table_values(part_id, table).items()
                        if key not in {"part_id", "table_name"}
                    }
                    if connection.execute(update(part_tables).where(*own).values(**values)).rowcount != 1:
                        message = f"part {part_id} of {owner!r} has no table {table.table_name!r}"
                        raise ResultsError(message)
                sum_up(connection, parts.c.id == part_id)

    @staticmethod
    def _hide(connection: Connection, task_id: str, before_attempt: int | None = None) -> None:
        chosen = [parts.c.task_id == task_id, parts.c.provisional.is_(True), parts.c.visible.is_(True)]
        if before_attempt is not None:
            chosen.append(parts.c.attempt < before_attempt)
        Parts._change(connection, chosen, visible=False)

    @staticmethod
    def _change(connection: Connection, chosen: Sequence[ColumnElement[bool]], **values: bool) -> None:
        """Change rows of parts, and their checksums with them."""
        changed = connection.execute(select(parts.c.id).where(*chosen)).scalars().all()
        for start in range(0, len(changed), 500):  # SQLite bounds a statement's variables
            own = parts.c.id.in_(changed[start : start + 500])
            read_checked_parts(connection, own)  # what is damaged is not summed up as if it were right
            connection.execute(update(parts).where(own).values(**values))
            sum_up(connection, own)


def _record(row: Facts, tables: Sequence[Facts]) -> PartRecord:
    return PartRecord(
        id=row["id"],
        created_at=row["created_at"],
        tables=tuple(PartTable(**{name: each[name] for name in TABLE_FIELDS}) for each in tables),
        **{name: row[name] for name in FIELDS},
    )


def _table_values(part_id: int, table: PartTable) -> dict[str, object]:
    return {"part_id": part_id, **{name: getattr(table, name) for name in TABLE_FIELDS}}
