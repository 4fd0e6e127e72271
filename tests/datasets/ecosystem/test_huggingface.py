"""Hugging Face: features, pictures that decode there, streaming, and the way through a file."""

# pyright: reportMissingImports=false, reportAttributeAccessIssue=false
# The package is optional: where it is missing, its names cannot be checked.
from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.datasets.ecosystem.conftest import everything, png

from starwhale.api.dataset import Dataset
from starwhale.errors import MissingDependencyError, UnsupportedValueError
from starwhale.instances import Instance
from starwhale.media import Audio, GrayscaleImage, Image, Link

if TYPE_CHECKING:
    from pathlib import Path

    from tests.datasets.ecosystem.conftest import Made

pytestmark = pytest.mark.needs_huggingface


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(import_module("datasets.config"), "HF_DATASETS_CACHE", tmp_path / "huggingface")


def test_features_and_pictures(made: Made) -> None:
    import datasets

    pixels = np.arange(6, dtype="uint8").reshape(2, 3)
    rows = [
        (
            "a",
            {
                "n": 1,
                "tags": ["x"],
                "image": Image(png((3, 2)), display_name="a.png"),
                "gray": GrayscaleImage(pixels.tobytes(), shape=(2, 3, 1)),
                "deep": {"k": 0.5},
            },
        ),
        ("b", {"n": None, "image": None}),
    ]
    found = made(rows).to_huggingface()
    assert found.features == datasets.Features(
        {
            "index": datasets.Value("string"),
            "n": datasets.Value("int64"),
            "tags": datasets.List(datasets.Value("string")),
            "image": datasets.Image(),
            "gray": datasets.Image(),
            "deep": {"k": datasets.Value("float64")},
        }
    )
    first, second = found
    assert (first["index"], first["n"], first["tags"], first["deep"]) == ("a", 1, ["x"], {"k": 0.5})
    assert first["image"].size == (3, 2)
    assert np.array(first["gray"]).tolist() == pixels.tolist()
    assert (second["n"], second["image"], second["gray"]) == (None, None, None)


def test_every_kind_comes_along(made: Made) -> None:
    found = made([{name: value for name, value in everything()[0].items() if name != "film"}]).to_huggingface()
    row = found[0]
    assert row["mixed"].startswith("[1,")
    assert row["array"]["shape"] == [2, 3]
    assert row["blob"] == b"blob"


def test_sounds_stay_files_without_a_decoder(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr("starwhale.datasets.ecosystem.huggingface_data.find_spec", lambda name: None)
    found = made([{"sound": Audio(b"RIFF", display_name="a.wav")}]).to_huggingface(drop_index=True)
    assert found.features == datasets.Features({"sound": datasets.Audio(decode=False)})
    assert found[0]["sound"] == {"bytes": b"RIFF", "path": "a.wav"}


def test_content_behind_links_is_read(made: Made, tmp_path: Path) -> None:
    (tmp_path / "all").write_bytes(b"12345" + png((4, 1)))
    found = made([{"image": Image(link=Link(tmp_path / "all", offset=5))}]).to_huggingface()
    assert found[0]["image"].size == (4, 1)


def test_streamed_rows_are_shared_by_workers(made: Made) -> None:
    ds = made([{"x": k, "image": Image(png())} for k in range(200)])
    stream = ds.to_huggingface(columns=["x", "image"], streaming=True)
    assert stream.num_shards == 50
    rows = list(stream)
    assert [row["x"] for row in rows] == list(range(200))
    assert rows[0]["image"].size == (3, 2)
    halves = [[row["x"] for row in stream.shard(2, index)] for index in range(2)]
    assert sorted(halves[0] + halves[1]) == list(range(200))


@pytest.mark.needs_torch
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_streamed_rows_in_a_data_loader(made: Made) -> None:
    from torch.utils.data import DataLoader

    stream = made([{"x": k} for k in range(200)]).to_huggingface(columns=["x"], drop_index=True, streaming=True)
    batches = DataLoader(stream.with_format("torch"), batch_size=10, num_workers=2)
    assert sorted(int(x) for batch in batches for x in batch["x"]) == list(range(200))


def test_equal_versions_have_equal_fingerprints(instance: Instance, made: Made) -> None:
    ds = made([{"x": 1, "y": 2}])
    assert ds.to_huggingface()._fingerprint == instance.datasets.open("ds", Dataset).to_huggingface()._fingerprint
    assert ds.to_huggingface()._fingerprint != ds.to_huggingface(columns=["x"])._fingerprint
    mapped = ds.to_huggingface().map(lambda row: {"z": row["x"] + row["y"]})
    assert mapped[0] == {"index": 0, "x": 1, "y": 2, "z": 3}


def test_an_exported_file_decodes_there(made: Made, tmp_path: Path) -> None:
    import datasets

    path = made([{"image": Image(png((3, 2))), "x": 1}]).to_parquet(tmp_path / "x.parquet")
    read = datasets.Dataset.from_parquet(str(path), cache_dir=str(tmp_path / "cache"), keep_in_memory=True)
    image = read.select_columns(["image"]).cast_column("image", datasets.Image())
    assert image[0]["image"].size == (3, 2)


def test_what_cannot_be_a_picture_is_refused(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    ds = made([{"gray": GrayscaleImage(bytes(24), shape=(1, 3, 1), dtype="float64")}])
    with pytest.raises(UnsupportedValueError, match="cannot be kept as PNG"):
        ds.to_huggingface()
    assert ds.to_huggingface(columns=[]).num_rows == 1
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingDependencyError, match=r"starwhale-evaluation\[huggingface\]"):
        ds.to_huggingface()
