"""What comes back: order, ranges of keys, batches, and every kind of value as it went in."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from starwhale.datasets.dataset import Dataset
from starwhale.errors import ArgumentTypeError, UsageError
from starwhale.media import (
    Audio,
    Binary,
    BoundingBox,
    BoundingBox3D,
    ClassLabel,
    COCOObjectAnnotation,
    GrayscaleImage,
    Image,
    Line,
    Link,
    MIMEType,
    NumpyBinary,
    Point,
    Polygon,
    Text,
    Video,
)

if TYPE_CHECKING:
    from tests.datasets.conftest import Build, Open


@pytest.mark.parametrize(
    "keys", [[5, -3, 10, 0, 2**62, 7], ["b", "a", "Z", "ä", "10", "9", "", "日"]], ids=["int", "str"]
)
def test_everything_reads_in_key_order(open_: Open, build: Build, keys: list[int | str]) -> None:
    build([(key, {"k": key}) for key in keys[:4]])
    build([(key, {"k": key}) for key in keys[4:]])
    ds, order = open_("ds"), sorted(keys)
    assert [row.index for row in ds] == order
    assert [row.features.k for row in ds.scan()] == order
    assert [row.index for row in ds.head(3)] == order[:3]
    assert [row.index for row in ds.scan(2)] == order[:2]
    assert ds.head(0) == []
    assert ds.fetch_one().index == order[0]
    assert [[row.index for row in batch] for batch in ds.batch_iter(4)] == [order[:4], order[4:]]
    assert [len(batch) for batch in ds.batch_iter(4, drop_not_full=True)] == [4] * (len(keys) // 4)
    assert [row.index for row in ds[:]] == order
    assert [row.index for row in ds[order[1] : order[4]]] == order[1:4]
    assert [row.index for row in ds[order[1] :: 2]] == order[1::2]
    assert len(ds) == len(keys)


def test_keys_and_slices(open_: Open, build: Build) -> None:
    build([(k, {"x": k}) for k in range(0, 20, 2)])
    ds = open_("ds")
    row = ds[4]
    assert (row.index, row.features, row) == (4, {"x": 4}, (4, {"x": 4}))
    index, features = row
    assert (index, features.x) == (4, 4)
    assert ds[5] is None
    assert ds["4"] is None
    assert 4 in ds
    assert 5 not in ds
    assert [each.index for each in ds[3:9]] == [4, 6, 8]
    assert [each.index for each in ds[np.int64(3) : 9 : 2]] == [4, 8]
    assert ds[30:40] == []
    for wrong in (slice(0, 5, 0), slice(0, 5, -1)):
        with pytest.raises(UsageError):
            _ = ds[wrong]
    with pytest.raises(ArgumentTypeError):
        _ = ds["a":"b"]
    with pytest.raises(UsageError):
        list(ds.batch_iter(0))
    with pytest.raises(AttributeError, match="x"):
        _ = row.features.y


def test_reading_sees_the_changes_of_this_object_alone(open_: Open, build: Build) -> None:
    build([{"x": 1}, {"x": 2}])
    with open_("ds") as ds:
        ds.append({"x": 3})
        ds[0] = {"x": 10}
        assert [row.features.x for row in ds] == [10, 2, 3]
        assert (len(ds), len(open_("ds")), ds[0].features.x) == (3, 2, 10)
        ds.abort()


def test_field_transformer_adds_features_at_paths(open_: Open, build: Build) -> None:
    build([{"a": {"b": [0, 1, {"c": k}]}, "box": BoundingBox(1, 2, 3, 4)} for k in range(3)])
    fields = {"a.b[2].c": "deep", "box.width": "width"}
    ds = open_("ds").with_loader_config(num_workers=1, cache_size=5, field_transformer=fields)
    for found in (list(ds), ds[:], ds.head(3)):
        assert [(row.features.deep, row.features.width) for row in found] == [(0, 3), (1, 3), (2, 3)]
    with pytest.raises(RuntimeError, match="read"):
        ds.with_loader_config(field_transformer=fields)
    with pytest.raises(UsageError, match="path"):
        open_("ds").with_loader_config(field_transformer={"a[": "x"})
    with pytest.raises(UsageError):
        open_("ds").with_loader_config(num_workers=0)


# -------------------------------------------------------------------------------------------------------------- values

LONG = "long ä " * 2_000
PIXELS = np.arange(24, dtype=np.uint8).reshape(4, 6)
PLAIN: list[Any] = [
    True, 0, -1, 2**63 - 1, -(2**63), 2**64, 1.5, 1.0, math.inf, -0.0, "", "text", "ä日\x00\n😀", LONG, b"", b"\x00\xff",
    LONG.encode(), [], [1, 2], [1, "a", None, 2.5, [b"x"]], (1, (2, "b")), {"a": {"b": [1, {"c": None}]}}, {},
    {1: "int", "1": "str"}, [LONG, LONG.encode()], {"deep": [LONG]},
]  # fmt: skip
TYPED: list[Any] = [
    Binary(b"bytes", MIMEType.PLAIN), Binary(LONG.encode()), NumpyBinary(PIXELS.tobytes(), np.uint8, (4, 6)),
    Image(b"png", display_name="a.png", shape=(4, 6, 3), mime_type=MIMEType.PNG),
    Image(b"p" * 9_000, as_mask=True, mask_uri="m"), GrayscaleImage(PIXELS.tobytes(), shape=(4, 6, 1)),
    Audio(b"wav", display_name="a.wav", mime_type=MIMEType.WAV), Video(b"v" * 9_000, mime_type=MIMEType.MP4),
    Text("text"), Text(LONG), Link("s3://bucket/key", offset=3, size=7), Image(link=Link("http://host/a.png")),
    ClassLabel(["a", "b"]), ClassLabel.from_num_classes(3), Point(1, 2), Line([Point(1, 2), Point(3, 4)]),
    Polygon([Point(1, 2), Point(3, 4), Point(5, 6)]), BoundingBox(1, 2, 3, 4),
    BoundingBox3D(BoundingBox(1, 2, 3, 4), BoundingBox(5, 6, 7, 8)),
    COCOObjectAnnotation(id=1, image_id=2, category_id=3, area=4, bbox=BoundingBox(1, 2, 3, 4), iscrowd=0),
]  # fmt: skip


def content_of(value: Any) -> Any:
    return value.to_bytes() if hasattr(value, "to_bytes") and not isinstance(value, (int, Link)) else None


@pytest.mark.parametrize("value", PLAIN, ids=lambda each: f"{type(each).__name__}-{str(each)[:12]!a}")
def test_plain_values_come_back_as_they_were(open_: Open, build: Build, value: Any) -> None:
    build([{"v": value, "in_list": [value], "in_dict": {"k": value}}, {"other": 1}])
    row = open_("ds")[0]
    for found in (row.features.v, row.features.in_list[0], row.features.in_dict["k"]):
        assert found == value
        assert type(found) is type(value)
        assert repr(found) == repr(value)


@pytest.mark.parametrize("value", TYPED, ids=lambda each: type(each).__name__)
def test_typed_values_come_back_as_they_were_wherever_they_lie(open_: Open, build: Build, value: Any) -> None:
    linked = getattr(value, "link", None) is not None
    build([{"v": value, "in_list": [1, [value]], "in_tuple": (value,), "in_dict": {"k": {"j": value}}}])
    row = open_("ds")[0].features
    for found in (row.v, row.in_list[1][0], row.in_tuple[0], row.in_dict["k"]["j"]):
        assert type(found) is type(value)
        assert found == value
        if not linked:
            assert content_of(found) == content_of(value)


def test_none_is_absent_and_nan_is_a_value(open_: Open, build: Build) -> None:
    build([{"a": None, "b": math.nan, "c": [None, math.nan]}, {"a": 1, "b": 0.5}])
    rows = list(open_("ds"))
    assert "a" not in rows[0].features
    assert math.isnan(rows[0].features.b)
    assert rows[0].features.c[0] is None
    assert math.isnan(rows[0].features.c[1])
    assert rows[1].features == {"a": 1, "b": 0.5}


@pytest.mark.parametrize(
    "value", [np.int8(3), np.uint64(2**64 - 1), np.float32(0.1), np.float64(2.5), np.bool_(True)], ids=repr
)
def test_numpy_scalars_keep_their_value(open_: Open, build: Build, value: Any) -> None:
    build([{"v": value}])
    assert open_("ds")[0].features.v == value


def test_a_column_of_mixed_values_keeps_each_type(open_: Open, build: Build) -> None:
    values = [1, 1.0, True, "1", b"1", [1], (1,), {"a": 1}, Text("1")]
    build([{"v": value} for value in values])
    assert [(type(row.features.v), row.features.v) for row in open_("ds")] == [(type(each), each) for each in values]


# ------------------------------------------------------------------------------------------- several rows, some columns


def _mixed(open_: Open) -> Dataset:
    """Rows of several fragments, with rows that were changed, deleted, and put between others since."""
    with open_("mixed") as ds:
        ds.extend([{"label": i % 10, "Text": f"text {i}", "img": Image(bytes([i % 256]) * 900)} for i in range(3000)])
        ds.commit()
    with open_("mixed") as ds:
        ds.extend([{"label": i, "Text": None} for i in range(3000, 5000)])
        del ds[10:20]
        ds[5] = {"label": -5}
        ds[-3] = {"label": -3, "Text": "before all"}
        ds.commit()
    return open_("mixed", readonly=True)


def test_rows_of_several_keys_come_in_the_order_asked_for(open_: Open) -> None:
    ds = _mixed(open_)
    keys = [4999, 5, 0, 12, -3, 2999, 3000, 5, 1, 2, 3, 10**6, 20]
    assert ds.take(keys) == [ds[key] for key in keys]
    assert ds[keys] == ds.take(keys)
    assert ds.take([]) == []
    assert ds[[12]] == [None]


def test_only_the_features_that_are_asked_for_are_read(open_: Open) -> None:
    ds = _mixed(open_)
    assert [dict(row.features) for row in ds.take([5, 3000], columns=["LABEL"]) if row] == [
        {"label": -5},
        {"label": 3000},
    ]
    assert ds.column("label") == [row.features["label"] for row in ds]
    assert ds.column("text") == [row.features.get("Text") for row in ds]
    for limit in (None, 7):
        found = [(row.index, dict(row.features)) for row in ds.scan(limit, columns=("text", "label"))]
        whole = [(row.index, row.features) for row in ds.scan(limit)]
        assert found == [
            (key, {name: features[name] for name in ("Text", "label") if name in features}) for key, features in whole
        ]


def test_a_feature_that_is_not_there_is_named_with_the_nearest(open_: Open) -> None:
    ds = _mixed(open_)
    for ask in (
        lambda: ds.column("lable"),
        lambda: ds.take([1], columns=["lable"]),
        lambda: ds.scan(columns=["lable"]),
    ):
        with pytest.raises(UsageError, match="no feature 'lable'") as caught:
            ask()
        assert "label" in caught.value.hint
    with pytest.raises(ArgumentTypeError, match="several names"):
        ds.scan(columns="label")
    with pytest.raises(ArgumentTypeError, match="several keys"):
        ds.take("12")


def test_rows_that_were_taken_write_through(open_: Open) -> None:
    with _mixed(open_):
        pass
    with open_("mixed") as ds:
        taken = ds[[1, 4000]]
        taken[1].features["label"] = 7
        ds.commit()
    assert open_("mixed", readonly=True)[4000].features["label"] == 7
