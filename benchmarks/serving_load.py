"""What batches of requests are worth, what 1,000 requests at a time do, and what a killed model costs: `python benchmarks/serving_load.py [--clients 1000]`.

A model whose batch of 16 costs twice a single call is served by the real program and asked from another process over loopback, once with batches and once
without, in one run. Printed are requests per second, the ratio, latencies (median, p99), the memory of the server, and how many answers were lost or mixed up;
the last has to be none. Then the same once more while the process that asks kills the model with SIGKILL: what it had at that moment gets 503 and nothing
else fails, which is checked.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starwhale.instances.online import OnlineOptions, OnlineRequest
from starwhale.serving.lanes import Bounds

MODEL = """
import os
import time
from starwhale import evaluation
from starwhale.api.service import api

@api()
def pid():
    return os.getpid()

@evaluation.predict(batch_size=16)
def double(rows):
    time.sleep(0.010 * (1 + (len(rows) - 1) / 15))
    return [row["number"] * 2 for row in rows]
"""


async def ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, api: str = "pid", **fields: int
) -> tuple[int, Any]:
    """Send one request over a connection that stays open, and return status and answer."""
    body = json.dumps(fields)
    writer.write(
        f"POST /api/{api} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode()
    )
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
    return int(head.split()[1]), json.loads(await reader.readexactly(length))


async def client(host: str, first: int, count: int, found: list[tuple[float, int, bool]]) -> None:
    """Ask for some numbers, one after another."""
    name, _, port = host.partition(":")
    reader, writer = await asyncio.open_connection(name, int(port))
    for number in range(first, first + count):
        began = time.perf_counter()
        status, answer = await ask(reader, writer, host, "double", number=number)
        found.append((time.perf_counter() - began, status, status == 200 and answer == number * 2))
    writer.close()


async def kill(host: str, total: int, kills: int, found: list[tuple[float, int, bool]]) -> None:
    """Kill the model some times, spread over the requests."""
    name, _, port = host.partition(":")
    reader, writer = await asyncio.open_connection(name, int(port))
    killed = 0
    while True:
        status, pid = await ask(reader, writer, host)
        if status == 503:  # the one that was killed just now had this request
            continue
        assert status == 200, pid
        if killed == kills:
            break
        killed += 1
        while len(found) < total * killed / (kills + 1):  # noqa: ASYNC110 - the clients know nothing of it
            await asyncio.sleep(0.001)
        os.kill(pid, signal.SIGKILL)
    writer.close()


async def load(address: str, clients: int, each: int, kills: int) -> dict[str, float]:
    """Ask from many clients at a time."""
    host, found = urlsplit(address).netloc, list[tuple[float, int, bool]]()
    began = time.perf_counter()
    killing = asyncio.ensure_future(kill(host, clients * each, kills, found))
    await asyncio.gather(*(client(host, n * each, each, found) for n in range(clients)))
    await killing
    took = time.perf_counter() - began
    seconds = sorted(every for every, _, _ in found)
    return {
        "requests": len(found),
        "right": sum(right for _, _, right in found),
        "gone": sum(status == 503 for _, status, _ in found),
        "per_second": len(found) / took,
        "median_ms": seconds[len(seconds) // 2] * 1000,
        "p99_ms": seconds[int(len(seconds) * 0.99)] * 1000,
    }


def peak_mb(pid: int) -> float:
    """Return the most memory that a process has had."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


def measure(folder: Path, clients: int, each: int, batch: int | None, kills: int = 0) -> dict[str, float]:
    """Serve the model, and ask it from a process beside this one, which also kills it."""
    options = OnlineOptions(
        request=OnlineRequest(targets=(str(folder / "model.py"),)),
        bounds=Bounds(max_batch_size=batch, max_waiting=10_000),
    )
    env = {**os.environ, "SW_LOCAL_STORAGE": str(folder / "root"), "SW_CLI_CONFIG": str(folder / "config.yaml")}
    words = [sys.executable, "-m", "starwhale.server.online", options.to_json()]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=env) as server:
        assert server.stdout is not None
        address = json.loads(server.stdout.readline())["address"]
        words = [sys.executable, __file__, "--address", address, "--clients", str(clients), "--each", str(each)]
        words += ["--kills", str(kills)]
        asked = subprocess.run(words, capture_output=True, text=True, check=True)
        found: dict[str, float] = {**json.loads(asked.stdout), "server_mb": peak_mb(server.pid)}
        server.terminate()
    return found


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--each", type=int, default=2)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--address")
    given = parser.parse_args()
    if given.address:
        print(json.dumps(asyncio.run(load(given.address, given.clients, given.each, given.kills))))
        return
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "model.py").write_text(MODEL)
        single = measure(Path(folder), given.clients, given.each, 1)
        batched = measure(Path(folder), given.clients, given.each, None)
        killed = measure(Path(folder), given.clients, given.each, None, given.kills)
    for name, figures in (("one by one", single), ("in batches of 16", batched), (f"{given.kills} kills", killed)):
        print(f"{name}:", ", ".join(f"{key} {value:,.0f}" for key, value in figures.items()))
        assert figures["right"] + figures["gone"] == figures["requests"], "answers were lost or mixed up"
    assert single["gone"] == batched["gone"] == 0
    assert killed["gone"] <= 16 * given.kills, "more failed than what the model had when it was killed"
    print(
        f"batches: {batched['per_second'] / single['per_second']:.1f} times the throughput; a call of 16 costs 2 times a single one"
    )


if __name__ == "__main__":
    main()
