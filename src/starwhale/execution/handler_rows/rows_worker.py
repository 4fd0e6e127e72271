"""The process in which a Python handler of a dataset runs: `python -m starwhale.execution.handler_rows.rows_worker SOCKET CRASHES`, given inherited files.

It imports the user's module, and sends the rows packed, several at a time; whoever started it writes them. It needs the standard library only,
so that the environment can hold whatever the handler wants. It ends when its parent does.

parent → read {handler, workdir, link_auths} · next
worker → rows {waits} with one packed row per blob · end · error
"""

from __future__ import annotations

import contextlib
import faulthandler
import io
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from starwhale.domain.json_shape import Json
from starwhale.errors import StarwhaleError
from starwhale.media import codec
from starwhale.media.artifact import BaseArtifact
from starwhale.media.source import FileSource
from starwhale.storage.carriers.frames import Channel, error_to_json
from starwhale.storage.carriers.lifetime import die_with_parent
from starwhale.storage.object_accounts import accounts

SENT_ROWS = 1000
"""Rows of one message."""
SENT_BYTES = 4 << 20
"""Bytes of one message, at most about."""
SENT_S = 0.2
"""A message waits no longer than that for the next row to fill it."""
INLINE_BYTES = 1 << 20
"""Content of a larger file is read by the parent, from the file."""


class RowSender:
    """Sends rows to the parent, many at a time."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._packed: list[bytes] = []
        self._bytes = 0
        self._names_files = False
        self._sent_at = time.monotonic()
        self._pid = os.getpid()

    def send(self, rows: Iterator[tuple[int | str, dict[str, object]]]) -> None:
        """Send all rows.

        Raises:
            UnsupportedValueError: A value cannot be stored; its column and row are named.
        """
        for key, features in rows:
            self.end_in_child()
            packed = self._pack(key, features)
            self._packed.append(packed)
            self._bytes += len(packed)
            is_full = len(self._packed) >= SENT_ROWS or self._bytes >= SENT_BYTES
            if is_full or self._names_files or time.monotonic() - self._sent_at >= SENT_S:
                self.flush()
        self.end_in_child()
        self.flush()

    def end_in_child(self) -> None:
        """End a process that user code forked and let go on here: its rows are those of its parent."""
        if os.getpid() != self._pid:
            os._exit(0)

    def flush(self) -> None:
        """Send what was gathered; where files were named, wait until they have been read: the handler may delete them when it goes on."""
        if not self._packed:
            return
        self._channel.send({"op": "rows", "waits": self._names_files}, self._packed)
        if self._names_files and self._channel.receive() is None:
            os._exit(1)
        self._packed, self._bytes, self._names_files = [], 0, False
        self._sent_at = time.monotonic()

    def _pack(self, key: int | str, features: dict[str, object]) -> bytes:
        try:
            return codec.pack([key, features], place=self._place)
        except StarwhaleError:
            for name, value in features.items():
                try:
                    codec.pack(value)
                except StarwhaleError as error:
                    error.message = f"column {name!r} of row {key!r}: {error.message}"
                    raise
            raise

    def _place(self, value: BaseArtifact) -> dict[str, Any] | None:  # Any: JSON values
        """Name the file of large content, which lies on the same machine."""
        source = value.carried_source
        if not isinstance(source, FileSource) or source.size < INLINE_BYTES:
            return None
        self._names_files = True
        return {"path": str(Path(source.path).absolute())}


def run(channel: Channel) -> None:
    """Do what the parent asks, and say how it ended."""
    from starwhale.handlers.dataset_rows import rows_of

    received = channel.receive()
    if received is None:
        return
    message: Json = received[0]
    accounts.take_over(message["link_auths"])
    sender = RowSender(channel)
    try:
        sender.send(rows_of(message["handler"], message["workdir"]))
    except StarwhaleError as error:
        sender.end_in_child()
        channel.send({"op": "error", "error": error_to_json(error)})
    else:
        channel.send({"op": "end"})


def main(arguments: list[str]) -> None:
    """Run over the inherited socket whose descriptor is given first; what native code was doing when it crashed goes to the second."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    sock = socket.socket(fileno=int(arguments[0]))
    crashes = int(arguments[1])
    sock.set_inheritable(False)
    os.set_inheritable(crashes, False)
    faulthandler.enable(crashes, all_threads=False)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(
                errors="backslashreplace", line_buffering=True
            )  # what was printed is seen, however this ends
    die_with_parent()
    try:
        run(Channel(sock))
    except OSError:  # the parent has gone, or user code has closed what it did not open
        os._exit(1)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # user code may have closed it
            stream.flush()
    os._exit(0)  # threads that user code left behind hold nothing up


if __name__ == "__main__":
    main(sys.argv[1:])
