"""The contracts of storage: what the rest of the program may ask of rows, tables and blobs, and the values that go in and out.

Rows travel as columns of plain Python values; a missing cell is None. Nothing here needs a third-party package, because workers run in
environments of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

if TYPE_CHECKING:
    from starwhale.media.source import Source
    from starwhale.storage.part import PartDraft
    from starwhale.storage.result_parts.results_read import ResultReader

Key = int | str
"""Key of a dataset row; one dataset has one of the two types."""
Value = Any  # Any: a cell holds whatever the user gave, see media.codec for what is accepted
"""A cell."""


@dataclass(slots=True)
class Rows:
    """Rows of a dataset in key order, column by column; every column is as long as `keys`."""

    keys: list[Key]
    """Keys of the rows."""
    columns: Mapping[str, Sequence[Value]]
    """Feature name → one value per row; None where a row has no such feature. One that is looked at twice may be made twice."""
    decode_s: float = field(default=0.0, compare=False)
    """Seconds of reading them in which stored columns became values; 0 where nobody can tell."""

    def __len__(self) -> int:
        return len(self.keys)


ERRORS = "errors"
"""Table of the rows that failed, as they stand now."""
RETRIED_ERRORS = "retried_errors"
"""Table of what rows had failed with before they were tried again."""
RETRIED = "_retried"
"""Column of `results`: true where the row was tried again after it had failed."""
HIDDEN_COLUMNS = frozenset({"__dataset", "__dataset_version", "__key", "__step", "__pickled", "__label"})
"""Columns that say where a row of `results` comes from, or which label a row of a confusion matrix is of; readers use them, and users see
their own columns only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableQuery:
    """Which rows of a result table, in its order."""

    table: str
    """Name as the user knows it."""
    start: Key | None = None
    """First id; None for the beginning."""
    end: Key | None = None
    """Last id; None for the end."""
    end_inclusive: bool = False
    """Whether the row `end` itself belongs."""

    def is_behind(self, key: Key) -> bool:
        """Whether an id lies behind the end of what is asked for."""
        if self.end is None:
            return False
        mine, last = key_order(key), key_order(self.end)
        return mine > last or (mine == last and not self.end_inclusive)

    def holds(self, key: Key) -> bool:
        """Whether the row with an id is asked for."""
        return (self.start is None or key_order(key) >= key_order(self.start)) and not self.is_behind(key)


def key_order(key: Key) -> tuple[bool, Key]:
    """Return what orders the ids of a table: numbers, then texts."""
    return isinstance(key, str), key


def shown_cells(row: Mapping[str, Value], *, keep_none: bool = False) -> dict[str, Value]:
    """Return what users see of a row of a table: without the system's own columns, and without empty cells unless they are kept."""
    return {
        name: value for name, value in row.items() if name not in HIDDEN_COLUMNS and (keep_none or value is not None)
    }


@dataclass(slots=True, kw_only=True)
class TablePage:
    """Some rows of a result table, in order."""

    columns: Mapping[str, Sequence[Value]]
    """Column name (with `id`) → one value per row; None where a row has none. One that is looked at twice may be made twice."""
    row_count: int
    """Rows of this page."""
    next_cursor: str | None = None
    """Where the next page begins; None after the last."""


