"""What user code has printed: a text file per attempt of a task and per worker process, which are appended to while they are read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Protocol

from starwhale.storage.layout import Layout


class LogFiles(Protocol):
    """The logs of all jobs of one instance, to be read; safe to use from several threads."""

    def sizes(self, job_id: str) -> Mapping[str, int]:
        """Return the bytes of each log that a job has, by the name of its file, in the order of names."""
        ...

    def read(self, job_id: str, name: str, offset: int = 0, size: int = -1) -> bytes:
        """Return the bytes [offset, offset + size) of a log, or all from there; fewer, or none, where it ends before or is not there."""
        ...

    def address(self, job_id: str, name: str) -> str:
        """Say where a log is."""
        ...


class LocalLogFiles:
    """The logs below one root; meets `LogFiles`."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def sizes(self, job_id: str) -> Mapping[str, int]:
        found: dict[str, int] = {}
        try:
            with os.scandir(self._layout.logs(job_id)) as entries:
                found = {each.name: each.stat().st_size for each in entries if each.name.endswith(".txt")}
        except FileNotFoundError:  # nothing was printed, or the job was deleted
            pass
        return dict(sorted(found.items()))

    def read(self, job_id: str, name: str, offset: int = 0, size: int = -1) -> bytes:
        try:
            with (self._layout.logs(job_id) / name).open("rb") as file:
                file.seek(offset)
                return file.read(size)
        except FileNotFoundError:
            return b""

    def address(self, job_id: str, name: str) -> str:
        return str(self._layout.logs(job_id) / name)


__all__ = ["LocalLogFiles", "LogFiles"]
