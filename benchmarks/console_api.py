"""How long the console waits for its first rows, for sorting and for filtering, and what the server weighs meanwhile.

    python benchmarks/console_api.py [ROWS] [JOBS]

Makes a root with one run of a million rows (each with a picture, and a row in a table that evaluate logged) and ten thousand small runs, serves it with `python -m starwhale.server`, and
asks as the console does. The limits are those of the console's issue: 1 s, and 500 MB.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

from starwhale.domain.job import DatasetInput, HandlerRecord, Job, RunRequest, Step
from starwhale.domain.status import Status
from starwhale.instances import Instance, open_instance
from starwhale.settings import read_settings
from starwhale.storage.part import PartDraft, PartRecord, TableDraft
from starwhale.storage.result_parts.part_codec import encode_draft

PART_ROWS = 4096
LIMIT_S, LIMIT_MB = 1.0, 500
SHOWN = 100


def make_rows(instance: Instance, rows: int) -> str:
    """Make a dataset of so many rows with pictures, and a run over it; the parts are written as workers write them."""
    from starwhale.datasets.dataset import Dataset
    from starwhale.media.image import GrayscaleImage

    with instance.datasets.open("pictures", Dataset) as pictures:
        for start in range(0, rows, 50_000):
            numbers = range(start, min(start + 50_000, rows))
            pictures.extend(
                {"label": n % 10, "text": f"row {n}", "image": GrayscaleImage(bytes([n % 256]) * 64, shape=(8, 8, 1))}
                for n in numbers
            )
        pictures.commit()
    version = instance.datasets.resolve("pictures")
    source = DatasetInput(
        uri=version.uri.full, given="pictures", dataset_id=version.bundle_id, project="self", name="pictures",
        version=version.version, manifest_digest=version.content_digest, row_count=rows,
    )  # fmt: skip
    job = _job(instance.catalog.make_id(), (source,))
    instance.catalog.jobs.create(job, {}, None)
    results = instance.stores.results
    for start in range(0, rows, PART_ROWS):
        ids = list(range(start, min(start + PART_ROWS, rows)))
        columns = {
            "output": [(n * 7 + n // 13) % 10 for n in ids],
            "score": [((n * 2654435761) % 1_000_003) / 1_000_003 for n in ids],
            "duration_seconds": [1e-5 + n % 97 * 1e-6 for n in ids],
        }
        encoded = encode_draft(PartDraft(tables=[TableDraft(name="predictions", ids=list(ids), columns=columns)]))
        tables = results.write(job.id, "task#1", encoded)
        part = PartRecord(
            owner=job.id, step="m:predict", dataset_position=0, start=ids[0], stop=ids[-1] + 1, tables=tables,
        )  # fmt: skip
        results.parts.commit(part)
    make_logged(instance, job.id, rows)
    _summary(instance, job.id, {"accuracy": 0.5})
    _end(instance, job.id)
    results.compact(job.id)
    return job.id


def make_logged(instance: Instance, job_id: str, rows: int) -> None:
    """Log a row by id for each row of the run, as evaluate does."""
    for start in range(0, rows, PART_ROWS):
        ids = range(start, min(start + PART_ROWS, rows))
        columns: dict[str, list[object]] = {
            "correct": [n % 3 > 0 for n in ids],
            "weight": [((n * 48271) % 65_537) / 65_537 for n in ids],
            "kind": [f"kind {n % 17}" for n in ids],
        }
        table = TableDraft(name="graded", ids=[f"self/pictures_#@#_{n}" for n in ids], columns=columns)
        instance.stores.results.append(job_id, "evaluate#1", PartDraft(tables=[table]))


def make_jobs(instance: Instance, count: int) -> None:
    """Make so many runs with a summary each."""
    for number in range(count):
        job_id = instance.catalog.make_id()
        instance.catalog.jobs.create(_job(job_id, ()), {"packages": {"numpy": "2"}}, None)
        _summary(instance, job_id, {"accuracy": number % 1000 / 1000, "f1": number % 77 / 77, "loss": number / count})
        _end(instance, job_id)


def _job(job_id: str, datasets: tuple[DatasetInput, ...]) -> Job:
    record = HandlerRecord(name="m:predict", kind="predict", replicas=1)
    step = Step(name="m:predict", record=record, consumes_rows=True)
    return Job(
        id=job_id, request=RunRequest(workdir="/w", modules=("m",), model_name="model"), handler="m:predict", steps=(step,), datasets=datasets
    )  # fmt: skip


def _summary(instance: Instance, job_id: str, values: Mapping[str, float]) -> None:
    columns = {name: [value] for name, value in values.items()}
    instance.stores.results.append(
        job_id, "evaluate#1", PartDraft(tables=[TableDraft(name="summary", ids=[0], columns=columns)])
    )


def _end(instance: Instance, job_id: str) -> None:
    for status in (Status.RUNNING, Status.SUCCESS):
        instance.catalog.jobs.set_status(job_id, status)


class Asked:
    """Asks a server, and prints what it took."""

    def __init__(self, address: str, pid: int) -> None:
        self.address, self.pid = address, pid
        self.is_within = True

    def __call__(self, title: str, path: str, *, limit_s: float = LIMIT_S, **words: Any) -> dict[str, Any]:
        """Ask once, and print seconds and memory."""
        began = time.monotonic()
        with urlopen(f"{self.address}/api/v1/{path}?{urlencode(words, doseq=True)}") as answer:  # noqa: S310 - our own server
            found: dict[str, Any] = json.load(answer)
        seconds = time.monotonic() - began
        resident, peak = memory_mb(self.pid)
        is_within = seconds <= limit_s and peak <= LIMIT_MB
        self.is_within &= is_within
        mark = "" if is_within else "   over the limit"
        print(f"{title:<52} {seconds:7.3f} s   {resident:5.0f} MB (peak {peak:4.0f}){mark}", flush=True)
        return found


def memory_mb(pid: int) -> tuple[float, float]:
    """Return resident and highest resident memory of a process."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) / 1000, int(fields["VmHWM"].split()[0]) / 1000


