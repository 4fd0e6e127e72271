"""What user code has printed on a server: its logs by ranges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from starwhale.storage.remote.remote_results import NOT_THERE

if TYPE_CHECKING:
    from starwhale.storage.remote.connection import ServerConnection


class RemoteLogFiles:
    """The logs of a server; meets `LogFiles`."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection

    def sizes(self, job_id: str) -> Mapping[str, int]:
        found = self._connection.ask("GET", f"/stores/jobs/{job_id}/logs")["items"]
        return {each["name"]: each["size"] for each in found}

    def read(self, job_id: str, name: str, offset: int = 0, size: int = -1) -> bytes:
        if size == 0:
            return b""
        headers = {"Range": f"bytes={offset}-{offset + size - 1 if size > 0 else ''}"}
        answer = self._connection.send(
            "GET", f"/stores/jobs/{job_id}/logs/{name}", headers=headers, allowed=(404, NOT_THERE)
        )
        return bytes(answer.body) if answer.status < 400 else b""

    def address(self, job_id: str, name: str) -> str:
        return f"{self._connection.address}: log {name} of job {job_id[:12]}"


__all__ = ["RemoteLogFiles"]
