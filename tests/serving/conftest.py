"""Models that are served by the real program, asked over loopback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from starwhale.instances.online import OnlineOptions, OnlineRequest

MODEL = '''
import asyncio
import enum
import os
import time
from typing import Annotated, Literal, Optional, TypedDict

from starwhale import Context, Image, PipelineHandler, evaluation
from starwhale.api.service import LLMChat, api


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Row(TypedDict):
    number: int
    weight: Annotated[float, "in kilograms"]


@evaluation.predict
def is_even(row, external):
    """Say whether a number is even."""
    if row["number"] == 13:
        raise ValueError("secret of row 13")
    if row["number"] == -9:
        os.kill(os.getpid(), 9)
    evaluation.log("seen", id=1, metrics={"at": external["index"]})
    return row["number"] % 2 == 0


@evaluation.predict
def pixels(row):
    return [row.image.shape, sum(row.image.to_bytes())]


@evaluation.predict(batch_size=8)
def doubles(rows: list[Row]):
    if any(row["number"] == 13 for row in rows):
        raise ValueError("a bad one among them")
    time.sleep(0.01)
    return [row["number"] * 2 for row in rows]


class Pipeline(PipelineHandler):
    def predict(self, row):
        return [type(self.context).__name__, row.get("name", "nobody")]


@api()
def add(a: int, b: Annotated[int, range(0, 10)] = 2, how: Literal["x", "y"] = "x", colour: Colour = Colour.RED, note: Optional[str] = "of mine"):
    """Add two numbers."""
    print("printed by the model")
    return {"sum": a + b, "how": how, "is_red": colour is Colour.RED, "note": note}


@api(inference_type=LLMChat(top_k=5))
def chat(user_input, history, top_k, temperature: float = 0.5):
    for word in user_input.split():
        yield word + " "
    yield f"{len(history)} turns, {type(history[0]).__name__ if history else None}, {top_k}, {temperature}"


class Counter:
    def __init__(self):
        self.count = 0

    @api()
    async def count_to(self, end: int, pause: float = 0.01):
        for number in range(end):
            yield number
            await asyncio.sleep(pause)

    @api()
    def forever(self):
        while True:
            yield "x"
            time.sleep(0.01)


@api()
def invert(picture: Image) -> Image:
    return Image(255 - picture.to_numpy())


@api()
def wait(seconds: float):
    time.sleep(seconds)
    return os.getpid()


@api()
def odd():
    return {"nan": float("nan"), "bytes": b"12", "other": object, "set": {1}}
'''
EVENTS = {"accept": "text/event-stream"}


@dataclass(slots=True)
class Server:
    """A running program."""

    process: subprocess.Popen[str]
    said: dict[str, Any]
    log: Path
    client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.client = httpx.Client(base_url=self.said["address"], timeout=30)

    @property
    def address(self) -> str:
        return str(self.said["address"])

    def ask(self, name: str, body: object = None, **words: Any) -> httpx.Response:
        headers = words.pop("headers", {})
        return self.client.post(f"/api/{name}", json={} if body is None else body, params=words, headers=headers)

    def events(self, name: str, body: object) -> list[tuple[str, Any]]:
        return read_events(self.ask(name, body, headers=EVENTS).text)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


def read_events(text: str) -> list[tuple[str, Any]]:
    """Return the events of a stream."""
    found = [each.split("\n") for each in text.split("\n\n") if each.startswith("event: ")]
    return [(event.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for event, data in found]


Serve = Callable[..., Server]


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of an instance that lies in a folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SW_", "STARWHALE_", "XDG_"))}
    kept.pop("PYTHONPATH", None)
    return kept | {"SW_CLI_CONFIG": str(folder / "config.yaml"), "SW_LOCAL_STORAGE": str(folder / "storage")}


def start(folder: Path, options: OnlineOptions) -> Server:
    """Start the program, and wait until it answers."""
    log = folder / "log.txt"
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "starwhale.server.online", options.to_json()],
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
            cwd=folder,
            env=environment(folder),
            start_new_session=True,
        )
    assert process.stdout is not None
    said: dict[str, Any] = json.loads(process.stdout.readline() or "{}")
    process.stdout.close()
    if "address" not in said:
        process.wait(30)
        raise AssertionError(f"{said}\n{log.read_text()}")
    return Server(process, said, log)


def end(server: Server) -> None:
    """End a program that a test has left."""
    server.client.close()
    if server.process.poll() is None:
        server.process.kill()
        server.process.wait()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    """One model, served for all tests of a file."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "model.py").write_text(MODEL)
    server = start(folder, OnlineOptions(request=OnlineRequest(targets=("model.py",))))
    yield server
    end(server)


@pytest.fixture
def serve(tmp_path: Path) -> Generator[Serve]:
    """Serves code: `serve(code, concurrency=2)`."""
    servers: list[Server] = []

    def begin(code: str, **given: Any) -> Server:
        (tmp_path / "model.py").write_text(code)
        options = OnlineOptions(
            request=OnlineRequest(targets=("model.py",), concurrency=given.pop("concurrency", None)), **given
        )
        servers.append(start(tmp_path, options))
        return servers[-1]

    yield begin
    for each in servers:
        end(each)
