"""A part on its way: what a task finds out about one range, from its draft over its bytes to its record in the catalog.

`PartDraft` (values) → `EncodedPart` (bytes, which cross to another process and lie in a segment) → `CommitRequest` (for the ledger) and
`PartRecord` (for the catalog). What the first three say of a part beside its tables is `PartFacts`. The standard library suffices.
"""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from starwhale.domain.json_shape import Json
from starwhale.domain.together import Piece
from starwhale.storage.protocols import Key, Value

Form = Literal["arrow", "msgpack"]
"""How columns become bytes: an Arrow stream, which is what a segment holds, or the tagged msgpack of `media.codec`, which needs no package."""


def best_form() -> Form:
    """Return `arrow` where pyarrow is installed, else `msgpack`."""
    return "arrow" if importlib.util.find_spec("pyarrow") else "msgpack"


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
class RequestMark:
    """Which request of an attempt this is, so that one that comes twice, or late, is done once."""

    number: int
    """Counts the requests of the attempt that change something, from 1."""
    answered: int
    """The attempt has the answers to all requests below this number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartFacts:
    """How a range went: what is said of a part beside its range and its tables."""

    stop: int | None = None
    """Commit only the rows before this rank and give the others back; None commits all."""
    rows_done: int = 0
    """Rows that were tried, failed ones included."""
    rows_failed: int = 0
    """Rows whose error was recorded."""
    failed_ranks: tuple[int, ...] = ()
    """Their ranks, where several ranges were leased together; the ledger counts for each of them."""
    took_s: float = 0.0
    """Wall time that the range took."""
    timings: Mapping[str, float] = field(default_factory=dict[str, float])
    """What the attempt has used so far, by the names of `domain.usage`; kept with it, so that it is known of one that is killed. Empty
    leaves what is there."""

    def facts(self) -> dict[str, Any]:  # Any: fields of several types
        """Return the fields of this class alone, by name: what another stage of the part is made from."""
        return {each.name: getattr(self, each.name) for each in dataclasses.fields(PartFacts)}


@dataclass(slots=True, kw_only=True)
class TableDraft:
    """New rows of one result table, column by column."""

    name: str
    """Table: `results`, `summary`, `errors`, or the user's category. `predictions` is what predict logs by itself."""
    ids: list[Key]
    """Row ids, all int or all str."""
    columns: dict[str, list[Value]] = field(default_factory=dict[str, list[Value]])
    """Column name → one value per row; None where a row has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartDraft(PartFacts):
    """Everything that was found out about one range (or by one task of a step without rows), to be committed at once."""

    lease: RangeLease | None = None
    """The range; None for a step without rows, whose parts become final when its task ends."""
    tables: Sequence[TableDraft] = ()
    """New rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedTable:
    """New rows of one table, as bytes."""

    name: str
    """Table."""
    row_count: int
    """Rows."""
    content: bytes | memoryview
    """The columns, the ids among them."""
    form: Form
    """How they are encoded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedPart(PartFacts):
    """A `PartDraft` whose tables are bytes."""

    lease: RangeLease | None = None
    """The range; None for a step without rows, whose parts become final when its task ends."""
    tables: tuple[EncodedTable, ...] = ()
    """Tables that have rows."""

    def to_message(self) -> tuple[Json, list[bytes | memoryview]]:
        """Return a JSON object and the bytes beside it, from which `from_message` makes an equal part in another process."""
        header: Json = {
            "lease": None if self.lease is None else dataclasses.asdict(self.lease),
            "facts": self.facts(),
            "tables": [(each.name, each.row_count, each.form) for each in self.tables],
        }
        return header, [each.content for each in self.tables]

    @classmethod
    def from_message(cls, header: Mapping[str, Any], contents: Sequence[bytes | memoryview]) -> EncodedPart:
        """Undo `to_message`; the contents are kept as they are, not copied."""
        tables = tuple(
            EncodedTable(name=name, row_count=rows, content=content, form=form)
            for (name, rows, form), content in zip(header["tables"], contents, strict=True)
        )
        lease = None if header["lease"] is None else RangeLease.from_json(header["lease"])
        facts: dict[str, Any] = header["facts"]  # Any: see `facts`
        facts = {**facts, "failed_ranks": tuple(facts["failed_ranks"])}
        return cls(lease=lease, tables=tables, **facts)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitRequest(PartFacts):
    """The end of a leased range, for the ledger: what was done of it, and how its part becomes part of the same transaction."""

    lease: RangeLease
    """The range; its `dataset_position`, `start` and `epoch` say which lease ends."""
    add_parts: Callable[[Any], Sequence[int]] | None = (
        None  # Any: the catalog's connection, which is SQLAlchemy's; passed on, never used
    )
    """Inserts the part's rows through the connection that it is given and returns the ids of the parts: one for each range of the lease that
    has rows before `stop`, in row order."""


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
