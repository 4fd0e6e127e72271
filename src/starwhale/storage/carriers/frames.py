"""Messages over a stream socket, or as the body of a request: a JSON header and any number of byte strings. Nothing is ever unpickled.

frame := length of header (u32) · length of body (u64) · header (JSON, with "blobs": their lengths) · body (the blobs)
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from starwhale import errors
from starwhale.domain.json_shape import Json, check_shape
from starwhale.errors import ExecutionError, StarwhaleError

_HEAD = struct.Struct(">IQ")
FRAMES_TYPE = "application/vnd.starwhale.frames"
"""Content type of a body that is one message."""
_E = TypeVar("_E", bound=BaseException)


class Channel:
    """One end of a stream socket; any thread may send, one thread receives."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._send_lock = threading.Lock()

    def send(self, header: Mapping[str, Any], blobs: Sequence[bytes | memoryview] = ()) -> None:
        """Send one message whole.

        Raises:
            OSError: The other side has gone.
        """
        pieces = to_pieces(header, blobs)
        with self._send_lock:
            for each in pieces:
                self._socket.sendall(each)

    def receive(self) -> tuple[Json, list[memoryview]] | None:
        """Wait for the next message; None when the other side has gone, even in the middle of one."""
        head = self._exactly(_HEAD.size)
        if head is None:
            return None
        text_size, body_size = _HEAD.unpack(head)
        text = self._exactly(text_size)
        body = self._exactly(body_size) if text is not None else None
        if text is None or body is None:
            return None
        return _read(text, body)

    def shut_down(self) -> None:
        """End the stream in both directions; a thread that receives takes what has arrived and is woken."""
        with contextlib.suppress(OSError):  # the other side has gone already
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Give the descriptor back; no thread may be receiving any more, for its number may be used again at once."""
        self._socket.close()

    def _exactly(self, size: int) -> memoryview | None:
        buffer = memoryview(bytearray(size))
        position = 0
        while position < size:
            try:
                count = self._socket.recv_into(buffer[position:])
            except OSError:
                return None
            if count == 0:
                return None
            position += count
        return buffer


def to_pieces(header: Mapping[str, Any], blobs: Sequence[bytes | memoryview] = ()) -> list[bytes | memoryview]:
    """Return a message as the bytes that make it up, one after another; blobs are not copied."""
    text = json.dumps({**header, "blobs": [len(blob) for blob in blobs]} if blobs else header, default=repr).encode()
    return [_HEAD.pack(len(text), sum(len(blob) for blob in blobs)) + text, *blobs]


def from_bytes(content: bytes | bytearray | memoryview) -> tuple[Json, list[memoryview]]:
    """Read a message that is there whole; its blobs are views of the content.

    Raises:
        ValueError: It is none, or was cut off.
    """
    view = memoryview(content)
    if len(view) < _HEAD.size:
        message = "the message was cut off"
        raise ValueError(message)
    text_size, body_size = _HEAD.unpack(view[: _HEAD.size])
    begin = _HEAD.size + text_size
    if len(view) != begin + body_size:
        message = f"the message has {len(view):,} bytes, and says that it has {begin + body_size:,}"
        raise ValueError(message)
    return _read(view[_HEAD.size : begin], view[begin:])


def _read(text: memoryview, body: memoryview) -> tuple[Json, list[memoryview]]:
    header: Any = json.loads(bytes(text))  # Any: see Json; a stranger may send what is no message
    try:
        check_shape(header, {"?blobs": [int]})
    except TypeError as error:
        message = f"the message is none: {error}"
        raise ValueError(message) from error
    lengths: list[int] = header.get("blobs", [])
    if sum(lengths) != len(body) or min(lengths, default=0) < 0:
        message = "the message does not say where its byte strings begin and end"
        raise ValueError(message)
    blobs: list[memoryview] = []
    offset = 0
    for length in header.pop("blobs", ()):
        blobs.append(body[offset : offset + length])
        offset += length
    return header, blobs


def error_to_json(error: BaseException) -> Json:
    """Describe an error so that the other side raises the same class with the same facts."""
    facts = {
        name: value for name, value in vars(error).items() if isinstance(value, (str, int, float, bool, type(None)))
    }
    return {"class": type(error).__name__, "text": str(error), "facts": facts}


def error_from_json(data: Mapping[str, Any]) -> Exception:
    """Make the error that `error_to_json` described; a class that is not ours becomes an ExecutionError that names it."""
    cls = getattr(errors, data["class"], None)
    facts: Mapping[str, Any] = data["facts"]
    if isinstance(cls, type) and issubclass(cls, StarwhaleError):
        return _remake(cls, facts)
    for builtin in (OSError, KeyError, ValueError, TypeError, RuntimeError):
        if builtin.__name__ == data["class"]:
            return builtin(data["text"])
    return ExecutionError(f"{data['class']}: {data['text']}")


def _remake(cls: type[_E], facts: Mapping[str, Any]) -> _E:
    """Build an error without its constructor, whose parameters differ from class to class."""
    error = cls.__new__(cls)
    error.args = (facts.get("message", ""),)
    vars(error).update(facts)
    return error
