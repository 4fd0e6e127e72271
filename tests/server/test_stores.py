"""The stores of a server: contents by digest, the catalog by its contract, and what becomes of requests that are cut off or come twice."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from blake3 import blake3

from starwhale.domain.uri import Uri
from starwhale.errors import (
    AlreadyExistsError,
    ConflictError,
    CorruptedError,
    LoginError,
    NotBuiltYetError,
    NotFoundError,
    ServerError,
)
from starwhale.instances.served_stores import Replays
from starwhale.storage.blobs.local import LocalBlobStore
from starwhale.storage.blobs.memory import MemoryBlobStore
from starwhale.storage.catalog.catalog import open_catalog
from starwhale.storage.catalog.contract import operations
from starwhale.storage.catalog.records import VersionDraft
from starwhale.storage.protocols import BlobStore
from starwhale.storage.remote.connection import ServerAccess, ServerConnection, ServerPatience
from starwhale.storage.remote.remote_blobs import RemoteBlobStore
from starwhale.storage.remote.remote_catalog import RemoteCatalog
from starwhale.storage.remote.upload import BytesContent, upload
from starwhale.testing.blob_stores import BlobStoreContract

if TYPE_CHECKING:
    from tests.server.lab import Lab

BYTES = {"content-type": "application/octet-stream"}


def digest_of(content: bytes) -> str:
    return blake3(content).hexdigest()


# ------------------------------------------------------------------------------------------------------------ contents


class TestMemoryBlobs(BlobStoreContract):
    @contextmanager
    def opened(self, folder: Path) -> Generator[BlobStore]:
        yield MemoryBlobStore()


class TestLocalBlobs(BlobStoreContract):
    @contextmanager
    def opened(self, folder: Path) -> Generator[BlobStore]:
        yield LocalBlobStore(folder / "blobs")


class TestRemoteBlobs(BlobStoreContract):
    @pytest.fixture(autouse=True)
    def _server(self, lab: Lab) -> None:
        self.lab = lab

    @contextmanager
    def opened(self, folder: Path) -> Generator[BlobStore]:
        connection = self.lab.connection()
        yield RemoteBlobStore(connection)
        connection.close()


def test_a_content_with_another_digest_is_not_kept(lab: Lab) -> None:
    wrong = digest_of(b"something else")
    with lab.web() as web:
        answer = web.put(f"/blobs/{wrong}", content=b"content", headers=BYTES)
        assert (answer.status_code, answer.json()["code"]) == (422, "content")
        assert web.get(f"/blobs/{wrong}/size").json() == {"size": None}
        web.patch(f"/uploads/{wrong}", content=b"content", headers=BYTES, params={"offset": 0, "total": 7})
        answer = web.post(f"/blobs/{wrong}/finish")
        assert (answer.status_code, answer.json()["code"]) == (422, "content")
        assert web.get(f"/uploads/{wrong}").json() == {"size": 0}
        assert web.get(f"/blobs/{wrong}").status_code == 404


def test_an_upload_goes_on_where_it_stopped_and_takes_nothing_twice(lab: Lab) -> None:
    content = os.urandom(100_000)
    digest = digest_of(content)
    with lab.web() as web:

        def send(offset: int, stop: int) -> Any:
            return web.patch(
                f"/uploads/{digest}",
                content=content[offset:stop],
                headers=BYTES,
                params={"offset": offset, "total": len(content)},
            )

        assert send(0, 40_000).json() == {"size": 40_000}
        again = send(0, 40_000)  # the same request once more, as after an answer that was lost
        assert (again.status_code, again.json()["code"]) == (409, "conflict")
        assert send(60_000, 100_000).status_code == 409  # a gap
        assert web.get(f"/uploads/{digest}").json() == {"size": 40_000}
        assert send(40_000, 100_000).json() == {"size": 100_000}
        for _ in range(2):
            assert web.post(f"/blobs/{digest}/finish").json() == {"size": 100_000}
        assert web.get(f"/blobs/{digest}").content == content
        assert web.get(f"/blobs/{digest}", headers={"range": "bytes=99990-"}).content == content[99990:]
        assert not (lab.root / "tmp" / f"upload-{digest}").exists()


def send_cut(lab: Lab, head: str, body: bytes, said: int) -> None:
    """Send the beginning of a request, and hang up."""
    place = urlsplit(lab.address)
    with socket.create_connection((place.hostname or "", place.port or 80)) as sock:
        text = f"{head} HTTP/1.1\r\nHost: {place.netloc}\r\nAuthorization: Bearer {lab.token}\r\nContent-Type: application/octet-stream\r\nContent-Length: {said}\r\n\r\n"
        sock.sendall(text.encode() + body)
        sock.shutdown(socket.SHUT_WR)
        sock.settimeout(5)
        try:
            while sock.recv(4096):
                pass
        except OSError:
            pass


def test_a_body_that_is_cut_off_changes_nothing(lab: Lab) -> None:
    content = os.urandom(50_000)
    digest = digest_of(content)
    send_cut(lab, f"PUT /api/v1/stores/blobs/{digest}", content[:20_000], len(content))
    with lab.web() as web:
        assert web.get(f"/blobs/{digest}/size").json() == {"size": None}
        assert web.get(f"/uploads/{digest}").json() == {"size": 0}
    target = f"/api/v1/stores/uploads/{digest}?offset=0&total={len(content)}"
    send_cut(lab, f"PATCH {target}", content[:20_000], len(content))
    connection = lab.connection()
    blobs = RemoteBlobStore(connection)
    assert not blobs.has(digest)
    there = connection.ask("GET", f"/stores/uploads/{digest}")["size"]
    assert 0 <= there <= 20_000  # a beginning, and nothing else
    told: list[int] = []
    upload(connection, BytesContent(content), digest, len(content), told.append)
    assert told[0] == there
    connection.ask("POST", f"/stores/blobs/{digest}/finish")
    assert blobs.get(digest) == content
    connection.close()


def test_a_content_that_was_damaged_on_the_server_is_sent_again(lab: Lab) -> None:
    connection = lab.connection()
    blobs = RemoteBlobStore(connection)
    digest = blobs.put(b"precious" * 1000)
    path = lab.root / "blobs" / digest[:2] / digest
    path.chmod(0o644)
    path.write_bytes(b"previous" * 1000)
    with pytest.raises(CorruptedError, match=digest[:12]):
        blobs.get(digest)
    assert blobs.lacking([digest]) == [digest]
    assert blobs.put(b"precious" * 1000) == digest
    assert blobs.get(digest) == b"precious" * 1000
    connection.close()


def test_more_than_fits_is_refused(lab: Lab) -> None:
    digest = "0" * 64
    with lab.web() as web:
        assert web.put(f"/blobs/{digest}", content=bytes(9 << 20), headers=BYTES).status_code == 400
        assert web.post("/blobs/lacking", json={"digests": [digest] * 1001}).status_code == 400
        answer = web.patch(f"/uploads/{digest}", content=bytes(10), headers=BYTES, params={"offset": 0, "total": 5})
        assert answer.status_code == 400
        assert web.get(f"/uploads/{digest}").json() == {"size": 0}
        assert web.put(f"/blobs/{digest}", content=b"x", headers={"content-type": "text/plain"}).status_code == 415
        for path in (
            "/datasets/x/files/fragments/..",
            "/datasets/x/files/other/y",
            "/datasets/x/files/fragments/.in-use",
        ):
            assert web.get(path).status_code in {404, 422}
        for name in ("../../catalog.db", "fragments/../../../catalog.db", "/etc/passwd", "fragments/.x"):
            answer = web.post("/datasets/x/lacking", json={"files": [{"name": name}]})
            assert (answer.status_code, answer.json()["code"]) == (400, "usage")
            assert web.post("/datasets/x/verify", json={"manifest_digest": name}).status_code == 400
            assert web.post("/datasets/x/share", json={"manifest_digest": "1" * 64, "target": name}).status_code in {
                400,
                404,
            }


# ------------------------------------------------------------------------------------------------------------- catalog


def walk(catalog: Any, project: str, content: str) -> list[Any]:
    """Do one of everything, and return what came of it without what differs from catalog to catalog."""
    made = catalog.projects.create(project)
    bundle = catalog.bundles.ensure(project, "model", "Net")
    first = catalog.versions.add(bundle, VersionDraft(content_digest=content, manifest={"a": [1, None]}, tags=("t",)))
    second = catalog.versions.add(
        bundle, VersionDraft(content_digest=content, message="two"), expected_latest=first.version
    )
    catalog.tags.add(first, "u")
    catalog.tags.remove(first, "t")
    seen = [
        made.name,
        catalog.projects.get(project.upper()).name,
        catalog.projects.ensure(project).id == made.id,
        [each.name for each in catalog.projects.list() if each.name == project],
        catalog.bundles.find(project, "model", "net") == bundle,
        catalog.bundles.find(project, "model", "none"),
        catalog.bundles.get(project, "model", "NET") == bundle,
        [each.name for each in catalog.bundles.list(project, "model")],
        [each.version == second.version for each in catalog.versions.history(bundle.id)],
        catalog.versions.get(first.version).tags,
        catalog.versions.newest(bundle.id).message,
        [each.name for each in catalog.versions.list_newest(project, "model")],
        catalog.versions.resolve("model", Uri(project=project, kind="model", name="net", version="v0")).manifest,
        catalog.versions.resolve("model", "net", default_project=project).version == second.version,
        catalog.versions.remove(second.version).is_removed,
        [each.is_removed for each in catalog.versions.history(bundle.id, with_removed=True)],
        catalog.versions.recover(second.version).tags,
        sorted(catalog.tags.list(bundle.id)),
        catalog.projects.refuse_removed(project),
        catalog.projects.remove(project).name,
        catalog.projects.recover(project).name,
        catalog.find_newest(project, "model", "net").version.version == second.version,
    ]
    for wrong, kind in (
        (lambda: catalog.projects.create(project), AlreadyExistsError),
        (lambda: catalog.bundles.create(project, "model", "NET"), AlreadyExistsError),
        (lambda: catalog.bundles.get(project, "model", "nett"), NotFoundError),
        (lambda: catalog.versions.get("x" * 40), NotFoundError),
        (lambda: catalog.versions.add(bundle, VersionDraft(content_digest=content), expected_latest=""), ConflictError),
        (lambda: catalog.projects.recover("none"), NotFoundError),
    ):
        with pytest.raises(kind) as said:
            wrong()
        seen.append((type(said.value).__name__, str(said.value).replace(second.version[:12], "…")))
    return seen


def test_the_catalog_of_a_server_is_the_same_catalog(lab: Lab, tmp_path: Path) -> None:
    connection = lab.connection()
    content = RemoteBlobStore(connection).put(b'{"entries":[],"format":1}')
    local = open_catalog(tmp_path / "catalog.db", tmp_path / "lock")
    there, here = walk(RemoteCatalog(connection, "lab"), "same", content), walk(local, "same", content)
    assert [each for each in there if each != "recovered"] == [each for each in here if each != "recovered"]
    local.close()
    connection.close()


def test_every_operation_of_the_contract_was_tried(lab: Lab) -> None:
    """What `walk` and the tests of jobs do not do is a method that nobody has seen cross."""
    tried = (Path(__file__), Path(__file__).with_name("test_jobs_from_elsewhere.py"))
    text = "".join(each.read_text(encoding="utf-8") for each in tried)
    assert [key for key in operations() if f"catalog.{key[0]}.{key[1]}(" not in text] == []


def test_versions_of_a_server_say_where_they_are(lab: Lab) -> None:
    connection = lab.connection()
    catalog = RemoteCatalog(connection, "lab")
    content = RemoteBlobStore(connection).put(b'{"entries":[],"format":1}')
    bundle = catalog.bundles.ensure("self", "model", "there")
    made = catalog.versions.add(bundle, VersionDraft(content_digest=content))
    assert made.uri.full == f"lab/project/self/model/there/version/{made.version}"
    with pytest.raises(NotBuiltYetError, match="lab"):
        _ = catalog.wishes
    connection.close()


def test_long_lists_come_page_by_page(lab: Lab) -> None:
    connection = lab.connection()
    catalog = RemoteCatalog(connection, "lab")
    content = RemoteBlobStore(connection).put(b'{"entries":[],"format":1}')
    bundle = catalog.bundles.ensure("self", "model", "long")
    made = [catalog.versions.add(bundle, VersionDraft(content_digest=content)).version for _ in range(7)]
    slow = RemoteCatalog(connection, "lab", page=2)
    assert [each.version for each in slow.versions.history(bundle.id)] == made[::-1]
    connection.close()


def test_a_version_whose_content_is_not_there_is_refused(lab: Lab) -> None:
    connection = lab.connection()
    catalog = RemoteCatalog(connection, "lab")
    for kind in ("model", "dataset"):
        bundle = catalog.bundles.ensure("self", kind, "hollow")
        with pytest.raises((CorruptedError, NotFoundError)):
            catalog.versions.add(bundle, VersionDraft(content_digest="1" * 64))
        assert catalog.versions.history(bundle.id) == []
    connection.close()


def test_a_change_that_comes_twice_is_done_once(lab: Lab) -> None:
    connection = lab.connection()
    key = connection.new_key()
    answers = [connection.ask("POST", "/stores/catalog/projects/create", {"name": "once"}, key=key) for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]
    with pytest.raises(AlreadyExistsError):
        connection.ask("POST", "/stores/catalog/projects/create", {"name": "once"}, key=connection.new_key())
    with pytest.raises(ConflictError, match="Idempotency-Key"):
        connection.ask("POST", "/stores/catalog/projects/create", {"name": "other"}, key=key)
    connection.close()


def test_requests_of_one_name_at_once_are_done_once() -> None:
    replays, made, started = Replays(most=2), [0], threading.Event()

    def make() -> int:
        started.wait(10)
        made[0] += 1
        return made[0]

    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(replays.answer("k", make))) for _ in range(5)]
    for each in threads:
        each.start()
    started.set()
    for each in threads:
        each.join()
    assert found == [1] * 5
    with pytest.raises(ZeroDivisionError):
        replays.answer("wrong", lambda: 1 // 0)
    assert [replays.answer(key, make) for key in ("wrong", "k", "m", "n", "k")] == [2, 1, 3, 4, 5]


# ---------------------------------------------------------------------------------------------------------- connection


def test_what_is_wrong_with_a_server_is_said(lab: Lab) -> None:
    def ask(address: str) -> Any:
        patience = ServerPatience(attempts=2, connect_timeout_s=1, read_timeout_s=0.2)
        connection = ServerConnection(ServerAccess(address=address, token="x", patience=patience))
        try:
            return connection.ask("GET", "/instance")
        finally:
            connection.close()

    with pytest.raises(LoginError, match="swcli instance login") as refused:
        ask(lab.address)
    assert lab.address in str(refused.value)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        began = time.monotonic()
        with pytest.raises(ServerError, match=r"did not answer: no answer within 0\.2 s \(tried 2 times\)") as error:
            ask(address)
        assert address in str(error.value)
        assert time.monotonic() - began < 60
    with pytest.raises(ServerError, match="Connection refused"):
        ask(address)
    assert "secret" not in repr(ServerAccess(address=address, token="secret"))


def test_what_answers_as_no_server_of_ours_is_named(tmp_path: Path) -> None:
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as stranger:
        threading.Thread(target=stranger.serve_forever, daemon=True).start()
        access = ServerAccess(address=f"http://127.0.0.1:{stranger.server_port}", token="x")
        connection = ServerConnection(access)
        with pytest.raises(ServerError, match="no server of this program"):
            connection.ask("GET", "/instance")
        connection.close()
        stranger.shutdown()
