"""Whatever can be stored comes back as it was, and what cannot is refused where it was given."""

from __future__ import annotations

import datetime as dt
import decimal
import fractions
import math
import struct
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from starwhale.errors import MediaError, NotFoundError, UnsupportedValueError
from starwhale.media import (
    MEDIA,
    Audio,
    BaseArtifact,
    Binary,
    BoundingBox,
    BoundingBox3D,
    ClassLabel,
    COCOObjectAnnotation,
    GrayscaleImage,
    Image,
    Line,
    Link,
    MediaValue,
    MIMEType,
    NumpyBinary,
    Point,
    Polygon,
    Text,
    Video,
)

if TYPE_CHECKING:
    from tests.datasets.conftest import Build, Open

LONG = 9000
"""Bytes that lie in a pack, not in the row."""

MEDIA_VALUES: list[MediaValue] = [
    Audio(b"a" * LONG, "a.wav", (None, 2), MIMEType.WAV),
    Audio(b"a", mime_type=MIMEType.MP3),
    Binary(b""),
    Binary(bytes(range(256)) * 40, MIMEType.HTML, auto_convert_to_bytes=False),
    BoundingBox(1, 2.5, -3, 4),
    BoundingBox3D(BoundingBox(1, 2, 3, 4), BoundingBox(5.5, 6, 7, 8)),
    COCOObjectAnnotation(1, 2, 3, 4.5, BoundingBox(1, 2, 3, 4), 1, segmentation=[[1, 2.5, 3, 4]]),
    COCOObjectAnnotation(segmentation={"size": [2, 2], "counts": "abc"}),
    ClassLabel(["cat", "dog"]),
    ClassLabel.from_num_classes(3),
    GrayscaleImage(bytes(LONG), "gray", (90, 100, 1)),
    GrayscaleImage(bytes(6), shape=(2, 3, 1)),
    Image(b"i" * LONG, "i.png", (1, 2, 3), MIMEType.PNG, as_mask=True, mask_uri="m.png"),
    Image(b"", mime_type=MIMEType.SVG),
    Image(link=Link("http://127.0.0.1/a.png", 1, 2, owner="me")),
    Line([Point(1, 2), Point(3.5, 4)]),
    Line(),
    Link("s3://bucket/key", 3, 4, data_type=Image, use_plain_type=True, note="n"),
    NumpyBinary(np.arange(3000, dtype=">f4").reshape(30, 100)),
    NumpyBinary(bytes(8), np.float32),
    Point(1, -2.5),
    Polygon([Point(0, 0), Point(1, 0), Point(1, 1)]),
    Text("héllo\n" * 3000, "utf-16"),
    Text(""),
    Video(b"v" * LONG, "v.mp4", mime_type=MIMEType.MP4),
]

SCALARS: list[Any] = [
    True,
    0,
    2**63 - 1,
    -(2**63),
    2**63,
    -(2**63) - 1,
    2**200,
    0.1,
    -0.0,
    math.inf,
    -math.inf,
    math.nan,
    5e-324,
    "",
    "x" * 100_000,
    "e\u0301",  # a letter and its accent apart, which must not be joined
    "\u00e9",
    "𝄞 🐋",
    "\x00\n\r\t",
    "\ud800",  # half a pair: no text in UTF-8, but a Python string can be it
    b"",
    b"\x00\xff" * 50_000,
    (),
    (1, (2.0, None), [b"", ()]),
    [],
    {},
    [1, "1", 1.0, True, None, b"1"],
    {"a": {"b": [{"c": None}]}},
    {1: "int", "1": "text", 1.5: "float", (1, "x"): "tuple", None: "none", b"1": "bytes"},
    dt.datetime(2024, 2, 29, 1, 2, 3, 4),  # noqa: DTZ001 - naive times are values too
    dt.datetime(2024, 2, 29, tzinfo=dt.UTC),
    dt.date(2024, 2, 29),
    dt.timedelta(days=-1, microseconds=7),
]

NUMPY_TYPES = [
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64", "longdouble", "complex64", "complex128", "clongdouble"),
    *("S5", "U5", "V3", "M8[ns]", "m8[s]", ">i4", "<u2", ">f8"),
]


