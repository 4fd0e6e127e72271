"""A server as it is used: started, told what changes, stopped, killed and started again."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.server.conftest import make_root, serving

from starwhale.instances.instance import open_instance
from starwhale.settings import read_settings

if TYPE_CHECKING:
    from tests.conftest import Swcli
    from tests.server.conftest import Root

SLOW = """
import time
from starwhale import evaluation

@evaluation.predict
def slow(row):
    time.sleep(0.3)
    return row["number"]
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Root:
    """A root that the tests of this file change."""
    return make_root(tmp_path_factory.mktemp("own"))


def post(address: str, path: str, body: Any) -> httpx.Response:
    return httpx.post(f"{address}/api/v1/{path}", json=body, timeout=60)


def events(address: str, headers: dict[str, str] | None = None) -> Iterator[tuple[str, dict[str, str]]]:
    """Give the events of a server as they come."""
    with httpx.stream("GET", f"{address}/api/v1/events", headers=headers, timeout=30) as answer:
        kind = ""
        deadline = time.monotonic() + 60
        for line in answer.iter_lines():
            assert time.monotonic() < deadline
            if line.startswith("event: "):
                kind = line.removeprefix("event: ")
            elif line.startswith("data: "):
                yield kind, json.loads(line.removeprefix("data: "))


@pytest.mark.needs_time
def test_tags_and_notes_are_seen_at_once_and_told(own: Root) -> None:
    with serving(own.env) as (address, _):
        heard = events(address)
        assert next(heard) == ("hello", {})
        path = f"jobs/{own.jobs[0]}"
        tagged = post(address, f"{path}/tags", {"add": ["good", "old"], "remove": []})
        assert tagged.json()["tags"] == ["good", "old"]
        assert post(address, f"{path}/tags", {"add": ["good"], "remove": ["old", "never"]}).json()["tags"] == ["good"]
        assert post(address, f"{path}/note", {"text": "<b>mine</b>"}).json()["note"] == "<b>mine</b>"
        listed = httpx.get(f"{address}/api/v1/jobs", params={"where": 'tags contains "good"', "search": "MINE"}).json()
        assert [each["id"] for each in listed["items"]] == [own.jobs[0]]
        assert next(heard) == ("change", {"kind": "job", "id": own.jobs[0]})
        bad = post(address, f"{path}/tags", {"add": ["no spaces please"], "remove": []})
        assert (bad.status_code, bad.json()["code"]) == (400, "invalid_name")


@pytest.mark.needs_time
def test_a_job_is_removed_and_recovered_however_often_it_is_asked(own: Root) -> None:
    with serving(own.env) as (address, _):
        path = f"jobs/{own.jobs[0]}"
        for _ in range(2):
            assert post(address, f"{path}/remove", {}).json()["is_removed"] is True
        assert [each["id"] for each in httpx.get(f"{address}/api/v1/jobs").json()["items"]] == [own.jobs[1]]
        assert httpx.get(f"{address}/api/v1/{path}").json()["can"] == ["recover"]
        assert httpx.get(f"{address}/api/v1/{path[:13]}").json()["job"]["id"] == own.jobs[0]  # by its beginning too
        for _ in range(2):
            assert post(address, f"{path}/recover", {}).json()["is_removed"] is False


@pytest.mark.needs_time
def test_versions_are_tagged_removed_and_recovered(own: Root) -> None:
    with serving(own.env) as (address, _):
        version = httpx.get(f"{address}/api/v1/projects/self/datasets").json()["items"][0]["version"]
        path = f"projects/self/datasets/numbers/versions/{version}"
        assert "best" in post(address, f"{path}/tags", {"add": ["best"], "remove": ["nothing"]}).json()["tags"]
        for _ in range(2):
            assert post(address, f"{path}/remove", {}).json()["is_removed"] is True
        assert httpx.get(f"{address}/api/v1/{path}").status_code == 404
        for _ in range(2):
            assert post(address, f"{path}/recover", {}).json()["is_removed"] is False


