"""The record of a job: what its figures come from, and no secret anywhere."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from starwhale.settings import VERSION

if TYPE_CHECKING:
    from tests.end_to_end.project import Project

CANARY = "canary0f1e2d3c4b5a"

ASKING = """
    import dataclasses, os
    import yaml
    from starwhale import argument, evaluation

    @dataclasses.dataclass
    class Options:
        api_key: str = os.environ.get("SERVICE_TOKEN", "")
        endpoint: str = ""
        rounds: int = 1

    @evaluation.predict(log_mode="plain", env=["ROUNDING", "SERVICE_TOKEN", "NOT_SET"])
    @argument(Options)
    def predict(data, argument):
        assert argument.api_key.endswith("4b5a"), "the handler got another key"
        assert "4b5a" in argument.endpoint, "the handler got another endpoint"
        if data["number"] == 3 and not os.path.exists("mended"):
            raise ValueError("not yet")
        return data["number"] * argument.rounds

    @evaluation.evaluate(needs=[predict])
    def evaluate(results):
        evaluation.log_summary(total=sum(row["output"] for row in results))
"""


def git(folder: Path, *arguments: str) -> None:
    """Run git as somebody."""
    who = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


def manifest_of(project: Project, job: str = "latest") -> dict[str, Any]:
    """Return the manifest as a program gets it."""
    found: dict[str, Any] = json.loads(project.swcli("job", "info", job, "-o", "json").stdout)["manifest"]
    return found


@pytest.fixture
def counted(project: Project) -> Project:
    """A folder under git, with a dataset."""
    project.write(
        "counting.py",
        """
        import numpy
        from starwhale import evaluation

        @evaluation.predict(log_mode="plain", env="FLAVOUR")
        def predict(data):
            return int(numpy.int64(data["number"]) * 2)
        """,
    )
    project.make_numbers(4)
    git(project.folder, "init", "-q", "-b", "trunk")
    git(project.folder, "add", ".")
    git(project.folder, "commit", "-qm", "first")
    return project


def test_a_record_says_what_the_figures_come_from(counted: Project) -> None:
    import numpy as np

    done = counted.run("-d", "numbers", "--seed", "7", env={"FLAVOUR": "vanilla", "OTHER": "not declared"})
    assert done.returncode == 0, done.stderr
    found = manifest_of(counted)
    assert (found["seed"], found["starwhale_version"], found["python_version"]) == (
        7,
        VERSION,
        platform.python_version(),
    )
    assert found["env"] == {"FLAVOUR": "vanilla"}
    assert "not declared" not in json.dumps(found)
    assert found["packages"]["numpy"] == np.__version__
    assert "pytest" not in found["packages"]
    assert found["hardware"]["cores"] == os.cpu_count()
    assert found["hardware"]["memory_bytes"] > 1 << 20
    assert found["inputs"][0]["uri"] == found["dataset_uris"][0]
    assert len(found["inputs"][0]["manifest_digest"]) == 64
    assert (found["git"]["branch"], found["git"]["is_dirty"], found["git"]["diff_digest"]) == ("trunk", False, "")
    shown = counted.swcli("job", "info", "latest").stdout
    assert "FLAVOUR=vanilla" in shown
    assert "branch trunk" in shown
    assert f"numpy {np.__version__}" in shown


@pytest.mark.needs_time
def test_the_dirty_state_of_the_source_has_a_digest_of_its_own(counted: Project) -> None:
    digests: list[str] = []
    for text in ("# one\n", "# two\n", "# one\n"):
        counted.write("notes.py", text)
        assert counted.run("-d", "numbers").returncode == 0
        said = manifest_of(counted)["git"]
        assert said["is_dirty"]
        digests.append(said["diff_digest"])
    assert digests[0] == digests[2] != digests[1]


@pytest.mark.needs_time
def test_a_model_yaml_declares_variables_too(counted: Project) -> None:
    counted.write("model.yaml", "name: counter\nrun:\n  modules: [counting]\n  envs: [FROM_YAML]\n")
    environment = {"FLAVOUR": "mint", "FROM_YAML": "yes"}
    assert counted.swcli("model", "run", str(counted.folder), "-d", "numbers", env=environment).returncode == 0
    assert manifest_of(counted)["env"] == {"FLAVOUR": "mint", "FROM_YAML": "yes"}
    assert counted.swcli("model", "build", str(counted.folder)).returncode == 0
    assert counted.swcli("model", "run", "counter", "-d", "numbers", env=environment).returncode == 0
    found = manifest_of(counted)
    assert found["env"] == {"FLAVOUR": "mint", "FROM_YAML": "yes"}
    assert len(found["model_digest"]) == 64
    assert found["git"] is None
    counted.write("model.yaml", f"run:\n  modules: [counting]\n  envs: ['KEY={CANARY}']\n")
    refused = counted.swcli("model", "run", str(counted.folder), "-d", "numbers")
    assert refused.returncode == 2
    assert "'KEY=…' is not the name of an environment variable" in " ".join(refused.stderr.split())
    assert CANARY not in refused.stderr + refused.stdout


def every_text(root: Path) -> dict[str, bytes]:
    """Return what lies below a root: every file as it is, and columnar files and databases decoded too."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    found: dict[str, bytes] = {}
    for path in sorted(each for each in root.rglob("*") if each.is_file()):
        content = path.read_bytes()
        found[str(path)] = content
        if content[:4] == b"PAR1":
            found[f"{path} decoded"] = repr(pq.read_table(path).to_pylist()).encode()
        at = content.find(b"ARROW1")
        if at >= 0:
            with pa.ipc.open_file(pa.py_buffer(content[at:])) as opened:
                found[f"{path} decoded"] = repr(opened.read_all().to_pylist()).encode()
        if content[:15] == b"SQLite format 3":
            import sqlite3

            with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
                found[f"{path} decoded"] = "\n".join(database.iterdump()).encode()
            database.close()
    return found


