"""The task-side contract over HTTP: its rules, requests that come twice or late, and tokens."""

from __future__ import annotations

import dataclasses
import json
import socket
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.task_server import serving

from starwhale.domain.job import Task, TaskUpdate
from starwhale.domain.status import Status
from starwhale.errors import LeaseLostError, LoginError, ObjectStoreError, ServerError, UsageError, VersionMismatchError
from starwhale.execution.network.desk import TaskDesk, token_digest
from starwhale.settings import VERSION
from starwhale.storage.carriers.carried import CarriedTaskStores
from starwhale.storage.carriers.frames import FRAMES_TYPE, error_to_json, from_bytes, to_pieces
from starwhale.storage.carriers.http import PROTOCOL_HEADER, TASK_PROTOCOL, CarrierPatience, HttpClient, TaskAddress
from starwhale.storage.catalog.driver import this_driver
from starwhale.storage.catalog.task_access import AttemptAccess
from starwhale.storage.part import Form, PartDraft, RangeLease, TableDraft
from starwhale.storage.task_codec import WorkerCodec
from starwhale.storage.task_contract import TaskStores
from starwhale.storage.task_side import JobSide, log_path
from starwhale.testing.task_stores import Carried, Connect, TaskStoresContract, draft, error_of, lease_of, numbers

LEASE_S = 60.0
ASK = {"draft": None, "queue": "", "wanted": 0}
"""What a task asks for that has done nothing yet."""
IMPATIENT = CarrierPatience(answer_s=10, total_s=0.5, first_s=0.01)


def admit(side: JobSide, task: Task, *, lease_s: float = LEASE_S) -> str:
    """Give the right to act for an attempt; returns the token."""
    token = f"token of {task.id}#{task.attempt}"
    access = AttemptAccess(job_id=task.job_id, task_id=task.id, attempt=task.attempt, tasks=task.total, lease_s=lease_s)
    side.stores.catalog.access.grant(access, token_digest(token))
    return token


class Carrying(TaskStoresContract):
    """How the suite reaches stores over HTTP."""

    __test__ = False
    form: Form = "arrow"

    @contextmanager
    def connect(self, side: JobSide) -> Generator[Connect]:
        clients: list[HttpClient] = []
        self.desk = TaskDesk(side.stores)
        with serving(self.desk) as self.server:

            def open_task(task: Task) -> TaskStores:
                address = TaskAddress(
                    server=self.server, token=admit(side, task), task_id=task.id, attempt=task.attempt
                )
                clients.append(HttpClient(address, WorkerCodec(self.form), patience=IMPATIENT))
                return CarriedTaskStores(clients[-1], task.id, task.attempt)

            yield open_task
            for each in clients:
                each.close()


class TestHttpWithArrow(Carrying):
    __test__ = True


@pytest.mark.needs_time
class TestHttpWithoutArrow(TestHttpWithArrow):
    form: Form = "msgpack"


