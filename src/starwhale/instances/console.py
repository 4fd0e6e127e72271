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
    from starwhale.storage.stores import Stores


def note_console(stores: Stores, address: str) -> None:
    """Write down that this process serves the console at an address; the latest one counts."""
    path = stores.layout.console
    said = json.dumps({"address": address, "process": dataclasses.asdict(this_driver())})
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(said, encoding="utf-8")
    draft.replace(path)


def forget_console(stores: Stores) -> None:
    """Take back what this process has written down; what another one wrote since stays."""
    found = _read(stores)
    if found is not None and found[1] == this_driver():
        with contextlib.suppress(FileNotFoundError):
            stores.layout.console.unlink()


def console_address(stores: Stores) -> str:
    """Return the address of the console that runs for this root; empty where none does."""
    found = _read(stores)
    return found[0] if found is not None and is_alive(found[1]) else ""


def job_page(stores: Stores, job_id: str) -> str:
    """Return the address of a job's page.

    Raises:
        NotFoundError: No console runs for this root.
    """
    address = console_address(stores)
    if not address:
        raise NotFoundError("no console runs for this root", hint="start it in another terminal: swcli ui")
    return f"{address}/jobs/{job_id}"


def _read(stores: Stores) -> tuple[str, Driver] | None:
    try:
        said: Any = json.loads(stores.layout.console.read_text(encoding="utf-8"))  # Any: JSON, checked here
        return str(said["address"]), Driver(**said["process"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
