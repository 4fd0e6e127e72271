"""Where the console of an instance is, if one runs: its server writes it down, and whoever wants to open a page looks there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starwhale.errors import NotFoundError
from starwhale.instances.running import find_running, forget_running, note_running

if TYPE_CHECKING:
    from starwhale.storage.stores import Stores


class Console:
    """The console of one instance."""

    def __init__(self, stores: Stores) -> None:
        self._path = stores.layout.console
        self._server = stores.ref.server

    @property
    def address(self) -> str:
        """Address of the console that runs for this root, or of the server that has it; empty where none does."""
        if self._server:
            return self._server
        found = find_running(self._path)
        return found.address if found is not None else ""

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
        note_running(self._path, address)

    def forget(self) -> None:
        """Take back what this process has written down; what another one wrote since stays."""
        forget_running(self._path)
