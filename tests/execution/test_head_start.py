"""What is done while the worker imports leaves nothing behind, and what goes wrong then is told in its turn."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from tests.execution.ledger_job import make_job

from starwhale.domain.job import DatasetInput
from starwhale.errors import NotFoundError
from starwhale.execution.head_start import HeadStart, rehearse


def test_a_rehearsal_leaves_nothing_behind(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    with job.instance() as opened:
        rehearse(opened.catalog)
        rehearse(opened.catalog)
        assert list(opened.catalog.jobs.list()) == []
        assert opened.catalog.jobs.steps("rehearsal") == opened.catalog.jobs.attempts("rehearsal") == []
        assert opened.catalog.ledger.progress("rehearsal") == []


def test_what_was_looked_up_is_looked_up_once_and_what_was_not_found_again(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    asked: list[str] = []

    with job.instance() as opened:

        def pin(uri: str) -> DatasetInput:
            asked.append(uri)
            message = f"no dataset {uri!r}"
            if uri == "missing":
                raise NotFoundError(message)
            found = opened.catalog.versions.resolve("dataset", uri, default_project="self")
            return DatasetInput(
                uri=found.uri.full, given=uri, dataset_id=found.bundle_id, project=found.project, name=found.name,
                version=found.version, manifest_digest=found.content_digest, row_count=found.row_count or 0,
            )  # fmt: skip

        request = job.request("thread")
        (name,) = request.datasets
        with pytest.raises(ZeroDivisionError), HeadStart(request, opened.stores, pin):
            _ = 1 / 0
        assert [each.name for each in threading.enumerate() if each.name == "head-start"] == [], (
            "the stores may be closed"
        )
        asked.clear()
        ahead = HeadStart(request, opened.stores, pin)
        assert ahead.pin(name).name == name
        assert asked == [name]
        with pytest.raises(NotFoundError):
            ahead.pin("missing")
        assert asked == [name, "missing"]
