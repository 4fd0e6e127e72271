"""A job goes to another machine in one file, and what it was run on with it; there it can be read, compared and run again."""

from __future__ import annotations

import json
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3
from tests.transfer import killed_importer
from tests.transfer.conftest import Entries, Rebuild, left_behind

from starwhale.datasets.dataset import Dataset
from starwhale.domain.job import RunRequest
from starwhale.domain.status import Status
from starwhale.errors import (
    AlreadyExistsError,
    CannotTellError,
    ConflictError,
    CorruptedError,
    NoSpaceError,
    NotFoundError,
    StarwhaleError,
    UsageError,
)
from starwhale.instances import Instance, open_instance
from starwhale.results.agreement import AgreementVerdict
from starwhale.results.read import JobTables, summary, table_names
from starwhale.results.reports.job_report import make_report
from starwhale.settings import Settings
from starwhale.storage.protocols import TableQuery
from starwhale.transfer.archive_index import canonical

EVALUATION = """
from pathlib import Path
from starwhale import evaluation

class Odd:
    def __init__(self, n):
        self.n = n
    def __reduce__(self):
        return (Path("{trap}").touch if self.n < 0 else Odd, (abs(self.n),) if self.n >= 0 else ())

@evaluation.predict(replicas=2)
def predict(row):
    print("looking at", row["x"])
    if row["x"] == 7 and Path("{flag}").exists():
        raise ValueError("not this one")
    return {{"double": row["x"] * 2, "odd": Odd(row["x"])}}

@evaluation.evaluate(needs=[predict])
def report(results):
    rows = list(results)
    evaluation.log("more", id=1, metrics={{"text": "a" * 5000}})
    evaluation.log_summary(total=sum(row["output"]["double"] for row in rows))
"""
ROWS = 20


