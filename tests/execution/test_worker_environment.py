"""Workers in environments of their own: without any of our packages, and with a Python that is too old."""

from __future__ import annotations

import dataclasses
import hashlib
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from tests.execution.ledger_job import LedgerJob, assert_each_row_once, make_job, undisturbed

import starwhale
from starwhale.domain.status import Status
from starwhale.errors import UsageError
from starwhale.media import Image
from starwhale.results.read import JobTables
from starwhale.runtimes.ours import link_ours
from starwhale.storage.protocols import TableQuery

PACKAGES = ("pyarrow", "msgpack", "sqlalchemy", "blake3", "numpy", "PIL", "yaml", "rich", "click")
OLD_PYTHONS = tuple(
    path for minor in (8, 9, 10) for path in Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python")
) + tuple(path for minor in (8, 9, 10) if (path := Path(f"/usr/bin/python3.{minor}")).exists())


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An interpreter without any package."""
    folder = tmp_path_factory.mktemp("bare") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=120)
    python = str(folder / "bin" / "python")
    found = subprocess.run(
        [python, "-c", f"import importlib.util as u; print([n for n in {PACKAGES!r} if u.find_spec(n)])"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert found.stdout.strip() == "[]", "the environment is as bare as it claims to be"
    return python


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> LedgerJob:
    """One root for all."""
    return make_job(tmp_path_factory.mktemp("environments"))


@pytest.mark.parametrize("executor", ["thread", "process"])
def test_a_worker_needs_no_package(job: LedgerJob, bare_python: str, executor: str) -> None:
    with job.instance() as opened:
        options = dataclasses.replace(undisturbed(), python=bare_python)
        outcome = opened.jobs.run(job.request(executor), options)
    assert outcome.status is Status.SUCCESS, outcome.error
    tables = job.tables(outcome.job_id)
    assert_each_row_once(tables)
    usual = job.tables(job.run(executor))
    assert tables["summary"] == usual["summary"]
    assert [list(row) for row in tables["results"]] == [list(row) for row in usual["results"]], "the same columns"


def test_a_missing_python_is_named(job: LedgerJob) -> None:
    with job.instance() as opened:
        before = len(opened.jobs.list())
        options = dataclasses.replace(undisturbed(), python="/there/is/no/python")
        with pytest.raises(UsageError, match="/there/is/no/python"):
            opened.jobs.run(job.request("thread"), options)
        assert len(opened.jobs.list()) == before


@pytest.mark.skipif(not OLD_PYTHONS, reason="no Python older than 3.11 is installed")
def test_a_python_that_is_too_old_is_named(job: LedgerJob) -> None:
    with job.instance() as opened:
        options = dataclasses.replace(undisturbed(), python=str(OLD_PYTHONS[-1]))
        with pytest.raises(UsageError) as raised:
            opened.jobs.run(job.request("thread"), options)
    said = f"{raised.value} {raised.value.hint}"
    assert "3.11" in said
    assert str(OLD_PYTHONS[-1]) in said
    assert "Traceback" not in said


MEDIA = """
    import hashlib
    from starwhale import Image, Text, evaluation

    @evaluation.predict(replicas=2, log_mode="plain")
    def predict(data):
        content = data["image"].to_bytes()
        return {
            "digest": hashlib.sha256(content).hexdigest(),
            "mime": data["image"].mime_type.value,
            "copy": Image(content[:100], display_name=data["name"]),
            "nested": [data["pair"], {"k": data["name"]}],
        }

    @evaluation.evaluate(needs=[predict])
    def evaluate(results):
        evaluation.log_summary({"digests": [row["output"]["digest"] for row in results]})
"""
BUILD = """
    from starwhale import Image, MIMEType, dataset
    with dataset("pictures", create="empty") as ds:
        for k in range(8):
            content = bytes([k, 255 - k]) * (20 if k % 2 else 200_000)
            ds.append({"name": f"n{k}", "pair": (k, None), "image": Image(content, mime_type=MIMEType.PNG)})
        ds.commit()
