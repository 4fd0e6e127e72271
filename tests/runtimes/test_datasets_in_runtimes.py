"""Datasets whose handler runs in the environment of a runtime."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.runtimes.test_jobs_in_runtimes import build, pythons

from starwhale.datasets.dataset import Dataset
from starwhale.instances import open_instance
from starwhale.media import Image, MIMEType
from starwhale.settings import read_settings

if TYPE_CHECKING:
    from tests.conftest import Swcli

pytestmark = pytest.mark.needs_venv
HANDLER = """
import os, sys, tiny
from starwhale import Binary, Image, MIMEType

def rows():
    print("from the handler")
    place = os.path.join(os.path.dirname(__file__), "large.bin")
    with open(place, "wb") as out:
        out.write(b"large" * (1 << 19))
    yield "large", {"content": Binary(place), "python": "%d.%d" % sys.version_info[:2]}
    os.remove(place)
    yield "small", {"content": Image(b"pixels", mime_type=MIMEType.PNG), "tiny": tiny.VERSION}
    yield "nested", {"pair": [1, {"deep": (2, None)}], "big": 1 << 80, "folder": os.path.basename(os.getcwd())}

def not_a_value():
    yield "a", {"x": 1}
    yield "b", {"y": object()}

def raises():
    yield {"x": 1}
    raise ValueError("my own")

def dies():
    yield {"x": 1}
    os.abort()

def slow():
    import pathlib, time
    yield {"x": 1}
    pathlib.Path("began").touch()
    time.sleep(100)
"""


@pytest.fixture
def work(tmp_path: Path, call: Callable[..., str]) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "made.py").write_text(HANDLER)
    build(tmp_path, call, pythons()[-1])
    return folder


def facts(placed: Swcli, name: str) -> dict[str, Any]:
    return json.loads(placed("-o", "json", "dataset", "info", name).stdout)


def test_the_rows_of_a_handler_come_from_the_runtime(tmp_path: Path, work: Path, placed: Swcli) -> None:
    words = ("dataset", "build", "--handler", "made:rows", "-w", str(work), "-n", "d")
    assert "No module named 'tiny'" in placed(*words).stderr
    done = placed(*words, "--runtime", "r", "-o", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["updated_rows"] == 3
    assert "from the handler" in done.stderr
    with open_instance(read_settings(placed.env)) as instance, instance.datasets.open("d", Dataset, readonly=True) as d:
        rows = {row.index: row.features for row in d}
        assert rows["large"]["content"].to_bytes() == b"large" * (1 << 19)
        assert rows["large"]["python"] == pythons()[-1]
        assert (rows["small"]["content"], rows["small"]["tiny"]) == (Image(b"pixels", mime_type=MIMEType.PNG), "1.0")
        assert rows["nested"] == {"pair": [1, {"deep": (2, None)}], "big": 1 << 80, "folder": tmp_path.name}
    assert placed("dataset", "verify", "d").returncode == 0
    record = facts(placed, "d")["manifest"]["build"]["runtime"]
    assert record["uri"].startswith("local/project/self/runtime/r/version/")


def test_a_dataset_yaml_names_a_runtime(work: Path, placed: Swcli) -> None:
    (work / "dataset.yaml").write_text("name: y\nhandler: made:rows\nruntime_uri: r\n")
    done = placed("dataset", "build", cwd=work)
    assert done.returncode == 0, done.stderr
    assert facts(placed, "y")["rows"] == 3
    done = placed("dataset", "build", "--runtime", "rr", cwd=work)
    assert (done.returncode, "did you mean 'r'?" in done.stderr) == (1, True)


def test_an_active_runtime_is_used(work: Path, placed: Swcli) -> None:
    words = ("dataset", "build", "--handler", "made:rows", "-w", str(work), "-n", "active")
    done = placed("runtime", "run", "r", "--", "swcli", *words)
    assert done.returncode == 0, done.stderr
    assert facts(placed, "active")["rows"] == 3


MISTAKES = (
    ("made:not_a_value", ("Error: column 'y' of row 'b': cannot store a value of type 'object'",)),
    ("made:raises", ("made.py:21 in raises", "my own", "it ran in local/project/self/runtime/r/version/")),
    ("made:dies", ("the process in which handler 'made:dies' ran was killed by SIGABRT",)),
    ("made:nothing", ("'made' has no 'nothing'",)),
    ("missing:rows", ("no module 'missing' in", "there is 'made'")),
    ("made", ("'made' is not a handler",)),
)


def test_what_goes_wrong_there_is_named_and_leaves_nothing(work: Path, placed: Swcli) -> None:
    for handler, says in MISTAKES:
        done = placed("dataset", "build", "-h", handler, "-w", str(work), "-n", "bad", "-r", "r")
        assert done.returncode in {1, 2}, done.stderr
        assert "Traceback" not in done.stderr
        for each in says:
            assert each in done.stderr
    assert placed("dataset", "info", "bad").returncode == 1


def test_an_interrupt_ends_the_process_of_the_handler(tmp_path: Path, work: Path, placed: Swcli) -> None:
    child = placed.start("dataset", "build", "-h", "made:slow", "-w", str(work), "-n", "slow", "-r", "r")
    deadline = time.monotonic() + 60
    while not (tmp_path / "began").exists():
        assert time.monotonic() < deadline
        assert child.poll() is None
        threading.Event().wait(0.02)
    child.send_signal(signal.SIGINT)
    _, stderr = child.communicate(timeout=60)  # which waits for all that hold its standard error stream
    assert (child.returncode, stderr.strip().splitlines()[-1]) == (130, "Error: interrupted")
    assert placed("dataset", "info", "slow").returncode == 1


def test_other_sources_have_no_runtime(tmp_path: Path, placed: Swcli) -> None:
    (tmp_path / "a.csv").write_text("x\n1\n")
    done = placed("dataset", "build", "--csv", "a.csv", "--runtime", "r")
    assert (done.returncode, "--runtime says nothing about the source --csv" in done.stderr) == (2, True)
