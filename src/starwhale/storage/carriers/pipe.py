"""The task-side contract over a socket between a worker and its parent on the same machine.

The worker encodes drafts and decodes rows in the columns of its codec, so that the parent only moves bytes. Requests of different
tasks are answered at the same time; errors travel as data and are raised again as the same class.
"""

from __future__ import annotations

import dataclasses
import itertools
import logging
import queue
import socket
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

from starwhale.domain.job import attempt_key
from starwhale.domain.json_shape import Json
from starwhale.errors import ExecutionError, StarwhaleError
from starwhale.media import codec
from starwhale.media.source import Source
from starwhale.storage.carriers.frames import Channel, error_from_json, error_to_json
from starwhale.storage.part import EncodedPart, PartDraft, RangeLease
from starwhale.storage.protocols import Rows, TablePage, TableQuery
from starwhale.storage.task_contract import Fetch, Ref, ServedTaskStores, TaskCodec

logger = logging.getLogger(__name__)


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


class PipeClient:
    """The worker's end of the socket, shared by its tasks."""

    def __init__(self, channel: Channel, codec: TaskCodec) -> None:
        self._channel = channel
        self.codec = codec
        """How values are encoded here."""
        self._ids = itertools.count(1)
        self._waiting: dict[int, queue.SimpleQueue[tuple[Json, list[memoryview]]]] = {}
        self._is_gone = False
        self._reader = threading.Thread(target=self._receive, name="stores", daemon=True)
        self._reader.start()

    def call(
        self, operation: str, key: str, arguments: Json, blobs: Sequence[bytes | memoryview] = ()
    ) -> tuple[Any, list[memoryview]]:
        """Send a request for an attempt and wait for the answer; see `ask`."""
        return self.ask(operation, key, arguments, blobs)()

    def ask(
        self, operation: str, key: str, arguments: Json, blobs: Sequence[bytes | memoryview] = ()
    ) -> Callable[[], tuple[Any, list[memoryview]]]:
        """Send a request for an attempt; what is returned waits for the answer, once.

        What was sent reaches the other side even if this process dies right afterwards: it lies in the socket of the other side.

        Raises:
            StarwhaleError: Whatever the other side raised; when the answer is waited for.
            ExecutionError: The other side has gone.
        """
        request_id = next(self._ids)
        answers: queue.SimpleQueue[tuple[Json, list[memoryview]]] = queue.SimpleQueue()
        self._waiting[request_id] = answers
        if self._is_gone:
            raise _gone()
        try:
            self._channel.send({"id": request_id, "op": operation, "key": key, **arguments}, blobs)
        except OSError as error:
            raise _gone() from error

        def answer() -> tuple[Any, list[memoryview]]:  # Any: a JSON value
            header, found = answers.get()
            if "error" in header:
                raise error_from_json(header["error"])
            return header.get("value"), found

        return answer

    def tell(self, operation: str, key: str, arguments: Json) -> None:
        """Send a message that has no answer."""
        try:
            self._channel.send({"id": 0, "op": operation, "key": key, **arguments})
        except OSError as error:
            raise _gone() from error

    def _receive(self) -> None:
        while (message := self._channel.receive()) is not None:
            waiting = self._waiting.pop(message[0]["id"], None)
            if waiting is not None:
                waiting.put(message)
        self._is_gone = True
        for waiting in list(self._waiting.values()):
            waiting.put(({"error": error_to_json(_gone())}, []))


class PipeTaskStores:
    """`TaskStores` of one attempt over a `PipeClient`."""

    def __init__(self, client: PipeClient, task_id: str, attempt: int) -> None:
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


