"""Where the console of an instance is, if one runs: its server writes it down, and whoever wants to open a page looks there."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from typing import TYPE_CHECKING, Any

from starwhale.errors import NotFoundError
from starwhale.storage.catalog.driver import is_alive, this_driver
from starwhale.storage.catalog.records import Driver

if TYPE_CHECKING:
    from pathlib import Path

    from starwhale.storage.stores import Stores


class Console:
    """The console of one root."""

    def __init__(self, stores: Stores) -> None:
        self._path = stores.layout.console

    @property
    def address(self) -> str:
        """Address of the console that runs for this root; empty where none does."""
        found = _read(self._path)
        return found[0] if found is not None and is_alive(found[1]) else ""

    def job_page(self, job_id: str) -> str:
        """Return the address of a job's page.

        Raises:
            NotFoundError: No console runs for this root.
        """
        address = self.address
        if not address:
            raise NotFoundError("no console runs for this root", hint="start it in another terminal: swcli ui")
        return f"{address}/jobs/{job_id}"

    def note(self, address: str) -> None:
        """Write down that this process serves the console at an address; the latest one counts."""
        said = json.dumps({"address": address, "process": dataclasses.asdict(this_driver())})
        draft = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        draft.write_text(said, encoding="utf-8")
        draft.replace(self._path)

    def forget(self) -> None:
        """Take back what this process has written down; what another one wrote since stays."""
        found = _read(self._path)
        if found is not None and found[1] == this_driver():
            with contextlib.suppress(FileNotFoundError):
                self._path.unlink()


def _read(path: Path) -> tuple[str, Driver] | None:
    try:
        said: Any = json.loads(path.read_text(encoding="utf-8"))  # Any: JSON, checked here
        return str(said["address"]), Driver(**said["process"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
