"""`swcli model serve`, its call in the SDK, and a script that serves itself."""

from __future__ import annotations

import importlib.util
import json
import signal
import socket
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import httpx
import pytest

from starwhale.api import model as sdk
from starwhale.api.service import Service
from starwhale.errors import HandlerError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Swcli

CODE = """
import os
from starwhale import evaluation
from starwhale.api.service import api

@evaluation.predict
def double(row):
    return row["number"] * 2

@api()
def where(prefix: str = ""):
    return prefix + os.getcwd()
"""


def first_line(process: subprocess.Popen[str]) -> str:
    """Return all that is said as JSON on stdout, to its end."""
    assert process.stdout is not None
    lines: list[str] = []
    while not lines or lines[-1].rstrip() != "}":
        lines.append(process.stdout.readline())
        assert lines[-1], "it ended"
    return "".join(lines)


def ended(process: subprocess.Popen[str], number: int = signal.SIGTERM) -> int:
    process.send_signal(number)
    try:
        return process.wait(30)
    finally:
        process.kill()
        for each in (process.stdout, process.stderr):
            if each is not None:
                each.close()


@pytest.mark.needs_time
def test_packaged_models_are_served_side_by_side(swcli: Swcli, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "evaluation.py").write_text(CODE)
    assert swcli("model", "build", "work", "--name", "twice").returncode == 0
    listed = json.loads(swcli("-o", "json", "model", "info", "twice", "-of", "handlers").stdout)
    assert "serving" in listed["handlers"]
    process = swcli.start("model", "serve", "twice", "work", "-o", "json")
    try:
        said = json.loads(first_line(process))
        address, (packaged, folder) = said["address"], said["models"]
        assert address.startswith("http://127.0.0.1:")
        assert (packaged["id"], folder["id"], packaged["apis"]) == ("twice", "work", ["where", "double"])
        assert packaged["uri"].startswith("local/project/self/model/twice/version/")
        ask = httpx.Client(base_url=address)
        assert ask.post("/api/double", json={"number": 4}).json() == 8
        places = [ask.post("/api/where", params={"model": each}, json={}).json() for each in ("twice", "work")]
        assert places[0].endswith("/snapshot")
        assert places[1] == str(tmp_path / "work")
        ask.close()
    finally:
        assert ended(process) == 0
    assert not list((tmp_path / "storage").rglob("snapshot"))  # the copy of the packaged model has gone


def test_what_keeps_it_from_serving_is_said_before_it_listens(swcli: Swcli, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("from starwhale import evaluation\nimport no_such_package\n")
    found = swcli("model", "serve", "broken.py")
    assert found.returncode == 1
    assert f"{tmp_path}/broken.py:2" in found.stderr
    assert "no_such_package" in found.stderr
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        found = swcli("model", "serve", "broken.py", "--port", str(port), "-o", "json")
    assert (found.returncode, json.loads(found.stdout)["error"]["code"]) == (1, "port")
    assert f"port {port} is in use" in found.stdout


@pytest.mark.soak
def test_other_mistakes_are_told(swcli: Swcli, tmp_path: Path) -> None:
    (tmp_path / "empty.py").write_text("from starwhale import evaluation, handler\n@handler\ndef nothing(): pass\n")
    (tmp_path / "gradio_app.py").write_text("import gradio\n")
    found = swcli("model", "serve", "empty.py")
    assert (found.returncode, "nothing in empty can be served" in found.stderr) == (1, True)
    if importlib.util.find_spec("gradio") is None:
        found = swcli("model", "serve", "gradio_app.py")
        assert (found.returncode, "pip install 'starwhale-evaluation[serve]'" in found.stderr) == (1, True)
    found = swcli("model", "serve", "nothing_like_it")
    assert (found.returncode, "nothing_like_it" in found.stderr) == (1, True)
    found = swcli("model", "serve", "empty.py", "--host", "203.0.113.9")
    assert found.returncode == 1
    assert "Warning: whoever reaches 203.0.113.9 can call these models" in found.stderr
    assert "cannot listen on 203.0.113.9" in found.stderr


@pytest.mark.needs_time
def test_sdk_serves_until_its_block_ends(
    instance_root: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SW_CLI_CONFIG", "SW_LOCAL_STORAGE"):
        monkeypatch.setenv(name, instance_root[name])
    (tmp_path / "evaluation.py").write_text(CODE)
    with sdk.serve(tmp_path / "evaluation.py", handler="double") as served:
        assert [each["apis"] for each in served.models] == [["double"]]
        assert httpx.post(f"{served.address}/api/double", json={"number": 3}).json() == 6
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{served.address}/health")


@pytest.mark.needs_time
def test_a_script_serves_its_own_functions(instance_root: dict[str, str], tmp_path: Path) -> None:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    script = tmp_path / "script.py"
    script.write_text(
        "from starwhale.api.service import Service\n"
        "service, seen = Service(), []\n"
        "@service.api()\n"
        "def count(text: str):\n"
        "    seen.append(text)\n"
        "    return len(seen)\n"
        f"service.serve(port={port}, title='mine')\n"
        "print('after', seen)\n"
    )
    process = subprocess.Popen(
        [sys.executable, str(script)], env=instance_root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        assert process.stderr.readline() == f"the page is at http://127.0.0.1:{port} (Ctrl-C ends it)\n"
        spec = httpx.get(f"http://127.0.0.1:{port}/api/spec").json()
        assert (spec["title"], [each["uri"] for each in spec["apis"]]) == ("mine", ["count"])
        assert [httpx.post(f"http://127.0.0.1:{port}/api/count", json={"text": "a"}).json() for _ in range(2)] == [1, 2]
        process.send_signal(signal.SIGTERM)
        assert process.stdout is not None
        assert process.stdout.read() == "after ['a', 'a']\n"
        assert process.wait(30) == 0
    finally:
        ended(process)


def test_a_service_that_offers_nothing_is_refused() -> None:
    with pytest.raises(HandlerError, match="offers nothing"):
        Service().serve()