class TestHttpRequests:
    form: Form = "arrow"
    desk: TaskDesk

    @contextmanager
    def carried(self, folder: Path) -> Generator[Carried]:
        carrying = TestHttpWithArrow()
        with carrying.carried(folder) as each:
            self.desk = carrying.desk
            yield each

    def test_a_request_that_comes_again_is_answered_as_before_and_does_nothing(self, tmp_path: Path) -> None:
        with self.carried(tmp_path) as each:
            client = client_of(each.first)
            first = raw(client, "next_range", ASK, number=1)
            assert raw(client, "next_range", ASK, number=1) == first
            lease = RangeLease.from_json(first[0]["value"])
            assert (lease.start, lease_of(each.second).start) == (0, 2), "nothing was leased twice"
            header, blobs = client.codec.encode_draft(draft(lease)).to_message()
            done = {"draft": header, "queue": "", "wanted": 0}
            second = raw(client, "next_range", done, blobs, number=2)
            for desk in (self.desk, TaskDesk(each.side.stores)):  # the second is a server that was started again
                self.desk._open, self.desk._sides = desk._open, desk._sides
                assert raw(client, "next_range", done, blobs, number=2) == second
            assert numbers(each.second) == [0, 10]
            header, blobs = client.codec.encode_draft(draft(RangeLease.from_json(second[0]["value"]))).to_message()
            for _ in range(2):
                assert raw(client, "commit", {"draft": header}, blobs, number=3)[0] == {"value": None}
            assert numbers(each.second) == [0, 10, 40, 50]

    def test_what_is_logged_outside_of_ranges_is_kept_once(self, tmp_path: Path) -> None:
        with self.carried(tmp_path) as each:
            client = client_of(each.first)
            table = TableDraft(name="mine", ids=["a"], columns={"x": [1]})
            header, blobs = client.codec.encode_draft(PartDraft(tables=[table])).to_message()
            for _ in range(2):
                raw(client, "commit", {"draft": header}, blobs, number=1)
            for _ in range(2):
                raw(client, "next_range", {**ASK, "draft": header}, blobs, number=2)
            parts = each.side.stores.catalog.parts.visible(each.tasks[0].job_id)
            assert len(parts) == 2, "one for each request, however often it came"

    def test_a_request_that_comes_after_its_answer_has_arrived_is_refused(self, tmp_path: Path) -> None:
        with self.carried(tmp_path) as each:
            client = client_of(each.first)
            raw(client, "next_range", ASK, number=1)
            raw(client, "next_range", ASK, number=2, answered=2)
            late, _ = raw(client, "next_range", ASK, number=1)
            assert "was answered before" in late["error"]["facts"]["message"]
            assert lease_of(each.second).start == 4

    def test_pieces_of_a_log_come_in_any_order_and_twice(self, tmp_path: Path) -> None:
        with self.carried(tmp_path) as each:
            client = client_of(each.first)
            assert raw(client, "log", {"offset": 4}, [b"two\n"])[0] == {"value": 0}, "what is before it is missing"
            for content in (b"one\n", b"one\ntw"):
                raw(client, "log", {"offset": 0}, [content])
            raw(client, "log", {"offset": 4}, [b"two\n"])
            assert log_path(each.side.stores.layout, each.tasks[0]).read_bytes() == b"one\ntwo\n"

    def test_a_lease_is_renewed_until_it_is_not(self, tmp_path: Path) -> None:
        with self.carried(tmp_path) as each:
            clock = [100.0]
            each.side.stores.catalog.ledger._clock = lambda: clock[0]
            late = lease_of(each.first)
            client = client_of(each.first)
            clock[0] += LEASE_S - 1
            client.call("renew", client.key, {})
            clock[0] += LEASE_S - 1
            assert lease_of(each.second).start == 2, "it was renewed"
            clock[0] += 2
            again = lease_of(each.second)
            assert (again.start, again.epoch) == (0, 2)
            assert type(error_of(lambda: each.first.commit(draft(late)))) is LeaseLostError
            each.second.commit(draft(again))
            assert numbers(each.second) == [0, 10]

    def test_a_token_is_for_one_attempt_while_it_runs(self, tmp_path: Path) -> None:
        with self.carried(tmp_path) as each:
            catalog, (task, other) = each.side.stores.catalog, each.tasks
            catalog.jobs.record_attempt_start(task, "network")
            right, wrong = client_of(each.first), client_of(each.second)
            mixed = dataclasses.replace(right.address, token=wrong.address.token)
            for address in (mixed, dataclasses.replace(mixed, token="x"), dataclasses.replace(mixed, token="")):
                stranger = HttpClient(address, WorkerCodec(self.form), patience=IMPATIENT)
                assert (
                    type(error_of(lambda stranger=stranger: stranger.call("table_names", stranger.key, {})))
                    is LoginError
                )
                stranger.close()
            assert right.address.token not in repr(right.address)
            assert each.first.table_names() == []
            catalog.jobs.record_attempt_end(TaskUpdate(task_id=task.id, attempt=1, status=Status.SUCCESS))
            error = error_of(each.first.table_names)
            assert type(error) is LoginError
            assert "good for no task" in error.message
            assert each.second.table_names() == []
            catalog.access.revoke(other.id, other.attempt)
            assert type(error_of(each.second.table_names)) is LoginError

    def test_an_attempt_is_told_to_stop_with_every_answer(self, tmp_path: Path) -> None:
        with self.carried(tmp_path) as each:
            client, told = client_of(each.first), threading.Event()
            client._on_stop = told.set
            each.first.table_names()
            assert not told.is_set()
            each.side.stores.catalog.access.ask_to_stop(each.tasks[0].id, 1)
            each.first.table_names()
            assert told.is_set()
            assert client.call("renew", client.key, {})[0] == {"stop": True, "alone": False}

    def test_an_attempt_is_told_when_the_driver_of_its_job_lives_no_more(self, tmp_path: Path) -> None:
        with self.carried(tmp_path) as each:
            client, jobs = client_of(each.first), each.side.stores.catalog.jobs
            jobs.claim_driver(each.tasks[0].job_id, this_driver())
            assert client.call("renew", client.key, {})[0] == {"stop": False, "alone": False}
            gone = dataclasses.replace(this_driver(), start_time="1")
            with each.side.stores.catalog.write() as connection:
                connection.exec_driver_sql("update jobs set driver = ?", (json.dumps(dataclasses.asdict(gone)),))
            assert client.call("renew", client.key, {})[0] == {"stop": False, "alone": True}
            each.first.commit(draft(lease_of(each.first)))
            assert numbers(each.second) == [0, 10], "what it is at is taken"

    def test_a_new_driver_ends_the_rights_of_all_attempts(self, tmp_path: Path) -> None:
        with self.carried(tmp_path) as each:
            assert each.first.table_names() == []
            each.side.stores.catalog.access.revoke_all(each.tasks[0].job_id)
            assert [type(error_of(stores.table_names)) for stores in (each.first, each.second)] == [LoginError] * 2

    def test_the_end_of_an_attempt_is_told_once(self, tmp_path: Path) -> None:
        with self.carried(tmp_path) as each:
            client, access = client_of(each.first), each.side.stores.catalog.access
            ends = [
                TaskUpdate(task_id=each.tasks[0].id, attempt=1, status=status)
                for status in (Status.SUCCESS, Status.FAILED)
            ]
            for end in ends:
                client.call("end", client.key, {"update": end.to_json()})
            assert access.ended(each.tasks[0].job_id) == ends[:1]
            foreign = dataclasses.replace(ends[0], task_id=each.tasks[1].id)
            assert type(error_of(lambda: client.call("end", client.key, {"update": foreign.to_json()}))) is UsageError

    def test_who_is_not_heard_of_is_named(self, tmp_path: Path) -> None:
        with self.carried(tmp_path) as each:
            clock = [time.time()]
            access = each.side.stores.catalog.access
            access._clock = lambda: clock[0]
            clock[0] += LEASE_S - 1
            client = client_of(each.first)
            client.call("renew", client.key, {})
            clock[0] += 3
            silent = access.silent(each.tasks[0].job_id)
            assert (each.tasks[0].id, 1) not in silent
            assert silent[each.tasks[1].id, 1] == pytest.approx(LEASE_S + 2, abs=1)

    def test_a_worker_of_another_version_is_refused_and_both_are_named(self, tmp_path: Path) -> None:
        with self.carried(tmp_path) as each:
            for said, named in (("99 9.9.9", "9.9.9 (protocol 99)"), ("old", "an unknown version (protocol old)")):
                found = post(client_of(each.first), "next_range", b"".join(to_pieces(ASK)), protocol=said)
                assert (found.status_code, found.json()["code"]) == (409, VersionMismatchError.code)
                assert named in found.json()["message"]
                assert VERSION in found.json()["message"]

    def test_what_is_no_message_is_refused_and_changes_nothing(self, tmp_path: Path) -> None:
        with self.carried(tmp_path) as each:
            client = client_of(each.first)
            whole = b"".join(to_pieces({**ASK, "number": 1, "answered": 1}))
            for body in (
                whole[:-1],
                whole + b"x",
                b"",
                b"{}",
                to_pieces({"blobs": [5]})[0],
                to_pieces({"blobs": "x"})[0],
            ):
                assert post(client, "next_range", bytes(body)).status_code == 400
            for header in ({}, {"number": "x", "answered": 1}, {**ASK, "number": 1, "answered": 1, "draft": 7}):
                found = post(client, "next_range", b"".join(to_pieces(header)))
                assert (found.status_code, from_bytes(found.content)[0]["error"]["class"]) == (400, "UsageError")
            assert post(client, "no_such_thing", b"".join(to_pieces({}))).status_code == 400
            assert lease_of(each.first).start == 0


