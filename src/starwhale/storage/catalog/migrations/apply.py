"""Bring a database to the revision of this program, once, whoever opens it first."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from starwhale.errors import NoSpaceError, RootError
from starwhale.settings import VERSION
from starwhale.storage.catalog.sqlite_errors import UNWRITTEN_HINT, is_unwritten, unwritten_text

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007")
"""Revisions that this program knows, oldest first; the last one is what it works with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Which scripts lead where; tests bring their own."""

    scripts: Path = Path(__file__).parent
    """Directory with `env.py` and `versions/`."""
    revisions: tuple[str, ...] = REVISIONS
    """Known revisions, oldest first."""


OURS = Plan()
"""What this program was built with."""


def prepare(path: Path, lock: Path, plan: Plan = OURS) -> None:
    """Make or migrate the database at `path`, if it needs it.

    Args:
        path: The database file.
        lock: File whose lock decides which of several processes does it.
        plan: Scripts and revisions.

    Raises:
        RootError: The database belongs to a newer program, or to another one.
    """
    if _is_current(path, plan):
        return
    with exclusive(lock):
        if _is_current(path, plan):
            return
        found = _revision(path)
        if found:
            _back_up(path, found)
            _upgrade(path, plan)
        elif plan is OURS:
            _create(path)
        else:
            _upgrade(path, plan)


@contextmanager
def exclusive(lock: Path) -> Generator[None]:
    """Hold the lock of a file; a process that ends, however it ends, gives it back."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _is_current(path: Path, plan: Plan) -> bool:
    found = _revision(path)
    if found and found not in plan.revisions:
        message = f"the catalog {path} has revision {found}, and this program ({VERSION}) knows revisions up to {plan.revisions[-1]}"
        raise RootError(message, hint="use a newer starwhale-evaluation, or another root with SW_LOCAL_STORAGE")
    return found == plan.revisions[-1]


def _revision(path: Path) -> str:
    """Return the revision of a database, or nothing for one that is missing or empty."""
    if not path.exists():
        return ""
    with contextlib.closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as connection:
        try:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # the latter of a damaged schema
            if "no such table" in str(error):
                return ""
            if is_unwritten(error):
                raise NoSpaceError(unwritten_text(path, error), hint=UNWRITTEN_HINT) from error
            message = f"the catalog {path} cannot be read: {error}"
            raise RootError(
                message, hint="restore it from a copy, or choose another root with SW_LOCAL_STORAGE"
            ) from error
    return str(row[0]) if row else ""


def _back_up(path: Path, revision: str) -> None:
    target = path.with_name(f"{path.name}.backup-{revision}")
    draft = target.with_name(target.name + ".draft")
    draft.unlink(missing_ok=True)
    with (
        contextlib.closing(sqlite3.connect(path, timeout=30)) as source,
        contextlib.closing(sqlite3.connect(draft)) as copy,
    ):
        source.backup(copy)
    draft.chmod(0o600)
    with draft.open("rb") as file:
        os.fsync(file.fileno())
    draft.replace(target)


def _upgrade(path: Path, plan: Plan) -> None:
    from alembic import command
    from alembic.config import Config

    from starwhale.storage.catalog.engine import Database

    config = Config()
    config.set_main_option("script_location", str(plan.scripts).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    _use_write_ahead_log(path)
    database = Database(path)
    try:
        with database.write() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, plan.revisions[-1])
    finally:
        database.close()


def _create(path: Path) -> None:
    """Make a new database as the migrations would (a test compares them): Alembic takes 0.2 s of CPU to be imported."""
    from starwhale.storage.catalog.engine import Database
    from starwhale.storage.catalog.kept_sums import triggers
    from starwhale.storage.catalog.schema import metadata

    _use_write_ahead_log(path)
    database = Database(path)
    try:
        with database.write() as connection:
            metadata.create_all(connection, checkfirst=True)
            for statement in triggers():
                connection.exec_driver_sql(statement)
            connection.exec_driver_sql(
                "CREATE TABLE IF NOT EXISTS alembic_version ("
                "version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
            )
            connection.exec_driver_sql("INSERT INTO alembic_version (version_num) VALUES (?)", (REVISIONS[-1],))
    finally:
        database.close()


def _use_write_ahead_log(path: Path) -> None:
    """Switch the journal, which the file remembers; it cannot be done inside a transaction."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    with contextlib.closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
