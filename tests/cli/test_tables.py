"""Every table fits 80 columns, and any width that COLUMNS asks for; ids stay whole, and nothing is coloured in a pipe."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from starwhale.cli import versions
from starwhale.cli.render.render_table import Column, Kind, fit_widths, render_table
from starwhale.cli.root import run
from starwhale.datasets.dataset import Dataset
from starwhale.domain.job import Job, RunRequest
from starwhale.instances import open_instance
from starwhale.settings import read_settings
from starwhale.storage.catalog.records import VersionDraft

Call = Callable[..., str]
LONG = "a-name-that-goes-on-" * 3 + "and-on"
TABLES = (
    "dataset list",
    "dataset list --fullname",
    f"dataset history {LONG}",
    f"dataset history {LONG} --fullname",
    "model list",
    "job list",
    "project list",
)


@pytest.fixture
def call(instance_root: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Call:
    for name in ("HOME", "SW_CLI_CONFIG", "SW_LOCAL_STORAGE"):
        monkeypatch.setenv(name, instance_root[name])
    monkeypatch.delenv("COLUMNS", raising=False)

    def swcli(*words: str) -> str:
        assert run(words) == 0
        return capfd.readouterr().out

    return swcli


@pytest.fixture
def version(call: Call) -> str:
    """The id of a version with a long name and many tags; there are a project, a model and a job with long names too."""
    with open_instance(read_settings()) as instance:
        with instance.datasets.open(LONG, Dataset) as dataset:
            dataset.append((0, {"x": 1}))
            dataset.commit()
        instance.datasets.add_tags(LONG, ["the-best-of-all-2026", "the-one-for-the-paper", "another"])
        instance.projects.create(LONG)
        catalog = instance.stores.catalog
        model = catalog.bundles.ensure("self", "model", LONG)
        catalog.versions.add(model, VersionDraft(content_digest="0" * 64, manifest={}, tags=("the-best-of-all-2026",)))
        request = RunRequest(workdir="/", modules=(), project="self", name=LONG)
        job = Job(id="j" * 40, request=request, handler=f"evaluation:{LONG.replace('-', '_')}", steps=(), datasets=())
        catalog.jobs.create(job, {}, None)
        return instance.datasets.info(LONG).version


@pytest.mark.parametrize("table", TABLES)
def test_a_table_fits_the_width(table: str, call: Call, version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = {0: call(*table.split())}
    for width in (60, 80, 250):
        monkeypatch.setenv("COLUMNS", str(width))
        shown[width] = call(*table.split())
        assert max(map(len, shown[width].splitlines())) <= width
        assert "\x1b" not in shown[width]
        assert "…" not in shown[width]
    assert shown[0] == shown[80]
    if table.startswith("dataset"):
        assert (version if "--fullname" in table else version[:12]) in shown[250]
        assert version[:12] in shown[60] or "--fullname" in table
        assert "another, the-best-of-all-2026, the-one-for-the-paper, latest, v0" in shown[250]
    if table.endswith(" list"):
        assert LONG in shown[250]


def test_a_long_list_is_cut_for_people_and_whole_for_programs(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_instance(read_settings()) as instance:
        for name in ("a", "b", "c"):
            with instance.datasets.open(name, Dataset) as dataset:
                dataset.append({"x": 1})
                dataset.commit()
    monkeypatch.setattr(versions, "SHOWN_ROWS", 2)
    *table, last = call("dataset", "list").splitlines()
    assert [line.split()[0] for line in table[2:]] == ["c", "b"]
    assert last == "… and 1 more: --page 2 --size 2, or --filter name=<prefix>"
    assert [row["name"] for row in json.loads(call("dataset", "list", "-o", "json"))] == ["c", "b", "a"]
    assert [line.split()[0] for line in call("dataset", "list", "--size", "3").splitlines()[2:]] == ["c", "b", "a"]


def test_info_is_a_line_for_each_fact_and_uris_stay_in_one_piece(call: Call, version: str) -> None:
    lines = call("dataset", "info", LONG).splitlines()
    assert f"uri: local/project/self/dataset/{LONG}/version/{version}" in lines
    assert "tags: another, the-best-of-all-2026, the-one-for-the-paper, latest, v0" in lines
    assert "{" not in "".join(lines)


def test_text_is_narrowed_before_times_and_ids_last() -> None:
    kinds = [Kind.TEXT, Kind.TIME, Kind.WHOLE]
    assert fit_widths([10, 16, 12], kinds, 50) == [10, 16, 12]
    assert fit_widths([40, 16, 12], kinds, 40) == [12, 16, 12]
    assert fit_widths([40, 16, 12], kinds, 26) == [4, 10, 12]
    assert sum(fit_widths([40, 16, 12], kinds, 9)) == 9


def test_folding_loses_nothing() -> None:
    from rich.console import Console

    console = Console(file=io.StringIO(), width=40)
    render_table(
        console,
        [Column(title="name"), Column(title="id", kind=Kind.WHOLE), Column(title="rows", kind=Kind.NUMBER)],
        [{"name": LONG, "id": "x" * 12, "rows": "1234567"}],
    )
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert "".join(line[:17].strip() for line in lines[2:]) == LONG
    assert ("x" * 12 in lines[2], lines[2].rstrip().endswith("1234567")) == (True, True)


def test_no_color_and_columns_are_read_once(tmp_path: Path) -> None:
    assert (read_settings({}).colours, read_settings({"NO_COLOR": "1"}).colours) == (True, False)
    assert [read_settings({"COLUMNS": text}).columns for text in ("120", "", "0", "wide")] == [120, None, None, None]