class PipeServer:
    """The parent's end of one worker's socket: answers until the worker has gone."""

    def __init__(self, sock: socket.socket, open_stores: Callable[[Any], ServedTaskStores]) -> None:
        """Begin to answer.

        Args:
            sock: The parent's end; closed here.
            open_stores: Makes what answers for one attempt, from its task.
        """
        self._channel = Channel(sock)
        self._open_stores = open_stores
        self._stores: dict[str, ServedTaskStores] = {}
        self._pool = ThreadPoolExecutor(max_workers=4, thread_name_prefix="stores")
        self._reader = threading.Thread(target=self._receive, name="stores", daemon=True)
        self._reader.start()

    def add(self, task: Any) -> None:  # Any: a Task; only its id and attempt are looked at here
        """Let the worker act for one attempt of a task from now on."""
        self._stores[attempt_key(task.id, task.attempt)] = self._open_stores(task)

    def drain(self) -> None:
        """End the connection, and return when nothing that the worker asked for is under way any more."""
        self._channel.shut_down()
        self._reader.join()
        self._pool.shutdown(wait=True)
        self._channel.close()

    def _receive(self) -> None:
        while (message := self._channel.receive()) is not None:
            header, blobs = message
            if header["op"] == "log":  # in the order in which they came, and without an answer
                self._log(header)
            elif header["op"] == "note":
                self._stores[header["key"]].note(header["text"])
            else:
                self._pool.submit(self._answer, header, blobs)

    def _log(self, header: Json) -> None:
        try:
            self._stores[header["key"]].log(header["text"])
        except OSError:
            logger.exception("cannot write the log of %s", header["key"])

    def _answer(self, header: Json, blobs: list[memoryview]) -> None:
        try:
            stores = self._stores.get(header["key"])
            if stores is None:
                message = f"{header['key']} is not a task of this worker"
                raise ExecutionError(message)
            value, found = _serve(stores, header, blobs)
            answer: Json = {"id": header["id"], "value": value}
        except Exception as error:
            if not isinstance(error, StarwhaleError):
                logger.exception("op=%s key=%s", header["op"], header["key"])
            answer, found = {"id": header["id"], "error": error_to_json(error)}, []
        try:
            self._channel.send(answer, found)
        except OSError:
            logger.debug("the worker that asked for %s has gone", header["op"])


def _serve(stores: ServedTaskStores, header: Json, blobs: list[memoryview]) -> tuple[Any, list[bytes]]:
    match header["op"]:
        case "next_range":
            done = None if header["draft"] is None else EncodedPart.from_message(header["draft"], blobs)
            lease = stores.next_range_encoded(done, header["queue"], header["wanted"])
            return None if lease is None else dataclasses.asdict(lease), []
        case "split":
            pieces = stores.split(RangeLease.from_json(header["lease"]), header["cuts"])
            return [dataclasses.asdict(each) for each in pieces], []
        case "commit":
            stores.commit_encoded(EncodedPart.from_message(header["draft"], blobs))
            return None, []
        case "read_rows":
            content, folder = stores.read_rows_encoded(RangeLease.from_json(header["lease"]), header["form"])
            return folder, [content]
        case "read_source":
            ref = {**header["ref"], "digest": bytes.fromhex(header["ref"]["digest"])}
            return None, [stores.read_source(header["position"], ref, header["offset"], header["size"])]
        case "read_page":
            return None, [stores.read_page_encoded(TableQuery(**header["query"]), header["cursor"], header["form"])]
        case "dataset_info":
            return None, [codec.pack(dict(stores.dataset_info(header["position"])))]
        case "table_names":
            return stores.table_names(), []
        case "sync":  # messages without an answer are taken in where they arrive, so all of them have been
            return None, []
        case _:
            message = f"unknown request {header['op']!r}"
            raise ExecutionError(message)


def _ref_to_json(ref: Ref) -> Json:
    return {**ref, "digest": bytes(ref["digest"]).hex()}


def _gone() -> ExecutionError:
    return ExecutionError("the process that runs the job has gone")


def lazy_source(fetch: Fetch) -> Callable[[Ref], Source]:
    """Return what opens references through a function."""
    return lambda ref: cast("Source", FetchedSource(ref, fetch))
