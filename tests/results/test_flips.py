"""Flips: which rows changed, what each run gave for them, as a diff, in a file, and in Markdown."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from starwhale.errors import UsageError
from starwhale.results.compare.examples import Flip, Pair, describe_flips, output_diff, rows_of_columns
from starwhale.results.compare.flips_file import check_flips_path, write_flips
from starwhale.results.compare.runs import Run
from starwhale.results.compare.told_flips import folded
from starwhale.results.pages.markup import code, escaped


def make_run(name: str, outputs: list[Any], scores: list[float], **columns: list[Any]) -> Run:
    ids = [f"q{k}" for k in range(len(scores))]
    return Run(id=name, name=name, ids=ids, metrics={"m": scores}, columns={"output": outputs, "m": scores, **columns})


def flip(before: Any, after: Any) -> Flip:
    return Flip(
        run="new",
        id="q1",
        change="lost",
        before=1.0,
        after=0.0,
        shared={"question": "why?"},
        baseline={"output": before},
        candidate={"output": after},
    )


def test_what_both_share_is_told_once_and_what_they_gave_twice() -> None:
    base = make_run("old", ["a", "b", "c"], [1, 0, 1], question=["x", "y", "z"], tokens=[5, 6, 7])
    ours = make_run("new", ["a", "B", "C"], [1, 1, 0], question=["x", "y", "z"], tokens=[5, 9, 7])
    pair = Pair(baseline=base, candidate=ours, metric="m", gained=["q1"], lost=["q2"])
    ids = ["q1", "q2"]
    first, second = describe_flips(pair, rows_of_columns(base, ids, "m"), rows_of_columns(ours, ids, "m"))
    assert first == Flip(
        run="new",
        id="q2",
        change="lost",
        before=1,
        after=0,
        shared={"question": "z"},
        baseline={"output": "c", "tokens": 7},
        candidate={"output": "C", "tokens": 7},
    )
    assert (second.id, second.change, second.candidate) == ("q1", "gained", {"output": "B", "tokens": 9})


def test_outputs_are_shown_as_a_diff_within_bounds() -> None:
    assert output_diff(flip("It is 4.", "It is 5.")) == ["-It is 4.", "+It is 5."]
    assert output_diff(flip("same", "same")) == []
    assert output_diff(flip("one\ntwo\nthree\nfour", "one\nTWO\nthree\nfour")) == [" one", "-two", "+TWO", " three"]
    long = output_diff(flip("x" * 500 + "4" + "y" * 500, "x" * 500 + "5" + "y" * 500), widest=60)
    assert [len(each) for each in long] == [63, 63]
    assert all("4" in long[0] and "5" in each for each in long[1:])
    many = output_diff(flip("\n".join(map(str, range(50))), "\n".join(map(str, range(100, 150)))))
    assert len(many) == 8
    assert many[-1] == " … 93 more lines"
    assert output_diff(flip({"a": 1}, {"a": 2})) == ['-{"a": 1}', '+{"a": 2}']
    assert output_diff(flip(b"abc", b"abcd")) == ["-3 bytes", "+4 bytes"]
    assert output_diff(flip(None, "\x1b[31m")) == ["-", "+�[31m"]


def test_a_spreadsheet_runs_no_formula_of_a_file_of_flips(tmp_path: Path) -> None:
    texts = ["=HYPERLINK(1)", "+1+1", "-1+1", "@SUM(1)", "\t=1", " =1", "-3.5", "fine"]
    write_flips(str(tmp_path / "flips.csv"), [flip(each, "b") for each in texts])
    with (tmp_path / "flips.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["baseline.output"] for row in rows] == [
        "'=HYPERLINK(1)",
        "'+1+1",
        "'-1+1",
        "'@SUM(1)",
        "'\t=1",
        "' =1",
        "-3.5",
        "fine",
    ]
    assert list(rows[0]) == [
        "run",
        "id",
        "change",
        "baseline.score",
        "candidate.score",
        "question",
        "baseline.output",
        "candidate.output",
    ]
    assert {row["question"] for row in rows} == {"why?"}
    assert [each.name for each in tmp_path.iterdir()] == ["flips.csv"]


def test_flips_are_json_lines_and_parquet_too(tmp_path: Path) -> None:
    flips = [flip({"a": [1, None]}, float("nan")), flip(1 << 70, "x"), flip(b"\x00", 2)]
    write_flips(str(tmp_path / "flips.jsonl"), flips)
    lines = [json.loads(line) for line in (tmp_path / "flips.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [each["baseline.output"] for each in lines] == [{"a": [1, None]}, 1 << 70, "1 bytes"]
    assert [each["candidate.output"] for each in lines] == [None, "x", 2]
    write_flips(str(tmp_path / "flips.parquet"), flips)
    table = pq.read_table(tmp_path / "flips.parquet")
    assert table.column("baseline.output").to_pylist() == ['{"a": [1, null]}', str(1 << 70), "1 bytes"]
    assert table.column("baseline.score").to_pylist() == [1.0, 1.0, 1.0]
    write_flips(str(tmp_path / "none.csv"), [])
    assert (tmp_path / "none.csv").read_text().startswith("run,id,change,")


def test_what_cannot_be_written_is_said_before_anything_is_computed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"ends in none of \.csv"):
        check_flips_path("flips.xlsx")
    with pytest.raises(UsageError, match="no folder"):
        check_flips_path(str(tmp_path / "no" / "flips.csv"))
    (tmp_path / "taken.csv").mkdir()
    with pytest.raises(UsageError, match="cannot be written"):
        write_flips(str(tmp_path / "taken.csv"), [])
    assert [each.name for each in tmp_path.iterdir()] == ["taken.csv"]


def test_markdown_folds_flips_and_keeps_within_a_comment() -> None:
    ids = [f"q{k}" for k in range(1, 300)]
    examples: dict[str | int, Flip] = {row: flip("`" * 4 + "\nline " * 200, "x" * 10_000) for row in ids}
    lines = folded("lost", ids, "m<b>", examples)
    text = "\n".join(lines)
    assert lines[2] == "<summary>299 rows lost by m&lt;b&gt;</summary>"
    assert "- `q1`: question `why?`" in lines
    assert "  `````diff" in lines
    assert "- and 279 more" in lines
    assert len(text) < 30_000


def test_texts_of_users_stay_texts() -> None:
    assert escaped("www.x.y http://z *a* #1 $x$ &amp;") == "www\\.x.y http\\://z \\*a\\* \\#1 \\$x\\$ &amp;amp;"
    assert escaped("- item") == "\\- item"
    assert escaped("1. item") == "1\\. item"
    assert escaped("@all") == "\\@\u200ball"
    assert code("a|b\nc") == "`a\\|b c`"
    assert code("`x`") == "`` `x` ``"
    assert code("x" * 300) == f"`{'x' * 200}…`"
