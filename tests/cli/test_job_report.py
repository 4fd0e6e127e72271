"""The report as people see it: nothing is wider than the console, and no cell is lost."""

from __future__ import annotations

import dataclasses
import io

import pytest
from rich.console import Console

from starwhale.cli.render.render_report import render_report
from starwhale.results.compare.intervals import wilson
from starwhale.results.reports.job_report import JobReport
from starwhale.results.reports.record_words import record_lines
from starwhale.results.reports.report_words import show_value
from starwhale.storage.protocols import StepProgress

VERSION = "sdwywxtch52xfopjtn3u5n5hdap45efbi3w67va2"
URI = "local/project/self/dataset/numbers/version/kz43lqivfak24y7rg4qheyafvqxhrgev2xlpt6sq"


def make_report(classes: int = 10) -> JobReport:
    """Return a report of a classification whose cells are all different."""
    manifest = {
        "version": VERSION,
        "name": "nightly",
        "status": "success",
        "handler_name": "model:evaluate",
        "model": "digits",
        "model_version": "",
        "model_src_dir": "/home/someone/with/a/rather/deep/folder/structure/for/models/of/digits/and/more",
        "dataset_uris": [URI],
        "executor": "thread",
        "created_at": "2026-11-23 23:43:28 UTC",
        "finished_at": "2026-11-23 23:43:29 UTC",
        "python_version": "3.11.7",
        "platform": "Linux-6.18-x86_64-with-glibc2.36",
        "source_digest": "139b7e5e0c9883bdb16ecda3d152983698db6364e8ffcd189b8ae57876bef5ab",
        "error_message": "",
    }
    rows = range(classes)
    return JobReport(
        manifest=manifest,
        summary={
            "kind": "multi_classification",
            "accuracy": 0.875,
            "count": 1000,
            "[bold]odd": "[/nothing]",
            "x": "long " * 50,
        },
        labels={
            str(k): {"id": str(k), "precision": k / 100, "support": float(k + 1000), "tp-true positive": 3000 + k}
            for k in rows
        },
        confusion_matrix=tuple({"id": k, **{str(j): 10_000 + k * 100 + j for j in rows}} for k in rows),
        accuracy=wilson(875, 1000),
        inputs=("numbers@kz43lqivfak2, 1000 rows",),
        progress=(StepProgress(step="model:predict", done=1000, failed=7, total=1000),),
        errors=({"id": "self/numbers_#@#_7", "exception": "ValueError: [7]", "frame": "model.py:6 in predict"},),
    )


def draw(report: JobReport, width: int, *, is_verbose: bool = False) -> str:
    """Return the drawn report."""
    console = Console(width=width, file=io.StringIO(), record=True, color_system=None)
    render_report(console, report, is_verbose=is_verbose)
    return console.export_text()


@pytest.mark.parametrize("width", [50, 80, 140])
@pytest.mark.parametrize("classes", [2, 10, 30])
def test_a_report_fits_its_width_and_loses_no_cell(width: int, classes: int) -> None:
    text = draw(make_report(classes), width)
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width
    words = set(text.split())
    for row in range(classes):
        missing = {str(10_000 + row * 100 + column) for column in range(classes)} - words
        assert not missing, f"cells of the matrix are lost: {missing}"
        assert {str(row + 1000), str(3000 + row), f"{row / 100:.4f}"} <= words
    assert "…" not in text


def test_a_confusion_matrix_is_headed_by_its_labels() -> None:
    report = dataclasses.replace(make_report(3), matrix_labels=("small", "tp-large", "10"))
    lines = [line.split() for line in draw(report, 80).splitlines()]
    head = lines.index(["true", "small", "tp-large", "10"])
    assert [line[0] for line in lines[head + 2 : head + 5]] == ["small", "tp-large", "10"]
    assert lines[head + 3][1:] == ["10100", "10101", "10102"]


@pytest.mark.parametrize("labels", [(), ("a", "b"), ("a", "a", "b")])
def test_a_confusion_matrix_whose_labels_are_not_known_has_numbers(labels: tuple[str, ...]) -> None:
    report = dataclasses.replace(make_report(3), matrix_labels=labels)
    assert ["true", "0", "1", "2"] in [line.split() for line in draw(report, 80).splitlines()]


def test_a_report_says_what_it_ran_on_in_short_and_whole_when_asked() -> None:
    text = draw(make_report(), 140)
    assert "sdwywxtch52x nightly" in text
    assert VERSION not in text
    assert "numbers@kz43lqivfak2, 1000 rows" in text
    assert "0.8750   95 % interval 0.8531 to 0.8941 (Wilson, n = 1000)" in text
    assert "model:predict: 1,000 of 1,000 rows, 7 failed" in text
    assert "self/numbers_#@#_7: ValueError: [7] (model.py:6 in predict)" in text
    assert "and 6 more in the table 'errors'" in text
    assert "[bold]odd  [/nothing]" in text, "names and values of users are no markup"
    whole = draw(make_report(), 140, is_verbose=True)
    assert VERSION in whole
    assert URI in whole


def test_a_report_says_how_the_job_was_gone_on_with() -> None:
    report = make_report()
    resumes = [{"argv": []}, {"argv": [], "executor": "process", "replicas": 2, "hardware": {}, "retried_rows": 7}]
    report = dataclasses.replace(report, manifest={**report.manifest, "resumes": resumes})
    assert "thread, then process executor" in draw(report, 140)
    assert dict(record_lines(report.manifest))["resumed"].splitlines() == [
        "with nothing changed",
        "with executor process, replicas 2, hardware changed, 7 failed rows tried again",
    ]


def test_integers_stay_integers() -> None:
    assert [show_value("n", value) for value in (3, 3.0, True, None, 1e-7, [1, 0.5])] == [
        "3",
        "3.0000",
        "True",
        "",
        "1e-07",
        "1, 0.5000",
    ]
    assert show_value("macro avg/support", 996.0) == "996"