def opened(folder: Path) -> Instance:
    return open_instance(Settings(config_path=folder.with_suffix(".yaml"), root=None, default_root=folder))


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with a model, a dataset, a job `good` that succeeded and a job `bad` that failed; made once."""
    folder = tmp_path_factory.mktemp("origin")
    work, flag = folder / "work", folder / "flag"
    work.mkdir()
    (work / "evaluation.py").write_text(EVALUATION.format(flag=flag, trap=folder / "trap"))
    with opened(folder / "root") as instance:
        with instance.datasets.open("numbers", Dataset) as numbers:
            numbers.extend([{"x": number} for number in range(ROWS)])
            numbers.commit(tags=["gold"])
        model = instance.models.build(work, modules=["evaluation"], name="m", tags=["best"]).uri.full
        for name in ("good", "bad"):
            if name == "bad":
                flag.touch()
            request = RunRequest(workdir="", modules=(), model_uri=model, datasets=("numbers",), name=name)
            instance.jobs.run(request)
            archive = folder / f"{name}.swjob"
            instance.jobs.export(name, archive, with_model=name == "good", with_datasets=name == "good")
    flag.unlink()
    return folder


@pytest.fixture
def here(origin: Path, tmp_path: Path) -> Iterator[Instance]:
    """The instance that has the jobs."""
    shutil.copytree(origin / "root", tmp_path / "here", symlinks=True)
    with opened(tmp_path / "here") as each:
        yield each


def everything(instance: Instance, job: str) -> dict[str, Any]:
    """What there is to read of a job, whatever machine it is on."""
    stores, record = instance.stores, instance.jobs.get(job)
    report = make_report(stores, record).to_json()
    report["manifest"] = {key: value for key, value in report["manifest"].items() if key != "imported"}
    tables = {
        name: list(JobTables(stores, record).rows(TableQuery(table=name), keep_none=True))
        for name in ("results", *table_names(stores, record))
    }
    error = None if record.error is None else {**record.error.to_json(), "log": ""}
    attempts = [(each.task_id, each.number, each.status) for each in stores.catalog.jobs.attempts(record.id)]
    logs = {path.name: path.read_text() for path in stores.layout.logs(record.id).iterdir()}
    steps = instance.jobs.steps(job)
    return {"report": report, "tables": tables, "error": error, "attempts": attempts, "logs": logs, "steps": steps}


def test_all_that_can_be_read_of_a_job_is_the_same_there(origin: Path, here: Instance, there: Instance) -> None:
    made = there.jobs.import_archive(origin / "good.swjob")
    assert made.is_new
    assert made.job.id == here.jobs.get("good").id
    assert [(each.version.kind, each.version.name, each.is_new) for each in made.versions] == [
        ("dataset", "numbers", True),
        ("model", "m", True),
    ]
    assert everything(there, "good") == everything(here, "good")
    assert len(everything(there, "good")["tables"]["results"]) == ROWS
    assert made.job.is_imported
    assert not (origin / "trap").exists()
    assert there.stores.results.verify(made.job.id) == []


def test_the_demo_is_reproduced_from_the_file_alone(origin: Path, there: Instance) -> None:
    job = there.jobs.import_archive(origin / "good.swjob").job
    model = job.request.model_version
    request = RunRequest(workdir="", modules=(), model_uri=f"m/version/{model}", datasets=("numbers",))
    outcome = there.jobs.run(request)
    again = there.jobs.get(outcome.job_id)
    assert again.status is Status.SUCCESS
    assert summary(there.stores, again) == summary(there.stores, job) == {"total": 2 * sum(range(ROWS))}
    one, two = everything(there, job.id)["tables"]["results"], everything(there, again.id)["tables"]["results"]
    assert isinstance(one[3]["output"], bytes)  # a pickle, which nobody has opened
    assert [(row["id"], row["output"], row["input/x"]) for row in one] == [
        (row["id"], row["output"], row["input/x"]) for row in two
    ]


def test_a_job_is_reproduced_in_another_project_and_what_is_missing_there_is_named(
    origin: Path, here: Instance, there: Instance, tmp_path: Path
) -> None:
    there.stores.catalog.projects.create("other")
    here.jobs.export("good", tmp_path / "alone.swjob")
    alone = there.jobs.import_archive(tmp_path / "alone.swjob", project="other").job.id
    with pytest.raises(CannotTellError, match=r"the dataset local/.*/numbers/version/.* is not here") as bare:
        there.jobs.reproduce(alone)
    assert (
        "FILE --with-datasets, or swcli dataset export local/project/self/dataset/numbers/version/" in bare.value.hint
    )
    assert "here: swcli job import FILE -p other" in bare.value.hint

    made = there.jobs.import_archive(origin / "good.swjob", project="other")
    again = there.jobs.reproduce(made.job.id)
    assert again.found is not None
    assert (again.found.verdict, again.found.rows.counts[AgreementVerdict.IDENTICAL]) == (
        AgreementVerdict.IDENTICAL,
        ROWS,
    )
    second = there.jobs.get(again.outcome.job_id)
    assert (second.project, second.request.model_uri.split("/")[2]) == ("other", "other")

    there.models.remove(second.request.model_uri)
    with pytest.raises(CannotTellError, match="was removed") as removed:
        there.jobs.reproduce(made.job.id)
    assert removed.value.hint.startswith("bring it back: swcli model recover local/project/other/model/m/version/")


def test_importing_again_changes_nothing_on_either_machine(origin: Path, here: Instance, there: Instance) -> None:
    there.jobs.import_archive(origin / "good.swjob")
    before = left_behind(there)
    again = there.jobs.import_archive(origin / "good.swjob")
    assert (again.is_new, [each.is_new for each in again.versions]) == (False, [False, False])
    assert left_behind(there) == before
    assert not here.jobs.import_archive(origin / "good.swjob").is_new
    back = origin / "back.swjob"
    there.jobs.export("good", back, force=True)
    assert not here.jobs.import_archive(back).is_new


def test_a_failed_job_brings_its_errors_and_logs_and_cannot_be_gone_on_with(
    origin: Path, here: Instance, there: Instance
) -> None:
    made = there.jobs.import_archive(origin / "bad.swjob")
    assert (made.job.status, made.versions) == (Status.FAILED, ())
    found = everything(there, "bad")
    assert found["error"] == everything(here, "bad")["error"]
    assert any("looking at 7" in text for text in found["logs"].values())
    assert made.job.error is not None
    assert Path(made.job.error.log).is_relative_to(there.stores.layout.root)
    assert Path(made.job.error.log).is_file()
    with pytest.raises(ConflictError, match="was imported from an archive"):
        there.jobs.resume("bad")
    with pytest.raises(ConflictError, match="was imported from an archive"):
        there.catalog.jobs.claim_driver(made.job.id, made.job.driver)  # type: ignore[arg-type]  # it comes to nothing


def test_rows_have_their_inputs_once_the_dataset_is_there(origin: Path, here: Instance, there: Instance) -> None:
    here.jobs.export("good", origin / "alone.swjob", force=True)
    job = there.jobs.import_archive(origin / "alone.swjob").job
    results = TableQuery(table="results")
    assert "input/x" not in next(JobTables(there.stores, job).rows(results))
    here.datasets.export("numbers", origin / "numbers.swds", force=True)
    there.datasets.import_archive(origin / "numbers.swds")
    with opened(there.stores.layout.root) as later:
        assert next(JobTables(later.stores, job).rows(results))["input/x"] == 0


def test_another_job_of_that_id_is_not_replaced(origin: Path, here: Instance, there: Instance) -> None:
    here.jobs.resume("bad")
    before = everything(here, "bad")
    with pytest.raises(AlreadyExistsError, match="there is another job"):
        here.jobs.import_archive(origin / "bad.swjob")
    assert everything(here, "bad") == before
    there.jobs.import_archive(origin / "bad.swjob")
    here.jobs.export("bad", origin / "other.swjob", force=True)
    with pytest.raises(AlreadyExistsError, match="there is another job"):
        there.jobs.import_archive(origin / "other.swjob")
    there.jobs.remove("bad")
    with pytest.raises(AlreadyExistsError, match="swcli job recover"):
        there.jobs.import_archive(origin / "bad.swjob")


def test_what_cannot_go_along_is_said(origin: Path, here: Instance, tmp_path: Path) -> None:
    work = tmp_path / "w"
    shutil.copytree(origin / "work", work)
    here.jobs.run(RunRequest(workdir=str(work), modules=("evaluation",), datasets=("numbers",), name="files"))
    with pytest.raises(UsageError, match="are no packaged model"):
        here.jobs.export("files", tmp_path / "x", with_model=True)
    here.jobs.export("files", tmp_path / "x", with_datasets=True)
    with pytest.raises(AlreadyExistsError, match="--force"):
        here.jobs.export("files", tmp_path / "x")
    with pytest.raises(UsageError, match="holds a job, not a model"):
        here.models.import_archive(tmp_path / "x")


def test_damaged_results_are_not_exported(here: Instance, tmp_path: Path) -> None:
    job = here.jobs.get("good")
    for path in here.stores.results.folder(job.id).iterdir():
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    with pytest.raises(CorruptedError, match="corrupted file"):
        here.jobs.export("good", tmp_path / "x")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("count", [12, pytest.param(3000, marks=pytest.mark.soak)])
def test_a_flipped_or_cut_archive_is_refused_or_harmless(
    origin: Path, here: Instance, tmp_path: Path, count: int
) -> None:
    original, expected = (origin / "good.swjob").read_bytes(), everything(here, "good")
    seed, refused = random.Random(count), 0
    instance = opened(tmp_path / "there")
    for number in range(count):
        changed = bytearray(original)
        at = seed.randrange(len(original))
        if number % 5:
            changed[at] ^= 1 << seed.randrange(8)
        else:
            del changed[at:]
        (tmp_path / "bad").write_bytes(changed)
        try:
            instance.jobs.import_archive(tmp_path / "bad")
        except StarwhaleError:
            refused += 1
            assert left_behind(instance) == []
            with pytest.raises(NotFoundError):
                instance.jobs.get("good")
        else:  # something between the entries, which means nothing
            assert everything(instance, "good") == expected
            instance.close()
            instance = opened(tmp_path / f"there{number}")
    instance.close()
    assert refused > count // 3


Change = Callable[[dict[str, Any]], object]


def forged(change: Change) -> Callable[[Entries], object]:
    """Change the record of a job, with all digests and sizes made to fit."""

    def spoil(entries: Entries) -> None:
        state, record = json.loads(entries[0][1]), json.loads(entries[1][1])
        change(record)
        text = canonical(record)
        entries[1] = entries[1][0], text
        state["files"][0][1], state["content_digest"] = len(text), blake3(text).hexdigest()
        entries[0] = entries[0][0], json.dumps(state).encode()
        sums = {entry.name: blake3(data).hexdigest() for entry, data in entries[:-1]}
        entries[-1] = entries[-1][0], canonical(sums)

    return spoil


def row(table: str, **values: object) -> Change:
    return lambda record: record["rows"][table][0].update(values)


def job(**values: object) -> Change:
    return lambda record: record["job"].update(values)


FORGED: dict[str, Change] = {
    "running": lambda record: record.update(status="running"),
    "no status": lambda record: record.update(status="gone"),
    "another id": job(id="somethingelse"),
    "id that is a path": job(id="../../escaped"),
    "name of two lines": job(name="a\nb"),
    "latest": job(name="latest"),
    "request is a list": job(request=[]),
    "replicas are a text": lambda record: record["job"]["request"].update(replicas="2"),
    "dataset that is a path": lambda record: record["job"]["datasets"][0].update(dataset_id="../../escaped"),
    "file that is a path": row("part_tables", file="../../escaped"),
    "offset behind the end": row("part_tables", offset=1 << 40),
    "negative offset": row("part_tables", offset=-1),
    "more rows than there are": row("part_tables", row_count=100_000),
    "another digest": row("part_tables", digest="00" * 32),
    "digest that is none": row("part_tables", digest="../../escaped"),
    "part that is none": row("part_tables", part_id=99),
    "task of another job": row("tasks", id="other/0/0"),
    "attempt of no task": row("attempts", task_id="other/0/0"),
    "step without a record": row("steps", step={"name": "x"}),
    "range without a state": row("ranges", state="gone"),
    "column that is missing": lambda record: record["rows"]["queues"][0].pop("total"),
    "table that is missing": lambda record: record["rows"].pop("ranges"),
    "rows are a text": lambda record: record["rows"].update(parts="x"),
    "rows of different columns": lambda record: record["rows"]["ranges"][0].pop("crashes"),
    "a time that no clock shows": job(created_at=1e308),
    "an end that is no number": job(finished_at=float("nan")),
    "seconds that are no number": row("ranges", seconds=float("nan")),
    "a step that stands there twice": lambda record: record["rows"]["steps"].append(record["rows"]["steps"][0]),
    "typed words are lists": lambda record: record["job"]["record"].update(argv=[[1]]),
    "inputs without digests": lambda record: record["job"]["record"]["inputs"][0].pop("manifest_digest"),
    "memory is a text": lambda record: record["job"]["record"]["hardware"].update(memory_bytes="much"),
}


@pytest.mark.parametrize("forgery", FORGED)
def test_a_forged_record_is_refused_although_all_checksums_fit(
    origin: Path, there: Instance, rebuilt: Rebuild, tmp_path: Path, forgery: str
) -> None:
    with pytest.raises(StarwhaleError) as caught:
        there.jobs.import_archive(rebuilt(origin / "good.swjob", forged(FORGED[forgery])))
    assert "\n" not in caught.value.message
    assert left_behind(there) == []
    assert list(tmp_path.rglob("escaped*")) == []
    assert there.jobs.list() == []


def test_a_full_disk_leaves_nothing(origin: Path, there: Instance) -> None:
    assert there.jobs.list() == []  # the catalog is there
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))  # a file that grows further fails as on a full disk
    try:
        with pytest.raises(NoSpaceError, match="no space left"):
            there.jobs.import_archive(origin / "good.swjob")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert left_behind(there) == []
    assert there.jobs.import_archive(origin / "good.swjob").is_new


@pytest.mark.needs_kills
@pytest.mark.parametrize("count", [8, pytest.param(100, marks=pytest.mark.soak)])
def test_a_killed_import_leaves_a_whole_job_or_none(origin: Path, here: Instance, tmp_path: Path, count: int) -> None:
    expected, chance, cut_off = everything(here, "good"), random.Random(count), 0
    took_s = 0.2
    for number in range(count):
        root = tmp_path / f"killed{number}"
        command = [sys.executable, "-m", killed_importer.__name__, str(root), str(origin / "good.swjob")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "go\n"
            began = time.monotonic()
            if number:
                time.sleep(chance.uniform(0.0, took_s))  # not a wait for anything: the instant is what is drawn
                child.send_signal(signal.SIGKILL)
            is_done = "done" in child.stdout.read()
            took_s = took_s if number else time.monotonic() - began
        with opened(root) as instance:
            found = instance.jobs.list()
            assert not is_done or len(found) == 1
            cut_off += not found
            for each in instance.datasets.list():
                assert instance.datasets.verify(each.uri).is_whole
            for each in instance.models.list():
                instance.models.unpack(each.uri, tmp_path / f"out{number}")
            assert not found or everything(instance, "good") == expected
            instance.jobs.import_archive(origin / "good.swjob")
            assert everything(instance, "good") == expected
    assert cut_off
