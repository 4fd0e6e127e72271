"""Transactions on the catalog's database: short reads of one moment, and writes that begin by taking the write lock.

A deferred transaction that reads and then writes fails when another wrote in between, whatever the timeout; `BEGIN IMMEDIATE` waits
for its turn instead (docs/decisions/0003). The driver is therefore in autocommit mode and every transaction begins here, explicitly.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from starwhale.errors import CorruptedError, NoSpaceError, RootError, StarwhaleError
from starwhale.storage.catalog.kept_sums import COLUMNS, DAMAGE, add_function, count_damaged
from starwhale.storage.catalog.row_sums import HINT, SUMMED, check_tables, damaged
from starwhale.storage.catalog.sqlite_errors import UNWRITTEN_HINT, is_unwritten, unwritten_text

if TYPE_CHECKING:  # imported with the first transaction of SQLAlchemy's: opening a dataset to read it needs none
    from sqlalchemy import Connection, Engine

A = TypeVar("A")
_OF_JOBS = tuple(COLUMNS)
BUSY_TIMEOUT_S = 30.0
"""How long a transaction waits for its turn."""
MOST_ANSWERS = 256
"""Answers that a plain connection remembers."""


class Database:
    """One SQLite file, used by any number of threads and processes at the same time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        """The database file."""
        self._made: Engine | None = None
        self._idle: list[PlainConnection] = []
        self._checked: set[Sequence[str]] = set()
        self._checked_jobs: set[str] = set()
        self._lock = threading.Lock()
        self._joined = _Joined()

    @contextmanager
    def read(self) -> Generator[Connection]:
        """A connection that sees the database as it was at one moment; nothing may be written through it."""
        if self._joined.connection is not None:
            yield self._joined.connection
            return
        with self._transaction("BEGIN") as connection:
            yield connection

    @contextmanager
    def read_checked(self, tables: Sequence[str] = SUMMED) -> Generator[Connection]:
        """`read`, after tables and their indexes were compared, once: a lost entry shows an older version as the newest."""
        with self.read() as connection:
            self._check(connection, tables)
            yield connection

    def ask(self, question: tuple[str, ...], find: Callable[[sqlite3.Connection], A]) -> A:
        """Answer one of the few questions that every reader asks, through a connection of the driver's own, whose rows have names.

        As long as nobody has committed anything to the catalog, what was answered before is answered again.

        Args:
            question: What is asked; equal questions have equal answers.
            find: Finds the answer, which nobody may change, within one transaction, after the tables of versions were checked.
        """
        with _translated(self.path, sqlite3.DatabaseError):
            plain = self._take_idle() or PlainConnection(self.path)
            try:
                answers = plain.answers()
                if question not in answers:
                    answers[question] = self._find(plain.connection, find)
            except BaseException:
                plain.close()
                raise
            self._idle.append(plain)
            return answers[question]

    def check_job(self, connection: Connection, job_id: str) -> None:
        """Compare everything that the catalog says of a job with its checksums, once per job; what is changed later is compared then.

        Raises:
            CorruptedError: A row differs.
        """
        if job_id in self._checked_jobs:
            return
        self._check(connection, _OF_JOBS)  # a lost entry of an index hides a row
        for table in COLUMNS:
            self._compare(connection, table, count_damaged(table, of_job=True), job=job_id)
        self._checked_jobs.add(job_id)

    def check_jobs(self, connection: Connection) -> None:
        """Do the same with the rows of the jobs themselves, once, and not with those of their steps and ranges."""
        if "" not in self._checked_jobs:
            self._check(connection, ("jobs",))
            self._compare(connection, "jobs", count_damaged("jobs"))
            self._checked_jobs.add("")

    @contextmanager
    def write(self) -> Generator[Connection]:
        """A connection that holds the write lock; everything done through it is committed at the end, or nothing when it raises."""
        joined = self._joined
        if joined.connection is not None:
            try:
                yield joined.connection
            except BaseException:
                joined.is_broken = True  # half of a change may be there: whoever catches this does not save the rest
                raise
            return
        with self._transaction("BEGIN IMMEDIATE") as connection:
            yield connection

    @contextmanager
    def together(self) -> Generator[None]:
        """Make one transaction of all that this thread reads and writes inside: all of it counts or nothing, and the disk is waited for once.

        The write lock is held meanwhile: nothing inside may wait for another thread or process.
        """
        joined = self._joined
        if joined.connection is not None:
            yield
            return
        with self._transaction("BEGIN IMMEDIATE") as connection:
            joined.connection, joined.is_broken = connection, False
            try:
                yield
                if joined.is_broken:
                    message = "a change failed within a transaction, and was passed over"
                    raise AssertionError(message)
            finally:
                joined.connection = None

    def version_reader(self) -> VersionReader:
        """Return what tells whether anybody has committed anything; whoever asked for it closes it."""
        return VersionReader(self.path)

    def close(self) -> None:
        """Close the idle connections; those in use close when their transaction ends."""
        if self._made is not None:
            self._made.dispose()
        while (connection := self._take_idle()) is not None:
            connection.close()

    @property
    def _engine(self) -> Engine:
        with self._lock:
            if self._made is None:
                self._made = _create_engine(self.path)
            return self._made

    def _compare(self, connection: Connection, table: str, query: str, **given: str) -> None:
        count = connection.exec_driver_sql(query, given).scalar_one()
        if count:
            whose = "".join(f" of job {job_id}" for job_id in given.values())
            raise damaged(connection, f"{count} of the rows of {table}{whose} differ from their checksums")

    def _find(self, connection: sqlite3.Connection, find: Callable[[sqlite3.Connection], A]) -> A:
        connection.execute("BEGIN")
        self._check(connection, SUMMED)
        found = find(connection)
        connection.execute("COMMIT")
        return found

    def _take_idle(self) -> PlainConnection | None:
        with self._lock:
            return self._idle.pop() if self._idle else None

    def _check(self, connection: Connection | sqlite3.Connection, tables: Sequence[str]) -> None:
        if tables not in self._checked:
            check_tables(connection, tables)
            self._checked.add(tables)

    @contextmanager
    def _transaction(self, begin: str) -> Generator[Connection]:
        from sqlalchemy.exc import DatabaseError

        with _translated(self.path, DatabaseError), self._engine.connect() as connection:
            connection.exec_driver_sql(begin)
            try:
                yield connection
                connection.exec_driver_sql("COMMIT")
            except BaseException:
                _rollback(connection)
                raise


