"""Who may talk to the server, and what the console's files may be asked for."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from starwhale.server.app import make_app
from starwhale.server.console import add_console
from starwhale.server.guard import BODY_BYTES, Guard, Hosts, hosts_of

HERE = "http://127.0.0.1:8848"
JSON = {"content-type": "application/json"}


def ask(
    app: FastAPI, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b""
) -> httpx.Response:
    """Send one request to an application, without a network."""

    async def run() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=HERE) as client:
            return await client.request(method, path, headers=headers, content=body or None)

    return asyncio.run(run())


def send(method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"") -> httpx.Response:
    """Send one request to the application of a server that serves nothing."""
    return ask(make_app(None, Hosts(port=8848)), method, path, headers, body)


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8848", "127.0.0.1:1", "127.0.0.1.evil.example:8848", "", "a@127.0.0.1:8848", "[::1"],
)
def test_a_name_that_is_not_ours_is_refused(host: str) -> None:
    """A page whose name was pointed at this machine sends that name as Host."""
    answer = send("GET", "/api/v1/openapi.json", {"host": host})
    assert (answer.status_code, answer.json()["code"]) == (421, "host")


@pytest.mark.parametrize("host", ["127.0.0.1:8848", "localhost:8848", "LOCALHOST:8848", "[::1]:8848"])
def test_this_machine_is_answered_under_its_own_names(host: str) -> None:
    assert send("GET", "/api/v1/openapi.json", {"host": host}).status_code == 200


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"sec-fetch-site": "cross-site"},
    ],
)
def test_another_page_cannot_ask(method: str, headers: dict[str, str]) -> None:
    answer = send(method, "/api/v1/projects", {**headers, **JSON})
    assert (answer.status_code, answer.json()["code"]) == (403, "origin")
    assert "access-control-allow-origin" not in answer.headers


def test_a_form_of_another_page_is_no_json() -> None:
    answer = send("POST", "/api/v1/projects", {"content-type": "text/plain"}, b'{"name": "x"}')
    assert (answer.status_code, answer.json()["code"]) == (415, "content_type")


def test_the_console_may_be_opened_from_a_link_elsewhere() -> None:
    assert send("GET", "/jobs/x", {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}).status_code == 200


def test_a_long_body_is_refused_before_it_is_read() -> None:
    answer = send("POST", "/api/v1/projects", JSON, b"x" * (BODY_BYTES + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_a_body_that_does_not_fit_names_the_field() -> None:
    answer = send("POST", "/api/v1/jobs/latest/note", JSON, b'{"txt": 1}')
    assert (answer.status_code, answer.json()["field"]) == (422, "body.text")


def test_every_answer_says_what_a_browser_may_do_with_it() -> None:
    answer = send("GET", "/")
    assert answer.headers["content-security-policy"].startswith("default-src 'self'")
    assert "unsafe-eval" not in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_other_addresses_are_known_by_number_and_by_the_name_given() -> None:
    found = hosts_of("192.168.0.2", ["gpu7"], port=9000)
    names = ("10.0.0.7:9000", "gpu7:9000", "evil.example:9000", "10.0.0.7:9001")
    assert [found.allow(each) for each in names] == [True, True, False, False]
    assert not hosts_of("127.0.0.1").allow("10.0.0.7")


@pytest.fixture
def site(tmp_path: Path) -> FastAPI:
    """A built console beside a file that is none of its."""
    static = tmp_path / "static"
    (static / "assets").mkdir(parents=True)
    (static / "index.html").write_text("<p>console")
    (static / "assets" / "main-1.js").write_text("run()")
    (tmp_path / "other.txt").write_text("other")
    (static / "link.txt").symlink_to(tmp_path / "other.txt")
    return _site(static)


def _site(static: Path) -> FastAPI:
    app = FastAPI()
    add_console(app, "/api/v1", static)
    app.add_middleware(Guard, hosts=Hosts(port=8848))
    return app


def test_a_console_that_is_not_built_says_how_to_build_it(tmp_path: Path) -> None:
    answer = ask(_site(tmp_path), "GET", "/")
    assert answer.status_code == 200
    assert "make ui" in answer.text


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/", 200, "<p>console"),
        ("/jobs/abc", 200, "<p>console"),
        ("/assets/main-1.js", 200, "run()"),
        ("/assets/main-0.js", 404, "no_file"),
        ("/../other.txt", 200, "<p>console"),
        ("/%2e%2e/other.txt", 200, "<p>console"),
        ("/..%2fother.txt", 200, "<p>console"),
        ("/assets/%2e%2e/%2e%2e/other.txt", 404, "no_file"),
        ("/link.txt", 200, "<p>console"),
        ("/%00", 200, "<p>console"),
        ("/api/v1/nothing", 404, "no_route"),
        ("/api", 404, "no_route"),
    ],
)
def test_only_files_of_the_console_are_given_out(site: FastAPI, path: str, status: int, text: str) -> None:
    answer = ask(site, "GET", path)
    assert text in answer.text
    assert answer.status_code == status
    assert answer.text != "other"
