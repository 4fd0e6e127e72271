"""A packaged model is run from its own files, whatever happens to the work directory."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from starwhale.datasets.build import build_version
from starwhale.datasets.dataset import Dataset
from starwhale.domain.job import ResumeChanges, RunRequest
from starwhale.domain.status import Status
from starwhale.errors import (
    AlreadyExistsError,
    CorruptedError,
    HandlerError,
    InvalidNameError,
    NotFoundError,
    StarwhaleError,
    UsageError,
)
from starwhale.execution.run_options import RunOptions
from starwhale.instances import Instance, open_instance
from starwhale.results.read import summary
from starwhale.results.reports.manifest import job_manifest
from starwhale.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EVALUATION = """
from pathlib import Path
from starwhale import evaluation

@evaluation.predict(replicas=2, log_mode="plain")
def predict(row):
    if (MUST_FAIL / "now").exists():
        raise ValueError("not today")
    return row["x"] * int(Path("data/factor.txt").read_text())

@evaluation.evaluate(needs=[predict])
def report(results):
    evaluation.log_summary(total=sum(row["output"] for row in results), here=str(Path.cwd()))

MUST_FAIL = Path({folder!r})
"""
ROWS = 6
FACTOR = 7
TOTAL = FACTOR * sum(range(ROWS))


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    settings = read_settings(
        {"HOME": str(tmp_path), "SW_CLI_CONFIG": str(tmp_path / "c.yaml"), "SW_LOCAL_STORAGE": str(tmp_path / "root")}
    )
    with open_instance(settings) as opened:
        with opened.datasets.open("numbers", Dataset) as numbers:
            build_version(numbers, [(key, {"x": key}) for key in range(ROWS)])
        yield opened


@pytest.fixture
def work(tmp_path: Path) -> Path:
    root = tmp_path / "times"
    (root / "data").mkdir(parents=True)
    (root / "data" / "factor.txt").write_text(str(FACTOR))
    (root / "evaluation.py").write_text(EVALUATION.replace("{folder!r}", repr(str(tmp_path))))
    return root


def request(uri: str, **more: object) -> RunRequest:
    values: dict[str, object] = {"datasets": ("numbers",), "handler": "evaluation:report", **more}
    return RunRequest(workdir="", modules=(), model_uri=uri, **values)  # type: ignore[arg-type] # a few options


def test_run_and_resume_after_the_work_directory_is_gone(instance: Instance, work: Path, tmp_path: Path) -> None:
    first = instance.models.build(work, modules=["evaluation"], tags=["good"])
    (work / "data" / "factor.txt").write_text("0")
    newest = instance.models.build(work, modules=["evaluation"])
    assert newest.content_digest != first.content_digest
    shutil.rmtree(work)
    root = instance.stores.layout.root

    done = instance.jobs.run(request("times/version/good"))
    job = instance.jobs.get(done.job_id)
    found = summary(instance.stores, job)
    snapshot = root / "jobs" / job.id[:2] / job.id / "snapshot"
    assert (done.status, found["total"], found["here"]) == (Status.SUCCESS, TOTAL, str(snapshot))
    assert not snapshot.parent.exists()
    assert (job.request.model_version, job.request.model_name) == (first.version, "times")
    manifest = job_manifest(job)
    assert (manifest["model"], manifest["model_version"]) == (first.uri.full, first.version)

    (tmp_path / "now").touch()
    failed = instance.jobs.run(request("times/v0"))
    assert failed.status is Status.FAILED
    assert (instance.stores.layout.job(failed.job_id) / "snapshot" / "evaluation.py").is_file()
    (tmp_path / "now").unlink()
    shutil.rmtree(instance.stores.layout.job(failed.job_id))
    instance.models.remove("times/v0")  # a job needs it all the same
    with pytest.raises(UsageError, match="tread"):
        instance.jobs.resume(failed.job_id, ResumeChanges(executor="tread"))
    assert not instance.stores.layout.job(failed.job_id).exists()  # nothing is unpacked for what is refused
    again = instance.jobs.resume(failed.job_id)
    assert again.status is Status.SUCCESS
    assert summary(instance.stores, instance.jobs.get(failed.job_id))["total"] == TOTAL
    assert not instance.stores.layout.job(failed.job_id).exists()


def test_a_run_that_cannot_begin_leaves_nothing(instance: Instance, work: Path) -> None:
    instance.models.build(work, modules=["evaluation"])
    jobs = instance.stores.layout.root / "jobs"
    cases: list[tuple[RunRequest, type[StarwhaleError], str]] = [
        (request("tmies"), NotFoundError, "no model 'tmies'"),
        (request("times/version/nosuch"), NotFoundError, "nosuch"),
        (request("times", handler="evaluation:rprt"), NotFoundError, "rprt"),
        (request("times", datasets=("nmbers",)), NotFoundError, "nmbers"),
    ]
    for wanted, error, words in cases:
        with pytest.raises(error, match=words):
            instance.jobs.run(wanted)
        assert not list(jobs.glob("*/*"))
    assert instance.jobs.list() == []


def test_a_snapshot_is_kept_on_request_and_an_id_is_used_once(instance: Instance, work: Path) -> None:
    instance.models.build(work, modules=["evaluation"])
    done = instance.jobs.run(request("times", job_id="mine01", keeps_snapshot=True))
    kept = instance.stores.layout.job("mine01") / "snapshot"
    assert (done.job_id, (kept / "evaluation.py").is_file()) == ("mine01", True)
    with pytest.raises(AlreadyExistsError, match="mine01"):
        instance.jobs.run(request("times", job_id="mine01"))
    assert (kept / "evaluation.py").is_file()


def test_handlers_are_known_without_importing(instance: Instance, work: Path) -> None:
    built = instance.models.build(work, modules=["evaluation"])
    shutil.rmtree(work)
    for path in instance.stores.layout.blobs.glob("*/*"):
        path.unlink()
    found = instance.jobs.discover(request("times"))
    assert found == instance.models.handlers(built)
    assert {name: record.replicas for name, record in found.items()} == {
        "evaluation:predict": 2,
        "evaluation:report": 1,
    }
    with pytest.raises(CorruptedError):
        instance.jobs.run(request("times"), RunOptions())
    assert instance.jobs.list() == []


def test_name_and_modules_come_from_options_then_yaml_then_directory(instance: Instance, work: Path) -> None:
    (work / "model.yaml").write_text("name: said\ndesc: why\nrun: {modules: [evaluation]}\n")
    said = instance.models.build(work)
    assert (said.name, said.message, said.manifest["modules"]) == ("said", "why", ["evaluation"])
    given = instance.models.build(work, name="given", modules=["evaluation:predict"], desc="because")
    assert (given.name, given.message) == ("given", "because")
    (work / "model.yaml").unlink()
    other = work.parent / "other.yaml"
    other.write_text("run: {handler: evaluation}\n")
    assert instance.models.build(work, model_yaml=other).name == "times"
    version = instance.models.unpack("given", work.parent / "out")
    assert (version.version, (work.parent / "out" / "evaluation.py").is_file()) == (given.version, True)


def test_the_storage_root_is_not_packaged_into_itself(instance: Instance, work: Path, tmp_path: Path) -> None:
    shutil.copy(work / "evaluation.py", tmp_path)
    version = instance.models.build(tmp_path, modules=["evaluation"], name="around", add_all=True)
    found = {each.path.partition("/")[0] for each in instance.models.files(version).entries}
    assert {"evaluation.py", "times"} <= found
    assert "root" not in found


def test_a_build_that_is_wrong_makes_no_version(instance: Instance, work: Path) -> None:
    odd = work.rename(work.parent / "my model")
    with pytest.raises(InvalidNameError, match="--name"):
        instance.models.build(odd, modules=["evaluation"])
    for error, words, options in (
        (InvalidNameError, "latest", {"tags": ["latest"]}),
        (HandlerError, "nosuch", {"modules": ["nosuch"]}),
        (UsageError, "would not be packaged", {"excludes": ["evaluation.py"]}),
        (NotFoundError, "no project 'nowhere'", {"project": "nowhere"}),
        (UsageError, "no model.yaml at", {"model_yaml": odd / "no.yaml"}),
    ):
        with pytest.raises(error, match=words):
            instance.models.build(odd, **{"modules": ["evaluation"], "name": "fits", **options})  # type: ignore[arg-type] # a few options
    with pytest.raises(UsageError, match="no directory"):
        instance.models.build(odd / "gone", name="fits")
    assert instance.models.list() == []