def same(one: Any, other: Any) -> bool:
    """Equal with equal types all the way down: floats and arrays by their bits, media by their content too."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float) and not isinstance(one, np.generic):
        return struct.pack(">d", one) == struct.pack(">d", other)
    if isinstance(one, np.ndarray | np.generic):
        left, right = np.asarray(one), np.asarray(other)
        if left.dtype != right.dtype or left.shape != right.shape:
            return False
        # The widest floats have padding, which nobody set.
        return np.array_equal(left, right) if left.dtype.char in "gG" else left.tobytes() == right.tobytes()
    if isinstance(one, list | tuple):
        items = cast("list[Any]", one)
        return len(items) == len(other) and all(map(same, items, other))
    if isinstance(one, dict):
        return same(list(cast("dict[Any, Any]", one).items()), list(other.items()))
    if isinstance(one, BaseArtifact) and one.carried_source is not None:
        return one == other and one.to_bytes() == other.to_bytes() and same(one.asdict(), other.asdict())
    return bool(one == other)


def zeroes(name: str) -> tuple[Any, Any]:
    """A scalar and an array of a NumPy type, with bytes that are not all zero."""
    dtype = np.dtype(name)
    content = (np.arange(dtype.itemsize * 6) % 2).astype("uint8").tobytes()
    if dtype.kind in "MmfcU" or name in {"longdouble", "clongdouble"}:
        array = np.arange(6).astype(dtype).reshape(2, 3)
    else:
        array = np.frombuffer(content, dtype).reshape(2, 3).copy()
    return array[1, 2], array


def round_trip(build: Build, open_: Open, values: list[Any], name: str = "ds") -> list[Any]:
    """Store each value as a row and read all of them back from a new opening of the version."""
    build([{"value": value, "row": number} for number, value in enumerate(values)], name)
    with open_(name, readonly=True) as opened:
        rows = list(opened)
    assert [row.features["row"] for row in rows] == list(range(len(values)))
    return [row.features.get("value") for row in rows]


def test_every_data_type_is_among_the_values() -> None:
    assert {type(value).__name__ for value in MEDIA_VALUES} == set(MEDIA)


def test_all_values_in_one_column_come_back(build: Build, open_: Open) -> None:
    arrays = [each for name in NUMPY_TYPES for each in zeroes(name)]
    values = [*SCALARS, *MEDIA_VALUES, *arrays, None]
    for wanted, found in zip(values, round_trip(build, open_, values), strict=True):
        assert same(found, wanted), wanted


@pytest.mark.parametrize("value", MEDIA_VALUES, ids=lambda value: type(value).__name__)
def test_a_column_of_one_data_type_comes_back_alone_and_nested(build: Build, open_: Open, value: MediaValue) -> None:
    rows: list[Any] = [value, None, [value, None, {"deep": (value,)}], {"a": value}, value]
    for wanted, found in zip(rows, round_trip(build, open_, rows), strict=True):
        assert same(found, wanted)
    plain = round_trip(build, open_, [value, value], "alone")
    assert same(plain, [value, value])


@pytest.mark.parametrize("name", NUMPY_TYPES)
def test_numpy_values_keep_type_and_shape(build: Build, open_: Open, name: str) -> None:
    scalar, array = zeroes(name)
    values = [scalar, array, [array], array[:, :0], array.T, np.array(scalar, array.dtype)]
    found = round_trip(build, open_, values)
    for wanted, one in zip(values, found, strict=True):
        assert same(one, wanted), wanted
    assert found[1].flags.writeable


def test_a_list_that_changes_after_it_was_given_is_stored_as_it_was(build: Build, open_: Open) -> None:
    values: list[Any] = [[1], [np.zeros(2)], {"a": [1]}]
    array = np.zeros(3)
    with open_("ds") as opened:
        for value in [*values, array]:
            opened.append({"v": value})
        values[0].append(2)
        values[1][0][0] = 7
        values[2]["a"].append(2)
        array[0] = 7
        opened.commit()
    with open_("ds") as opened:
        found = [row.features["v"] for row in opened]
    assert same(found, [[1], [np.zeros(2)], {"a": [1]}, np.zeros(3)])


@dataclass
class Shape:
    """A class of a user's own."""

    sides: int


REFUSED: list[tuple[Any, str]] = [
    ({1, 2}, "sorted"),
    (frozenset(), "sorted"),
    (decimal.Decimal("1.1"), "str"),
    (fractions.Fraction(1, 3), "str"),
    (uuid.UUID(int=7), "str"),
    (Path("a"), "Binary"),
    (Shape(4), "asdict"),
    (object(), "a number, text"),
    (1j, "real"),
    (range(3), "list"),
    (np.array([object()]), "tolist"),
    (np.ma.masked_array([1], mask=[True]), "tolist"),
    (np.array([("a", object())], dtype=[("a", "U1"), ("b", "O")]), "tolist"),
]


