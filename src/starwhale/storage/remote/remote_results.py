"""Results on a server: parts are asked for, and their bytes are read by ranges, with the very reader that reads local files.

What comes is verified here, by the digests of the server's catalog. Whole stretches are read: a digest covers one.
"""

from __future__ import annotations

import http.client
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from starwhale.errors import ServerError, UsageError
from starwhale.storage.carriers.frames import to_pieces
from starwhale.storage.part import PartDraft, PartRecord, PartTable
from starwhale.storage.remote.connection import BYTES_TYPE
from starwhale.storage.result_parts.part_codec import encode_draft, to_arrow
from starwhale.storage.result_parts.results_read import ResultReader
from starwhale.storage.result_parts.stored_parts import StoredParts, is_intact
from starwhale.wire.stores import PART_BYTES

if TYPE_CHECKING:
    from starwhale.storage.remote.connection import ServerConnection

AHEAD_BYTES = 1 << 20
"""Bytes that are read at once, at least: parts of a job that runs are short, and follow each other."""
KEPT_BYTES = 32 << 20
"""Bytes that were read and are kept for the next stretch."""
NOT_THERE = 416
"""A file ends before the range begins."""


class ServerSegments:
    """Files of results of a server; safe to use from several threads."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection
        self._kept: OrderedDict[tuple[str, str], tuple[int, bytes]] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, owner: str, name: str, offset: int, length: int) -> bytes:
        with self._lock:
            start, known = self._kept.get((owner, name), (0, b""))
        if start <= offset and offset + length <= start + len(known):
            return known[offset - start : offset - start + length]
        found = self._fetch(owner, name, offset, max(length, AHEAD_BYTES))
        with self._lock:
            self._kept[owner, name] = offset, found
            self._kept.move_to_end((owner, name))
            while len(self._kept) > 1 and sum(len(each) for _, each in self._kept.values()) > KEPT_BYTES:
                self._kept.popitem(last=False)
        return found[:length]

    def read_again(self, owner: str, name: str, offset: int, length: int) -> bytes:
        """Read a stretch anew: what was read ahead may have been a part on its way, which came to nothing."""
        with self._lock:
            self._kept.pop((owner, name), None)
        return self._fetch(owner, name, offset, length)

    def address(self, owner: str, name: str) -> str:
        return f"{self._connection.address}: results of {owner}, {name}"

    def _fetch(self, owner: str, name: str, offset: int, length: int) -> bytes:
        answer = self._connection.send(
            "GET",
            "/stores/results/file",
            query={"owner": owner, "name": name},
            headers={"Range": f"bytes={offset}-{offset + length - 1}"},
            allowed=(http.client.NOT_FOUND, NOT_THERE),
        )
        if answer.status == http.client.NOT_FOUND:
            raise FileNotFoundError(2, "No such file", self.address(owner, name))
        return b"" if answer.status == NOT_THERE else bytes(answer.body)


class RemoteParts:
    """The parts that a server's catalog knows; meets `PartReads`."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection

    def visible(self, owner: str, *, after: int = 0) -> list[PartRecord]:
        """Return the parts that readers see, in the order of their commits."""
        return self._ask({"owners": [owner], "after": after})

    def visible_with(self, table: str, owners: Sequence[str]) -> dict[str, list[PartRecord]]:
        """Return the parts of several owners that have rows of a table and that readers see."""
        found: dict[str, list[PartRecord]] = {}
        for each in self._ask({"owners": list(owners), "table": table}):
            found.setdefault(each.owner, []).append(each)
        return found

    def _ask(self, wanted: dict[str, Any]) -> list[PartRecord]:  # Any: JSON
        found: list[PartRecord] = []
        while True:
            page = self._connection.ask("POST", "/stores/results/parts", wanted)
            try:
                found += [_part(each) for each in page["items"]]
                has_more = page["has_more"]
            except (KeyError, TypeError, ValueError) as error:
                message = f"the server at {self._connection.address} answers what this program cannot read"
                hint = "use the same version of the program on both sides"
                raise ServerError(message, address=self._connection.address, hint=hint) from error
            if not has_more:
                return found
            wanted = {**wanted, "after": found[-1].id}


class RemoteResultStore(StoredParts):
    """Meets `ResultStore`; safe to use from several threads."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection
        self._files = ServerSegments(connection)
        super().__init__(self._files, RemoteParts(connection))
        self.reader = ResultReader(self)
        """Reads tables, page by page."""

    def append(self, owner: str, holder: str, draft: PartDraft) -> int:
        """Commit rows of tables there, and return the number of the commit; sent again, they are committed once.

        Raises:
            UsageError: They are more bytes than a server takes at once.
        """
        header, blobs = to_arrow(encode_draft(draft)).to_message()
        body = b"".join(to_pieces({"part": header}, blobs))
        if len(body) > PART_BYTES:
            message = f"{len(body):,} bytes of results come at once, and a server takes {PART_BYTES:,}"
            raise UsageError(message, hint="commit what was logged more often: Evaluation.flush_all()")
        answer = self._connection.send(
            "POST",
            "/stores/results/append",
            body,
            query={"owner": owner, "holder": holder},
            headers={"Content-Type": BYTES_TYPE, "Idempotency-Key": self._connection.new_key()},
        )
        return self._connection.read_number(answer, "id")

    def _read(self, owner: str, table: PartTable) -> bytes:
        payload = super()._read(owner, table)
        if is_intact(payload, table):
            return payload
        return self._files.read_again(owner, table.file, table.offset, table.length)


def _part(said: dict[str, Any]) -> PartRecord:  # Any: JSON of the server
    tables = tuple(_table(each) for each in said["tables"])
    values: dict[str, Any] = {**said, "tables": tables}  # Any: see above
    return PartRecord(**values)


def _table(said: dict[str, Any]) -> PartTable:  # Any: see above
    values: dict[str, Any] = {**said, "digest": bytes.fromhex(said["digest"])}  # Any: see above
    return PartTable(**values)


__all__ = ["RemoteParts", "RemoteResultStore", "ServerSegments"]
