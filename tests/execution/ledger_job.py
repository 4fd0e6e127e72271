"""One job on a real store whose every row can be recounted; what the tests of crashes and kills share."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

from starwhale.domain.job import ResumeChanges, RunRequest
from starwhale.domain.status import Status
from starwhale.execution.start import RunOptions
from starwhale.instances.instance import Instance, open_instance
from starwhale.results.read import read_rows
from starwhale.settings import read_settings
from starwhale.storage.protocols import TableQuery

ROWS = 60
HANDLERS = """
    import hashlib
    import threading
    from starwhale import evaluation

    @evaluation.predict(replicas=2, batch_size=2, log_mode="plain")
    def predict(data):
        threading.Event().wait(DELAY_S)
        for row in data:
            evaluation.log("seen", row["number"], {"third": row["number"] / 3})
        return [row["number"] / 7 for row in data]

    @evaluation.evaluate(needs=[predict])
    def evaluate(results):
        count, total, digest = 0, 0.0, hashlib.sha256()
        for row in results:
            count += 1
            total += row["output"] * 1.1
            digest.update(repr((row["id"], row["output"])).encode())
            evaluation.log("again", count, {"output": row["output"]})
        evaluation.log_summary({"count": count, "total": total, "digest": digest.hexdigest()})
"""
"""The total depends on the order of the sum in its last digits; the digest on every row and on the order."""


@dataclass(frozen=True, kw_only=True)
class LedgerJob:
    """A folder with handlers, and a root with a dataset whose row k holds the number k."""

    folder: Path
    """The user's files."""
    env: Mapping[str, str]
    """Environment in which our commands find the root."""

    @contextmanager
    def instance(self) -> Generator[Instance]:
        """The instance, opened in this process."""
        with open_instance(read_settings(self.env)) as opened:
            yield opened

    def request(self, executor: str, *, replicas: int | None = None, job_id: str = "") -> RunRequest:
        """What a run of the job is asked for with."""
        return RunRequest(
            workdir=str(self.folder),
            modules=("thirds",),
            handler="thirds:evaluate",
            datasets=("numbers",),
            executor=executor,
            replicas=replicas,
            job_id=job_id,
        )

    def run(self, executor: str = "thread", *, replicas: int | None = None) -> str:
        """Run the job undisturbed, in this process; returns its id."""
        with self.instance() as opened:
            outcome = opened.jobs.run(self.request(executor, replicas=replicas), undisturbed())
        assert outcome.status is Status.SUCCESS, outcome.error
        return outcome.job_id

    def resume(self, job_id: str, executor: str | None = None, *, replicas: int | None = None) -> None:
        """Go on with the job, in this process; it must succeed."""
        with self.instance() as opened:
            changes = ResumeChanges(executor=executor, replicas=replicas)
            outcome = opened.jobs.resume(job_id, changes, options=undisturbed())
        assert outcome.status is Status.SUCCESS, outcome.error

    def tables(self, job_id: str) -> dict[str, list[dict[str, Any]]]:
        """All rows of all tables of the job, as readers see them."""
        with self.instance() as opened:
            record = opened.jobs.get(job_id)
            return {
                name: list(read_rows(opened.stores, record, TableQuery(table=name)))
                for name in ("results", "seen", "again", "summary")
            }

    def done(self, job_id: str) -> int:
        """Rows that were committed, by the ledger."""
        with self.instance() as opened:
            return sum(each.done for each in opened.catalog.ledger.progress(job_id))


def undisturbed() -> RunOptions:
    """Options of a run that nobody stops."""
    return RunOptions(should_stop=lambda: False)


def make_job(folder: Path, *, rows: int = ROWS, delay_s: float = 0.0) -> LedgerJob:
    """Write the handlers and build the dataset."""
    (folder / "project").mkdir(parents=True)
    source = dedent(HANDLERS).replace("DELAY_S", str(delay_s))
    (folder / "project" / "thirds.py").write_text(source, encoding="utf-8")
    numbers = folder / "numbers.jsonl"
    numbers.write_text("".join(json.dumps({"number": k}) + "\n" for k in range(rows)), encoding="utf-8")
    env = {
        "HOME": str(folder),
        "SW_CLI_CONFIG": str(folder / "config.yaml"),
        "SW_LOCAL_STORAGE": str(folder / "storage"),
    }
    command = [
        str(Path(sys.executable).parent / "swcli"),
        "dataset",
        "build",
        "--json",
        str(numbers),
        "--name",
        "numbers",
    ]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return LedgerJob(folder=folder / "project", env=env)


def assert_each_row_once(tables: dict[str, list[dict[str, Any]]], rows: int = ROWS) -> None:
    """Every row stands in every table exactly once, in row order, with its value."""
    assert [row["id"] for row in tables["results"]] == [f"self/numbers_#@#_{k}" for k in range(rows)]
    assert [row["output"] for row in tables["results"]] == [k / 7 for k in range(rows)]
    assert [row["third"] for row in tables["seen"]] == [k / 3 for k in range(rows)]
    assert [row["output"] for row in tables["again"]] == [k / 7 for k in range(rows)]
