"""Many requests at a time: batches, bounds, a model that dies, and an end that finishes what has begun."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import httpx
import pytest
from tests.serving.conftest import EVENTS, end, environment, start

from starwhale.errors import StatusError
from starwhale.instances.online import OnlineOptions, OnlineRequest
from starwhale.serving.lanes import Bounds

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.serving.conftest import Serve, Server

CODE = """
import os
import time
from starwhale import evaluation
from starwhale.api.service import api

@evaluation.predict(batch_size=16)
def double(rows):
    if any(row["number"] == -1 for row in rows):
        raise ValueError("one of them")
    time.sleep(0.002)
    while os.path.exists("hold"):
        time.sleep(0.001)
    return [(row["number"] * 2, len(rows)) for row in rows]

@api()
def sleep(seconds: float):
    time.sleep(seconds)
    return os.getpid()

@api()
def die():
    os.kill(os.getpid(), 9)
"""


def ask_many(server: Server, count: int, first: int = 0, name: str = "double") -> list[httpx.Response]:
    """Ask for numbers, all at a time."""

    async def ask() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=count, max_keepalive_connections=0)
        async with httpx.AsyncClient(base_url=server.address, timeout=60, limits=limits) as client:
            asked = (client.post(f"/api/{name}", json={"number": number}) for number in range(first, first + count))
            return await asyncio.gather(*asked)

    return asyncio.run(ask())


def in_background(call: object) -> threading.Thread:
    thread = threading.Thread(target=call)  # type: ignore[arg-type] - a function without arguments
    thread.start()
    return thread


def wait_for(holds: Callable[[], bool]) -> None:
    """Wait until something holds, for a minute at most."""
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, "it does not come to that"
        time.sleep(0.01)


@pytest.mark.needs_kills
def test_a_thousand_requests_at_a_time_get_their_own_answers_in_batches(serve: Serve) -> None:
    answers = ask_many(serve(CODE, bounds=Bounds(max_waiting=2000)), 1000)
    assert [each.status_code for each in answers] == [200] * 1000
    assert [each.json()[0] for each in answers] == [2 * number for number in range(1000)]
    assert max(each.json()[1] for each in answers) == 16
    assert sum(1 / each.json()[1] for each in answers) < 300  # calls


@pytest.mark.needs_time
def test_one_bad_request_of_a_batch_does_not_fail_the_others(serve: Serve) -> None:
    answers = ask_many(serve(CODE, bounds=Bounds(max_wait_ms=500)), 16, first=-1)
    assert [each.status_code for each in answers] == [500, *[200] * 15]
    assert [each.json()[0] for each in answers[1:]] == [2 * number for number in range(15)]


@pytest.mark.soak
def test_more_than_may_wait_are_told_when_to_come_again(serve: Serve) -> None:
    server = serve(CODE, bounds=Bounds(max_waiting=3))
    slow: list[httpx.Response] = []
    threads: list[threading.Thread] = []
    for counted in ("under_way", *["waiting"] * 3):  # one after another: four at once may find the queue full
        threads.append(in_background(lambda: slow.append(server.ask("sleep", {"seconds": 3}))))
        wanted = max(len(threads) - 1, 1)
        wait_for(
            lambda counted=counted, wanted=wanted: server.client.get("/health").json()["models"][0][counted] == wanted
        )
    refused = server.ask("double", {"number": 1})
    assert (refused.status_code, refused.json()["code"]) == (429, "busy")
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    for each in threads:
        each.join()
    assert [each.status_code for each in slow] == [200] * 4
    assert server.ask("double", {"number": 1}).json() == [2, 1]


@pytest.mark.needs_kills
def test_a_model_killed_under_load_is_replaced_and_nothing_else_fails(serve: Serve, tmp_path: Path) -> None:
    server = serve(CODE, bounds=Bounds(max_waiting=2000))
    pid = server.ask("sleep", {"seconds": 0}).json()
    (tmp_path / "hold").touch()  # so that the model is at a batch when it dies
    answers: list[httpx.Response] = []
    asking = in_background(lambda: answers.extend(ask_many(server, 300)))
    while not server.client.get("/health").json()["models"][0]["under_way"]:
        time.sleep(0.001)
    os.kill(pid, signal.SIGKILL)
    (tmp_path / "hold").unlink()
    asking.join()
    lost = [each for each in answers if each.status_code != 200]
    assert len(answers) == 300
    assert 1 <= len(lost) <= 16  # the batch that it had
    assert {(each.status_code, each.json()["code"], each.headers["retry-after"]) for each in lost} == {
        (503, "model_gone", "1")
    }
    assert "was killed by SIGKILL while it had this request" in lost[0].json()["message"]
    assert all(each.json()[0] == 2 * number for number, each in enumerate(answers) if each.status_code == 200)
    assert server.ask("sleep", {"seconds": 0}).json() != pid
    assert server.client.get("/health").json()["models"][0]["restarts"] == 1
    assert server.ask("die", {}).status_code == 503
    assert server.ask("double", {"number": 4}).json() == [8, 1]


@pytest.mark.needs_time
def test_a_stop_finishes_what_has_begun_and_takes_the_model_with_it(serve: Serve) -> None:
    server = serve(CODE)
    answers: list[httpx.Response] = []
    asking = in_background(lambda: answers.append(server.ask("sleep", {"seconds": 1})))
    while not server.client.get("/health").json()["models"][0]["under_way"]:
        time.sleep(0.01)
    assert server.stop() == 0
    asking.join()
    assert answers[0].status_code == 200
    with pytest.raises(ProcessLookupError):
        os.kill(answers[0].json(), 0)


@pytest.mark.soak
def test_what_takes_longer_than_a_stop_may_wait_is_told_so(serve: Serve) -> None:
    server = serve(CODE, drain_s=1.0)
    answers: list[httpx.Response] = []
    asking = [in_background(lambda: answers.append(server.ask("sleep", {"seconds": 60}))) for _ in range(2)]
    wait_for(lambda: server.client.get("/health").json()["models"][0]["waiting"] == 1)
    assert server.stop() == 0
    for each in asking:
        each.join()
    assert [(each.status_code, each.json()["message"]) for each in answers] == [(503, "the server has ended")] * 2
    assert "Traceback" not in server.log.read_text()


@pytest.mark.soak
def test_a_model_ends_with_its_server(serve: Serve) -> None:
    server = serve(CODE)
    pid = server.ask("sleep", {"seconds": 0}).json()
    server.process.kill()
    server.process.wait()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.01)
    pytest.fail("it lives on")


@pytest.mark.soak
def test_a_model_that_does_not_start_again_refuses_until_it_does(serve: Serve, tmp_path: Path) -> None:
    server = serve(CODE)
    (tmp_path / "model.py").write_text("import nothing_that_is_there\n")
    assert server.ask("die").status_code == 503
    refused = server.ask("double", {"number": 1})
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert "does not start again" in refused.json()["message"]
    assert server.client.get("/health").status_code == 503
    (tmp_path / "model.py").write_text(CODE.partition("@api()")[0])
    wait_for(lambda: server.client.get("/health").status_code == 200)
    assert server.ask("double", {"number": 1}).json() == [2, 1]
    assert server.ask("sleep", {"seconds": 0}).status_code == 500  # which its files have no more
    assert "offers 'sleep' no more" in server.log.read_text()


@pytest.mark.needs_time
def test_what_is_tried_becomes_jobs_that_are_compared_and_rows_with_labels(tmp_path: Path) -> None:
    for name, divisor in (("first", 2), ("second", 3)):
        (tmp_path / f"{name}.py").write_text(
            "from starwhale import evaluation\n\n@evaluation.predict\ndef divides(row):\n"
            f"    if row['number'] == 13:\n        raise ValueError('thirteen')\n    return row['number'] % {divisor} == 0\n"
        )
    server = start(tmp_path, OnlineOptions(request=OnlineRequest(targets=("first.py", "second.py")), record=True))
    last = ""
    try:
        for number in range(6):
            for model in ("first", "second"):
                answer = server.ask("divides", {"number": number}, model=model, trial=f"t{number}")
                is_right = answer.json() == (number % 2 == 0)
                said = {"verdict": "good"} if is_right else {"corrected": number % 2 == 0, "note": "counted by hand"}
                told = server.client.post(f"/requests/{answer.headers['x-request-id']}/verdict", json=said)
                assert (told.status_code, told.json()["verdict"]) == (200, "good" if is_right else "bad")
                last = answer.headers["x-request-id"]
        assert server.client.post(f"/requests/{last}/verdict", json={"note": "looked twice"}).status_code == 200
        assert server.ask("divides", {"number": 13}).status_code == 500
        assert server.ask("divides", {}).status_code == 422  # which is no trial
        for body, status in (({"verdict": "fine"}, 422), ({}, 422)):
            key = server.ask("divides", {"number": 1}, headers=EVENTS).headers["x-request-id"]
            assert server.client.post(f"/requests/{key}/verdict", json=body).status_code == status
        assert server.client.post("/requests/none/verdict", json={"verdict": "good"}).status_code == 404
        shown = server.client.get("/models").json()
        jobs = [model["apis"][0]["job"] for model in shown["models"]]
        assert shown["is_recorded"] is True
        assert server.stop() == 0
    finally:
        end(server)
    check_jobs(tmp_path, jobs)


@pytest.mark.needs_time
def test_what_is_tried_while_the_disk_is_full_is_kept_when_there_is_space(tmp_path: Path) -> None:
    """Files that may not grow stand for a full disk."""
    (tmp_path / "even.py").write_text(
        "from starwhale import evaluation\n\n@evaluation.predict\ndef is_even(row):\n    return row['number'] % 2 == 0\n"
    )
    server = start(tmp_path, OnlineOptions(request=OnlineRequest(targets=("even.py",)), record=True))
    process = server.process.pid
    before = resource.prlimit(process, resource.RLIMIT_FSIZE)
    try:
        assert server.ask("is_even", {"number": 1}).json() is False
        wait_for(lambda: kept(tmp_path, server) == 1)
        resource.prlimit(process, resource.RLIMIT_FSIZE, (8192, before[1]))  # its log has room still
        assert [server.ask("is_even", {"number": number}).json() for number in (2, 3)] == [True, False]
        wait_for(lambda: "are tried again" in server.log.read_text())
        assert kept(tmp_path, server) == 1
        resource.prlimit(process, resource.RLIMIT_FSIZE, before)
        wait_for(lambda: kept(tmp_path, server) == 3)
        assert server.stop() == 0
    finally:
        end(server)


def kept(folder: Path, server: Server) -> int:
    """Return how many requests another process sees."""
    from starwhale.instances import open_instance
    from starwhale.settings import read_settings

    (model,) = server.client.get("/models").json()["models"]
    job = model["apis"][0]["job"]
    with open_instance(read_settings(environment(folder))) as instance:
        with suppress(StatusError):  # it has no rows yet
            return len(list(instance.jobs.labelled_rows(job))) if job else 0
        return 0


def check_jobs(folder: Path, jobs: list[str]) -> None:
    """Look at what a server has left behind, as a user does."""

    from starwhale.instances import open_instance
    from starwhale.instances.change_feed import ChangeFeed
    from starwhale.instances.jobs.job_compare import CompareOptions
    from starwhale.instances.jobs.job_table import JobsWanted, JobTable
    from starwhale.settings import read_settings

    with open_instance(read_settings(environment(folder))) as instance:
        table = JobTable(instance, ChangeFeed(instance.catalog.changes()))
        table.warm()
        counts = {each.id: (each.done, each.failed, each.rows) for each in table.find(JobsWanted()).rows}
        assert counts == {jobs[0]: (9, 1, 9), jobs[1]: (6, 0, 6)}
        assert table.one(instance.jobs.get(jobs[0])).done == 9
        assert [instance.jobs.get(each).status.value for each in jobs] == ["success", "success"]
        assert instance.jobs.get("tried-divides-second").id == jobs[1]
        told = instance.jobs.report(instance.jobs.get(jobs[0]))
        assert told.summary == {"requests": 9, "failed": 1, "judged": 6, "good": 1.0}
        assert [(each.metric, each.n, round(each.low, 2), each.high) for each in told.figures] == [
            ("good", 6, 0.61, 1.0)
        ]
        assert [(each.done, each.failed, each.total) for each in told.steps] == [(9, 1, 9)]
        found = instance.jobs.compare(*jobs, options=CompareOptions(metrics=("good",)))
        assert list(found.paired.ids) == [f"t{number}" for number in range(6)]
        assert found.paired.scores["good"].sum(axis=1).tolist() == [6.0, 3.0]
        rows = dict(instance.jobs.labelled_rows(jobs[1]))
        assert rows["t3"] == {"number": 3, "output": True, "verdict": "bad", "note": "counted by hand", "label": False}
        assert rows["t0"] == {"number": 0, "output": True, "verdict": "good", "label": True}
        assert rows["t5"] == {"number": 5, "output": False, "verdict": "good", "note": "looked twice", "label": False}
        (failed,) = [each for _, each in instance.jobs.labelled_rows(jobs[0]) if each["number"] == 13]
        assert "ValueError: thirteen" in failed["error"]
        assert "label" not in failed
        asked = [each for _, each in instance.jobs.labelled_rows(jobs[0]) if each["number"] == 1]
        assert [each["output"] for each in asked] == [False] * 3  # whole, also where it was asked for bit by bit


def test_rows_of_a_dataset_are_given_in_the_shape_in_which_they_are_sent(served: Server) -> None:
    make = (
        "from starwhale import GrayscaleImage, dataset\n"
        "with dataset('digits') as rows:\n"
        "    rows.extend([{'number': n, 'image': GrayscaleImage(bytes([n] * 4), shape=(2, 2, 1))} for n in range(3)])\n"
        "    rows.commit()\n"
    )
    subprocess.run([sys.executable, "-c", make], env=environment(served.log.parent), check=True)
    assert [each["name"] for each in served.client.get("/datasets").json()["datasets"]] == ["digits"]
    found = served.client.get("/rows", params={"dataset": "digits", "offset": 2, "limit": 5}).json()
    (row,) = found["rows"]
    assert (found["row_count"], row["key"], row["row"]["image"]["data"]) == (3, 2, "AgICAg==")
    assert served.ask("is_even", row["row"]).json() is True
    assert served.ask("pixels", row["row"]).json() == [[2, 2, 1], 8]
    for words in ({"dataset": "digit"}, {"dataset": "digits", "offset": 3}):
        assert served.client.get("/rows", params=words).status_code == 404


def test_a_server_that_keeps_nothing_says_so(served: Server) -> None:
    key = served.ask("add", {"a": 1}).headers["x-request-id"]
    refused = served.client.post(f"/requests/{key}/verdict", json={"verdict": "good"})
    assert (refused.status_code, refused.json()["message"]) == (409, "this server keeps nothing")
    assert json.loads(served.client.get("/models").text)["is_recorded"] is False


def test_a_request_that_kills_the_model_gets_503_and_the_next_is_answered(served: Server) -> None:
    lost = served.ask("is_even", {"number": -9})
    assert (lost.status_code, lost.json()["code"], lost.headers["retry-after"]) == (503, "model_gone", "1")
    assert served.ask("is_even", {"number": 2}).json() is True
