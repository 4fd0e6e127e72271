"""The acceptance cases, submitted to a server on this machine's loopback, and to one in a network namespace of its own: equal results."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

CASES = Path(os.environ.get("STARWHALE_ACCEPTANCE") or "there-are-no-acceptance-cases")
DATA = Path(os.environ.get("STARWHALE_TEST_DATA") or "there-is-no-recorded-data")
SCRIPT = Path(__file__).parents[1] / "served_swcli.py"

pytestmark = [pytest.mark.soak, pytest.mark.skipif(not CASES.is_file(), reason="STARWHALE_ACCEPTANCE names no cases")]


def accept(folder: Path, executor: str, **served: str) -> None:
    """Run all cases against a server; they compare with figures that were computed independently."""
    swcli = folder / "swcli"
    swcli.write_text(f'#!/bin/sh\nexec {sys.executable} {SCRIPT} "$@"\n', encoding="utf-8")
    swcli.chmod(0o755)
    command = [sys.executable, str(CASES), "--python", sys.executable, "--swcli", str(swcli), "--data", str(DATA)]
    done = subprocess.run(
        [*command, "--executor", executor],
        env={**os.environ, **served}, capture_output=True, text=True, timeout=1800, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert done.stdout.splitlines()[-1].endswith(" passed, 0 failed")


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextmanager
def namespace() -> Generator[tuple[str, str]]:
    """A network of its own, and nothing but one cable to it; gives its name and the address at its end."""
    name, here = f"sw-{os.getpid()}", f"sw{os.getpid() % 10**8}"
    number = os.getpid() % 250 + 1
    ours, theirs = f"10.213.{number}.1", f"10.213.{number}.2"
    ip("netns", "add", name)
    try:
        ip("link", "add", here, "type", "veth", "peer", "name", "eth0", "netns", name)
        ip("addr", "add", f"{ours}/30", "dev", here)
        ip("link", "set", here, "up")
        for words in (("addr", "add", f"{theirs}/30", "dev", "eth0"), ("link", "set", "eth0", "up"), ("link", "set", "lo", "up")):  # fmt: skip
            ip("-n", name, *words)
        yield name, theirs
    finally:
        ip("netns", "del", name)


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def test_cases_that_a_server_runs_agree(tmp_path: Path) -> None:
    accept(tmp_path, "thread", SERVED_HOST="127.0.0.1", SERVED_PORT=str(free_port()))


@pytest.mark.needs_netns
def test_cases_that_a_server_in_another_network_runs_agree(tmp_path: Path) -> None:
    with namespace() as (name, address):
        accept(tmp_path, "network", SERVED_HOST=address, SERVED_PORT="8082", SERVED_IN=f"ip netns exec {name}")
