"""Which errors of SQLite mean that the disk has no space left."""

from __future__ import annotations

import sqlite3

_UNWRITTEN = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR_WRITE,  # a quota or a limit on the size of files
    sqlite3.SQLITE_IOERR_FSYNC,
    sqlite3.SQLITE_IOERR_TRUNCATE,
    sqlite3.SQLITE_IOERR_SHMOPEN,  # reading needs a small file beside the catalog, too
    sqlite3.SQLITE_IOERR_SHMSIZE,
    sqlite3.SQLITE_IOERR_SHMMAP,
}


def is_unwritten(error: BaseException | None) -> bool:
    """Whether something could not be written: there is no space left, or the disk fails."""
    return getattr(error, "sqlite_errorcode", None) in _UNWRITTEN


def unwritten_text(path: object, error: object) -> str:
    """Say what could not be written."""
    return f"the catalog {path} cannot be written ({error}): there is no space left, or its disk fails"


UNWRITTEN_HINT = "free some space and try again; nothing was half written"

__all__ = ["UNWRITTEN_HINT", "is_unwritten", "unwritten_text"]
