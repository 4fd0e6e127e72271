"""TensorFlow: signatures, values, and rows that differ from the first."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.datasets.ecosystem.conftest import png

from starwhale.api.dataset import Dataset
from starwhale.errors import MissingDependencyError, UnsupportedValueError, UsageError
from starwhale.instances import Instance
from starwhale.media import Binary, BoundingBox, ClassLabel, GrayscaleImage, Image, Link, NumpyBinary, Text

if TYPE_CHECKING:
    from tests.datasets.ecosystem.conftest import Made

pytestmark = pytest.mark.needs_tensorflow


def test_signatures_and_values(made: Made) -> None:
    row: dict[str, Any] = {
        "flag": True,
        "n": 2**40,
        "f": 0.5,
        "s": "ä",
        "raw": b"a\x00",
        "c": np.complex128(1 + 2j),
        "list": [1, 2],
        "grid": [[1.0, 2.0], [3.0, 4.0]],
        "empty": [],
        "deep": {"x": 1, "y": ["a"]},
        "image": Image(png((3, 2))),
        "gray": GrayscaleImage(bytes(range(6)), shape=(2, 3, 1)),
        "array": NumpyBinary(np.arange(6, dtype="int16").reshape(2, 3)),
        "numpy": np.float32(1.5),
        "box": BoundingBox(1, 2, 3, 4),
        "blob": Binary(b"b\x00"),
        "note": Text("n"),
    }
    data = made([row, row | {"list": [3], "image": Image(png((5, 4)))}]).to_tensorflow()
    spec = {name: (each.dtype.name, each.shape.as_list()) for name, each in data.element_spec.items() if name != "deep"}
    assert spec == {
        "flag": ("bool", []),
        "n": ("int64", []),
        "f": ("float64", []),
        "s": ("string", []),
        "raw": ("string", []),
        "c": ("complex128", []),
        "list": ("int64", [None]),
        "grid": ("float64", [None, None]),
        "empty": ("float64", [None]),
        "image": ("uint8", [None, None, 3]),
        "gray": ("uint8", [2, 3, 1]),
        "array": ("int16", [2, 3]),
        "numpy": ("float32", []),
        "box": ("float64", [4]),
        "blob": ("string", []),
        "note": ("string", []),
    }
    first, second = list(data.as_numpy_iterator())
    assert (first["n"], first["s"].decode(), first["raw"], first["blob"], first["note"]) == (
        2**40,
        "ä",
        b"a\x00",
        b"b\x00",
        b"n",
    )
    assert (first["c"], first["numpy"], first["flag"], first["empty"].tolist()) == (1 + 2j, 1.5, True, [])
    assert (first["deep"]["x"], first["deep"]["y"].tolist()) == (1, [b"a"])
    assert first["array"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert first["image"].shape == (2, 3, 3)
    assert second["image"].shape == (4, 5, 3)
    assert second["list"].tolist() == [3]


def test_keys_columns_and_many_rows(made: Made) -> None:
    ds = made([(f"k{k:04}", {"x": k, "y": [k]}) for k in range(5000)])
    batches = ds.to_tensorflow(columns=["X"]).batch(1000)
    assert sum(int(batch["x"].sum()) for batch in batches.as_numpy_iterator()) == 12_497_500
    key, features = next(ds.to_tensorflow(drop_index=False).as_numpy_iterator())
    assert (key, int(features["x"])) == (b"k0000", 0)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ([1, "a"], "a list of int, str has no one type"),
        ([1, 2.0], "a list of float, int has no one type"),
        ([[1], 2], "cannot be a tensor"),
        (Link("x"), "a value of type Link has no tensor"),
        (ClassLabel(["a"]), "a value of type ClassLabel has no tensor"),
        (2**70, "cannot be a tensor"),
    ],
)
def test_what_has_no_tensor_is_refused_by_column(made: Made, value: object, reason: str) -> None:
    ds = made([{"ok": 1, "bad": value}])
    with pytest.raises(UnsupportedValueError, match=rf"column 'bad' of row 0.*{reason}.*columns="):
        list(ds.to_tensorflow())
    assert len(list(ds.to_tensorflow(columns=["ok"]))) == 1


@pytest.mark.parametrize("value", [None, "text", 1.5, [1], [[1, 2], [3]]])
def test_a_row_that_differs_from_the_first_is_named(made: Made, value: object) -> None:
    import tensorflow as tf

    first = [[1]] if isinstance(value, list) else 1
    data = made([{"x": first}, {"x": value, "y": 1}]).to_tensorflow(columns=["x"])
    with pytest.raises(tf.errors.OpError, match="column 'x' of row 1 cannot be a tensor"):
        list(data)


def test_nothing_to_take_the_signature_from(instance: Instance, made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="has no rows"):
        instance.datasets.open("new", Dataset).to_tensorflow()
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(MissingDependencyError, match="tensorflow"):
        made([{"x": 1}]).to_tensorflow()
