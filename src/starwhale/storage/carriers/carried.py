"""The worker's side of a carrier: the task-side contract in messages, whatever brings them across.

The worker encodes drafts and decodes rows in the columns of its codec, so that the other side only moves bytes.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast

from starwhale.domain.attempt_name import attempt_key
from starwhale.domain.json_shape import Json
from starwhale.media import codec
from starwhale.media.source import Source
from starwhale.storage.part import PartDraft, RangeLease
from starwhale.storage.protocols import Rows, TablePage, TableQuery
from starwhale.storage.task_contract import Fetch, Ref, TaskCodec

Answer = tuple[Any, list[memoryview]]  # Any: a JSON value
"""What came back of a request: a value, and byte strings."""


class Client(Protocol):
    """What brings messages of tasks to the stores; any thread may use it."""

    codec: TaskCodec
    """How values are encoded here."""

    def call(self, operation: str, key: str, arguments: Json, blobs: Sequence[bytes | memoryview] = ()) -> Answer:
        """Send a request for an attempt and wait for the answer; see `ask`."""
        ...

    def ask(
        self, operation: str, key: str, arguments: Json, blobs: Sequence[bytes | memoryview] = ()
    ) -> Callable[[], Answer]:
        """Send a request for an attempt; what is returned waits for the answer, once.

        Raises:
            StarwhaleError: Whatever the other side raised; when the answer is waited for.
            ExecutionError: The other side has gone.
        """
        ...

    def tell(self, operation: str, key: str, arguments: Json) -> None:
        """Send a message that has no answer; those of one task are taken in in their order."""
        ...


class FetchedSource:
    """A large value that is read through a function; for workers that cannot map the file."""

    __slots__ = ("_fetch", "_ref", "size")

    def __init__(self, ref: Ref, fetch: Fetch) -> None:
        self._fetch = fetch
        self._ref = ref
        self.size: int = ref["size"]
        """Bytes of the value."""

    def read(self, offset: int = 0, size: int = -1) -> bytes:
        """Read a piece, or all."""
        return self._fetch(self._ref, offset, size)


class CarriedTaskStores:
    """`TaskStores` of one attempt over a `Client`."""

    def __init__(self, client: Client, task_id: str, attempt: int) -> None:
        self._client = client
        self._key = attempt_key(task_id, attempt)

    def next_range(self, done: PartDraft | None = None, *, queue: str = "", wanted: int = 0) -> RangeLease | None:
        return self._ask_for_range(done, queue, wanted)()

    def hand_in(self, done: PartDraft | None = None) -> Callable[[], RangeLease | None]:
        return self._ask_for_range(done, "", 0)

    def _ask_for_range(self, done: PartDraft | None, queue: str, wanted: int) -> Callable[[], RangeLease | None]:
        header, blobs = self._client.codec.encode_draft(done).to_message() if done is not None else (None, [])
        arguments = {"draft": header, "queue": queue, "wanted": wanted}
        answer = self._client.ask("next_range", self._key, arguments, blobs)

        def lease() -> RangeLease | None:
            value, _ = answer()
            return None if value is None else RangeLease.from_json(value)

        return lease

    def split(self, lease: RangeLease, cuts: Sequence[int]) -> list[RangeLease]:
        arguments = {"lease": dataclasses.asdict(lease), "cuts": list(cuts)}
        value, _ = self._client.call("split", self._key, arguments)
        return [RangeLease.from_json(each) for each in value]

    def commit(self, draft: PartDraft) -> None:
        header, blobs = self._client.codec.encode_draft(draft).to_message()
        self._client.call("commit", self._key, {"draft": header}, blobs)

    def read_rows(self, lease: RangeLease) -> Rows:
        codec = self._client.codec
        folder, blobs = self._client.call(
            "read_rows", self._key, {"lease": dataclasses.asdict(lease), "form": codec.form}
        )

        def fetch(ref: Ref, offset: int, size: int) -> bytes:
            arguments = {"position": lease.dataset_position, "ref": _ref_to_json(ref), "offset": offset, "size": size}
            return bytes(self._client.call("read_source", self._key, arguments)[1][0])

        began = time.perf_counter()
        rows = codec.decode_rows(blobs[0], folder, fetch)
        rows.decode_s = time.perf_counter() - began
        return rows

    def read_page(self, query: TableQuery, cursor: str | None = None) -> TablePage:
        arguments = {"query": dataclasses.asdict(query), "cursor": cursor, "form": self._client.codec.form}
        return self._client.codec.decode_page(self._client.call("read_page", self._key, arguments)[1][0])

    def table_names(self) -> list[str]:
        return cast("list[str]", self._client.call("table_names", self._key, {})[0])

    def dataset_info(self, position: int) -> dict[str, Any]:
        blobs = self._client.call("dataset_info", self._key, {"position": position})[1]
        return cast("dict[str, Any]", codec.unpack(bytes(blobs[0])))

    def log(self, text: str) -> None:
        self._client.tell("log", self._key, {"text": text})

    def note(self, text: str) -> None:
        self._client.tell("note", self._key, {"text": text})

    def sync(self) -> None:
        self._client.call("sync", self._key, {})


def _ref_to_json(ref: Ref) -> Json:
    return {**ref, "digest": bytes(ref["digest"]).hex()}


def lazy_source(fetch: Fetch) -> Callable[[Ref], Source]:
    """Return what opens references through a function."""
    return lambda ref: cast("Source", FetchedSource(ref, fetch))
