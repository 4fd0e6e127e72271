"""Every address of a server wants its token, or a session of the console; and the token is nowhere to be read."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from starwhale.errors import UsageError
from starwhale.instances.place.access import SESSION_S, Access
from starwhale.server.app import make_app
from starwhale.server.door import Lock, Visitor
from starwhale.server.guard import Hosts

if TYPE_CHECKING:
    from fastapi import FastAPI

HERE = "http://127.0.0.1:8082"
SWCLI = str(Path(sys.executable).parent / "swcli")


class Server:
    """An application that serves nothing, behind a door, and the token that opens it."""

    def __init__(self, app: FastAPI, lock: Lock, folder: Path) -> None:
        self.app, self.lock = app, lock
        self.access = lock.access = Access(folder / "access.json")
        self.now = 1_000_000.0
        lock.clock, lock.keepers = lambda: self.now, ()

    def ask(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> httpx.Response:
        async def run() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url=HERE) as client:
                return await client.request(method, path, headers=headers, content=body or None)

        return asyncio.run(run())

    def log_in(self, token: str) -> httpx.Response:
        form = {"content-type": "application/x-www-form-urlencoded", "origin": HERE}
        return self.ask("POST", "/login", form, f"token={token}".encode())


@pytest.fixture(scope="module")
def behind() -> tuple[FastAPI, Lock]:
    """The application, made once; each test has a token of its own."""
    lock = Lock(access=Access(Path("nowhere")))
    return make_app(None, Hosts(port=8082), lock), lock


@pytest.fixture
def server(behind: tuple[FastAPI, Lock], tmp_path: Path) -> Server:
    return Server(*behind, tmp_path)


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def test_every_route_wants_the_token(server: Server) -> None:
    """Each operation of the description, and each page: without a token and with a wrong one."""
    token = server.access.make_token()
    paths: dict[str, dict[str, Any]] = server.app.openapi()["paths"]
    asked = [(verb.upper(), re.sub(r"\{\w+\}", "x", path)) for path, found in paths.items() for verb in found]
    assert len(asked) > 50
    asked += [("GET", each) for each in ("/", "/api/v1/openapi.json", "/assets/x.js", "/api/v1/none", "/jobs/x")]
    wrong = ({}, bearer(token[:-1]), bearer(""), {"authorization": f"Basic {token}"}, {"cookie": "starwhale=x"})

    async def ask_all() -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=server.app), base_url=HERE) as client:
            return [await client.request(*each, headers=headers) for headers in wrong for each in asked]

    for answer in asyncio.run(ask_all()):
        assert (answer.status_code, answer.json()["code"]) == (401, "login"), answer.request
        assert answer.headers["www-authenticate"] == "Bearer"
        assert "swcli instance login" in answer.json()["hint"]


def test_the_token_opens_and_only_a_digest_of_it_is_kept(server: Server, tmp_path: Path) -> None:
    assert server.ask("GET", "/api/v1/openapi.json", bearer("x")).status_code == 401  # there is none yet
    token = server.access.make_token()
    assert server.ask("GET", "/api/v1/openapi.json", bearer(token)).status_code == 200
    file = tmp_path / "access.json"
    assert token not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    newer = Access(file).make_token()  # by another process: seen at once
    assert server.ask("GET", "/api/v1/openapi.json", bearer(token)).status_code == 401
    assert server.ask("GET", "/api/v1/openapi.json", bearer(newer)).status_code == 200
    file.write_text("{}")
    assert server.ask("GET", "/api/v1/openapi.json", bearer(newer)).status_code == 401


def test_a_browser_gives_the_token_once(server: Server) -> None:
    token = server.access.make_token()
    page = server.ask("GET", "/jobs", {"accept": "text/html"})
    assert (page.status_code, "Token of this server" in page.text) == (401, True)
    assert server.log_in("wrong").status_code == 401
    answer = server.log_in(token)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    kept = answer.headers["set-cookie"]
    assert "HttpOnly" in kept
    assert "SameSite=strict" in kept
    assert token not in kept
    cookie = {"cookie": kept.partition(";")[0]}
    assert server.ask("GET", "/api/v1/openapi.json", cookie).status_code == 200
    assert "You are logged in" in server.ask("GET", "/login", cookie).text
    for forged in (cookie["cookie"][:-2] + "xx", "starwhale=99999999999." + cookie["cookie"].rpartition(".")[2]):
        assert server.ask("GET", "/api/v1/openapi.json", {"cookie": forged}).status_code == 401
    out = server.ask("POST", "/logout", {**cookie, "origin": HERE})
    assert (out.status_code, "Max-Age=0" in out.headers["set-cookie"]) == (303, True)
    server.now += SESSION_S
    assert server.ask("GET", "/api/v1/openapi.json", cookie).status_code == 401
    server.now -= SESSION_S
    server.access.make_token()
    assert server.ask("GET", "/api/v1/openapi.json", cookie).status_code == 401


def test_pages_of_other_sites_get_nowhere_with_the_session_of_a_browser(server: Server) -> None:
    cookie = {"cookie": server.log_in(server.access.make_token()).headers["set-cookie"].partition(";")[0]}
    for headers in ({"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}):
        assert server.ask("POST", "/api/v1/jobs/x/pause", {**cookie, **headers}).status_code == 403
        form = {"content-type": "application/x-www-form-urlencoded", **headers}
        assert server.ask("POST", "/login", form, b"token=x").status_code == 403
    assert server.ask("GET", "/api/v1/openapi.json", {**cookie, "host": "evil.example"}).status_code == 421


def test_a_program_with_the_token_may_use_any_name_of_the_server(server: Server) -> None:
    token = server.access.make_token()
    headers = {**bearer(token), "host": "starwhale.cluster.local:8082"}
    assert server.ask("GET", "/api/v1/openapi.json", headers).status_code == 200
    assert server.ask("GET", "/api/v1/openapi.json", {**headers, **bearer("x")}).status_code == 401


def test_another_keeper_says_how_far_its_tokens_reach(server: Server) -> None:
    class Tasks:
        def visitor(self, token: str) -> Visitor | None:
            return Visitor(name="task t1", reach=("/api/v1/openapi",)) if token == "t1" else None

    server.lock.keepers = [Tasks()]
    assert server.ask("GET", "/api/v1/openapi.json", bearer("t1")).status_code == 200
    assert server.ask("GET", "/api/v1/instance", bearer("t1")).status_code == 403
    assert server.ask("GET", "/api/v1/openapi.json", bearer("t2")).status_code == 401


def test_a_token_that_could_be_guessed_is_not_taken(server: Server) -> None:
    for text in ("", "secret", "x" * 31, "x" * 40 + " y", "ü" * 40):
        with pytest.raises(UsageError, match="characters"):
            server.access.take_token(text)
    server.access.take_token("x" * 32)
    cookie = server.access.make_session(0)
    server.access.take_token("x" * 32)  # the same one ends no session
    assert server.access.is_session(cookie, 1)


def test_a_server_is_started_found_and_stopped(instance_root: Mapping[str, str]) -> None:
    """In the background, with real processes: the token is shown once, a second server is refused, Host and token are asked for."""

    def run(*words: str) -> tuple[int, dict[str, Any]]:
        done = subprocess.run([SWCLI, "server", *words, "-o", "json"], env=dict(instance_root), capture_output=True, text=True, check=False)  # fmt: skip
        return done.returncode, json.loads(done.stdout)

    assert run("status") == (1, {"running": False, "address": None, "pid": None, "has_token": False})
    code, said = run("start", "--port", "0", "-d")
    try:
        assert (code, said["token"][:3]) == (0, "sw_")
        assert run("status")[1]["address"] == said["address"]
        assert run("start", "--port", "0", "-d")[1]["error"]["code"] == "conflict"
        assert httpx.get(f"{said['address']}/api/v1/instance").status_code == 401
        answer = httpx.get(f"{said['address']}/api/v1/instance", headers=bearer(said["token"]))
        assert answer.status_code == 200
        newer = run("token")[1]["token"]
        assert httpx.get(f"{said['address']}/api/v1/instance", headers=bearer(said["token"])).status_code == 401
        assert httpx.get(f"{said['address']}/api/v1/instance", headers=bearer(newer)).status_code == 200
    finally:
        code, stopped = run("stop")
    assert (code, stopped["stopped"]) == (0, said["address"])
    assert run("stop")[0] == 1
    for path in Path(instance_root["SW_LOCAL_STORAGE"]).rglob("*.*"):
        assert said["token"].encode() not in path.read_bytes(), path
