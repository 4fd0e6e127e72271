"""The task-side contract over a socket between a worker and its parent on the same machine.

The worker encodes drafts and decodes rows in the columns of its codec, so that the parent only moves bytes. Requests of different
tasks are answered at the same time; errors travel as data and are raised again as the same class.
"""

from __future__ import annotations

import itertools
import logging
import queue
import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from starwhale.domain.attempt_name import attempt_key
from starwhale.domain.json_shape import Json
from starwhale.errors import ExecutionError, StarwhaleError
from starwhale.storage.carriers.answer import answer_request
from starwhale.storage.carriers.frames import Channel, error_from_json, error_to_json
from starwhale.storage.task_contract import ServedTaskStores, TaskCodec

logger = logging.getLogger(__name__)


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
            value, found = answer_request(stores, header, blobs)
            answer: Json = {"id": header["id"], "value": value}
        except Exception as error:
            if not isinstance(error, StarwhaleError):
                logger.exception("op=%s key=%s", header["op"], header["key"])
            answer, found = {"id": header["id"], "error": error_to_json(error)}, []
        try:
            self._channel.send(answer, found)
        except OSError:
            logger.debug("the worker that asked for %s has gone", header["op"])


def _gone() -> ExecutionError:
    return ExecutionError("the process that runs the job has gone")