def test_a_server_that_does_not_answer_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        server = f"http://127.0.0.1:{taken.getsockname()[1]}"
        said: list[str] = []
        address = TaskAddress(server=server, token="t", task_id="j/0/0", attempt=1)
        client = HttpClient(address, WorkerCodec("msgpack"), patience=IMPATIENT, on_wait=said.append)
        error = error_of(lambda: client.call("table_names", client.key, {}))
    assert type(error) is ServerError
    assert server in error.message
    assert said[0].startswith(f"waiting for the server {server}, which is not to be reached")


def test_a_server_that_was_given_up_is_not_waited_for_anew() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = TaskAddress(
            server=f"http://127.0.0.1:{taken.getsockname()[1]}", token="t", task_id="j/0/0", attempt=1
        )
        client = HttpClient(address, WorkerCodec("msgpack"), patience=CarrierPatience(total_s=3600, first_s=0.01))
        client._away_since = time.monotonic() - 7200  # it is away, and was asked for two hours
        error = error_of(lambda: client.call("end", client.key, {}))
    assert type(error) is ServerError
    assert not client.has_answered


def test_what_the_stores_raise_is_raised_at_once_whatever_its_status() -> None:
    """An object store that refuses is told with 502, which a proxy says too while its server is away."""
    asked: list[str] = []
    said = {"error": error_to_json(ObjectStoreError("s3://bucket refuses: AccessDenied", address="s3://bucket"))}

    class Refusing(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            asked.append(self.path)
            content = b"".join(to_pieces(said)) if len(asked) > 1 else b"<html>bad gateway</html>"
            self.send_response(502)
            self.send_header("content-type", FRAMES_TYPE if len(asked) > 1 else "text/html")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = TaskAddress(server=f"http://127.0.0.1:{server.server_port}", token="t", task_id="j/0/0", attempt=1)
        client = HttpClient(address, WorkerCodec("msgpack"), patience=CarrierPatience(total_s=60, first_s=0.01))
        error = error_of(lambda: client.call("table_names", client.key, {}))
        client.close()
        server.shutdown()
    assert isinstance(error, ObjectStoreError)
    assert "AccessDenied" in str(error)
    assert len(asked) == 2, "the proxy's is asked again, and ours is not"


@pytest.mark.parametrize("server", ["", "host:1", "ftp://host", "http://", "http://[::1"])
def test_what_is_no_address_is_refused(server: str) -> None:
    address = TaskAddress(server=server, token="t", task_id="j/0/0", attempt=1)
    assert type(error_of(lambda: HttpClient(address, WorkerCodec("msgpack")))) is UsageError


def client_of(stores: TaskStores) -> HttpClient:
    """Return what carries the requests of an attempt."""
    assert isinstance(stores, CarriedTaskStores)
    assert isinstance(stores._client, HttpClient)
    return stores._client


def raw(
    client: HttpClient,
    operation: str,
    arguments: Mapping[str, Any],
    blobs: Sequence[bytes | memoryview] = (),
    *,
    number: int = 0,
    answered: int = 1,
) -> tuple[dict[str, Any], list[bytes]]:
    """Send one request as it is, and return the header and the byte strings of its answer."""
    header = {**arguments, **({"number": number, "answered": answered} if number else {})}
    header, found = from_bytes(post(client, operation, b"".join(to_pieces(header, blobs))).content)
    return header, [bytes(each) for each in found]


def post(client: HttpClient, operation: str, body: bytes, *, protocol: str = "") -> httpx.Response:
    """Send a body with the right of an attempt."""
    address = client.address
    headers = {
        "authorization": f"Bearer {address.token}",
        "content-type": FRAMES_TYPE,
        PROTOCOL_HEADER: protocol or f"{TASK_PROTOCOL} {VERSION}",
    }
    url = f"{address.server}/api/v1/tasks/{address.task_id}/{address.attempt}/{operation}"
    return httpx.post(url, content=body, headers=headers, timeout=30)
