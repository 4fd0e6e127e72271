"""A comparison in a notebook: a table, drawings without a network, Vega-Lite for those that have it, and nothing of users as markup."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from starwhale.results.compare.charts import MIME_TYPE
from starwhale.results.compare.comparison import compare_runs
from starwhale.results.compare.examples import Flip
from starwhale.results.compare.findings import Comparison, Question
from starwhale.results.compare.runs import Run
from starwhale.results.compare.svg import Mark, interval_svg

EVIL = '<script>alert("x")</script>'


def make(name: str, right: int, graded: float = 0.0) -> Run:
    scores = [1.0] * right + [0.0] * (100 - right)
    sizes = [k % 7 + graded * (k % 3) for k in range(100)]
    kinds = [EVIL if k % 2 else "plain" if k < 95 else "rare" for k in range(100)]
    return Run(id=name, name=name, ids=list(range(100)), metrics={"m": scores, "size": sizes}, columns={"kind": kinds})


def compare(metrics: tuple[str, ...] = ("m",), by: tuple[str, ...] = ("kind",)) -> Comparison:
    return compare_runs(make("old", 50), [make(EVIL, 80), make("other", 55, 0.2)], Question(metrics=metrics, by=by))


def test_charts_hold_their_data_and_every_interval() -> None:
    charts = compare().charts()
    assert list(charts) == ["values", "differences", "slices"]
    for spec in charts.values():
        assert spec["$schema"].endswith("/vega-lite/v5.json")
        json.dumps(spec, allow_nan=False)
        for layer in spec["layer"]:
            fields = [
                each["field"] for each in layer["encoding"].values() if isinstance(each, dict) and "field" in each
            ]
            assert set(fields) <= set(spec["data"]["values"][0])
    values = {each["run"]: each for each in charts["values"]["data"]["values"]}
    assert values["old"] == {
        "metric": "m (%)",
        "value": 50.0,
        "low": pytest.approx(40.38, abs=0.01),
        "high": pytest.approx(59.62, abs=0.01),
        "run": "old",
        "verdict": "baseline",
    }
    differences = charts["differences"]["data"]["values"]
    assert [(each["run"], each["value"], each["verdict"]) for each in differences] == [
        (EVIL, pytest.approx(30), "better"),
        ("other", pytest.approx(5), "cannot tell"),
    ]
    assert [each["slice"] for each in charts["slices"]["data"]["values"]] == [f"kind={EVIL} (50)", "kind=plain (48)"]


def test_several_metrics_get_a_row_each() -> None:
    spec = compare(("m", "size"), by=()).charts()["values"]
    assert spec["facet"]["row"]["field"] == "metric"
    assert {each["metric"] for each in spec["data"]["values"]} == {"m (%)", "size"}


def test_a_notebook_gets_drawings_that_need_nothing_and_charts() -> None:
    bundle = compare()._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html", MIME_TYPE}
    assert len(bundle[MIME_TYPE]["vconcat"]) == 3
    html = bundle["text/html"]
    assert html == compare()._repr_html_()
    assert html.startswith('<div class="starwhale-comparison"><b>')
    assert not re.search(r"<script|https?:|src=|href=|url\(", html)
    root = ET.fromstring(html.replace("<br>", "<br/>"))  # noqa: S314 - we wrote it; well-formed shows that nothing broke out
    assert [cell.text for cell in root.iter("th")] == ["m %", "value", "rank", "Δ", "p", "verdict"]
    names = [row[0].text for row in root.iter("tr") if row[0].tag == "td"]
    assert names == ["old", EVIL, "other"]
    assert len(list(root.iter("svg"))) == 3
    assert "too few rows: kind=rare (2)" in html
    assert "30 gained by" in html


def test_examples_are_shown_with_what_both_gave_and_escaped() -> None:
    found = compare(by=())
    flip = Flip(
        run=EVIL,
        id=50,
        change="gained",
        before=0,
        after=1,
        shared={"question": EVIL},
        baseline={"output": EVIL},
        candidate={"output": "4"},
    )
    html = dataclasses.replace(found, examples=(flip,))._repr_html_()
    assert "<script" not in html
    assert "+4</pre>" in html
    assert "and 29 more" in html


def test_what_is_not_known_is_not_drawn() -> None:
    marks: list[dict[str, Any]] = [
        {"label": "known", "value": 1.0, "low": 0.5, "high": 1.5},
        {"label": "no interval", "value": 1.0, "low": math.nan, "high": math.nan},
        {"label": "nothing", "value": math.nan, "low": math.nan, "high": math.nan},
    ]
    root = ET.fromstring(interval_svg("a <title>", [Mark(text="", **each) for each in marks]))  # noqa: S314 - we wrote it
    assert root.get("aria-label") == "a <title>"
    assert (len(list(root.iter("line"))), len(list(root.iter("circle"))), len(list(root.iter("text")))) == (1, 2, 6)
    only = ET.fromstring(interval_svg("one", [Mark(label="x", value=0, low=0, high=0, text="")], has_zero=True))  # noqa: S314
    assert "nan" not in ET.tostring(only, encoding="unicode")
    assert interval_svg("none", []).endswith("</svg>")
