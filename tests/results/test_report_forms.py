"""The forms of a report: golden texts, and a page that fetches nothing, runs nothing and shows texts of users as texts."""

from __future__ import annotations

import dataclasses
import json
import re
from html.parser import HTMLParser

import pytest
from tests.cli.report_cases import GOLDEN, HOSTILE, forms, make_report

from starwhale.results.compare.comparison import compare_runs
from starwhale.results.compare.findings import Comparison, Question
from starwhale.results.compare.runs import Run
from starwhale.results.confusion import Confusion, confusion_of
from starwhale.results.pages.drawings import heat_map
from starwhale.results.pages.style import DARK, LIGHT
from starwhale.results.reports.job_report import JobReport

VOID = frozenset({"meta"})


class Reader(HTMLParser):
    """Reads a page as a browser does: which elements there are, their attributes, what is text."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.fixture(scope="module")
def report() -> JobReport:
    return make_report()


def make_comparison() -> Comparison:
    ids = list(range(200))

    def run(name: str, wrong: int) -> Run:
        right = [float(n % wrong != 0) for n in ids]
        return Run(
            id=name,
            name=name,
            ids=ids,
            metrics={HOSTILE: right},
            columns={"kind": [HOSTILE if n % 2 else "b" for n in ids]},
        )

    return compare_runs(
        run("old", 3), [run(HOSTILE, 5)], Question(metrics=(HOSTILE,), by=("kind",)), paired_by="column 'id'"
    )


@pytest.mark.parametrize("name", ["report.md", "report.txt"])
def test_what_is_written_is_what_was_read(report: JobReport, name: str) -> None:
    assert forms(report)[name] == (GOLDEN / name).read_text(encoding="utf-8")


def test_at_eighty_columns_nothing_is_wider(report: JobReport) -> None:
    assert max(map(len, forms(report)["report.txt"].splitlines())) <= 80


@pytest.mark.parametrize("page", ["report", "fragment", "comparison"])
def test_a_page_needs_nothing_and_runs_nothing(report: JobReport, page: str) -> None:
    made = {
        "report": report.to_html,
        "fragment": report._repr_html_,
        "comparison": lambda: make_comparison().to_html(),
    }[page]()
    read = Reader(made)
    assert not read.tags & {
        "script",
        "link",
        "img",
        "iframe",
        "object",
        "embed",
        "foreignobject",
        "a",
        "form",
        "use",
        "image",
    }
    assert not read.attributes & {"src", "href", "xlink:href", "action", "srcset", "background"}
    assert not [name for name in read.attributes if name.startswith("on")]
    assert "url(" not in made
    assert "@import" not in made
    assert "http" not in re.sub(r"http-equiv", "", made)
    assert any(HOSTILE in each for each in read.texts), (
        "a class that is called like an element is shown as it is called"
    )
    if page != "fragment":
        assert "default-src 'none'" in made
        assert made.startswith("<!DOCTYPE html>")
        assert "prefers-color-scheme:dark" in made


def test_every_section_stands_on_the_page(report: JobReport) -> None:
    headings = re.findall(r"<h2>([^<]*)</h2>", report.to_html())
    assert headings == [
        "Figures", "Summary", "Rows that failed", "Labels", "Confusion matrix", "ROC curve", "Precision and recall", "Calibration", "Slices",
        "Where the time went", "What it ran on",
    ]  # fmt: skip


def test_all_forms_say_the_same_figures(report: JobReport) -> None:
    page, markdown, text = report.to_html(), report.to_markdown(), forms(report)["report.txt"]
    for each in report.to_json()["report"]["figures"]:
        if not each["label"] and each["ci"][0] is not None:
            for number in (each["value"], *each["ci"]):
                shown = f"{number:.4f}"
                assert shown in page
                assert shown in markdown
                assert shown in text


def test_the_record_holds_what_is_drawn_and_is_json(report: JobReport) -> None:
    found = json.loads(json.dumps(report.to_json()["report"], allow_nan=False))
    assert found["confusions"][0]["labels"] == list(report.confusions[0].labels)
    assert sum(map(sum, found["confusions"][0]["counts"])) == 600
    assert {each["kind"] for each in found["curves"]} == {"roc", "precision-recall", "reliability"}


def test_a_report_without_anything_is_a_page_too(report: JobReport) -> None:
    empty = dataclasses.replace(
        report, summary={}, labels={}, confusion_matrix=(), inputs=(), progress=(), errors=(), steps=(), figures=(),
        matrix_labels=(), confusions=(), curves=(), manifest={**report.manifest, "status": "failed", "error_message": "it <b>broke</b>"},
    )  # fmt: skip
    page = empty.to_html()
    assert re.findall(r"<h2>([^<]*)</h2>", page) == ["What it ran on"]
    assert "it &lt;b&gt;broke&lt;/b&gt;" in page
    assert "(failed)" in empty.to_markdown()


@pytest.mark.parametrize("k", [1, 2, 24, 25, 60])
def test_a_heat_map_has_a_cell_for_every_count(k: int) -> None:
    found = confusion_of([f"label {n}" for n in range(k)], [[(i * j) % 3 for j in range(k)] for i in range(k)])
    assert found is not None
    drawn = heat_map(found)
    assert drawn.count("<g>") == sum(1 for row in found.counts for each in row if each)
    assert drawn.count('class="count') == (0 if k > 24 else drawn.count("<g>"))


def test_a_matrix_that_nobody_can_look_at_is_not_kept() -> None:
    assert confusion_of([str(n) for n in range(201)], [[0] * 201] * 201) is None
    assert confusion_of(["a", "a"], [[1, 0], [0, 1]]) is None
    assert confusion_of([], []) is None


def test_a_matrix_keeps_the_cells_that_are_not_0() -> None:
    found = Confusion(labels=("a", "b"), counts=((3, 0), (1, 2)))
    assert found.to_record()["cells"] == [[0, 0, 3], [1, 0, 1], [1, 1, 2]]
    assert Confusion.from_record(found.to_record()) == found
    with pytest.raises(TypeError, match="cells holds"):
        Confusion.from_record({"labels": ["a"], "slice": "", "cells": [[0, 1, 1]]})
    assert found.mistakes() == [("b", "a", 1)]


@pytest.mark.parametrize("colors", [LIGHT, DARK])
def test_texts_can_be_read_on_their_ground(colors: dict[str, str]) -> None:
    """WCAG 2.2 asks for a contrast of 4.5 for texts."""

    def light(color: str) -> float:
        parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast(one: str, other: str) -> float:
        high, low = sorted((light(colors[one]), light(colors[other])), reverse=True)
        return (high + 0.05) / (low + 0.05)

    for name in ("ink", "soft", "good", "bad", "accent"):
        assert contrast(name, "ground") >= 4.5, name
    assert contrast("deep", "accent") >= 4.5
