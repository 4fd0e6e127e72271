"""PyTorch: samples, DataLoader workers of both kinds, order, epochs, and what is refused."""

# pyright: reportMissingImports=false
# The package is optional: where it is missing, its names cannot be checked.
from __future__ import annotations

import pickle
import sys
from collections.abc import Iterable
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any

import pytest
from tests.datasets.ecosystem.conftest import double_x, everything, png

from starwhale.api.dataset import Dataset
from starwhale.errors import MediaError, MissingDependencyError, NothingToCommitError, UsageError
from starwhale.instances import Instance
from starwhale.media import Audio, Binary, BoundingBox, GrayscaleImage, Image, MIMEType, NumpyBinary, Text, Video

if TYPE_CHECKING:
    from tests.datasets.ecosystem.conftest import Made

pytestmark = [
    pytest.mark.needs_torch,
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning"),
]
WORKERS = pytest.mark.parametrize("method", ["fork", "spawn"])


def _loader(data: Any, **options: Any) -> Any:  # Any: PyTorch's own types
    from torch.utils.data import DataLoader

    return DataLoader(data, **options)


def _seen(batches: Iterable[Any]) -> list[int]:  # Any: batches of a DataLoader
    return [int(x) for batch in batches for x in batch["x"]]


def test_the_default_transform_makes_what_models_take(made: Made) -> None:
    import torch

    row = {
        "image": Image(png((3, 2))),
        "gray": GrayscaleImage(bytes(range(6)), shape=(2, 3, 1)),
        "box": BoundingBox(1, 2, 3, 4),
        "blob": Binary(b"b"),
        "film": Video(b"v"),
        "note": Text("n"),
        "deep": [{"box": BoundingBox(5, 6, 7, 8)}, (Text("in"), None)],
        "array": NumpyBinary(b"12", dtype="uint8"),
        "n": 1,
        "list": [1, 2],
        "none": None,
    }
    ds = made([row, {"n": 2, "none": 3}])
    sample, sparse = list(ds.to_pytorch())
    assert sample["image"].shape == (2, 3, 3)
    assert sample["image"].dtype == torch.uint8
    assert sample["gray"].flatten().tolist() == list(range(6))
    assert sample["box"].tolist() == [1, 2, 3, 4]
    assert (sample["blob"], sample["film"], sample["note"], sample["n"], sample["list"]) == (b"b", b"v", "n", 1, [1, 2])
    assert sample["deep"][0]["box"].tolist() == [5, 6, 7, 8]
    assert sample["deep"][1] == ("in", None)
    assert isinstance(sample["array"], NumpyBinary)
    assert sample["none"] is None
    assert set(sparse) == set(sample)
    assert (sparse["n"], sparse["none"], sparse["image"]) == (2, 3, None)


@pytest.mark.needs_audio
def test_sound_becomes_a_tensor(made: Made) -> None:
    import io

    import numpy as np
    import soundfile

    out = io.BytesIO()
    soundfile.write(out, np.zeros((100, 2)), 8000, format="WAV")
    (sample,) = made([{"sound": Audio(out.getvalue(), mime_type=MIMEType.WAV)}]).to_pytorch()
    assert sample["sound"].shape == (100, 2)


def test_transforms_keys_and_columns(made: Made) -> None:
    ds = made([("a", {"x": 1, "image": Image(png()), "y": 5}), ("b", {"x": 2, "y": 6})])
    assert list(ds.to_pytorch(columns=["X"])) == [{"x": 1}, {"x": 2}]
    assert list(ds.to_pytorch(columns=["y", "x"], drop_index=False)) == [
        ("a", {"y": 5, "x": 1}),
        ("b", {"y": 6, "x": 2}),
    ]
    assert list(ds.to_pytorch(lambda features: features["x"] * 2)) == [2, 4]
    raw = next(iter(ds.to_pytorch(skip_default_transform=True)))
    assert isinstance(raw["image"], Image)
    assert list(ds.to_pytorch(lambda features: features["image"] is None, map_style=True)) == [False, True]
    with pytest.raises(UsageError, match="no feature 'z'"):
        ds.to_pytorch(columns=["z"])
    with pytest.raises(UsageError, match="no feature 'z'"):
        ds.to_pytorch(columns=["z"], map_style=True)


@pytest.mark.parametrize(("method", "shuffle"), [("fork", False), ("fork", True), ("spawn", True)])
def test_workers_see_each_row_once(made: Made, method: str, shuffle: bool) -> None:
    ds = made([{"x": k, "image": Image(bytes([k % 251]) * 5000)} for k in range(1000)])
    assert len(ds[:2]) == 2  # files are open when the workers start
    data = ds.to_pytorch(double_x, skip_default_transform=True, shuffle=shuffle, seed=3)
    loader = _loader(data, batch_size=64, num_workers=3, multiprocessing_context=method)
    assert len(loader) == 16
    assert sorted(_seen(loader)) == [2 * k for k in range(1000)]


@WORKERS
def test_map_style_serves_samplers_in_workers(made: Made, method: str) -> None:
    import torch

    ds = made([(f"k{k:04}", {"x": k}) for k in range(500)])
    data = ds.to_pytorch(map_style=True)
    assert (len(data), data[0], data[-1]) == (500, {"x": 0}, {"x": 499})
    assert [each["x"] for each in data.__getitems__([3, 1, 3])] == [3, 1, 3]
    for rank in (500, -501):
        with pytest.raises(IndexError, match="500 rows"):
            _ = data[rank]

    def epoch() -> list[int]:
        seeded = torch.Generator().manual_seed(7)
        options = {"batch_size": 32, "shuffle": True, "generator": seeded, "num_workers": 1}
        return _seen(_loader(data, multiprocessing_context=method, **options))

    first = epoch()
    assert sorted(first) == list(range(500)) != first
    assert epoch() == first


