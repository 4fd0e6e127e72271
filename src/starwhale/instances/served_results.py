"""Results of jobs and evaluations, as they are served to other programs: which parts there are, their files, and parts that are added."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starwhale.errors import ContentError, CorruptedError, NotFoundError, UsageError
from starwhale.storage.carriers.frames import from_bytes
from starwhale.storage.part import EncodedPart, PartRecord, PartTable
from starwhale.storage.result_parts.segments import LONGEST_NAME
from starwhale.wire.stores import PartsWanted, StoredPart, StoredParts, StoredTable

if TYPE_CHECKING:
    from starwhale.storage.stores import Stores

MOST_PARTS = 5000
"""Parts of an answer, at most."""
MOST_OWNERS = 1000
"""Owners of a question, at most."""
_NAME = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9_.%~-]{1,255}")
_LARGEST = 1 << 62
"""Numbers of commits are smaller."""


class ServedResults:
    """The results of a root; safe to use from several threads."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    def parts(self, wanted: PartsWanted) -> StoredParts:
        """Return parts that readers see, in the order of their commits.

        Raises:
            UsageError: Too many owners are asked for, or a number that no commit has.
            CorruptedError: What the catalog says of a part is not what was written.
        """
        if not 1 <= len(wanted.owners) <= MOST_OWNERS or not 0 <= wanted.after < _LARGEST:
            message = f"{len(wanted.owners)} owners are asked for, after commit {wanted.after}"
            raise UsageError(message, hint=f"ask for 1 to {MOST_OWNERS} owners, from commit 0 on")
        found = sorted(self._visible(wanted), key=lambda each: each.id)
        return StoredParts(items=[_shown(each) for each in found[:MOST_PARTS]], has_more=len(found) > MOST_PARTS)

    def _visible(self, wanted: PartsWanted) -> Sequence[PartRecord]:
        parts = self._stores.catalog.parts
        if not wanted.table:
            return [part for owner in dict.fromkeys(wanted.owners) for part in parts.visible(owner, after=wanted.after)]
        by_owner = parts.visible_with(wanted.table, wanted.owners)
        return [each for some in by_owner.values() for each in some if each.id > wanted.after]

    def path(self, owner: str, name: str) -> Path:
        """Return a file of an owner; nothing leads out of the owner's folder.

        Raises:
            NotFoundError: There is none.
        """
        path = self._stores.results.folder(owner) / name
        is_name = bool(owner) and len(path.parent.name) <= LONGEST_NAME and _NAME.fullmatch(name) is not None
        if not is_name or not path.is_file():
            raise NotFoundError(f"no file {name[:200]!r} of the results of {owner[:200]!r}")
        return path

    def append(self, owner: str, holder: str, body: bytes) -> int:
        """Commit rows of tables, and return the number of the commit.

        Raises:
            UsageError: The body is no message with a part, the part is of a range, which only its task commits, or a name makes no
                name of a file.
            ContentError: A table in it is none; nothing is kept.
        """
        try:
            header, contents = from_bytes(body)
            part = EncodedPart.from_message(header["part"], contents)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise UsageError(
                f"the body is no part of results: {error!r}", hint="send what this program sends"
            ) from error
        if part.lease is not None:
            raise UsageError("the part is of a range of rows", hint="only the task that leased them commits them")
        for table in part.tables:
            _check_table(table.name, table.row_count, table.form, table.content)
        return self._stores.results.append_encoded(owner, holder, part)


def _check_table(name: Any, rows: Any, form: Any, content: bytes | memoryview) -> None:  # Any: JSON of anybody
    """Refuse what readers would stumble over.

    Raises:
        UsageError: The table has no name, or another form than it says.
        ContentError: Its bytes are not that table.
    """
    from starwhale.storage.result_parts.part_codec import check_batch, read_batch
    from starwhale.storage.result_parts.result_table import STORED_ID

    is_named = isinstance(name, str) and bool(name) and _is_text(name)
    if not is_named or form != "arrow" or type(rows) is not int or rows < 1:
        message = f"a part names the table {name!r} with {rows!r} rows as {form!r}"
        raise UsageError(message, hint="send tables that have rows, as Arrow streams")
    try:
        check_batch(bytes(content), rows)
    except CorruptedError as error:
        raise ContentError(f"table {name!r}: {error.message}", hint="send it again") from error
    batch = read_batch(content)
    if batch.num_rows != rows or STORED_ID not in batch.schema.names:
        raise ContentError(f"table {name!r} has no ids, or not {rows} rows", hint="send what this program sends")


def _is_text(word: str) -> bool:
    """Whether a word is Unicode: JSON can spell halves of characters, which no database takes."""
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(part: PartRecord) -> StoredPart:
    said = {each.name: getattr(part, each.name) for each in fields(StoredPart) if each.name != "tables"}
    return StoredPart(**said, tables=[_shown_table(each) for each in part.tables])


def _shown_table(table: PartTable) -> StoredTable:
    said = {each.name: getattr(table, each.name) for each in fields(StoredTable) if each.name != "digest"}
    return StoredTable(**said, digest=table.digest.hex())


__all__ = ["ServedResults"]
