"""Runs a server of ours until it is ended: what `swcli ui` and `swcli model serve` have in common."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import click

from starwhale.instances.server_process import ServerProcess

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
"""Addresses that only this machine reaches."""


def serve_until_end(
    module: str, words: Sequence[str], tell: Callable[[dict[str, Any]], None], *, opens: bool = False
) -> None:  # Any: JSON
    """Start a server, say where it listens, and wait for its end; what is wrong with it is raised here.

    Args:
        module: Its program.
        words: What it is given.
        tell: Called with what it says of itself when it answers requests.
        opens: Whether its address is opened in a browser.
    """
    process = ServerProcess(module, words)
    with process.passing_on():
        try:
            said = process.started()
        except KeyboardInterrupt:
            code = process.wait()
        else:
            tell(said)
            sys.stdout.flush()
            if opens:
                click.launch(said["address"])
            code = process.wait()
    if code:
        click.get_current_context().exit(code)
