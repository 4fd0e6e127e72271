"""What is stored is the same whichever executor ran it, to the last bit, but for how long it took and which attempt it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.end_to_end.project import Project

MODEL = """
    import hashlib
    import random
    from collections import OrderedDict

    import numpy as np
    from starwhale import Image, evaluation

    def value_of(number):
        return [
            number, number / 7, f"text {number}", bytes([number % 256]), [1, [2.5, None]], {"b": number, "a": {"deep": "x"}},
            (number, "pair"), np.arange(number % 5, dtype="int16"), np.float32(number), float("nan"), 2**70 + number,
            Image(b"not really a picture", shape=(1, 1, 3)), OrderedDict(kept="as it is"), True,
        ][number % 14]

    @evaluation.predict(replicas=3, batch_size=4, fail_on_error=False)
    def first(rows, external):
        if any(row["number"] == 50 for row in rows):
            raise ValueError("fifty is in it")
        for row, seed in zip(rows, external["seed"]):
            evaluation.log("seeds", row["number"], {"seed": seed, "even": row["number"] % 2 == 0})
        return [value_of(row["number"]) for row in rows]

    @evaluation.predict(replicas=2, log_mode="plain", log_dataset_features=["number"])
    def second(data):
        evaluation.log("seeds", data["number"], {"again": data["text"]})
        if data["number"] % 3:
            return {"scores": [0.1 * data["number"], 0.5], "label": data["text"], "none": None}

    @evaluation.evaluate(needs=[first, second])
    def evaluate(results):
        digest = hashlib.blake2b()
        count = 0
        for row in results:
            digest.update(repr((row["id"], row["_index"], row.get("input/number"))).encode())
            count += 1
        evaluation.log_summary(count=count, order=digest.hexdigest())
"""
_OF_THE_ATTEMPT = frozenset({"duration_seconds", "task", "attempt"})
"""Columns that may differ: how long it took, and who did it."""


def _stored(project: Project) -> dict[str, list[dict[str, Any]]]:
    """Return every table of the newest job as it is stored, hidden columns too; a value as its type and its canonical bytes."""
    project.python("""
        import json
        from starwhale.api.instance import default_instance
        from starwhale.media.codec import pack
        from starwhale.results.read import job_scope
        from starwhale.storage.protocols import TableQuery

        stores = default_instance().stores
        scope = job_scope(stores, default_instance().jobs.get("latest"))
        stored = {}
        for name in [*stores.results.reader.table_names(scope), "summary"]:
            stored[name] = [
                {column: f"{type(value).__name__} {pack(value).hex()}" for column, value in row.items()}
                for row in stores.results.reader.rows(scope, TableQuery(table=name))
            ]
        json.dump(stored, open("stored.json", "w"))
    """)
    found: dict[str, list[dict[str, Any]]] = json.loads(Path(project.folder, "stored.json").read_text(encoding="utf-8"))
    return found


def _comparable(tables: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    return {
        name: [{column: value for column, value in row.items() if column not in _OF_THE_ATTEMPT} for row in rows]
        for name, rows in tables.items()
    }


def _make(project: Project) -> None:
    project.write("kinds.py", MODEL)
    project.python("""
        from starwhale import dataset
        for name, first, count in [("one", 0, 120), ("two", 1000, 35)]:
            with dataset(name, create="empty") as made:
                made.extend({"number": first + n, "text": f"row {n}"} for n in range(count))
                made.commit()
    """)


def _run(project: Project, executor: str, *more: str) -> dict[str, list[dict[str, Any]]]:
    words = ["model", "run", "kinds.py", "-h", "evaluate", "-d", "one", "-d", "two", "--executor", executor, *more]
    done = project.swcli(*words, cwd=project.folder)
    assert done.returncode == 0, done.stderr
    return _stored(project)


@pytest.mark.needs_time
def test_thread_and_process_store_the_same(project: Project) -> None:
    _make(project)
    found = [_run(project, "thread"), _run(project, "process"), _run(project, "process", "--replicas", "1")]
    thread, process, single = map(_comparable, found)
    assert {name: len(rows) for name, rows in thread.items()} == {
        "results": 255, "errors": 4, "seeds": 155, "summary": 1,
    }  # fmt: skip
    assert {"output", "input/text", "__step", "__dataset_version", "__key", "_mode"} <= thread["results"][0].keys()
    assert {column for rows in found[0].values() for row in rows for column in row} >= _OF_THE_ATTEMPT
    assert process == thread
    assert single == thread


@pytest.mark.needs_ray
def test_ray_stores_the_same_and_leaves_nothing_behind(project: Project) -> None:
    _make(project)
    thread = _comparable(_run(project, "thread"))
    before = set(Path("/tmp").glob("sw-ray-*"))  # noqa: S108 - where its sockets are
    assert _comparable(_run(project, "ray", "--address", "local")) == thread
    left = set(Path("/tmp").glob("sw-ray-*")) - before  # noqa: S108 - the same
    assert left == set()
    assert [each for each in _environments() if str(project.folder.parent) in each] == []


def _environments() -> list[str]:
    """Return the environments of all processes: those of the test name its folder."""
    found: list[str] = []
    for each in Path("/proc").glob("[0-9]*/environ"):
        try:
            found.append(each.read_bytes().decode(errors="replace"))
        except OSError:
            continue
    return found
