"""`swcli dataset` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conftest import Swcli


def ok(swcli: Swcli, *args: str) -> str:
    done = swcli("dataset", *args)
    assert done.returncode == 0, done.stderr
    return done.stdout


def shown(swcli: Swcli, *args: str) -> Any:
    return json.loads(ok(swcli, *args, "-o", "json"))


def rows(swcli: Swcli, name: str, count: int = 100) -> list[tuple[int | str, dict[str, Any]]]:
    return [(row["index"], row["features"]) for row in shown(swcli, "head", name, "-n", str(count))]


def test_csv_with_its_dialect_from_a_directory(swcli: Swcli, tmp_path: Path) -> None:
    folder = tmp_path / "tables" / "deep"
    folder.mkdir(parents=True)
    (folder / "a.csv").write_text("label; text\n1; 'a;b'\n")
    said = ok(
        swcli, "build", "--csv", "tables", "-n", "table", "--delimiter", ";", "--quotechar", "'", "--skipinitialspace",
        "-t", "mine", "-d", "first try",
    )  # fmt: skip
    version = shown(swcli, "info", "table")["version"]
    assert f"swcli dataset info table/version/{version[:12]}" in said
    assert "update 1 record\n" in said
    assert rows(swcli, "table/version/mine") == [(0, {"label": "1", "text": "a;b"})]
    assert shown(swcli, "info", "table")["manifest"]["message"] == "first try"


@pytest.mark.needs_time
def test_json_lines_patch_overwrite_and_selector(swcli: Swcli, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"x": 1}\n{"x": 2}\n')
    (tmp_path / "b.json").write_text(json.dumps({"data": {"rows": [{"y": 3}]}}))
    ok(swcli, "build", "-jf", "a.jsonl", "-n", "j")
    ok(swcli, "build", "-jf", "b.json", "-n", "j", "--field-selector", "data.rows", "--patch")
    assert rows(swcli, "j") == [(0, {"x": 1, "y": 3}), (1, {"x": 2})]
    ok(swcli, "build", "-jf", "b.json", "-n", "j", "--field-selector", "data.rows", "--overwrite")
    assert rows(swcli, "j") == [(0, {"y": 3})]
    assert rows(swcli, "j/version/v0") == [(0, {"x": 1}), (1, {"x": 2})]


@pytest.mark.parametrize(("option", "suffix"), [("--image", "png"), ("--audio", "wav"), ("--video", "mp4")])
def test_media_folders_with_labels_captions_and_metadata(
    swcli: Swcli, tmp_path: Path, option: str, suffix: str
) -> None:
    folder = tmp_path / "pets"
    (folder / "cat").mkdir(parents=True)
    (folder / "cat" / f"1.{suffix}").write_bytes(b"one")
    (folder / "cat" / "1.txt").write_text("a cat")
    (folder / f"2.{suffix}").write_bytes(b"two")
    (folder / "metadata.csv").write_text(f"file_name,age\n2.{suffix},7\n")
    ok(swcli, "build", option, "pets")
    (first, one), (second, two) = sorted(rows(swcli, "pets"))
    assert (first, second) == (f"2.{suffix}", f"cat/1.{suffix}")
    assert one["age"] == "7"
    assert "label" not in one
    assert (two["label"], two["caption"], two["file_name"]) == ("cat", "a cat", f"cat/1.{suffix}")
    assert {"_type", "_mime_type", "display_name", "shape"} <= two["file"].keys()
    ok(swcli, "build", option, "pets", "-n", "bare", "--no-auto-label")
    assert all("label" not in features for _, features in rows(swcli, "bare"))


HANDLERS = """
class Rows:
    def __iter__(self):
        yield {"x": 1}
        yield 5, {"x": 2}

def function():
    for k in range(3):
        yield {"k": k}

def broken():
    yield {"k": 1}
    raise LookupError("no such label")
