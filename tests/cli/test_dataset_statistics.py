"""`swcli dataset info` and `summary`: what is in the columns, for people and for programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.test_dataset import ok, shown

from starwhale.cli.render.render_statistics import small_histogram

if TYPE_CHECKING:
    from tests.conftest import Swcli


@pytest.fixture
def pets(swcli: Swcli, tmp_path: Path) -> Swcli:
    """A dataset with a column of most kinds."""
    rows = [
        {
            "label": ["cat", "dog", "dog", "dog"][place % 4],
            "age": place,
            "weight": place / 8 if place % 10 else None,
            "note": f"note {place}\u001b[31m\nnext",
            "where": {"city": "Delft", "lat": place - 40.5},
            "mixed": place if place % 2 else "odd",
            "id": 2**62 + place,
        }
        for place in range(80)
    ]
    (tmp_path / "pets.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    ok(swcli, "build", "-jf", "pets.jsonl", "-n", "pets")
    return swcli


def line_of(text: str, name: str) -> str:
    return " ".join(next(line for line in text.splitlines() if line.startswith(f"{name} ")).split())


def test_info_and_summary_show_a_line_per_column(pets: Swcli) -> None:
    info, summary = ok(pets, "info", "pets"), ok(pets, "summary", "pets")
    assert "rows: 80\n" in info
    assert summary.splitlines()[:3] == ["rows: 80", "updated_rows: 80", "deleted_rows: 0"]
    assert "blobs_byte_size: 0 (0 B)" in summary
    for text in (info, summary):
        assert max(map(len, text[text.index("\ncolumn") :].splitlines())) <= 80
        assert line_of(text, "age") == "age int 80 0 80 0 … 79, mean 39.5 ██████████"
        assert line_of(text, "label").startswith("label str 80 0 2 dog 75%, cat 25%")
        assert line_of(text, "weight").startswith("weight float 72 8 72")
        assert line_of(text, "where.lat").startswith("where.lat float 80")
        assert line_of(text, "mixed:int").startswith("mixed:int int 40 0 40")
        assert "\u001b" not in text


@pytest.mark.needs_time
def test_one_column_is_shown_whole(pets: Swcli) -> None:
    text = ok(pets, "summary", "pets", "--column", "LABEL")
    assert "label (str)" in text
    assert "balance of 2 classes (evenness 0.811, largest : smallest 3 : 1)" in text
    assert [line.split()[:3] for line in text.splitlines()[-2:]] == [["dog", "60", "75%"], ["cat", "20", "25%"]]
    text = ok(pets, "summary", "pets", "--column", "id")
    assert f"{2**62} … {2**62 + 79}" in text, "every digit of a large integer"
    assert "no value occurs twice" in text
    text = ok(pets, "summary", "pets", "-c", "weight")
    assert "missing     8 (10%)" in text
    assert len([line for line in text.splitlines() if line.startswith("    [")]) == 20
    assert "where.lat (float)" in ok(pets, "summary", "pets", "-c", "where.lat")
    assert "mixed:str (str)" in ok(pets, "summary", "pets", "-c", "mixed")
    assert "\u001b" not in ok(pets, "summary", "pets", "-c", "note")


def test_json_has_the_same_facts_and_the_old_keys(pets: Swcli) -> None:
    info, summary = shown(pets, "info", "pets"), shown(pets, "summary", "pets")
    assert {name: summary[name] for name in info["manifest"]["dataset_summary"]} == info["manifest"]["dataset_summary"]
    assert info["statistics"] == summary["statistics"]
    columns: dict[str, Any] = {each["name"]: each for each in info["statistics"]["columns"]}
    assert (columns["id"]["numbers"]["minimum"], columns["id"]["numbers"]["maximum"]) == (2**62, 2**62 + 79)
    assert columns["label"]["balance"]["classes"][0] == {"value": "dog", "count": 60, "share": 0.75}
    one = shown(pets, "summary", "pets", "--column", "age")
    assert one["rows"] == 80
    assert one["statistics"] == {"rows": 80, "columns": [columns["age"]]}


@pytest.mark.needs_time
def test_wrong_columns_and_damaged_rows(pets: Swcli) -> None:
    done = pets("dataset", "summary", "pets", "--column", "lable")
    assert done.returncode == 2
    assert "the dataset has no feature 'lable'" in done.stderr
    assert "did you mean 'label'?" in done.stderr
    folder = Path(shown(pets, "info", "pets")["path"])
    for path in (*folder.glob("fragments/*"), *folder.glob("statistics/*")):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        content[40] ^= 1
        path.write_bytes(content)
    text = ok(pets, "info", "pets")
    assert "rows: 80\n" in text, "what the catalog knows is shown all the same"
    assert "statistics: none, corrupted file" in text
    assert shown(pets, "summary", "pets")["statistics"] is None
    done = pets("dataset", "summary", "pets", "--column", "age")
    assert done.returncode == 1
    assert "corrupted file" in done.stderr


@pytest.mark.needs_time
def test_garbage_collection_knows_kept_statistics(pets: Swcli) -> None:
    ok(pets, "build", "-jf", "pets.jsonl", "-n", "pets", "--overwrite")
    folder = Path(shown(pets, "info", "pets")["path"])
    old, new = shown(pets, "info", "pets/version/v0")["manifest"], shown(pets, "info", "pets")["manifest"]
    kept = folder / "statistics"
    names = {f"{each['manifest_digest']}.json" for each in (old, new)}
    assert {path.name for path in kept.iterdir()} == names
    assert pets("gc", "--yes").returncode == 0
    assert {path.name for path in kept.iterdir()} == names
    ok(pets, "remove", "-f", "pets/version/v0")
    assert pets("gc", "--yes").returncode == 0
    assert {path.name for path in kept.iterdir()} == {f"{new['manifest_digest']}.json"}
    ok(pets, "remove", "-f", "pets")
    assert pets("gc", "--yes").returncode == 0
    assert not kept.exists() or not list(kept.iterdir())


def test_small_histograms_never_hide_a_value() -> None:
    assert small_histogram([1, 0, 10**9]) == "▁ █"
    assert small_histogram([]) == ""
    assert len(small_histogram(range(20))) == 10
    assert small_histogram([5] * 17) == "█" * 9, "a group with fewer bins is not lower"