@pytest.mark.parametrize(("value", "way_out"), REFUSED, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("nested", [False, True], ids=["alone", "nested"])
def test_what_cannot_be_kept_is_refused_with_column_row_and_a_way_out(
    open_: Open, value: Any, way_out: str, nested: bool
) -> None:
    bad = [1, {"deep": (value,)}] if nested else value
    with open_("ds") as opened:
        opened.append({"fine": 1})
        for give in (
            lambda: opened.append({"fine": 2, "bad": bad}),
            lambda: opened.extend([{"fine": 2, "bad": bad}]),
        ):
            with pytest.raises(UnsupportedValueError, match=r"column 'bad' of row \d+: .*type") as caught:
                give()
            assert way_out in caught.value.hint
        with pytest.raises(UnsupportedValueError, match="column 'bad' of row 7: "):
            opened[7] = {"bad": bad}
        opened.append({"fine": 3})
        opened.commit()
    with open_("ds") as opened:
        assert [dict(row.features) for row in opened] == [{"fine": 1}, {"fine": 3}]
        assert list(opened._reader.columns) == ["fine"]


def test_a_file_that_is_not_there_is_named_with_its_cell(open_: Open, tmp_path: Path) -> None:
    with open_("ds") as opened:
        for give in (
            lambda: opened.append({"picture": Image(tmp_path / "lost.png")}),
            lambda: opened.extend([{"picture": Image(tmp_path / "lost.png")}]),
        ):
            with pytest.raises(NotFoundError, match=r"column 'picture' of row \d+: .*lost\.png"):
                give()


KEYS = st.one_of(
    st.text(max_size=5),
    st.integers(-(2**70), 2**70),
    st.binary(max_size=3),
    st.tuples(st.integers(), st.text(max_size=2)),
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.sampled_from([2**63 - 1, -(2**63), 2**63, -(2**63) - 1, 2**64 - 1, 2**64]),
    st.floats(),
    st.text(alphabet=st.characters(codec=None), max_size=20),
    st.binary(max_size=50),
    st.integers(4090, 5000).map(lambda size: "ü" * size),
    st.sampled_from(MEDIA_VALUES),
    st.sampled_from([each for name in NUMPY_TYPES for each in zeroes(name)]),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5), st.lists(inner, max_size=4).map(tuple), st.dictionaries(KEYS, inner, max_size=4)
    ),
    max_leaves=12,
)


def check_values(build: Build, open_: Open, values: list[Any], name: str) -> None:
    for wanted, found in zip(values, round_trip(build, open_, values, name), strict=True):
        assert same(found, wanted), (wanted, found)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(VALUES, min_size=1, max_size=6))
def test_any_values_come_back(build: Build, open_: Open, values: list[Any]) -> None:
    check_values(build, open_, values, f"ds{uuid.uuid4().hex}")


@pytest.mark.soak
@settings(max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(VALUES, min_size=1, max_size=6))
def test_very_many_values_come_back(build: Build, open_: Open, values: list[Any]) -> None:
    check_values(build, open_, values, f"ds{uuid.uuid4().hex}")


def test_media_that_cannot_be_decoded_name_their_row(build: Build, open_: Open) -> None:
    build([("a", {"picture": Image(b"no picture", "cat.png")}), ("b", {"picture": Image(b"x" * LONG)})])
    with open_("ds", readonly=True) as opened:
        for row in (opened["a"], next(iter(opened)), opened.head(1)[0]):
            with pytest.raises(MediaError, match=r"'cat\.png'.* in column 'picture' of row 'a' is not a picture"):
                row.features["picture"].to_numpy()
        with pytest.raises(MediaError, match="of row 'b'"):
            opened["b"].features["picture"].to_pil()


def test_a_relative_link_still_leads_there_from_elsewhere(
    tmp_path: Path, build: Build, open_: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.bin").write_bytes(b"0123456789")
    monkeypatch.chdir(tmp_path)
    link = Link("a.bin", 2, 3)
    build([{"v": Binary(link=link), "n": [link, {"deep": Image(link=link)}], "l": link}])
    monkeypatch.undo()
    with open_("ds", readonly=True) as opened:
        found = opened[0].features
    assert found["v"].to_bytes() == found["n"][0].to_bytes() == found["n"][1]["deep"].to_bytes() == b"234"
    assert found["l"].uri == str(tmp_path / "a.bin")
