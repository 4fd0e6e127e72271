"""The contracts of storage: what the rest of the program may ask, and the values that go in and out.

Rows travel as columns of plain Python values; a missing cell is None. Nothing here needs a third-party package, because workers run in
environments of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from starwhale.domain.together import Piece

if TYPE_CHECKING:
    from starwhale.media.source import Source

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


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeLease:
    """The right to do rows [start, stop) of one queue until the lease ends."""

    job_id: str
    """Job whose rows they are."""
    step: str
    """Step that consumes them."""
    queue: str = ""
    """Empty for predict; the session of `make_distributed_consumption` otherwise."""
    dataset_position: int
    """Position of the dataset in the job's request."""
    start: int
    """First rank."""
    stop: int
    """Rank after the last."""
    epoch: int
    """Distinguishes this lease from earlier and later ones on the same rows."""
    batch: int
    """Rows per batch; `start` is a multiple of it."""
    rebatched: bool = False
    """Whether rows are to be tried alone: a worker died on them, or they failed and others of their batch did not."""
    is_suspect: bool = False
    """Whether a worker died while it held them."""
    is_retry: bool = False
    """Whether they are tried again because they had failed."""
    pieces: tuple[Piece, ...] = ()
    """The ranges that were leased together, in row order, where there are several: rows between them belong to nobody here. Then `start` and
    `epoch` are those of the first, and `stop` that of the last."""

    @property
    def is_tried_apart(self) -> bool:
        """Whether its rows are tried and committed one by one, because a worker has died on a batch of them alone."""
        return self.rebatched and self.is_suspect and not self.pieces

    @property
    def ranks(self) -> Sequence[int]:
        """Ranks of the rows, in order."""
        if not self.pieces:
            return range(self.start, self.stop)
        return [rank for piece in self.pieces for rank in range(piece.start, piece.stop)]

    @property
    def row_count(self) -> int:
        """Number of the rows."""
        return sum(each.stop - each.start for each in self.all_pieces)

    @property
    def all_pieces(self) -> tuple[Piece, ...]:
        """Its ranges, also where there is but one."""
        return self.pieces or (Piece(start=self.start, stop=self.stop, epoch=self.epoch),)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> RangeLease:  # Any: JSON values
        """Undo `dataclasses.asdict`, also behind JSON."""
        values: dict[str, Any] = {**value, "pieces": tuple(Piece(**each) for each in value["pieces"])}  # Any: see above
        return cls(**values)


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedRows:
    """Rows of a dataset version that the tasks of a step share: what `make_distributed_consumption` asks for."""

    session: str
    """What the user called it."""
    version: str
    """Dataset version."""
    row_count: int
    """Its rows."""
    batch: int
    """Rows that are handed out at a time."""

    @property
    def queue(self) -> str:
        """Name under which `next_range` knows it; the ledger's own has neither rows nor batch, so that tasks have to agree on both."""
        return f"{self.session}@{self.version}:{self.row_count}:{self.batch}"

    @classmethod
    def parse(cls, queue: str) -> SharedRows:
        """Undo `queue`."""
        name, row_count, batch = queue.rsplit(":", 2)
        session, _, version = name.rpartition("@")
        return cls(session=session, version=version, row_count=int(row_count), batch=int(batch))


@dataclass(slots=True, kw_only=True)
class TableDraft:
    """New rows of one result table, column by column."""

    name: str
    """Table: `results`, `summary`, `errors`, or the user's category. `predictions` is what predict logs by itself."""
    ids: list[Key]
    """Row ids, all int or all str."""
    columns: dict[str, list[Value]] = field(default_factory=dict[str, list[Value]])
    """Column name → one value per row; None where a row has none."""


@dataclass(slots=True, kw_only=True)
class PartDraft:
    """Everything that was found out about one range (or by one task of a step without rows), to be committed at once."""

    lease: RangeLease | None = None
    """The range; None for a step without rows, whose parts become final when its task ends."""
    stop: int | None = None
    """Commit only the rows before this rank and give the others back; None commits all."""
    tables: list[TableDraft] = field(default_factory=list[TableDraft])
    """New rows."""
    rows_done: int = 0
    """Rows that were tried, failed ones included."""
    rows_failed: int = 0
    """Rows whose error was recorded."""
    failed_ranks: Sequence[int] = ()
    """Their ranks, where several ranges were leased together; the ledger counts for each of them."""
    seconds: float = 0.0
    """Wall time that the range took."""
    timings: dict[str, float] = field(default_factory=dict[str, float])
    """What the attempt has used so far, by the names of `domain.usage`."""


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


@dataclass(slots=True, kw_only=True)
class TablePage:
    """Some rows of a result table, in order."""

    columns: Mapping[str, Sequence[Value]]
    """Column name (with `id`) → one value per row; None where a row has none. One that is looked at twice may be made twice."""
    row_count: int
    """Rows of this page."""
    next_cursor: str | None = None
    """Where the next page begins; None after the last."""