"""


def test_media_reach_a_worker_without_packages(job: LedgerJob, bare_python: str) -> None:
    """Small values travel with the row, large ones are read when they are asked for."""
    (job.folder / "media_job.py").write_text(dedent(MEDIA), encoding="utf-8")
    script = [sys.executable, "-c", dedent(BUILD)]
    built = subprocess.run(script, env=dict(job.env), capture_output=True, text=True, timeout=120, check=False)
    assert built.returncode == 0, built.stderr
    request = dataclasses.replace(
        job.request("process"), modules=("media_job",), handler="media_job:evaluate", datasets=("pictures",)
    )
    found: list[Any] = []
    for python in (bare_python, sys.executable):
        with job.instance() as opened:
            outcome = opened.jobs.run(request, dataclasses.replace(undisturbed(), python=python))
            assert outcome.status is Status.SUCCESS, outcome.error
            record = opened.jobs.get(outcome.job_id)
            rows = list(JobTables(opened.stores, record).rows(TableQuery(table="results")))
            summary = list(JobTables(opened.stores, record).rows(TableQuery(table="summary")))
        for row in rows:
            del row["duration_seconds"]
            row |= {name: value.to_bytes() for name, value in row.items() if isinstance(value, Image)}
        found.append((rows, summary))
    contents = [bytes([k, 255 - k]) * (20 if k % 2 else 200_000) for k in range(8)]
    assert found[0][1][0]["digests"] == [hashlib.sha256(each).hexdigest() for each in contents]
    assert repr(found[0]) == repr(found[1]), "the same rows with and without packages"


LOOKS_AROUND = """
    import importlib.util
    from starwhale import evaluation

    @evaluation.predict(log_mode="plain")
    def predict(data):
        return [name for name in ("neighbour", "msgpack", "starwhale") if importlib.util.find_spec(name)]
"""
INSTALLED = """
    import sys
    import neighbour, starwhale
    assert starwhale.__file__.startswith(sys.argv[1])
    import dataclasses
    from starwhale.domain.job import RunRequest
    from starwhale.execution.run_options import RunOptions
    from starwhale.instances import open_instance
    from starwhale.results.read import JobTables
    from starwhale.settings import read_settings
    from starwhale.storage.protocols import TableQuery

    with open_instance(read_settings()) as opened:
        request = RunRequest(workdir=sys.argv[2], modules=("looks_around",), datasets=("numbers",), dataset_head=1)
        for python in sys.argv[3:]:
            outcome = opened.jobs.run(request, RunOptions(python=python))
            rows = JobTables(opened.stores, opened.jobs.get(outcome.job_id)).rows(TableQuery(table="results"))
            print(next(rows)["output"])
"""


def test_a_worker_sees_this_program_and_nothing_that_lies_beside_it(
    job: LedgerJob, bare_python: str, tmp_path: Path
) -> None:
    """Where the program is installed, the folder that it lies in has all packages of its environment."""
    site = tmp_path / "site-packages"
    site.mkdir()
    (site / "starwhale").symlink_to(Path(starwhale.__file__).parent)
    (site / "neighbour.py").touch()
    (job.folder / "looks_around.py").write_text(dedent(LOOKS_AROUND), encoding="utf-8")
    words = [sys.executable, "-P", "-c", dedent(INSTALLED), str(site), str(job.folder), sys.executable, bare_python]
    env = {**job.env, "PYTHONPATH": str(site)}
    done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    own, bare = done.stdout.splitlines()
    assert own == "['neighbour', 'msgpack', 'starwhale']", "what this test looks for is there"
    assert bare == "['starwhale']"


@pytest.mark.parametrize("code", ["from starwhale import dataset", "import starwhale; starwhale.job('latest')"])
def test_the_sdk_says_what_the_environment_of_a_runtime_lacks(bare_python: str, tmp_path: Path, code: str) -> None:
    words = [bare_python, "-c", code]
    env = {"PYTHONPATH": str(link_ours(tmp_path / "ours")), "SW_LOCAL_STORAGE": str(tmp_path / "root")}
    done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert "opening datasets, models and jobs needs the package" in done.stderr.splitlines()[-1]
    assert "run this with the Python that swcli is installed for" in done.stderr.splitlines()[-1]
