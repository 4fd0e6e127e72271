"""`starwhale.dataset` and the builders, on an instance of the test's own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from starwhale.api.dataset import Dataset, dataset
from starwhale.errors import ArgumentTypeError, DatasetSourceError, NotBuiltYetError, NothingToCommitError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(autouse=True)
def isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SW_CLI_CONFIG", str(tmp_path / "config.yaml"))
    monkeypatch.setenv("SW_LOCAL_STORAGE", str(tmp_path / "storage"))


def content(name: str) -> list[tuple[int | str, dict[str, Any]]]:
    return [(row.index, dict(row.features)) for row in dataset(name, readonly=True)]


@pytest.mark.parametrize("uri", [3, None, b"ds", ["ds"]])
def test_a_uri_is_text(uri: Any) -> None:
    with pytest.raises(TypeError) as caught:
        dataset(uri)
    assert isinstance(caught.value, ArgumentTypeError)


def test_from_dict_items_takes_dicts_and_pairs_and_both_modes() -> None:
    made = Dataset.from_dict_items(({"x": k} for k in range(3)), "d", tags=["first"])
    assert made.committed
    assert "first" in list(made.tags)
    Dataset.from_dict_items([(1, {"y": 1}), (7, {"x": 7})], name="d", alignment_size=128, volume_size="64MB")
    assert content("d") == [(0, {"x": 0}), (1, {"x": 1, "y": 1}), (2, {"x": 2}), (7, {"x": 7})]
    Dataset.from_dict_items([("a", {"z": 1})], "d", mode="overwrite")
    assert content("d") == [("a", {"z": 1})]
    assert content("d/version/first") == [(k, {"x": k}) for k in range(3)]
    with pytest.raises(UsageError):
        Dataset.from_dict_items([{"x": 1}], "d", mode="replace")


def test_from_json_takes_text_or_path(tmp_path: Path) -> None:
    Dataset.from_json("j", text='{"a": {"b": [{"x": 1}, {"x": [null, 2.5]}]}}', field_selector="a.b")
    assert content("j") == [(0, {"x": 1}), (1, {"x": [None, 2.5]})]
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([{"x": "ä"}]), encoding="latin-1")
    Dataset.from_json("j", path=path, encoding="latin-1", mode="overwrite")
    assert content("j") == [(0, {"x": "ä"})]
    with pytest.raises(UsageError, match="exactly one"):
        Dataset.from_json("j")
    with pytest.raises(UsageError, match="exactly one"):
        Dataset.from_json("j", path=path, text="[]")


@pytest.mark.parametrize("mode", ["patch", "overwrite"])
def test_a_source_without_a_row_leaves_the_newest_version_as_it_is(tmp_path: Path, mode: str) -> None:
    Dataset.from_dict_items([{"x": 1}], "d")
    header = tmp_path / "header.csv"
    header.write_text("x\n")
    sources: dict[str, Callable[[], object]] = {
        "header.csv has no rows": lambda: Dataset.from_csv(header, "d", mode=mode),
        "`records` has no rows": lambda: Dataset.from_dict_items([], "d", mode=mode),
        "`text` has no rows": lambda: Dataset.from_json("d", text="[]", mode=mode),
    }
    for says, build in sources.items():
        with pytest.raises(DatasetSourceError, match=says) as refusal:
            build()
        assert "swcli dataset remove" in refusal.value.hint
    assert content("d") == [(0, {"x": 1})]
    assert len(dataset("d").history()) == 1


def test_from_csv_and_from_folder(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1,a\n")
    Dataset.from_csv(tmp_path / "a.csv", "c")
    assert content("c") == [(0, {"x": "1", "y": "a"})]
    Dataset.from_csv([tmp_path / "a.csv"], "c", mode="overwrite", delimiter=";")
    assert content("c") == [(0, {"x,y": "1,a"})]
    (tmp_path / "pets" / "cat").mkdir(parents=True)
    (tmp_path / "pets" / "cat" / "1.png").write_bytes(b"png")
    made = Dataset.from_folder(tmp_path / "pets", kind="image")
    assert made.name == "pets"
    ((key, features),) = content("pets")
    assert (key, features["label"], features["file"].to_bytes()) == ("cat/1.png", "cat", b"png")


def test_list_pages() -> None:
    for name in ("a", "b", "c"):
        Dataset.from_dict_items([{"x": 1}], name)
    rows, page = Dataset.list(page_index=2, page_size=2)
    assert ([row["name"] for row in rows], page["total"]) == (["a"], 3)
    assert rows[0]["path"]
    Dataset.from_dict_items([{"x": 1}], "bb")
    rows, page = Dataset.list(name_prefix="B")
    assert ([row["name"] for row in rows], page["total"]) == (["bb", "b"], 2)


def test_remove_and_recover() -> None:
    made = Dataset.from_dict_items([{"x": 1}], "d")
    made.remove()
    assert not dataset("d").exists()
    made.recover()
    assert content("d") == [(0, {"x": 1})]


def test_sharing_outside_of_a_task_gives_all_rows_and_is_asked_for_once() -> None:
    Dataset.from_dict_items([{"x": k} for k in range(5)], "d")
    ds = dataset("d").make_distributed_consumption("session", batch_size=2)
    assert [row.features.x for row in ds] == list(range(5))
    with pytest.raises(UsageError):
        ds.make_distributed_consumption("session")
    with pytest.raises(UsageError):
        dataset("d").make_distributed_consumption("session", batch_size=0)


def test_copy_and_diff() -> None:
    ds = Dataset.from_dict_items([{"x": 1}], "d", tags=["gold", "old"])
    made = ds.copy("e", ignore_tags=["old"])
    assert content("e") == content("d")
    assert list(dataset(str(made)).tags) == ["gold", "latest", "v0"]
    Dataset.from_dict_items([(0, {"x": 2}), (5, {"x": 5})], "e")
    found = dataset("d").diff("e", show_details=True)
    assert (found.added_keys, found.changed_keys) == ([5], [0])
    assert dataset("d").diff(dataset("d")).is_same
    dataset("e").copy("d", mode="overwrite", force=True)
    assert content("d") == content("e")
    with pytest.raises(NothingToCommitError):
        dataset("fresh").copy("other")


def test_what_is_not_built_says_so() -> None:
    ds = Dataset.from_dict_items([{"x": 1}], "d")
    with pytest.raises(NotBuiltYetError, match="not built yet"):
        ds.rehash()