@pytest.mark.needs_time
def test_no_secret_is_written_down_anywhere(project: Project, tmp_path: Path) -> None:
    project.write("asking.py", ASKING)
    project.write("model.yaml", f"name: asking\napi_key: {CANARY}\nrun:\n  modules: [asking]\n  envs: [ROUNDING]\n")
    project.make_numbers(5)
    git(project.folder, "init", "-q")
    git(project.folder, "remote", "add", "origin", f"https://me:{CANARY}@example.org/me/asking.git")
    git(project.folder, "add", ".")
    git(project.folder, "commit", "-qm", "first")
    environment = {"ROUNDING": "up", "SERVICE_TOKEN": CANARY, "UNDECLARED": CANARY}
    secrets = ["--api-key", CANARY, f"--endpoint=https://me:{CANARY}@example.org/?sig={CANARY}"]
    wrong = project.run("-d", f"numbers?token={CANARY}", "--", *secrets, module="asking", env=environment)
    assert wrong.returncode != 0

    failed = project.run("-d", "numbers", "--", "--rounds", "2", *secrets, module="asking", env=environment)
    assert "not yet" in failed.stderr
    (project.folder / "mended").touch()
    poor = project.swcli("job", "resume", "latest", env={"ROUNDING": "up"})
    assert poor.returncode == 2
    assert "--api-key is a secret, which no record keeps" in " ".join(poor.stderr.split())
    other = project.swcli("job", "resume", "latest", "--", *secrets, "--rounds", "3")
    assert other.returncode == 2
    assert "--rounds is no option whose value was left out" in " ".join(other.stderr.split())
    done = project.swcli("job", "resume", "latest", "--", *secrets, env=environment)
    assert done.returncode == 0, done.stderr

    found = manifest_of(project)
    assert found["env"] == {"NOT_SET": None, "ROUNDING": "up", "SERVICE_TOKEN": "<redacted>"}
    assert found["git"]["remote"] == "https://<redacted>@example.org/me/asking.git"
    assert found["arguments"] == [
        "--rounds",
        "2",
        "--api-key",
        "<redacted>",
        "--endpoint=https://<redacted>@example.org/?sig=<redacted>",
    ]
    said = project.swcli("job", "info", "latest", "-v").stdout + json.dumps(found)
    said += "".join(each.stdout + each.stderr for each in (wrong, failed, poor, other, done) if each is not wrong)
    assert CANARY not in said
    assert project.swcli("job", "results", "latest", "-o", "json").stdout.count(CANARY) == 0
    root = Path(project.swcli.env["SW_LOCAL_STORAGE"])
    archive = tmp_path / "job.sw"
    exported = project.swcli("job", "export", "latest", str(archive), "--with-datasets")
    assert exported.returncode == 0, exported.stderr
    with tarfile.open(archive) as opened:
        opened.extractall(tmp_path / "archive", filter="data")
    texts = every_text(root) | every_text(tmp_path / "archive")
    assert any(name.endswith("decoded") for name in texts)
    hits = [name for name, text in texts.items() if CANARY.encode() in text]
    assert hits == []


@pytest.mark.needs_time
def test_a_secret_comes_from_a_declared_variable_when_a_job_goes_on(project: Project) -> None:
    project.write(
        "asking.py",
        ASKING.replace("SERVICE_TOKEN", "API_KEY").replace('assert "4b5a" in argument.endpoint', "assert True"),
    )
    project.make_numbers(5)
    failed = project.run("-d", "numbers", "--", "--api-key", CANARY, module="asking")
    assert "not yet" in failed.stderr
    (project.folder / "mended").touch()
    done = project.swcli("job", "resume", "latest", env={"API_KEY": CANARY})
    assert done.returncode == 0, done.stderr