class PlainConnection:
    """A connection without SQLAlchemy, used by one thread at a time, and what was answered through it since the last commit of anybody."""

    def __init__(self, path: Path) -> None:
        self.connection = _connect(path)
        """Its rows have names."""
        self._version = -1
        self._answers: dict[tuple[str, ...], Any] = {}  # Any: what was asked

    def answers(self) -> dict[tuple[str, ...], Any]:
        """Return what holds still. A commit between this look and an answer is seen at the next look, which forgets that answer."""
        version = self.connection.execute("PRAGMA data_version").fetchone()[0]
        if version != self._version or len(self._answers) >= MOST_ANSWERS:
            self._version, self._answers = version, {}
        return self._answers

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()


class _Joined(threading.local):
    """The transaction that a thread is in, and that what it does meanwhile joins."""

    connection: Connection | None = None
    is_broken: bool = False


class VersionReader:
    """A connection of its own that is asked for the version of the data: another number after each commit of anybody else."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = _connect(path)

    def __call__(self) -> int:
        """Return the version; takes microseconds. One caller at a time.

        Raises:
            CorruptedError: The file cannot be read.
        """
        try:
            found: int = self._connection.execute("PRAGMA data_version").fetchone()[0]
        except sqlite3.DatabaseError as error:
            message = f"the catalog {self._path} cannot be read: {error}"
            raise CorruptedError(message, path=str(self._path), hint=HINT) from error
        return found

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _rollback(connection: Connection) -> None:
    driver: Any = connection.connection.dbapi_connection  # Any: sqlite3.Connection behind SQLAlchemy's own protocol
    if driver.in_transaction:  # SQLite has ended it by itself after some errors, such as a full disk
        connection.exec_driver_sql("ROLLBACK")


def _connect(path: Path) -> sqlite3.Connection:
    """Open a connection without SQLAlchemy, used by one thread at a time; its rows have names."""
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, check_same_thread=False, isolation_level=None)
    connection.row_factory = sqlite3.Row
    return connection


def _create_engine(path: Path) -> Engine:
    from sqlalchemy import create_engine, event

    engine = create_engine(
        f"sqlite:///{path}",
        isolation_level="AUTOCOMMIT",
        connect_args={"timeout": BUSY_TIMEOUT_S},
        pool_size=4,
        max_overflow=-1,  # as many as there are threads that ask at the same time
        pool_reset_on_return=None,  # every transaction was ended explicitly
    )
    event.listen(engine, "connect", _set_up)
    return engine


def _set_up(connection: Any, _record: object) -> None:  # Any: a sqlite3.Connection, as SQLAlchemy hands it out
    add_function(connection)
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


_DAMAGE = (
    "malformed",
    "not a database",
    "Could not decode",
    "no such table",
    "no such column",
    "unsupported file format",
    DAMAGE,
    "user-defined function raised exception",  # the one of `kept_sums`, of a text that is none
)
"""What SQLite says of a file that is not what was written; a migration has made every table and column that is asked for."""


@contextmanager
def _translated(path: Path, of_driver: type[Exception]) -> Generator[None]:
    """Turn what the driver says of the machine into our words; mistakes of ours stay what they are."""
    try:
        yield
    except (json.JSONDecodeError, UnicodeDecodeError) as error:  # what is found in a column
        message = f"the catalog {path} is damaged: a row cannot be read ({error})"
        raise CorruptedError(message, path=str(path), hint=HINT) from error
    except of_driver as error:
        said = _our_words(path, getattr(error, "orig", error))  # SQLAlchemy wraps what sqlite3 says
        if said is not None:
            raise said from error
        raise


def _our_words(path: Path, error: BaseException) -> StarwhaleError | None:
    """Say what an error of sqlite3 means; None where it is a mistake of ours."""
    text = str(error)
    if "full" in text and "disk" in text:
        message = f"no space left for the catalog {path}"
        return NoSpaceError(message, hint="free some space and try again; nothing was half written")
    if is_unwritten(error):
        return NoSpaceError(unwritten_text(path, text), hint=UNWRITTEN_HINT)
    if any(words in text for words in _DAMAGE):
        return CorruptedError(f"the catalog {path} is damaged: {text}", path=str(path), hint=HINT)
    if "readonly" in text or "unable to open" in text:
        message = f"the catalog {path} cannot be written: {text}"
        return RootError(message, hint="check its permissions, or choose another root with SW_LOCAL_STORAGE")
    if "locked" in text:
        message = f"the catalog {path} is kept busy by another program ({text})"
        return RootError(message, hint="end the program that holds it, and try again")
    return None