class BlobStore(Protocol):
    """Immutable bytes under their BLAKE3 digest; everything read was verified."""

    def put(self, content: bytes | BinaryIO) -> str:
        """Keep the bytes and return their digest (hex); keeping the same bytes again costs no space."""
        ...

    def get(self, digest: str) -> bytes:
        """Return the bytes.

        Raises:
            NotFoundError: Nothing has that digest.
            CorruptedError: The stored bytes differ from it.
        """
        ...

    def has(self, digest: str) -> bool:
        """Whether something has that digest."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetCommit:
    """What a commit of a dataset wrote; it exists once the catalog names it."""

    manifest_digest: str
    """Identity of the version's content."""
    row_count: int
    """Rows of the version."""
    updated_rows: int
    """Rows that were written since the base version."""
    deleted_rows: int
    """Rows that were deleted since the base version."""
    blobs_byte_size: int
    """Bytes of large values that the version refers to."""
    increased_blobs_byte_size: int
    """Bytes of large values that this commit added."""
    size_bytes: int
    """Bytes that the version occupies, everything counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """A file that does not hold what was written."""

    path: str
    """The file, or its address where it is not on this machine."""
    reason: str
    """What is wrong with it."""
    lost: str
    """What cannot be read any more."""
    cells: tuple[tuple[Key, str], ...] = ()
    """Key and column of values that are lost, as far as single values are."""


class DatasetReader(Protocol):
    """One immutable version of a dataset. Ranks are positions in key order, from 0. Every value returned was verified."""

    @property
    def row_count(self) -> int:
        """Rows of the version."""
        ...

    @property
    def key_type(self) -> str | None:
        """`int` or `str`; None before the first row."""
        ...

    @property
    def columns(self) -> Mapping[str, str]:
        """Feature name → kind."""
        ...

    @property
    def info(self) -> Mapping[str, Value]:
        """What the user keeps beside the rows."""
        ...

    def read(self, start: int, stop: int, columns: Sequence[str] | None = None) -> Rows:
        """Read the rows with ranks [start, stop); a range past the end is cut."""
        ...

    def read_column(self, start: int, stop: int, name: str) -> list[Value]:
        """Read one feature that the version has of the same rows, None where a row has none; without their keys."""
        ...

    def read_arrow(
        self, start: int, stop: int, columns: Sequence[str] | None = None, *, with_keys: bool = True
    ) -> Any:  # Any: a pyarrow.RecordBatch, which ships no types
        """Read the rows with ranks [start, stop) as one record batch, undecoded: keys, and features with their kinds.

        Keys that are not wanted may be missing where there are other columns.
        """
        ...

    def take(self, ranks: Sequence[int], columns: Sequence[str] | None = None) -> Rows:
        """Read rows by rank, in the order given."""
        ...

    def rank(self, key: Key) -> int | None:
        """Rank of a key; None when the version has no such row."""
        ...

    def rank_range(self, start: Key | None, stop: Key | None) -> tuple[int, int]:
        """Ranks [first, last) of the keys in [start, stop)."""
        ...

    def iter_batches(self, columns: Sequence[str] | None = None) -> Iterator[Rows]:
        """All rows in key order, in batches of bounded size."""
        ...

    def row_digests(self, start: int, stop: int) -> list[bytes]:
        """Digest of the content of each row."""
        ...

    def source_of(self, ref: Mapping[str, Value]) -> Source:
        """The content of a large value, read lazily."""
        ...

    def verify(self, on_bytes: Callable[[int], None] | None = None) -> list[Damage]:
        """Read everything and name what is damaged; `on_bytes` is told after each file how many bytes it has."""
        ...


class DatasetWriter(Protocol):
    """Changes to a dataset, based on one version; safe to call from several threads."""

    @property
    def is_changed(self) -> bool:
        """Whether there is anything to commit."""
        ...

    def put(self, key: Key, features: Mapping[str, object]) -> None:
        """Write a row; columns are merged with a row that is there; a None hides a column."""
        ...

    def freeze(self, key: Key, name: str, value: Value) -> tuple[object, int]:
        """Take what may wait in place of a value until it is put: nobody can change it, and no long content is in memory.

        Args:
            key: The row, for messages.
            name: The feature, for messages.
            value: What the user gave.

        Returns:
            What `put` and `put_columns` take in place of the value, and about how many bytes of memory it holds.

        Raises:
            UnsupportedValueError: The value cannot be stored faithfully.
        """
        ...

    def put_columns(self, keys: Sequence[Key], columns: Mapping[str, Sequence[object]]) -> None:
        """Write many rows that have the same features; a column may be an Arrow array."""
        ...

    def delete(self, key: Key) -> None:
        """Delete a row; a missing one is ignored."""
        ...

    def delete_range(self, start: Key | None, stop: Key | None) -> None:
        """Delete the rows with keys in [start, stop)."""
        ...

    def clear(self) -> int:
        """Delete all rows without reading any, and return how many."""
        ...

    def next_auto_key(self) -> int:
        """Reserve the key of the next appended row: one more than the largest integer key ever used."""
        ...

    def set_info(self, info: Mapping[str, Value]) -> None:
        """Replace what the user keeps beside the rows."""
        ...

    def snapshot(self) -> DatasetReader:
        """A view of the base version with the changes so far."""
        ...

    def commit(self) -> DatasetCommit:
        """Write everything durably and return what the catalog must name."""
        ...

    def abort(self) -> None:
        """Drop the changes."""
        ...


class DatasetStore(Protocol):
    """Rows of datasets, by dataset id and manifest digest."""

    def open_version(self, dataset_id: str, manifest_digest: str) -> DatasetReader:
        """Open an immutable version.

        Raises:
            CorruptedError: Its manifest is damaged.
        """
        ...

    def begin(self, dataset_id: str, base: str | None) -> DatasetWriter:
        """Start changing a dataset, from a version or from nothing."""
        ...

    def files_of(self, dataset_id: str, manifest_digest: str) -> frozenset[str]:
        """Name the files of a version below its dataset's folder; same errors as `open_version`."""
        ...

    def share(self, source_id: str, manifest_digest: str, target_id: str) -> DatasetReader:
        """Give another dataset the files of a version; as long as the reader lives, nothing of them is collected there.

        Raises:
            CorruptedError: A file of the version is missing or damaged.
            NoSpaceError: The disk is full; nothing half-made is left.
        """
        ...


class ResultStore(Protocol):
    """What jobs and free-standing evaluations found, by owner: tables that grow by whole parts."""

    reader: ResultReader
    """Reads them: names, pages, rows and summaries. A page sees what was committed when its first one was asked for."""

    def append(self, owner: str, holder: str, draft: PartDraft) -> int:
        """Commit new rows of tables, all or none of them, and return the number of the commit, which grows.

        Args:
            owner: Id of a job, or of an evaluation that is none.
            holder: Who writes; rows of one holder come one part after the other.
            draft: The rows; a row with an id that is there already adds to it.

        Raises:
            UnsupportedValueError: A value cannot be stored faithfully.
            NoSpaceError: There is no room; nothing is kept.
        """
        ...

    def verify(self, owner: str) -> list[Damage]:
        """Read everything that an owner has and name what is damaged."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StepProgress:
    """How far one step is, in rows."""

    step: str
    """Name of the step."""
    done: int
    """Rows that were tried and committed, failed ones included."""
    failed: int
    """Rows whose error was recorded."""
    total: int
    """Rows of the step."""
    retried: int = 0
    """Rows, of those done, that were tried again because they had failed."""
    recovered: int = 0
    """Rows, of those retried, that have not failed again."""
