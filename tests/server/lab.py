"""A server with a token in a process of its own, and a client on the same machine that has logged in to it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from tests.server.conftest import serving

from starwhale.instances.instance import Instance, open_instance
from starwhale.instances.place import servers
from starwhale.instances.place.access import Access
from starwhale.settings import read_settings
from starwhale.storage.remote.connection import ServerAccess, ServerConnection, ServerPatience

SWCLI = str(Path(sys.executable).parent / "swcli")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """A server `lab`, and a client."""

    address: str
    """Of the server."""
    token: str
    """What lets in."""
    root: Path
    """Storage root of the server."""
    env: Mapping[str, str]
    """Environment of the client, which has logged in."""

    def web(self, token: str | None = None) -> httpx.Client:
        """Return a client of the routes to the stores."""
        headers = {"authorization": f"Bearer {self.token if token is None else token}"}
        return httpx.Client(base_url=f"{self.address}/api/v1/stores", headers=headers, timeout=60)

    def connection(self) -> ServerConnection:
        """Return what the program itself asks with."""
        patience = ServerPatience(attempts=1)
        return ServerConnection(ServerAccess(address=self.address, token=self.token, patience=patience))

    def open(self) -> Instance:
        """Open the client's instance in this process; the caller closes it."""
        return open_instance(read_settings(self.env))

    def swcli(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the client."""
        return subprocess.run([SWCLI, *words], env=dict(self.env), capture_output=True, text=True, check=False)


def environment(folder: Path) -> dict[str, str]:
    """Return an environment whose instance lies below a folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SW_", "STARWHALE_", "XDG_"))}
    folder.mkdir(parents=True, exist_ok=True)
    return kept | {
        "HOME": str(folder),
        "SW_CLI_CONFIG": str(folder / "config.yaml"),
        "SW_LOCAL_STORAGE": str(folder / "storage"),
    }


@contextmanager
def open_lab(folder: Path) -> Generator[Lab]:
    """Serve an empty root until the block ends."""
    server, client = environment(folder / "server"), environment(folder / "client")
    with serving(server, "--login") as (address, _):
        root = folder / "server" / "storage"
        token = Access(root / "access.json").make_token()
        servers.login(read_settings(client), address, token=token, alias="lab")
        yield Lab(address=address, token=token, root=root, env=client)