def test_an_epoch_is_exact_repeatable_and_unlike_the_next(made: Made) -> None:
    data = made([{"x": k} for k in range(9000)]).to_pytorch(shuffle=True, seed=1)

    def epoch(number: int) -> list[int]:
        data.set_epoch(number)
        return [sample["x"] for sample in data]

    first, second = epoch(0), epoch(1)
    assert sorted(first) == sorted(second) == list(range(9000))
    assert first != second
    assert epoch(0) == first
    apart = sum(abs(a - b) for a, b in pairwise(first)) / 9000
    assert apart > 1500  # neighbours come from all over: 3000 in a perfect shuffle, 1 in none


def test_workers_that_live_on_see_a_new_epoch(made: Made) -> None:
    data = made([{"x": k} for k in range(1000)]).to_pytorch(shuffle=True)
    loader = _loader(data, batch_size=100, num_workers=2, persistent_workers=True, multiprocessing_context="fork")
    first = _seen(loader)
    assert _seen(loader) == first
    data.set_epoch(1)
    second = _seen(loader)
    assert sorted(second) == sorted(first) == list(range(1000))
    assert second != first


def test_shares_of_several_processes_add_up(made: Made) -> None:
    ds = made([{"x": k} for k in range(2000)])
    shares = [ds.to_pytorch(shuffle=True, shard=(k, 3)) for k in range(3)]
    seen = [[sample["x"] for sample in share] for share in shares]
    assert [len(share) for share in shares] == [len(each) for each in seen]
    assert sorted(chain.from_iterable(seen)) == list(range(2000))


def test_a_dataset_travels_as_a_reference_to_its_version(instance: Instance, made: Made) -> None:
    ds = made([{"x": k, "long": "y" * 100_000} for k in range(3)])
    data = ds.to_pytorch(columns=["x"], map_style=True)
    pickled = pickle.dumps(data)
    assert len(pickled) < 2000
    with instance.datasets.open("ds", Dataset) as newer:
        newer[0] = {"x": 100}
        newer.commit()
    assert [each["x"] for each in pickle.loads(pickled)] == [0, 1, 2]


def test_uncommitted_rows_are_read_here_and_refused_elsewhere(instance: Instance, made: Made) -> None:
    made([{"x": 1}])
    with instance.datasets.open("ds", Dataset) as ds:
        ds.append({"x": 2})
        data = ds.to_pytorch()
        assert [sample["x"] for sample in data] == [1, 2]
        with pytest.raises(NothingToCommitError, match="not committed"):
            list(_loader(data, num_workers=1, multiprocessing_context="fork"))
        ds.abort()


def test_extra_features_come_along(made: Made) -> None:
    ds = made([{"a": {"b": [1, 2]}, "x": k} for k in range(300)]).with_loader_config(
        field_transformer={"a.b[1]": "second"}
    )
    data = ds.to_pytorch()
    loader = _loader(data, batch_size=None, num_workers=2, multiprocessing_context="fork")
    assert [int(sample["second"]) for sample in loader] == [2] * 300


def test_rows_that_a_job_hands_out_are_read_in_its_process(made: Made) -> None:
    ds = made([{"x": k} for k in range(5)]).make_distributed_consumption("session")
    data = ds.to_pytorch(lambda features: features["x"])
    assert list(data) == list(range(5))
    with pytest.raises(UsageError, match="num_workers=0"):
        list(_loader(data, num_workers=1, multiprocessing_context="fork"))
    wrong: list[dict[str, Any]] = [{"map_style": True}, {"columns": ["x"]}, {"shuffle": True}]
    for options in wrong:
        with pytest.raises(UsageError):
            ds.to_pytorch(**options)


def test_a_map_style_dataset_is_shuffled_by_the_sampler(made: Made) -> None:
    with pytest.raises(UsageError, match="shuffle=True to the DataLoader"):
        made([{"x": 1}]).to_pytorch(map_style=True, shuffle=True)


def test_a_dataset_without_rows_has_no_samples(instance: Instance) -> None:
    ds = instance.datasets.open("new", Dataset)
    assert list(ds.to_pytorch()) == list(ds.to_pytorch(map_style=True)) == []


def test_every_kind_passes_unless_a_library_is_missing(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    ds = made([{name: value for name, value in everything()[0].items() if name not in {"sound", "film"}}])
    assert len(list(ds.to_pytorch())) == 1
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(MissingDependencyError, match=r"pillow.*starwhale-evaluation\[media\]"):
        list(ds.to_pytorch())
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingDependencyError, match=r"Dataset.to_pytorch\(\) needs the package 'torch'"):
        ds.to_pytorch()


def test_a_picture_that_cannot_be_decoded_is_named(made: Made) -> None:
    ds = made([("good", {"image": Image(png())}), ("odd", {"image": Image(b"no picture"), "x": 1})])
    for data in (ds.to_pytorch(), ds.to_pytorch(map_style=True)):
        with pytest.raises(MediaError, match=r"column 'image' of row 'odd'"):
            list(data)
    assert [sample["x"] for sample in ds.to_pytorch(columns=["x"])] == [None, 1]
    with pytest.raises(MediaError, match=r"(?s)worker process 0.*column 'image' of row 'odd'"):
        list(_loader(ds.to_pytorch(), batch_size=None, num_workers=1, multiprocessing_context="fork"))


def test_a_missing_library_is_named_by_workers_too(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    data = made([{"image": Image(png(), mime_type=MIMEType.PNG)}]).to_pytorch()
    with pytest.raises(UsageError, match=r"(?s)needs the package 'pillow'.*starwhale-evaluation\[media\]"):
        list(_loader(data, num_workers=1, multiprocessing_context="fork"))
