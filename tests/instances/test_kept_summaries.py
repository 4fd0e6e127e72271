"""Summaries that are kept from one start of a console to the next."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from starwhale.domain.job import Job, RunRequest
from starwhale.instances.change_feed import ChangeFeed
from starwhale.instances.instance import Instance, open_instance
from starwhale.instances.jobs.job_table import JobsWanted, JobTable
from starwhale.settings import read_settings
from starwhale.storage.part import PartDraft, TableDraft

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pytest


def log(instance: Instance, job: str, **values: object) -> None:
    """Write to the summary of a job."""
    table = TableDraft(name="summary", ids=[0], columns={name: [value] for name, value in values.items()})
    instance.stores.results.append(job, "evaluate#1", PartDraft(tables=[table]))


def add_job(instance: Instance, **values: object) -> str:
    job = instance.catalog.make_id()
    request = RunRequest(workdir="/w", modules=("m",), model_name="m")
    instance.catalog.jobs.create(Job(id=job, request=request, handler="m:predict", steps=(), datasets=()), {}, None)
    log(instance, job, **values)
    return job


def summaries(instance: Instance) -> dict[str, Mapping[str, Any]]:
    """What a console that starts now knows of all jobs; it keeps that for the next."""
    table = JobTable(instance, ChangeFeed(instance.catalog.changes()))
    table.warm()
    return {each.id: each.summary for each in table.find(JobsWanted()).rows}


def read_jobs(monkeypatch: pytest.MonkeyPatch, instance: Instance) -> list[str]:
    """Note whose summaries are read from the results from now on, which is done all the same."""
    reader, noted = instance.stores.results.reader, list[str]()
    read = reader.summaries

    def noting(owners: list[str]) -> Iterator[Any]:
        noted.extend(owners)
        return read(owners)

    monkeypatch.setattr(reader, "summaries", noting)
    return noted


def test_a_second_start_reads_only_summaries_that_have_changed(
    instance_root: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = {"nan": math.nan, "text": "größer", "list": [1, 2.5, None], "raw": b"\xff", "big": 2**80}
    with open_instance(read_settings(instance_root)) as instance:
        same, grown, strange = (
            add_job(instance, accuracy=0.5),
            add_job(instance, accuracy=0.7),
            add_job(instance, **odd),
        )
        noted = read_jobs(monkeypatch, instance)
        first = summaries(instance)
        assert sorted(noted) == sorted([same, grown, strange])
        assert (first[same], first[strange]["raw"], first[strange]["big"]) == ({"accuracy": 0.5}, b"\xff", 2**80)
        noted.clear()
        log(instance, grown, loss=1.0)
        second = summaries(instance)
        assert sorted(noted) == sorted([grown, strange])  # bytes are not kept
        assert second[same] == {"accuracy": 0.5}
        assert second[grown] == {"accuracy": 0.7, "loss": 1.0}
        assert math.isnan(second[strange]["nan"])
        assert {**second[strange], "nan": 0} == {**odd, "nan": 0}


def test_a_kept_file_that_is_damaged_is_made_anew(
    instance_root: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_instance(read_settings(instance_root)) as instance:
        job = add_job(instance, accuracy=0.5)
        summaries(instance)
        path = instance.stores.layout.summaries
        good = path.read_bytes()
        noted = read_jobs(monkeypatch, instance)
        for damaged in (good.replace(b"0.5", b"0.9"), good[:20], b"", b"[]"):
            path.write_bytes(damaged)
            noted.clear()
            assert summaries(instance) == {job: {"accuracy": 0.5}}
            assert noted == [job]
            assert path.read_bytes() == good


def test_a_summary_that_is_damaged_hides_no_other(instance_root: dict[str, str]) -> None:
    with open_instance(read_settings(instance_root)) as instance:
        job, other = add_job(instance, accuracy=0.5), add_job(instance, accuracy=0.6)
        (written,) = [each for each in instance.stores.results.folder(job).rglob("*") if each.is_file()]
        content = bytearray(written.read_bytes())
        content[len(content) // 2] ^= 1
        written.write_bytes(content)
        found = summaries(instance)
        assert found[other] == {"accuracy": 0.6}
        assert "corrupted" in str(found[job]["error"])
