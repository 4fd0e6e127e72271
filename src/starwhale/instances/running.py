"""A server that runs for a root: it writes down where, and whoever looks for it is told only of one that still runs."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starwhale.storage.catalog.driver import is_alive, this_driver
from starwhale.storage.catalog.job_records import Driver

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningServer:
    """A server, and the process that it is."""

    address: str
    """Where it answers."""
    process: Driver
    """The process."""


def find_running(path: Path) -> RunningServer | None:
    """Return the server that a file names; None where it has ended."""
    found = _read(path)
    return found if found is not None and is_alive(found.process) else None


def note_running(path: Path, address: str) -> None:
    """Write down that this process serves at an address; the latest one counts."""
    said = json.dumps({"address": address, "process": dataclasses.asdict(this_driver())})
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(said, encoding="utf-8")
    draft.replace(path)


def forget_running(path: Path) -> None:
    """Take back what this process has written down; what another one wrote since stays."""
    found = _read(path)
    if found is not None and found.process == this_driver():
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


def _read(path: Path) -> RunningServer | None:
    try:
        said: Any = json.loads(path.read_text(encoding="utf-8"))  # Any: JSON, checked here
        return RunningServer(address=str(said["address"]), process=Driver(**said["process"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


__all__ = ["RunningServer", "find_running", "forget_running", "note_running"]
