"""A root with two runs over rows with pictures, and a real server on loopback that serves it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from starwhale.instances.instance import Instance, open_instance
from starwhale.settings import read_settings

if TYPE_CHECKING:
    from tests.server.lab import Lab

Answer = dict[str, Any]  # Any: JSON
CODE = """
from starwhale import evaluation

WRONG = {wrong}

@evaluation.predict(fail_on_error=False, replicas=1)
def is_even(row):
    print("row", row["number"])
    if row["number"] == 13:
        raise ValueError("<script>alert(1)</script>")
    return (row["number"] % 2 == 0) != (row["number"] % WRONG == 0)

@evaluation.evaluate(needs=[is_even])
def score(results):
    right = 0
    for row in results:
        hit = row["output"] == row["input"]["even"]
        right += hit
        evaluation.log("graded/by row", id=row["id"], metrics={{"correct": float(hit), "size": row["input"]["number"] / 7}})
    evaluation.log_summary(accuracy=right / 60, kind="parity")
"""
MAKE = """
import numpy as np
from starwhale import GrayscaleImage, Image, Text, dataset

with dataset("numbers") as numbers:
    for n in range(60):
        pixels = np.full((4, 6), n, np.uint8)
        numbers.append({
            "number": n, "even": n % 2 == 0, "text": f"row {n}" + " and more" * (n == 7) * 1000, "raw": GrayscaleImage(pixels.tobytes(), shape=(4, 6, 1)),
            "page": Text("<script>alert(1)</script>" * 3), "box": {"at": [n, n + 1], "name": "<b>x</b>"}, "odd": [float("nan"), 2**60] if n == 3 else n,
        })
    numbers.commit()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """A storage root, and the environment that names it."""

    env: Mapping[str, str]
    """For processes."""
    folder: Path
    """Where code lies."""
    jobs: tuple[str, str]
    """Ids of the two runs; the second is the better one."""

    def open(self) -> Instance:
        """Open it in this process; the caller closes it."""
        return open_instance(read_settings(self.env))


def make_root(folder: Path) -> Root:
    """Make a root with a dataset and two runs."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SW_", "STARWHALE_", "XDG_"))}
    env = kept | {
        "HOME": str(folder),
        "SW_CLI_CONFIG": str(folder / "config.yaml"),
        "SW_LOCAL_STORAGE": str(folder / "storage"),
    }
    (folder / "make.py").write_text(MAKE)
    subprocess.run([sys.executable, "make.py"], cwd=folder, env=env, check=True)
    ids: list[str] = []
    for wrong, name in ((5, "worse"), (29, "better")):
        work = folder / name
        work.mkdir()
        (work / "parity.py").write_text(CODE.format(wrong=wrong))
        words = [
            str(Path(sys.executable).parent / "swcli"),
            "-o",
            "json",
            "model",
            "run",
            ".",
            "-d",
            "numbers",
            "--name",
            name,
        ]
        done = subprocess.run(words, cwd=work, env=env, capture_output=True, text=True, check=False)
        assert done.returncode in {0, 1}, done.stdout + done.stderr
        ids.append(json.loads(done.stdout)["manifest"]["version"])
    return Root(env=env, folder=folder, jobs=(ids[0], ids[1]))


@contextmanager
def serving(env: Mapping[str, str], *words: str) -> Generator[tuple[str, subprocess.Popen[str]]]:
    """Run a server until the block ends; gives its address and its process."""
    command = [sys.executable, "-m", "starwhale.server", "--say-json", "--port", "0", *words]
    process = subprocess.Popen(command, env=dict(env), stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["address"], process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(timeout=20)
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Root:
    """One root for all tests that only read."""
    return make_root(tmp_path_factory.mktemp("console"))


@pytest.fixture(scope="session")
def address(root: Root) -> Iterator[str]:
    """Where that root is served."""
    with serving(root.env) as (found, _):
        yield found


@pytest.fixture(scope="session")
def web(address: str) -> Iterator[httpx.Client]:
    """A client of that server."""
    with httpx.Client(base_url=address, timeout=60) as client:
        yield client


@pytest.fixture(scope="session")
def ask(web: httpx.Client) -> Callable[..., Answer]:
    """Ask for what must be there: `ask("jobs", limit=1)`."""

    def get(path: str, **words: Any) -> Answer:
        answer = web.get(f"/api/v1/{path}", params=words)
        assert answer.status_code == 200, answer.text
        found: Answer = answer.json()
        return found

    return get


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A server with a token, and a client that has logged in."""
    from tests.server.lab import open_lab

    with open_lab(tmp_path_factory.mktemp("lab")) as found:
        yield found
