"""Nodes of a Ray cluster on one machine: each a network namespace with its own address, processes, /dev/shm and /tmp/ray. Needs root on Linux."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

PORT = 6379
START_S = 240.0
_INSIDE = 'mount -t tmpfs tmpfs /dev/shm && mkdir -p /tmp/ray && mount -t tmpfs tmpfs /tmp/ray && exec "$@"'


@dataclass
class Lab:
    """A cluster whose first node is the head."""

    name: str
    env: Mapping[str, str]
    """What everything in it finds in its environment."""
    folder: Path
    nodes: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"{self.ip(0)}:{PORT}"

    def ip(self, number: int) -> str:
        return f"10.77.0.{number + 1}"

    def inside(self, number: int, words: Sequence[str]) -> list[str]:
        """Return the command that runs another one on a node, in the folder of the lab."""
        pid = self.nodes[number].pid
        child = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()[0]
        return ["nsenter", "--target", child, "--net", "--mount", "--pid", "env", "-C", str(self.folder), *words]

    def start(self, number: int, cores: int = 1) -> None:
        """Begin a node."""
        ray = [str(Path(sys.executable).with_name("ray")), "start", "--block", "--disable-usage-stats"]
        ray += ["--node-ip-address", self.ip(number), "--num-cpus", str(cores), "--object-store-memory", str(80 << 20)]
        head = ["--head", "--port", str(PORT), "--include-dashboard", "false"]
        ray += head if number == 0 else ["--address", self.address]
        unshare = ["unshare", "--pid", "--mount", "--fork", "--kill-child", "--mount-proc", "sh", "-c", _INSIDE, "sh"]
        with (self.folder / f"node-{number}.txt").open("ab") as log:
            self.nodes[number] = subprocess.Popen(
                ["ip", "netns", "exec", f"{self.name}n{number}", *unshare, *ray],
                env=dict(self.env),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self, number: int) -> None:
        """End a node with everything on it, at once."""
        process = self.nodes.pop(number)
        process.kill()
        process.wait()

    def link(self, number: int, state: str) -> None:
        """Cut a node off (`down`), or bring it back (`up`)."""
        _ip("-n", f"{self.name}hub", "link", "set", f"{self.name}v{number}", state)

    def wait_for(self, count: int) -> None:
        """Wait until so many nodes are there."""
        ask = "import ray, sys; ray.init(address=sys.argv[1], _node_ip_address=sys.argv[2], log_to_driver=False); print(sum(n['Alive'] for n in ray.nodes()))"
        deadline = time.monotonic() + START_S
        said = ""
        while time.monotonic() < deadline:
            with suppress(IndexError, OSError):  # its first process is not there yet
                words = self.inside(0, [sys.executable, "-c", ask, self.address, self.ip(0)])
                done = subprocess.run(words, env=dict(self.env), capture_output=True, text=True, check=False)
                said = done.stdout + done.stderr
                if done.stdout.strip().endswith(str(count)):
                    return
            time.sleep(0.5)
        message = f"{count} nodes did not come within {START_S:g} s: {said[-2000:]}"
        raise AssertionError(message)

    def workers(self) -> list[int]:
        """Return the processes in which user code runs, on whichever node."""
        found: list[int] = []
        for each in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if (
                    b"starwhale.execution.worker\0--task" in (each / "cmdline").read_bytes()
                    and f"SW_LAB={self.name}".encode() in (each / "environ").read_bytes()
                ):
                    found.append(int(each.name))
        return sorted(found)

    def kill_worker(self, dice: random.Random) -> bool:
        """Kill one of them; whether there was one."""
        found = self.workers()
        if not found:
            return False
        with suppress(ProcessLookupError):
            os.kill(dice.choice(found), signal.SIGKILL)
        return True


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@contextmanager
def lab(folder: Path, count: int, *, env: Mapping[str, str], cores: int = 1) -> Generator[Lab]:
    """Make nodes and a network between them; everything is gone afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"sw{os.getpid() % 100000}"
    token = folder / "token"
    token.write_text("5ee7" * 16)
    token.chmod(0o600)
    auth = {
        "RAY_raylet_start_wait_time_s": "240",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "SW_LAB": name,
    }
    made = Lab(name=name, env={**env, **auth}, folder=folder)
    spaces: list[str] = []
    try:
        for space in [f"{name}hub", *(f"{name}n{number}" for number in range(count))]:
            _ip("netns", "add", space)
            spaces.append(space)
        _ip("-n", f"{name}hub", "link", "add", "br0", "type", "bridge")
        _ip("-n", f"{name}hub", "link", "set", "br0", "up")
        for number in range(count):
            own, hub, node = f"{name}v{number}", f"{name}hub", f"{name}n{number}"
            _ip("-n", hub, "link", "add", own, "type", "veth", "peer", "name", "eth0", "netns", node)
            _ip("-n", hub, "link", "set", own, "master", "br0", "up")
            _ip("-n", node, "addr", "add", f"{made.ip(number)}/24", "dev", "eth0")
            _ip("-n", node, "link", "set", "eth0", "up")
            _ip("-n", node, "link", "set", "lo", "up")
        for number in range(count):
            made.start(number, cores)
            made.wait_for(number + 1)
        yield made
    finally:
        for number in list(made.nodes):
            made.kill(number)
        for space in reversed(spaces):
            subprocess.run(["ip", "netns", "del", space], check=False, capture_output=True)
