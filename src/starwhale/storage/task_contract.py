"""All that a worker knows of storage, in one place: the contract of a task with the stores, over any carrier.

`TaskStores` is what a task calls. Over a carrier (`storage.carriers`) the same verbs are answered by a `ServedTaskStores`, with rows, parts
and pages as bytes; the worker's `TaskCodec` makes them, and reads them. `task_side.LocalTaskStores` meets the first two in the process that
owns the stores, `task_codec.WorkerCodec` the third; the rules are tested by `testing.task_stores.TaskStoresContract`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from starwhale.storage.part import EncodedPart, Form, PartDraft, RangeLease, RequestMark
from starwhale.storage.protocols import Rows, TablePage, TableQuery

Ref = Mapping[str, Any]  # Any: a reference into a pack; its digest is bytes, the rest is JSON
"""Where a large value lies."""
Fetch = Callable[[Ref, int, int], bytes]
"""Reads `size` bytes from `offset` of what a reference points at."""


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

    def dataset_info(self, position: int) -> Mapping[str, Any]:  # Any: what users keep there, see media.codec
        """What the owner of a dataset of the job keeps beside its rows."""
        ...

    def log(self, text: str) -> None:
        """Append to the task's log."""
        ...

    def note(self, text: str) -> None:
        """Say what the task is waiting for, for whoever looks on; the next note replaces it, an empty one takes it away."""
        ...

    def sync(self) -> None:
        """Return when everything that was logged or noted before has been taken in."""
        ...


class ServedTaskStores(Protocol):
    """What answers for one attempt of a task on the other side of a carrier: `TaskStores` with its values encoded, and the same rules.

    Calls come from several threads. Over a carrier that may bring a request twice or late, what changes something comes with a mark: the same mark
    again gives the same answer and changes nothing, and one whose answer has arrived is refused.
    """

    def next_range_encoded(
        self, done: EncodedPart | None, queue: str, wanted: int, mark: RequestMark | None = None
    ) -> RangeLease | None:
        """`TaskStores.next_range`."""
        ...

    def split(self, lease: RangeLease, cuts: Sequence[int], mark: RequestMark | None = None) -> list[RangeLease]:
        """`TaskStores.split`."""
        ...

    def commit_encoded(self, part: EncodedPart, mark: RequestMark | None = None) -> None:
        """`TaskStores.commit`."""
        ...

    def read_rows_encoded(self, lease: RangeLease, form: Form) -> tuple[bytes | memoryview, str]:
        """Return the rows in the form, and the folder of the dataset's packs or an empty string."""
        ...

    def read_source(self, dataset_position: int, ref: Ref, offset: int, size: int) -> bytes:
        """Read a piece of a large value, verified."""
        ...

    def read_page_encoded(self, query: TableQuery, cursor: str | None, form: Form) -> bytes:
        """`TaskStores.read_page`."""
        ...

    def table_names(self) -> list[str]:
        """`TaskStores.table_names`."""
        ...

    def dataset_info(self, position: int) -> Mapping[str, Any]:  # Any: what users keep there, see media.codec
        """`TaskStores.dataset_info`."""
        ...

    def log(self, text: str) -> None:
        """`TaskStores.log`."""
        ...

    def log_from(self, offset: int, content: bytes) -> int:
        """Append to the task's log what of `content`, which begins at byte `offset` of it, is not there yet, and return how long the log is then.

        Nothing is appended where bytes before `offset` are missing.
        """
        ...

    def note(self, text: str) -> None:
        """`TaskStores.note`."""
        ...


class TaskCodec(Protocol):
    """How a worker turns values into stored columns and back."""

    @property
    def form(self) -> Form:
        """In what form it wants rows and pages."""
        ...

    def warm_up(self) -> None:
        """Import what it will need."""
        ...

    def encode_draft(self, draft: PartDraft) -> EncodedPart:
        """Encode the tables of a draft."""
        ...

    def decode_rows(self, content: memoryview, folder: str, fetch: Fetch) -> Rows:
        """Decode rows; large values are read lazily, from the dataset's folder where that works, else through `fetch`."""
        ...

    def decode_page(self, content: memoryview) -> TablePage:
        """Decode a page of results."""
        ...