@pytest.mark.needs_time
def test_a_running_job_shows_its_rows_pauses_and_goes_on(own: Root, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    import sys

    words = [
        str(Path(sys.executable).parent / "swcli"),
        "model",
        "run",
        "slow.py",
        "-d",
        "numbers",
        "--name",
        "slow",
        "--limit",
        "12",
    ]
    with serving(own.env) as (address, _):
        heard = events(address)
        assert next(heard)[0] == "hello"
        run = subprocess.Popen(
            words, cwd=tmp_path, env=dict(own.env), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        job = next(change["id"] for kind, change in heard if kind == "change" and change["kind"] == "results")
        assert httpx.get(f"{address}/api/v1/jobs/{job}/rows").json()["total"] > 0
        paused = post(address, f"jobs/{job}/pause", {"wait_s": 20})
        assert (paused.status_code, paused.json()["status"]) == (200, "paused")
        run.wait(timeout=60)
        assert httpx.get(f"{address}/api/v1/jobs/{job}").json()["can"] == ["cancel", "resume", "run_again", "remove"]
        assert post(address, f"jobs/{job}/resume", {}).status_code == 202
        with open_instance(read_settings(own.env)) as instance:
            assert instance.jobs.wait(job, timeout_s=60).status == "success"
        found = httpx.get(f"{address}/api/v1/jobs/{job}").json()
        assert (found["job"]["status"], found["job"]["done"]) == ("success", 12)
        ended = post(address, f"jobs/{job}/cancel", {})
        assert (ended.status_code, "it has ended, as success" in ended.json()["message"]) == (409, True)


@pytest.mark.needs_time
def test_a_server_that_was_killed_starts_again_and_says_that_changes_may_be_missed(own: Root) -> None:
    with serving(own.env) as (address, process):
        process.kill()
        process.wait()
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{address}/api/v1/instance")
    with serving(own.env, "--port", address.rpartition(":")[2]) as (again, _):
        assert again == address
        heard = events(again, {"last-event-id": "3"})
        assert [next(heard)[0], next(heard)] == ["hello", ("change", {"kind": "all", "id": ""})]


@pytest.mark.needs_time
def test_ctrl_c_ends_it_also_while_a_page_listens(own: Root) -> None:
    with serving(own.env) as (address, process):
        heard = events(address)
        next(heard)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0


def test_swcli_ui_says_the_address_and_takes_the_next_port(swcli: Swcli) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = swcli("ui", "--port", str(port))
        assert (refused.returncode, f"port {port} is in use" in refused.stderr) == (1, True)
        assert "leave --port out" in refused.stderr
    started = swcli.start("ui")
    try:
        assert started.stdout is not None
        line = started.stdout.readline()
        address = line.split()[4]
        assert httpx.get(f"{address}/api/v1/instance").json()["current_project"] == "self"
    finally:
        started.send_signal(signal.SIGINT)
        started.communicate(timeout=20)
    assert started.returncode in {0, 130}


@pytest.mark.needs_time
def test_damage_is_named_and_the_rest_is_shown(tmp_path: Path) -> None:
    """One flipped bit in a column of a dataset, seen in its rows and in those of a run over it."""
    root = make_root(tmp_path)
    fragment = next((tmp_path / "storage" / "datasets").rglob("*.parquet"))
    content = bytearray(fragment.read_bytes())
    content[len(content) // 3] ^= 1
    fragment.write_bytes(content)
    with serving(root.env) as (address, _):
        path = f"{address}/api/v1/projects/self/datasets/numbers/versions/latest/rows"
        first = httpx.get(path, params={"limit": 2}, timeout=60).json()["items"][0]
        damaged = [name for name, cell in first.items() if isinstance(cell, dict) and cell.get("code") == "corrupted"]
        assert len(damaged) == 1
        assert len(first) == 8
        rows = httpx.get(f"{address}/api/v1/jobs/{root.jobs[0]}/rows", params={"limit": 2}, timeout=60).json()["items"]
        assert [each["id"] for each in rows] == ["self/numbers_#@#_0", "self/numbers_#@#_1"]
        assert rows[0]["output"] is False
        assert repr(damaged[0]) in rows[0]["input"]["message"]
