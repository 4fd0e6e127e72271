"""Jobs that are submitted to a server: from another root, by its commands, and through its death."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import swcli_command
from tests.execution.ledger_job import LedgerJob, assert_each_row_once, make_job

from starwhale.domain.job import RunRequest
from starwhale.domain.status import Status
from starwhale.errors import AlreadyExistsError, NotFoundError, StarwhaleError, StatusError, UsageError
from starwhale.execution.supervise import QueueLimits
from starwhale.server.supervisor import Supervisor
from starwhale.wire.jobs import JobSubmission

if TYPE_CHECKING:
    from starwhale.storage.catalog.job_records import JobRecord

ROWS = 60


def built(folder: Path, *, delay_s: float = 0.0) -> LedgerJob:
    """A root with a dataset and a packaged model."""
    job = make_job(folder, rows=ROWS, delay_s=delay_s)
    with job.instance() as opened:
        opened.models.build(job.folder, modules=["thirds"], name="thirds")
    return job


REQUEST = RunRequest(workdir="", modules=(), model_uri="thirds", datasets=("numbers",), project="self")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> LedgerJob:
    return built(tmp_path_factory.mktemp("queue"))


def test_a_submitted_job_waits_and_is_known_at_once(root: LedgerJob) -> None:
    with root.instance() as opened:
        found = opened.jobs.submit(REQUEST)
        assert (found.status, found.driver, found.handler) == (Status.QUEUED, None, "thirds:evaluate")
        assert [each.step.name for each in opened.catalog.jobs.steps(found.id)] == ["thirds:predict", "thirds:evaluate"]
        assert found.id in {each.id for each in opened.jobs.submitted()}
        assert opened.jobs.most_tasks(found) == 2
        assert opened.jobs.pause(found.id, timeout_s=5).status is Status.PAUSED
        assert opened.jobs.cancel(found.id, timeout_s=5).status is Status.CANCELED
        assert found.id not in {each.id for each in opened.jobs.submitted()}
        with pytest.raises(StatusError):
            opened.catalog.jobs.set_status(found.id, Status.PAUSED)


def test_jobs_wait_in_the_order_in_which_they_came_whatever_ended_since(root: LedgerJob) -> None:
    with root.instance() as opened:
        first, ended, last = (opened.jobs.submit(REQUEST).id for _ in range(3))
        opened.jobs.cancel(ended, timeout_s=5)
        assert [each.id for each in opened.jobs.submitted()] == [first, last]
        assert [each.id for each in opened.catalog.jobs.unfinished(limit=1)] == [first]
        for each in (first, last):
            opened.jobs.cancel(each, timeout_s=5)
        assert opened.jobs.submitted() == []


def test_a_submission_that_is_sent_again_is_the_same_job(root: LedgerJob) -> None:
    with root.instance() as opened:
        request = replace(REQUEST, job_id="s" * 40)
        assert opened.jobs.submit(request).id == opened.jobs.submit(request).id
        with pytest.raises(AlreadyExistsError):
            opened.jobs.submit(replace(request, datasets=()))
        opened.jobs.cancel(request.job_id, timeout_s=5)


@pytest.mark.parametrize(
    ("change", "kind", "said"),
    [
        ({"model_uri": ""}, UsageError, "packaged models"),
        ({"model_uri": "thrids"}, NotFoundError, "no model 'thrids'"),
        ({"datasets": ("nmubers",)}, NotFoundError, "no dataset 'nmubers'"),
        ({"datasets": ()}, UsageError, "dataset"),
        ({"project": "none"}, NotFoundError, "none"),
        ({"executor": "moon"}, UsageError, "no executor 'moon'"),
        ({"handler": "nothing"}, StarwhaleError, "nothing"),
        ({"replicas": 0}, UsageError, "replicas is 0"),
        ({"is_debug": True}, UsageError, "terminal"),
        ({"step": "thirds:predict"}, UsageError, "single steps"),
        ({"image": "mine:3"}, UsageError, "is for containers"),
        ({"runtime_uri": "gone"}, NotFoundError, "no runtime 'gone'"),
        ({"job_id": "../x"}, StarwhaleError, "../x"),
    ],
)
def test_what_cannot_be_run_is_refused_at_once(
    root: LedgerJob, change: dict[str, Any], kind: type[StarwhaleError], said: str
) -> None:
    with root.instance() as opened:
        before = len(opened.jobs.list(limit=100))
        with pytest.raises(kind) as raised:
            opened.jobs.submit(replace(REQUEST, **change))
        assert said in str(raised.value)
        assert len(opened.jobs.list(limit=100)) == before


STAYS_HERE = {
    "workdir": "a model is built of it first",
    "modules": "they are known of the model",
    "model_name": "the same",
    "envs": "the same",
    "model_version": "the server pins it",
    "model_digest": "the same",
    "runtime_version": "the same",
    "runtime_digest": "the same",
    "is_debug": "refused: it needs a terminal",
    "row": "of a debug run",
    "step": "refused: a server runs whole jobs",
    "task_index": "the same",
    "task_count": "of one task",
    "keeps_snapshot": "nobody looks at files there",
    "reproduces": "of job reproduce, which runs here",
    "sample": "the same",
    "sample_seed": "the same",
    "loose_options": "among the arguments then",
}
"""What a request may say that a submission does not, and why."""


def test_what_is_asked_for_reaches_a_server() -> None:
    asked = replace(
        REQUEST, runtime_uri="r", handler="h", arguments=("--x", "1"), executor="process", image="i", replicas=2, fits_replicas=True,
        concurrency=3, dataset_head=4, limit=5, max_errors="1%", time_limit_s=6, seed=7, project="p", name="n", job_id="j" * 40,
        forbids_packaged_runtime=True,
    )  # fmt: skip
    assert JobSubmission.of(asked, executor=asked.executor).to_request("p") == asked
    plain = RunRequest(workdir="", modules=())
    assert {each.name for each in fields(plain) if getattr(asked, each.name) == getattr(plain, each.name)} == set(
        STAYS_HERE
    )
    loose = replace(asked, loose_options=("--y",))
    assert JobSubmission.of(loose, executor="").to_request("p").handler_arguments == loose.handler_arguments


@dataclass
class Place:
    """A root, and commands on it."""

    env: Mapping[str, str]
    started: list[int] = field(default_factory=list[int])

    def __call__(self, *words: str, code: int | None = 0) -> Any:  # Any: what the command says as JSON
        done = subprocess.run([*swcli_command(), "-o", "json", *words], env=dict(self.env), capture_output=True, text=True, check=False)  # fmt: skip
        assert code is None or done.returncode == code, done.stdout + done.stderr
        lines = done.stdout.splitlines()
        return [json.loads(each) for each in lines] if "--follow" in words else json.loads(done.stdout)


def wait_for(is_there: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not is_there():
        assert time.monotonic() < deadline, "it did not come within two minutes"
        time.sleep(0.2)


@pytest.mark.needs_time
def test_jobs_are_submitted_followed_and_stopped_from_another_root(tmp_path: Path) -> None:
    """The server is killed while two jobs wait and one runs, and goes on by itself."""
    job = make_job(tmp_path / "laptop", rows=ROWS, delay_s=0.05)
    gate = tmp_path / "gate"  # no job ends before it is there, however fast the machine is
    code = (job.folder / "thirds.py").read_text()
    assert "threading.Event().wait(0.05)" in code
    waits = f"while not __import__('os').path.exists({str(gate)!r}): threading.Event().wait(0.05)"
    (job.folder / "thirds.py").write_text(code.replace("threading.Event().wait(0.05)", waits))
    home = tmp_path / "server"
    home.mkdir()
    paths = {"HOME": home, "SW_CLI_CONFIG": home / "c.yaml", "SW_LOCAL_STORAGE": home / "s", "SW_SERVER_JOBS": 1}
    server = Place({**os.environ, **{name: str(each) for name, each in paths.items()}})
    laptop = Place({**os.environ, **job.env})
    said = server("server", "start", "--port", "0", "-d")
    try:
        laptop("instance", "login", said["address"], "--alias", "far", "--token", said["token"])
        laptop("dataset", "copy", "numbers", "cloud://far/project/self")
        run = [
            "model",
            "run",
            str(job.folder / "thirds.py"),
            "-d",
            "numbers",
            "--run-project",
            "cloud://far/project/self",
        ]
        for place, rows, lacking in (("self", "nubmers", "nubmers"), ("nowhere", "numbers", "nowhere")):
            wrong = [*run[:3], "-d", rows, "--run-project", f"cloud://far/project/{place}"]
            assert lacking in laptop(*wrong, code=1)["error"]["message"]
        for wrong in (["--step", "thirds:predict"], ["--executor", "process", "--image", "mine:3"]):
            laptop(*run, *wrong, code=2)
        assert laptop("model", "list") == [], "nothing is built for what cannot be run"
        first, second, third = (laptop(*run)["uri"] for _ in range(3))
        assert len(laptop("job", "list", "-p", "cloud://far/project/self")) == 3
        (oldest,) = laptop("job", "list", "-p", "cloud://far/project/self", "--page", "2", "--size", "2")
        assert oldest["manifest"]["version"].startswith(first.rpartition("/")[2])
        wait_for(lambda: laptop("job", "info", first)["manifest"]["status"] == "running")
        assert laptop("job", "info", second)["manifest"]["status"] == "queued", "one at a time"
        laptop("job", "cancel", third)
        os.kill(server("server", "status")["pid"], signal.SIGKILL)
        port = said["address"].rpartition(":")[2]
        wait_for(lambda: not server("server", "status", code=None)["running"])
        server("server", "start", "--port", port, "-d")
        gate.touch()
        laptop("job", "logs", "--follow", second)
        for each, status in ((first, "success"), (second, "success"), (third, "canceled")):
            assert laptop("job", "info", each)["manifest"]["status"] == status
        assert laptop("job", "pause", second, code=1)["error"]["code"]
        there = LedgerJob(folder=job.folder, env=server.env)
        for uri in (first, second):
            with there.instance() as opened:
                found = opened.jobs.get(uri.rpartition("/")[2]).id
            assert_each_row_once(there.tables(found), ROWS)
    finally:
        subprocess.run([*swcli_command(), "server", "stop"], env=dict(server.env), capture_output=True, check=False)


@pytest.mark.needs_time
def test_a_mistake_while_the_queue_is_looked_at_does_not_end_the_looking(caplog: pytest.LogCaptureFixture) -> None:
    looks: list[int] = []

    class Jobs:
        def submitted(self) -> list[JobRecord]:
            looks.append(1)
            if len(looks) == 1:
                raise RuntimeError("a mistake of ours")
            return []

    broken: Any = SimpleNamespace(jobs=Jobs())
    with closing(Supervisor(broken, QueueLimits())):
        wait_for(lambda: len(looks) > 1)
    assert "a mistake of ours" in caplog.text
