"""Hugging Face data sets made and saved with the real package: labels by name, media as they are, nothing executed."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from starwhale.datasets.importers import HuggingFaceOptions, RowBlock, read_huggingface
from starwhale.datasets.importers.huggingface import text_order
from starwhale.errors import DatasetSourceError, UsageError
from starwhale.media import Audio, Image

PNG = b"\x89PNG\r\n\x1a\nnever decoded"
WAV = b"RIFF0000WAVE never decoded"
WHEN = dt.datetime.fromisoformat("2020-01-01")


def test_positions_come_in_the_order_of_their_texts() -> None:
    for count in (0, 1, 9, 10, 11, 100, 123, 1000, 1234):
        assert list(text_order(count)) == [int(text) for text in sorted(map(str, range(count)))]


@pytest.fixture
def hf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The package, on a cache of the test's own and without a network."""
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    datasets.disable_progress_bars()
    yield datasets
    datasets.enable_progress_bars()


def make(hf: Any, count: int) -> Any:
    classes = hf.ClassLabel(names=["cat", "dog"])
    features = hf.Features(
        {
            "image": {"bytes": hf.Value("binary"), "path": hf.Value("string")},
            "sound": {"bytes": hf.Value("binary"), "path": hf.Value("string")},
            "label": classes,
            "tags": hf.List(classes),
            "objects": hf.List({"box": hf.List(hf.Value("float32"), length=2), "kind": classes}),
            "grid": hf.Array2D((2, 2), "int32"),
            "when": hf.Value("timestamp[ms]"),
            "big": hf.Value("int64"),
        }
    )
    rows = [
        {
            "image": {"bytes": PNG, "path": None},
            "sound": {"bytes": WAV, "path": "s.wav"},
            "label": k % 2,
            "tags": [0, 1],
            "objects": [{"box": [0.5, 1.0], "kind": 1}],
            "grid": [[1, 2], [3, 4]],
            "when": WHEN,
            "big": 2**62 + k,
        }
        for k in range(count)
    ]
    made = hf.Dataset.from_list(rows, features=features)
    return made.cast_column("image", hf.Image()).cast_column("sound", hf.Audio())


def rows_of(place: Path, **options: Any) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for block in read_huggingface(str(place), HuggingFaceOptions(**options)):
        assert isinstance(block, RowBlock)
        columns = {
            name: getattr(each, "to_pylist", lambda each=each: list(each))() for name, each in block.columns.items()
        }
        assert list(block.keys) == sorted(map(str, block.keys))
        for position, key in enumerate(block.keys):
            found[str(key)] = {name: column[position] for name, column in columns.items()}
    return found


def refused(place: Path, **options: Any) -> str:
    with pytest.raises(DatasetSourceError) as caught:
        rows_of(place, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.needs_huggingface
def test_saved_splits_with_every_feature(hf: Any, tmp_path: Path) -> None:
    made = make(hf, 12)
    hf.DatasetDict({"train": made, "test": made.select([11])}).save_to_disk(str(tmp_path / "saved"))
    rows = rows_of(tmp_path / "saved")
    assert list(rows) == sorted([*(f"default/train/{k}" for k in range(12)), "default/test/0"])
    assert rows["default/train/10"] == {
        "image": Image(PNG, mime_type="image/png"),
        "sound": Audio(WAV, "s.wav", mime_type="audio/wav"),
        "label": 0,
        "label__classlabel__": "cat",
        "tags": [0, 1],
        "tags__classlabel__": ["cat", "dog"],
        "objects": [{"box": [0.5, 1.0], "kind": 1, "kind__classlabel__": "dog"}],
        "grid": [[1, 2], [3, 4]],
        "when": WHEN,
        "big": 2**62 + 10,
        "_hf_subset": "default",
        "_hf_split": "train",
    }
    bare = rows_of(tmp_path / "saved", split="test", add_info=False)
    assert list(bare) == ["default/test/0"]
    assert not {"_hf_subset", "_hf_split"} & set(bare["default/test/0"])


@pytest.mark.needs_huggingface
def test_folders_of_subsets_and_unknown_names(hf: Any, tmp_path: Path) -> None:
    made = make(hf, 2)
    for name in ("en", "de"):
        made.save_to_disk(str(tmp_path / "saved" / name))
    assert list(rows_of(tmp_path / "saved")) == ["de/train/0", "de/train/1", "en/train/0", "en/train/1"]
    assert list(rows_of(tmp_path / "saved", subsets=("en",))) == ["en/train/0", "en/train/1"]
    assert "has no subset 'fr'; there is 'de', 'en'" in refused(tmp_path / "saved", subsets=("fr",))
    assert "subset 'de', has no split 'test'; there is 'train'" in refused(tmp_path / "saved", split="test")
    assert "has no subset 'fr'; there is 'default'" in refused(tmp_path / "saved" / "en", subsets=("fr",))
    with pytest.raises(UsageError, match="no revision 'v2'"):
        rows_of(tmp_path, revision="v2")


@pytest.mark.needs_huggingface
def test_folders_of_data_files_and_of_images(hf: Any, tmp_path: Path) -> None:
    data = tmp_path / "repo" / "data"
    data.mkdir(parents=True)
    made = make(hf, 3)
    made.to_parquet(data / "train-00000-of-00001.parquet")
    made.select([0]).to_parquet(data / "test-00000-of-00001.parquet")
    rows = rows_of(tmp_path / "repo")
    assert list(rows) == ["default/test/0", "default/train/0", "default/train/1", "default/train/2"]
    assert rows["default/train/1"]["label__classlabel__"] == "dog"
    assert rows["default/train/1"]["image"] == Image(PNG, mime_type="image/png")
    assert list(rows_of(tmp_path / "repo", split="test", cache=False)) == ["default/test/0"]
    assert "has no split 'dev'; there is 'test', 'train'" in refused(tmp_path / "repo", split="dev")

    buffer = io.BytesIO()
    pytest.importorskip("PIL.Image").new("RGB", (2, 2)).save(buffer, "PNG")
    for name in ("cat", "dog"):
        (tmp_path / "images" / name).mkdir(parents=True)
        (tmp_path / "images" / name / "1.png").write_bytes(buffer.getvalue())
    assert [(row["label__classlabel__"], row["image"].to_bytes()) for row in rows_of(tmp_path / "images").values()] == [
        ("cat", buffer.getvalue()),
        ("dog", buffer.getvalue()),
    ]


@pytest.mark.needs_huggingface
def test_code_is_never_run_and_what_cannot_be_read_is_named(hf: Any, tmp_path: Path) -> None:
    (tmp_path / "script").mkdir()
    (tmp_path / "script" / "script.py").write_text("import datasets\nraise SystemExit('it was run')\n")
    assert "code of a repository is never run" in refused(tmp_path / "script")
    shards = tmp_path / "shards"
    shards.mkdir()
    (shards / "a.tar").write_bytes(b"x")
    assert "use --webdataset" in refused(shards)
    (tmp_path / "empty").mkdir()
    assert str(tmp_path / "empty") in refused(tmp_path / "empty")
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "state.json").write_text("{")
    assert str(tmp_path / "damaged") in refused(tmp_path / "damaged")
