"""The contract of tasks over the stores of this process: what answers for one attempt of a task.

A commit is: append the part to the attempt's segment and sync it, then one catalog transaction that marks the rows as done, names
the part and grants the next range. Whatever happens in between, the rows are done exactly when readers see them.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starwhale.domain.attempt_name import attempt_key, task_place
from starwhale.domain.job import DatasetInput, Step, Task
from starwhale.domain.ledger import Pace
from starwhale.media import codec
from starwhale.media.artifact import BaseArtifact
from starwhale.media.source import Source
from starwhale.storage.layout import Layout
from starwhale.storage.part import CommitRequest, EncodedPart, Form, PartDraft, PartRecord, RangeLease, RequestMark
from starwhale.storage.protocols import Rows, TablePage, TableQuery
from starwhale.storage.task_contract import Ref, SharedRows

if TYPE_CHECKING:
    from starwhale.storage.catalog.task_access import Once
    from starwhale.storage.dataset_rows.dataset_reader import LocalDatasetReader
    from starwhale.storage.result_parts.result_rows import ResultScope
    from starwhale.storage.stores import Stores

CrashPoint = Callable[[str], None]
"""Called with the name of each step of a commit; tests end the process there."""
COMMIT_STEPS = ("before_append", "appended", "in_transaction", "part_named", "committed")
"""The crash points of a commit, in order."""
SPLIT_STEPS = ("before_split", "split")
"""The crash points of cutting a leased range, in order."""
RANGE_BYTES = 16 << 20
"""A range holds about so many bytes of rows, at most."""


def no_crash(_name: str) -> None:
    """Do nothing: what a crash point is outside of tests."""


class JobSide:
    """What the tasks of one job share on this side: the stores, the job's steps, and its datasets once they are open."""

    def __init__(
        self,
        stores: Stores,
        steps: Sequence[Step],
        datasets: Sequence[DatasetInput],
        *,
        crash_point: CrashPoint = no_crash,
    ) -> None:
        self.stores = stores
        """The stores."""
        self.crash_point = crash_point
        """Called at each step of a commit."""
        self.steps = tuple(steps)
        """Steps of the job, needs first."""
        self.datasets = tuple(datasets)
        """Datasets of the job, in the order of the request."""
        self._readers: dict[str, LocalDatasetReader] = {}
        self._weights: dict[int, float] = {}
        self._lock = threading.Lock()

    def weigh(self, position: int, size_bytes: int, rows: int) -> None:
        """Take note of what rows of a dataset take in memory: files hold numbers and short texts in a fraction of it."""
        if rows:
            self._weights[position] = max(self._weights.get(position, 0.0), size_bytes / rows)

    def row_bytes(self, position: int) -> float:
        """Return what a row of a dataset takes, in the files or in memory, whichever is more as far as is known; at least 1."""
        reader = self.open_dataset(self.datasets[position])
        return max(reader.size_bytes / max(reader.row_count, 1), self._weights.get(position, 0.0), 1.0)

    def open_dataset(self, dataset: DatasetInput) -> LocalDatasetReader:
        """Return the reader of a pinned version; the same one for all tasks."""
        with self._lock:
            if dataset.manifest_digest not in self._readers:
                self._readers[dataset.manifest_digest] = self.stores.datasets.open_version(
                    dataset.dataset_id, dataset.manifest_digest
                )
            return self._readers[dataset.manifest_digest]

    def scope(self, job_id: str) -> ResultScope:
        """Say how results of the job are read."""
        from starwhale.storage.result_parts.result_rows import ResultScope

        return ResultScope(owner=job_id, steps=self.steps, datasets=self.datasets, open_dataset=self.open_dataset)


KEPT_SOURCES = 64
"""Large values of which a worker reads pieces at the same time."""


