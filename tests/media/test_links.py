"""Links read a part of a file or of what a server holds; whatever goes wrong there is said in one line."""

from __future__ import annotations

import io
import threading
import tracemalloc
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from starwhale.errors import LinkError, NotFoundError, StarwhaleError, UnsupportedValueError
from starwhale.media import Binary, Image, Link, MIMEType, Text, http_range
from starwhale.media.link_source import LinkSource

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DIGITS = b"0123456789"
LARGE = b"".join(number.to_bytes(4, "big") for number in range(4 << 20))
"""16 MiB of which every four bytes say where they are."""


class Site(ThreadingHTTPServer):
    """A server on loopback whose paths say how it behaves."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[tuple[str, str | None]] = []
        self.seen: Counter[str] = Counter()
        self.end = threading.Event()
        self.address = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: some readers leave before the end, as they may."""


class _Handler(BaseHTTPRequestHandler):
    server: Site  # pyright: ignore[reportIncompatibleVariableOverride] - it is made by no other

    def do_GET(self) -> None:
        asked, path = self.headers.get("Range"), self.path.partition("?")[0]
        self.server.requests.append((path, asked))
        self.server.seen[path] += 1
        match path:
            case "/missing" | "/forbidden":
                self.answer({"/missing": 404, "/forbidden": 403}[path], b"no")
            case "/moved":
                self.answer(302, b"", Location="/ranges")
            case "/loop":
                self.answer(302, b"", Location="/loop")
            case "/local":
                self.answer(302, b"", Location="file:///etc/hostname")
            case "/flaky" if self.server.seen[path] < 3:
                self.answer(503, b"busy")
            case "/down":
                self.answer(500, b"")
            case "/silent":
                self.server.end.wait(10)
            case "/broken":
                self.answer(200, DIGITS, **{"Content-Length": "50"})
            case "/wrong":
                self.answer(206, DIGITS, **{"Content-Range": "bytes 0-9/10"})
            case "/whole" | "/large-whole":
                self.answer(200, LARGE if "large" in path else DIGITS)
            case _:
                self.part(LARGE if "large" in path else DIGITS, asked)

    def part(self, content: bytes, asked: str | None) -> None:
        if asked is None:
            self.answer(200, content)
            return
        first, last = asked.removeprefix("bytes=").split("-")
        begin, end = int(first), min(int(last or len(content)), len(content) - 1)
        if begin >= len(content):
            self.answer(416, b"", **{"Content-Range": f"bytes */{len(content)}"})
        else:
            self.answer(
                206, memoryview(content)[begin : end + 1], **{"Content-Range": f"bytes {begin}-{end}/{len(content)}"}
            )

    def answer(self, status: int, content: bytes | memoryview, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(http_range, "FIRST_PAUSE_S", 0.0)
    server = Site()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.end.set()
    server.shutdown()
    thread.join()
    server.server_close()


def refusal(link: Link) -> StarwhaleError:
    with pytest.raises((NotFoundError, LinkError)) as caught:
        link.to_bytes()
    assert "\n" not in str(caught.value)
    assert link.uri in str(caught.value)
    return caught.value


# ---------------------------------------------------------------------------------------------------------------- files


def test_links_read_a_part_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a b.bin"
    path.write_bytes(DIGITS)
    assert Link(path, 2, 3).to_bytes() == b"234"
    assert Link(path.as_uri(), 8).to_bytes() == b"89"
    assert Image(link=Link(path, 2, 3)).to_bytes() == b"234"
    assert LinkSource(str(path), 2, 5).read(3, 10) == b"56"
    assert LinkSource(str(path), 2, 5).read(5) == b""
    assert (LinkSource(str(path), 2).size, LinkSource(str(path), 2, 5).size, LinkSource(str(path), 20).size) == (
        8,
        5,
        0,
    )
    with pytest.raises(NotFoundError, match="ends before"):
        Link(path, 8, 5).to_bytes()
    with pytest.raises(NotFoundError, match="missing"):
        Link(tmp_path / "missing").to_bytes()
    with pytest.raises(UnsupportedValueError, match="negative"):
        Link("a", -1)


def test_a_colon_makes_no_address_of_a_file_name(tmp_path: Path) -> None:
    path = tmp_path / "img:1 #2?.bin"
    path.write_bytes(DIGITS)
    assert Link(path).scheme == ""
    assert Link(path).to_bytes() == DIGITS


def test_relative_links_can_be_made_absolute(tmp_path: Path) -> None:
    assert Link("a/b.png", 1).resolved(tmp_path) == Link(f"{tmp_path}/a/b.png", 1)
    assert Link("http://h/a").resolved(tmp_path) == Link("http://h/a")
    assert Link("http://h/a", owner="me").extra_info == {"owner": "me"}


def test_a_scheme_that_nothing_reads_is_named_with_those_that_are_read() -> None:
    error = refusal(Link("gopher://host/a"))
    assert "'gopher'" in str(error)
    assert "http(s)" in error.hint


# ----------------------------------------------------------------------------------------------------------------- http


@pytest.mark.parametrize("path", ["ranges", "whole", "moved"])
def test_links_read_over_http_with_and_without_ranges(site: Site, path: str) -> None:
    uri = f"{site.address}/{path}"
    assert Link(uri, 2, 3).to_bytes() == b"234"
    assert Link(uri, 8).to_bytes() == b"89"
    assert Link(uri).to_bytes() == DIGITS
    assert Link(uri, 20).to_bytes() == b""
    assert Text(link=Link(uri, 0, 2)).content == "01"
    assert Binary(link=Link(uri)).to_bytes() == DIGITS
    assert (f"/{path}", "bytes=2-4") in site.requests
    assert (f"/{path}", None) in site.requests
    with pytest.raises(
        NotFoundError, match="ends before the link does: 5 bytes were expected from byte 8, 2 are there"
    ):
        Link(uri, 8, 5).to_bytes()


def test_a_link_with_a_size_fetches_that_and_no_more(site: Site) -> None:
    assert Link(f"{site.address}/large", 4 << 10, 8).to_bytes() == LARGE[4 << 10 : (4 << 10) + 8]
    assert Link(f"{site.address}/large-whole", 4 << 10, 8).to_bytes() == LARGE[4 << 10 : (4 << 10) + 8]
    assert site.requests == [(f"/{name}", "bytes=4096-4103") for name in ("large", "large-whole")]


@pytest.mark.parametrize("path", ["large", "large-whole"])
def test_a_large_link_is_read_in_pieces(site: Site, path: str) -> None:
    value = Binary(link=Link(f"{site.address}/{path}", 4, -1))
    tracemalloc.start()
    try:
        with value.open() as file:
            assert file.seek(0, io.SEEK_END) == len(LARGE) - 4
            file.seek(12 << 20)
            assert file.read(8) == LARGE[(12 << 20) + 4 : (12 << 20) + 12]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 14 << 20
    assert sum(map(len, value.chunks(1 << 20))) == len(LARGE) - 4


def test_a_busy_server_is_asked_again_and_a_broken_one_is_named(site: Site) -> None:
    assert Link(f"{site.address}/flaky").to_bytes() == DIGITS
    assert site.seen["/flaky"] == 3
    assert "500 Internal Server Error (tried 3 times)" in str(refusal(Link(f"{site.address}/down")))
    assert "broke off" in str(refusal(Link(f"{site.address}/broken")))
    assert "came" in str(refusal(Link(f"{site.address}/wrong", 3, 2)))


def test_what_is_missing_forbidden_or_leads_round_in_circles_is_named_at_once(site: Site) -> None:
    missing = refusal(Link(f"{site.address}/missing"))
    assert isinstance(missing, NotFoundError)
    assert "404 Not Found" in str(missing)
    assert "login" in refusal(Link(f"{site.address}/forbidden")).hint
    assert site.seen["/missing"] == site.seen["/forbidden"] == 1
    assert "infinite loop" in str(refusal(Link(f"{site.address}/loop")))
    assert "file" in str(refusal(Link(f"{site.address}/local")))  # a server cannot make us read our own files


def test_a_silent_server_is_left_after_a_while(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_range, "TIMEOUT_S", 0.05)
    assert "no answer within 0.05 s (tried 3 times)" in str(refusal(Link(f"{site.address}/silent")))
    with pytest.raises(LinkError, match="no answer within"):
        Binary(link=Link(f"{site.address}/silent")).open()


def test_a_server_that_is_not_there_and_an_address_that_is_none_are_named(site: Site) -> None:
    site.server_close()
    assert "Connection refused" in str(refusal(Link("http://127.0.0.1:1/a")))
    for uri in ("http://", "http://[", "https://a b/c", "http://127.0.0.1:port/a"):
        refusal(Link(uri))


def test_the_kind_of_a_linked_picture_comes_from_the_address() -> None:
    assert Image(link=Link("https://host/a.webp?size=3")).mime_type is MIMEType.WEBP
