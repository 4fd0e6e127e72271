"""One job on a real store whose every row can be recounted; what the tests of crashes and kills share."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Generator, Iterable, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

from starwhale.domain.job import ResumeChanges, RunRequest
from starwhale.domain.ledger import RangeState, RowRange
from starwhale.domain.status import Status
from starwhale.execution.run_options import RunOptions
from starwhale.instances.instance import Instance, open_instance
from starwhale.results.read import JobTables
from starwhale.settings import read_settings
from starwhale.storage.protocols import StepProgress, TableQuery

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
FLAKY = """
    import hashlib
    from pathlib import Path
    from starwhale import evaluation

    HERE = Path(__file__).parent

    @evaluation.predict(replicas=2, batch_size=BATCH, fail_on_error=False, log_mode="plain")
    def predict(data):
        rows = data if isinstance(data, list) else [data]
        broken, odd = ((HERE / name).read_text().split() for name in ("broken", "odd"))
        with (HERE / "tries").open("a") as file:
            file.write("".join(f"{row['number']}\\n" for row in rows))
        outputs = []
        for row in rows:
            if str(row["number"]) in broken:
                raise ValueError(f"row {row['number']} is broken")
            evaluation.log("seen", row["number"], {"third": row["number"] / 3})
            outputs.append(object() if str(row["number"]) in odd else row["number"] / 7)
        return outputs if isinstance(data, list) else outputs[0]
""" + HANDLERS[HANDLERS.index("\n    @evaluation.evaluate") :]
"""Rows that `broken` names raise, with their batch; those that `odd` names give what cannot be stored; `tries` tells which were tried."""
DEADLY = """
    import hashlib
    import os
    import threading
    from starwhale import evaluation

    @evaluation.predict(replicas=2, batch_size=BATCH, fail_on_error=False, log_mode="plain", timeout_s=LIMIT_S)
    def predict(data):
        rows = data if isinstance(data, list) else [data]
        for row in rows:
            if row["number"] == 5:
                os._exit(7)
            if row["number"] == 9:
                threading.Event().wait(DELAY_S)
            evaluation.log("seen", row["number"], {"third": row["number"] / 3})
        return [row["number"] / 7 for row in rows] if isinstance(data, list) else data["number"] / 7
""" + HANDLERS[HANDLERS.index("\n    @evaluation.evaluate") :]
"""Row 5 ends the process that tries it; row 9 takes long, and where that is too long it fails. Where none is to, the limit is out of reach of a slow machine."""
STEADY = (
    HANDLERS.replace("replicas=2", "replicas=1")
    .replace(
        "threading.Event().wait(DELAY_S)",
        """threading.Event().wait(DELAY_S)
        with (Path(__file__).parent / "tries").open("a") as file:
            file.write("".join(f"{row['number']}\\n" for row in data))""",
    )
    .replace("import threading", "import threading\n    from pathlib import Path")
)
"""One task whose ranges soon take long enough to be committed beside predict; `tries` tells which rows were tried."""
LATE = """
    import asyncio
    import hashlib
    from starwhale import evaluation

    @evaluation.predict(replicas=2, concurrency=16, log_mode="plain")
    async def predict(data):
        await asyncio.sleep(DELAY_S if data["number"] % 20 == 7 else 0.0)
        evaluation.log("seen", data["number"], {"third": data["number"] / 3})
        return data["number"] / 7
""" + HANDLERS[HANDLERS.index("\n    @evaluation.evaluate") :]
"""An async predict, of which a call in twenty is late: its range is cut, so that the others are committed before."""


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

    def resume(
        self, job_id: str, executor: str | None = None, *, replicas: int | None = None, failed: bool = False
    ) -> None:
        """Go on with the job, in this process; it must succeed."""
        with self.instance() as opened:
            changes = ResumeChanges(executor=executor, replicas=replicas, failed=failed)
            outcome = opened.jobs.resume(job_id, changes, options=undisturbed())
        assert outcome.status is Status.SUCCESS, outcome.error

    def tables(self, job_id: str, *more: str) -> dict[str, list[dict[str, Any]]]:
        """All rows of all tables of the job, as readers see them."""
        with self.instance() as opened:
            record = opened.jobs.get(job_id)
            return {
                name: list(JobTables(opened.stores, record).rows(TableQuery(table=name)))
                for name in ("results", "seen", "again", "summary", *more)
            }

    def break_rows(self, broken: Iterable[int] = (), odd: Iterable[int] = ()) -> None:
        """Of flaky handlers: say which rows fail from now on, and forget which were tried."""
        for name, numbers in {"broken": broken, "odd": odd, "tries": ()}.items():
            (self.folder / name).write_text("".join(f"{number}\n" for number in numbers), encoding="utf-8")

    def tried(self) -> Counter[int]:
        """Of flaky handlers: how often each row was tried since then."""
        return Counter(map(int, (self.folder / "tries").read_text(encoding="utf-8").split()))

    def ranges(self, job_id: str) -> list[RowRange]:
        """The ranges of the first step, in row order, by the ledger."""
        query = "select start, stop, state, crashes from ranges where job_id = ? order by step, start"
        with closing(sqlite3.connect(Path(self.env["SW_LOCAL_STORAGE"]) / "catalog.db")) as database:
            found = database.execute(query, (job_id,)).fetchall()
        return [RowRange(start=a, stop=z, state=RangeState(state), crashes=n) for a, z, state, n in found]

    def progress(self, job_id: str) -> StepProgress:
        """How far the first step is, by the ledger."""
        with self.instance() as opened:
            return opened.catalog.ledger.progress(job_id)[0]

    def done(self, job_id: str) -> int:
        """Rows that were committed, by the ledger."""
        with self.instance() as opened:
            return sum(each.done for each in opened.catalog.ledger.progress(job_id))


def undisturbed() -> RunOptions:
    """Options of a run that nobody stops."""
    return RunOptions(should_stop=lambda: False)


def make_job(
    folder: Path, *, rows: int = ROWS, delay_s: float = 0.0, handlers: str = HANDLERS, batch: int = 1
) -> LedgerJob:
    """Write the handlers and build the dataset."""
    (folder / "project").mkdir(parents=True)
    limit_s = 2.0 if delay_s else 60.0
    source = (
        dedent(handlers).replace("DELAY_S", str(delay_s)).replace("LIMIT_S", str(limit_s)).replace("BATCH", str(batch))
    )
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