class LocalTaskStores:
    """`TaskStores` of one attempt, in the process that owns the stores; and `ServedTaskStores` of it, for carriers."""

    def __init__(self, task: Task, side: JobSide, *, holder: str = "", lease_s: float | None = None) -> None:
        """Begin with no ranges.

        Args:
            task: The attempt.
            side: What it shares with the other tasks of its job.
            holder: Under this name it holds its leases; empty for the usual one.
            lease_s: How long its leases last unless they are renewed; None while its process lives.
        """
        self._task = task
        self._lease_s = lease_s
        self._side = side
        self._stores = side.stores
        self._crash_point = side.crash_point
        self.holder = holder or attempt_key(task.id, task.attempt)
        """Under this name the attempt holds its leases."""
        self.held: dict[str, list[RangeLease]] = {}
        """Queue → the ranges that the attempt holds, in the order in which it works on them."""
        self.noted = ""
        """What the task is waiting for."""
        self._handed_in: list[RangeLease] = []
        self._last_pace = Pace(tasks=task.total)
        self._lock = threading.Lock()
        self._turn = (
            threading.Lock()
        )  # what user code asks for by itself may come while a range that was handed in is committed
        self._queues: set[str] = set()
        self._marks: set[int] = set()
        self._sources: OrderedDict[tuple[int, str, int], Source] = OrderedDict()

    @property
    def step(self) -> str:
        """Name of the task's step."""
        return self._task.step.name

    @property
    def worked_on(self) -> list[RangeLease]:
        """The ranges that the attempt is at: of each queue the first that it holds and has not handed in.

        The others it has only read ahead, unless it is async.
        """
        at = [[lease for lease in leases if lease not in self._handed_in] for leases in self.held.values()]
        if self._task.step.record.is_async:
            return [lease for leases in at for lease in leases]
        return [leases[0] for leases in at if leases]

    @property
    def holds_ranges(self) -> bool:
        """Whether ranges have to be given back when the attempt ends."""
        return any(self.held.values())

    def next_range(self, done: PartDraft | None = None, *, queue: str = "", wanted: int = 0) -> RangeLease | None:
        return self._next_range(None if done is None else _encode(done), queue, wanted)

    def hand_in(self, done: PartDraft | None = None) -> Callable[[], RangeLease | None]:
        encoded = None if done is None else _encode(done)  # now: the user's code may change later what it has given
        return lambda: self._next_range(encoded, "", 0)

    def split(self, lease: RangeLease, cuts: Sequence[int], mark: RequestMark | None = None) -> list[RangeLease]:
        with self._turn:
            self._crash_point("before_split")
            pieces = self._stores.catalog.ledger.split_range(lease, cuts, self.holder, self._once(mark))
            self._crash_point("split")
            leases = self.held.get(lease.queue, [])
            if lease in leases:
                position = leases.index(lease)
                leases[position : position + 1] = pieces
            return pieces

    def commit(self, draft: PartDraft) -> None:
        self._commit(_encode(draft))

    def read_rows(self, lease: RangeLease) -> Rows:
        return _read(self._reader(lease.dataset_position), lease)

    def read_page(self, query: TableQuery, cursor: str | None = None) -> TablePage:
        return self._stores.results.reader.read_page(self._side.scope(self._task.job_id), query, cursor)

    def table_names(self) -> list[str]:
        return self._stores.results.reader.table_names(self._side.scope(self._task.job_id))

    def dataset_info(self, position: int) -> Mapping[str, Any]:
        return self._reader(position).info

    def log(self, text: str) -> None:
        path = log_path(self._stores.layout, self._task)
        with self._lock:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text)

    def log_from(self, offset: int, content: bytes) -> int:
        path = log_path(self._stores.layout, self._task)
        with self._lock:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                there = file.tell()
                if offset <= there:
                    file.write(content[there - offset :])
                return file.tell()

    def note(self, text: str) -> None:
        self.noted = text

    def sync(self) -> None:
        """Do nothing: what is told here is taken in at once."""

    def next_range_encoded(
        self, done: EncodedPart | None, queue: str, wanted: int, mark: RequestMark | None = None
    ) -> RangeLease | None:
        """`next_range` for a part whose tables a worker has encoded."""
        return self._next_range(done, queue, wanted, mark)

    def commit_encoded(self, part: EncodedPart, mark: RequestMark | None = None) -> None:
        """`commit` for a part whose tables a worker has encoded."""
        self._commit(part, mark)

    def read_rows_encoded(self, lease: RangeLease, form: Form) -> tuple[bytes | memoryview, str]:
        """Return the rows of a range as an Arrow stream or as msgpack, and the folder of the dataset's packs."""
        reader = self._reader(lease.dataset_position)
        if form != "arrow":
            rows = _read(reader, lease)
            return codec.pack((rows.keys, rows.columns), place=_place), ""
        from starwhale.storage.columns.arrow_stream import to_stream

        batch = reader.take_arrow(lease.ranks) if lease.pieces else reader.read_arrow(lease.start, lease.stop)
        self._side.weigh(lease.dataset_position, batch.nbytes, batch.num_rows)
        return to_stream(batch), reader.pack_folder

    def read_source(self, dataset_position: int, ref: Ref, offset: int, size: int) -> bytes:
        """Read a piece of a large value, verified."""
        name = dataset_position, ref["pack"], ref["offset"]
        with self._lock:
            source = self._sources.pop(name, None) or self._reader(dataset_position).source_of(ref)
            self._sources[name] = source  # one that was verified is not verified again for its next piece
            if len(self._sources) > KEPT_SOURCES:
                self._sources.popitem(last=False)
        return source.read(offset, size)

    def read_page_encoded(self, query: TableQuery, cursor: str | None, form: Form) -> bytes:
        """`read_page`, encoded."""
        from starwhale.storage.result_parts.part_codec import encode_page

        return encode_page(self.read_page(query, cursor), form)

    def _next_range(
        self, done: EncodedPart | None, queue: str, wanted: int, mark: RequestMark | None = None
    ) -> RangeLease | None:
        self._take_in(done)
        with self._turn:
            earlier = self._earlier(mark)
            return self._commit_and_lease(done, queue, wanted, mark) if earlier is None else next(iter(earlier), None)

    def _commit_and_lease(
        self, done: EncodedPart | None, queue: str, wanted: int, mark: RequestMark | None
    ) -> RangeLease | None:
        queue = self._make_queue(queue)
        if done is not None and done.lease is None:
            self._commit_part(done, self._once(mark, "part"))
            done = None
        request = None if done is None else self._write(done)
        task = self._task
        pace = Pace(tasks=task.total) if queue else self._pace(done)  # of shared rows: one batch at a time
        self._last_pace = pace
        if wanted and not queue:
            pace = Pace(tasks=task.total, wanted=min(wanted, self._most_rows()))
        lease = self._stores.catalog.ledger.next_range(
            task.job_id,
            task.step.name,
            queue,
            self.holder,
            pace,
            commit=request,
            lease_s=self._lease_s,
            once=self._once(mark),
        )
        self._crash_point("committed")
        if done is not None:
            self._let_go(done.lease)
        if lease is not None:
            self.held.setdefault(queue, []).append(lease)
        return lease

    def _let_go(self, lease: RangeLease | None) -> None:
        """Forget a range that was committed."""
        if lease is not None:
            for leases in (self.held.get(lease.queue, []), self._handed_in):
                if lease in leases:
                    leases.remove(lease)

    def _take_in(self, part: EncodedPart | None) -> None:
        """Take note that the attempt is through with a range, whatever becomes of its commit."""
        if part is not None and part.lease is not None:
            self._handed_in.append(part.lease)

    def _commit(self, part: EncodedPart, mark: RequestMark | None = None) -> None:
        self._take_in(part)
        with self._turn:
            if self._earlier(mark) is None:
                self._commit_part(part, self._once(mark))

    def _commit_part(self, part: EncodedPart, once: Once | None = None) -> None:
        if part.lease is not None:
            self._stores.catalog.ledger.commit_range(self._write(part), self.holder, once)
            self._let_go(part.lease)
        elif part.tables:
            catalog, results = self._stores.catalog, self._stores.results
            (record,) = self._append(part)
            with catalog.write() as connection:
                if once is None or once.earlier(connection) is None:
                    catalog.parts.check_attempt(connection, self._task.id, self._task.attempt)
                    results.record(connection, record)
                    if once is not None:
                        once.keep(connection, [])
        self._crash_point("committed")

    def _once(self, mark: RequestMark | None, stage: str = "") -> Once | None:
        return (
            None if mark is None else self._stores.catalog.access.once(self._task.id, self._task.attempt, mark, stage)
        )

    def _earlier(self, mark: RequestMark | None) -> list[RangeLease] | None:
        """Return what a request was answered that was seen here before: its part is not written again."""
        if mark is None:
            return None
        is_new = mark.number not in self._marks
        self._marks = {each for each in self._marks if each >= mark.answered} | {mark.number}
        once = self._once(mark)
        return None if is_new or once is None else once.known()

    def _write(self, part: EncodedPart) -> CommitRequest:
        """Append a part durably and return what the ledger must do to make it count."""
        assert part.lease is not None  # noqa: S101 - the callers have looked
        records = self._append(part)

        def add_parts(connection: Any) -> list[int]:  # Any: the catalog's connection, passed on
            self._crash_point("in_transaction")
            part_ids = [self._stores.results.record(connection, record) for record in records]
            self._crash_point("part_named")
            return part_ids

        return CommitRequest(lease=part.lease, add_parts=add_parts, **part.facts())

    def _append(self, part: EncodedPart) -> list[PartRecord]:
        """Write a part, and return what the catalog has to know of it: a record for each range of its lease."""
        from starwhale.storage.result_parts.part_codec import to_arrow
        from starwhale.storage.result_parts.results import describe_part, describe_pieces

        task = self._task
        self._crash_point("before_append")
        part = to_arrow(part)
        tables = self._stores.results.write(task.job_id, self.holder, part)
        self._crash_point("appended")
        own = {"step": task.step.name, "task_id": task.id}
        return describe_pieces(describe_part(task.job_id, part, tables, **own, attempt=task.attempt), part)

    def _make_queue(self, queue: str) -> str:
        """Return the ledger's name of a queue; that of shared rows is made when it is asked for the first time."""
        if not queue:
            return queue
        task, shared = self._task, SharedRows.parse(queue)
        own = f"{shared.session}@{shared.version}"
        if queue not in self._queues:
            self._stores.catalog.ledger.create_queue(
                task.job_id, task.step.name, own, 0, shared.row_count, shared.batch
            )
            self._queues.add(queue)
        return own

    def _pace(self, done: EncodedPart | None) -> Pace:
        """Say how fast the task is, so that the next range is about a second of work and not too many bytes."""
        tasks = self._task.total
        if done is None:  # a range is leased ahead: the pace is that of the one before
            return self._last_pace
        if done.lease is None or done.rows_done == 0:
            return Pace(tasks=tasks)
        most = max(self._fitting(done.lease.dataset_position), 1)
        return Pace(rows=done.rows_done, took_s=done.took_s, tasks=tasks, most=most)

    def _most_rows(self) -> int:
        """Return how many rows of the dataset with the largest rows a range may hold."""
        return max(min(map(self._fitting, range(len(self._task.datasets)))), 1)

    def _fitting(self, position: int) -> int:
        """Return how many rows of a dataset lie in so many bytes as a range may have."""
        return int(RANGE_BYTES / self._side.row_bytes(position))

    def _reader(self, position: int) -> LocalDatasetReader:
        return self._side.open_dataset(self._task.datasets[position])


def log_path(layout: Layout, task: Task) -> Path:
    """Return the file with what one attempt of a task printed."""
    position, index = task_place(task.id)
    return layout.logs(task.job_id) / f"{position}-{index}-{task.attempt}.txt"


def _read(reader: LocalDatasetReader, lease: RangeLease) -> Rows:
    return reader.take(lease.ranks) if lease.pieces else reader.read(lease.start, lease.stop)


def _encode(draft: PartDraft) -> EncodedPart:
    from starwhale.storage.result_parts.part_codec import encode_draft

    return encode_draft(draft)


def _place(value: BaseArtifact) -> dict[str, Any] | None:
    """Leave content that lies in a pack there: the worker reads it when it is asked for."""
    from starwhale.storage.dataset_rows.packs import PackSource

    source = value.carried_source
    return {**source.ref} if isinstance(source, PackSource) else None