"""


def test_handlers_are_functions_and_classes(swcli: Swcli, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "rows.py").write_text(HANDLERS)
    ok(swcli, "build", "--handler", "rows:function", "-w", "work")
    assert rows(swcli, "work") == [(k, {"k": k}) for k in range(3)]
    ok(swcli, "build", "-h", "rows:Rows", "-w", "work", "-n", "cls")
    assert rows(swcli, "cls") == [(0, {"x": 1}), (5, {"x": 2})]


def test_an_error_of_a_handler_names_the_users_line_and_leaves_nothing(swcli: Swcli, tmp_path: Path) -> None:
    (tmp_path / "rows.py").write_text(HANDLERS)
    done = swcli("dataset", "build", "--handler", "rows:broken", "-n", "b")
    assert done.returncode == 1
    assert "LookupError: no such label" in done.stderr
    assert f"{tmp_path / 'rows.py'}:13 in broken" in done.stderr
    assert "Traceback" not in done.stderr
    assert shown(swcli, "list") == []
    for handler, word in (("missing:f", "missing"), ("rows:nothing", "nothing"), ("rows", "module:object")):
        done = swcli("dataset", "build", "--handler", handler, "-n", "b")
        assert done.returncode != 0
        assert word in done.stderr
        assert "bug" not in done.stderr


def test_a_dataset_yaml_names_the_handler(swcli: Swcli, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "rows.py").write_text(HANDLERS)
    (tmp_path / "work" / "dataset.yaml").write_text("name: y\nhandler: rows:function\ndesc: why\nunknown: 1\n")
    ok(swcli, "build", "-f", "work/dataset.yaml")
    assert len(rows(swcli, "y")) == 3
    assert shown(swcli, "info", "y")["manifest"]["message"] == "why"
    (tmp_path / "dataset.yaml").write_text("name: y\n")
    done = swcli("dataset", "build")
    assert done.returncode == 2
    assert "no handler" in done.stderr


@pytest.mark.needs_time
def test_json_shapes_key_by_key(swcli: Swcli, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"x": 1}\n{"x": 2}\n')
    ok(swcli, "build", "-jf", "a.jsonl", "-n", "j")
    ok(swcli, "build", "-jf", "a.jsonl", "-n", "j")
    (row,) = shown(swcli, "list")
    assert set(row) == {"name", "version", "project", "path", "tags", "created_at", "is_removed", "size", "rows"}
    assert (row["name"], row["project"], row["rows"], row["is_removed"]) == ("j", "self", 2, False)
    assert Path(row["path"]).is_dir()
    info = shown(swcli, "info", "j")
    assert set(info) == {*row, "uri", "manifest", "statistics"}
    assert {key: info[key] for key in row} == row
    summary = {"rows", "updated_rows", "deleted_rows", "blobs_byte_size", "increased_blobs_byte_size"}
    assert set(info["manifest"]["dataset_summary"]) == summary
    assert set(shown(swcli, "summary", "j")) == {*summary, "statistics"}
    history = shown(swcli, "history", "j")
    assert [set(each) for each in history] == [{"version", "tags", "size", "runtime", "created_at"}] * 2
    assert history[0]["version"] == row["version"][:12]
    assert shown(swcli, "history", "j", "--fullname")[0]["version"] == row["version"]
    assert shown(swcli, "head", "j", "-n", "1") == [{"index": 0, "features": {"x": 1}}]


@pytest.mark.needs_time
def test_list_pages_and_filters(swcli: Swcli, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"x": 1}\n')
    for name in ("aa", "ab", "b"):
        ok(swcli, "build", "-jf", "a.jsonl", "-n", name)
    pages = [shown(swcli, "list", "--page", str(page), "--size", "2") for page in (1, 2, 3)]
    assert [[row["name"] for row in page] for page in pages] == [["b", "ab"], ["aa"], []]
    assert [row["name"] for row in shown(swcli, "list", "-fl", "name=a")] == ["ab", "aa"]
    assert swcli("dataset", "list", "--page", "0").returncode == 2


def test_tag_says_what_it_did(swcli: Swcli, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"x": 1}\n')
    ok(swcli, "build", "-jf", "a.jsonl", "-n", "j")
    assert "added one to j/version/" in ok(swcli, "tag", "j", "one", "two")
    assert set(ok(swcli, "tag", "j").strip().split(",")) == {"latest", "v0", "one", "two"}
    assert "removed two from j/version/" in ok(swcli, "tag", "j", "two", "--remove")
    assert set(shown(swcli, "tag", "j")) == {"latest", "v0", "one"}
    assert swcli("dataset", "tag", "j", "v7").returncode == 2
    assert "left out v7" in ok(swcli, "tag", "j", "v7", "-q")


def test_remove_and_recover(swcli: Swcli, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"x": 1}\n')
    ok(swcli, "build", "-jf", "a.jsonl", "-n", "j")
    ok(swcli, "remove", "j")
    assert shown(swcli, "list") == []
    assert [row["is_removed"] for row in shown(swcli, "list", "--show-removed")] == [True]
    assert swcli("dataset", "info", "j").returncode == 1
    assert swcli("dataset", "remove", "j").returncode == 1
    ok(swcli, "recover", "j")
    assert rows(swcli, "j") == [(0, {"x": 1})]
    assert swcli("dataset", "recover", "j").returncode == 1