class TaskStores(Protocol):
    """All that a worker knows of storage: bound to one attempt of one task, over any carrier.

    Rules: `next_range` commits the draft that it is given and grants the next range in one transaction; a refused commit raises
    `LeaseLostError` and keeps nothing of the draft. Nothing is visible to readers before its commit. A lease may consist of several ranges
    (`RangeLease.pieces`): they are read, committed and refused as one. A task may hold several ranges of a
    queue and works on them in the order in which it got them, an async predict on all of them. Calls of one task come one after another, but for `read_rows`, which may
    come while another is answered, and a range that was handed in; different tasks call at the same time. Pages come in the table's order and see everything that was committed
    before the first page was asked for.
    """

    def next_range(self, done: PartDraft | None = None, *, queue: str = "", wanted: int = 0) -> RangeLease | None:
        """Commit `done`, if given, and lease the next range of the queue; None when no rows are left to hand out.

        Args:
            done: What was done of the range before.
            queue: Empty for predict; a `SharedRows.queue` otherwise.
            wanted: Rows that the task can begin with at once: no more are leased, but a batch, and no fewer but for a fair share of few
                rows left or for large rows. 0 leaves it to the speed at which the task has done its last range.
        """
        ...

    def hand_in(self, done: PartDraft | None = None) -> Callable[[], RangeLease | None]:
        """Do what `next_range` does, but wait for its answer later: what is returned waits, and gives or raises it; it is called once.

        When this returns, the draft is out of the task's hands: should its worker die at the next range, then the draft is committed as if it
        lived, or not at all, and never counts as what the worker was at. One is under way at most: the answer is waited for before anything
        else is committed or asked for.
        """
        ...

    def split(self, lease: RangeLease, cuts: Sequence[int]) -> list[RangeLease]:
        """Cut a lease at ranks that are batch boundaries in a range of it, or begin one; what it falls into stays leased, and each is committed
        for itself.

        Raises:
            LeaseLostError: The lease has ended, or a cut is no boundary; nothing changes.
        """
        ...

    def commit(self, draft: PartDraft) -> None:
        """Commit a draft without asking for more; without a lease it is provisional until the task ends."""
        ...

    def read_rows(self, lease: RangeLease) -> Rows:
        """Read the rows of a leased range, in key order."""
        ...

    def read_page(self, query: TableQuery, cursor: str | None = None) -> TablePage:
        """Read some rows of a result table of the job."""
        ...

    def table_names(self) -> list[str]:
        """Names of the job's tables that have rows, without the summary, sorted."""
        ...

    def log(self, text: str) -> None:
        """Append to the task's log."""
        ...

    def note(self, text: str) -> None:
        """Say what the task is waiting for, for whoever looks on; the next note replaces it, an empty one takes it away."""
        ...


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
        self, start: int, stop: int, columns: Sequence[str] | None = None
    ) -> Any:  # Any: a pyarrow.RecordBatch, which ships no types
        """Read the rows with ranks [start, stop) as one record batch, undecoded: keys, and features with their kinds."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class PartTable:
    """Where one table of a part lies: a stretch of a file."""

    table_name: str
    """Table as the user knows it; `predictions` for what predict logs by itself."""
    file: str
    """Path below the owner's results directory."""
    offset: int
    """First byte."""
    length: int
    """Bytes."""
    digest: bytes
    """BLAKE3 digest of the stretch, verified when it is read."""
    row_count: int
    """Rows of the part in this table."""
    first_row: int = 0
    """Position of its first row within a compacted file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartRecord:
    """What the catalog says of one part. `id` and `created_at` are given by the catalog when it is added."""

    id: int = 0
    """The commit sequence; 0 before the part was added."""
    owner: str
    """Job id, or the id of a free-standing Evaluation."""
    step: str = ""
    """Step that made it."""
    task_id: str = ""
    """Task that made it; empty outside jobs."""
    attempt: int = 0
    """Its try."""
    dataset_position: int | None = None
    """Position of the dataset in the job's request; None for parts without rows."""
    start: int | None = None
    """First rank; None for parts without rows."""
    stop: int | None = None
    """Rank after the last; None for parts without rows."""
    visible: bool = True
    """Whether readers see it."""
    provisional: bool = False
    """Whether it becomes final only when its task ends."""
    is_retry: bool = False
    """Whether its rows had failed before: it stands above what earlier parts say of them."""
    created_at: float = 0.0
    """Seconds since the epoch."""
    tables: tuple[PartTable, ...] = ()
    """Its tables."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitRequest:
    """The end of a leased range, for the ledger: what was done of it, and how its part becomes part of the same transaction."""

    lease: RangeLease
    """The range; its `dataset_position`, `start` and `epoch` say which lease ends."""
    stop: int | None = None
    """Commit only the rows before this rank and give the others back; None commits all."""
    rows_done: int = 0
    """Rows that were tried, failed ones included."""
    rows_failed: int = 0
    """Rows whose error was recorded."""
    failed_ranks: Sequence[int] = ()
    """Their ranks, where several ranges were leased together."""
    seconds: float = 0.0
    """Wall time that the range took."""
    timings: Mapping[str, float] = field(default_factory=dict[str, float])
    """What the attempt has used so far; kept with it, so that it is known of one that is killed. Empty leaves what is there."""
    add_parts: Callable[[Any], Sequence[int]] | None = (
        None  # Any: the catalog's connection, which is SQLAlchemy's; passed on, never used
    )
    """Inserts the part's rows through the connection that it is given and returns the ids of the parts: one for each range of the lease that
    has rows before `stop`, in row order."""


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