def ask_all(ask: Asked, job: str) -> None:
    """Ask for what the pages of the console ask for."""
    ask("jobs: first page, just after the start", "jobs", limit=SHOWN, limit_s=5)
    ask("jobs: sorted by a metric, waiting for all summaries", "jobs", limit=SHOWN, sort="summary/accuracy", limit_s=60)
    page = ask("jobs: first page", "jobs", limit=SHOWN)
    if page["next"]:
        ask("jobs: second page", "jobs", limit=SHOWN, after=page["next"])
    ask("jobs: sorted by a metric", "jobs", limit=SHOWN, sort="summary/f1")
    ask("jobs: filtered", "jobs", limit=SHOWN, where="summary/accuracy > 0.9 and summary/loss < 0.5")
    ask("jobs: searched", "jobs", limit=SHOWN, search="model")
    ask("one job", f"jobs/{job}")
    ask("tables of the run", f"jobs/{job}/tables")
    rows = ask("rows: first page", f"jobs/{job}/rows", limit=SHOWN)
    if rows["next"]:
        ask("rows: second page", f"jobs/{job}/rows", limit=SHOWN, after=rows["next"])
    ask("rows: the middle", f"jobs/{job}/rows", limit=SHOWN, offset=rows["total"] // 2)
    ask("rows: sorted by a score", f"jobs/{job}/rows", limit=SHOWN, sort="score", descending=True)
    ask(
        "rows: sorted, far down",
        f"jobs/{job}/rows",
        limit=SHOWN,
        sort="score",
        descending=True,
        offset=rows["total"] // 2,
    )
    ask("rows: sorted by an input", f"jobs/{job}/rows", limit=SHOWN, sort="input/text")
    ask("rows: output != input/label", f"jobs/{job}/rows", limit=SHOWN, where="output != input/label")
    ask(
        "rows: filtered and sorted",
        f"jobs/{job}/rows",
        limit=SHOWN,
        where="output == 3 and score > 0.5",
        sort="input/label",
    )
    ask("rows: text search", f"jobs/{job}/rows", limit=SHOWN, where='input/text contains "99999"')
    ask("histogram of a score", f"jobs/{job}/histogram", column="score")
    ask(
        "histogram of rows that are wrong", f"jobs/{job}/histogram", column="input/label", where="output != input/label"
    )
    ask("2,000 points for a chart", f"jobs/{job}/series", columns=["score", "output"])
    ask("logged: first page", f"jobs/{job}/rows", table="graded", limit=SHOWN)
    ask("logged: the middle", f"jobs/{job}/rows", table="graded", limit=SHOWN, offset=rows["total"] // 2)
    ask("logged: sorted", f"jobs/{job}/rows", table="graded", limit=SHOWN, sort="weight", descending=True)
    ask("logged: filtered", f"jobs/{job}/rows", table="graded", limit=SHOWN, where="correct == false and weight > 0.5")


def main(rows: int = 1_000_000, jobs: int = 10_000) -> int:
    """Make, serve, ask, print; 1 where a limit was passed."""
    with tempfile.TemporaryDirectory() as name:
        env = {**os.environ, "SW_LOCAL_STORAGE": f"{name}/root", "SW_CLI_CONFIG": f"{name}/config.yaml"}
        began = time.monotonic()
        with open_instance(dataclasses.replace(read_settings(env))) as instance:
            job = make_rows(instance, rows)
            make_jobs(instance, jobs)
        print(f"made {rows:,} rows with pictures and {jobs:,} runs in {time.monotonic() - began:.0f} s", flush=True)
        command = [sys.executable, "-m", "starwhale.server", "--say-json", "--port", "0"]
        server = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            began = time.monotonic()
            ask = Asked(json.loads(server.stdout.readline())["address"], server.pid)
            print(f"the server answers after {time.monotonic() - began:.2f} s", flush=True)
            ask_all(ask, job)
        finally:
            server.terminate()
            server.wait()
    return 0 if ask.is_within else 1


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
