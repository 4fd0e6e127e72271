"""Any storable value survives, and has the same bytes with the C package and without it."""

import datetime as dt
import enum
import math
import struct
from collections import OrderedDict, namedtuple

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from starwhale.errors import CorruptedError, UnsupportedValueError
from starwhale.media import BoundingBox, Image, Link, Text
from starwhale.media.artifact import BaseArtifact
from starwhale.media.codec import pack, unpack
from starwhale.media.source import BytesSource

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(min_value=-(2**80), max_value=2**80),
    st.floats(),
    st.text(alphabet=st.characters(codec=None)),
    st.binary(max_size=300),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=20),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(st.one_of(st.text(max_size=5), st.integers(), st.tuples(st.integers())), inner, max_size=18),
    ),
    max_leaves=30,
)


def same(one: object, other: object) -> bool:
    """Equal with equal types all the way down; floats by their bits."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return struct.pack(">d", one) == struct.pack(">d", other)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))  # type: ignore[arg-type]
    if isinstance(one, dict):
        return same(list(one.items()), list(other.items()))  # type: ignore[attr-defined]
    return one == other


@given(VALUES)
def test_a_value_survives_and_both_writers_and_readers_agree(value: object) -> None:
    data = pack(value)
    assert pack(value, pure=True) == data
    assert same(unpack(data), value)
    assert same(unpack(data, pure=True), value)


@pytest.mark.parametrize("size", [0, 1, 15, 16, 31, 32, 255, 256, 65535, 65536])
def test_both_writers_agree_at_every_change_of_header(size: int) -> None:
    for value in ("a" * size, b"a" * size, [1] * size, dict.fromkeys(range(size)), (1,) * size, 2 ** (8 * size + 70)):
        assert pack(value, pure=True) == pack(value)
        assert same(unpack(pack(value), pure=True), value)


@pytest.mark.parametrize("power", [0, 5, 7, 8, 15, 16, 31, 32, 63, 64, 127])
def test_integers_near_powers_of_two_survive(power: int) -> None:
    for value in (sign * 2**power + step for sign in (1, -1) for step in (-1, 0, 1)):
        assert pack(value, pure=True) == pack(value)
        assert same(unpack(pack(value)), value)


def test_plain_values_are_plain_msgpack() -> None:
    value = {"b": [1, 2.5, None, True], "a": "é", "c": b"\0"}
    assert pack(value) == msgpack.packb(value)


@pytest.mark.parametrize(
    "value",
    [
        np.float32(0.1),
        np.float64(-0.0),
        np.int8(-3),
        np.uint64(2**64 - 1),
        np.bool_(True),
        np.str_("Zürich"),
        np.bytes_(b"ab"),
        np.complex128(1 + 2j),
        np.datetime64("2024-02-29T01:02:03"),
    ],
)
@pytest.mark.parametrize("pure", [False, True])
def test_numpy_scalars_survive(value: np.generic, pure: bool) -> None:
    found = unpack(pack(value, pure=pure), pure=pure)
    assert type(found) is type(value)
    assert found == value


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype="int16").reshape(2, 3),
        np.asfortranarray(np.eye(3)),
        np.array(3.5),
        np.empty((0, 4), dtype="float32"),
        np.array([1, 2], dtype=">i4"),
        np.array(["ab", "c"]),
        np.array([(1, 2.0)], dtype=[("a", "<i4"), ("b", "<f8")]),
        np.arange(10)[::3],
    ],
)
def test_arrays_survive_with_type_and_shape_and_are_writable(array: np.ndarray) -> None:
    found = unpack(pack([array]))[0]  # type: ignore[index]
    assert found.dtype == array.dtype
    assert found.shape == array.shape
    assert found.flags.writeable
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize(
    "value",
    [
        dt.datetime(2024, 1, 2, 3, 4, 5, 6),  # noqa: DTZ001 - naive times are values too
        dt.datetime(2024, 1, 2, tzinfo=dt.UTC),
        dt.datetime(2024, 1, 2, tzinfo=dt.timezone(dt.timedelta(hours=5, minutes=30)), fold=1),
        dt.date(2024, 2, 29),
        dt.time(1, 2, 3),
        dt.timedelta(days=-1, microseconds=7),
    ],
)
def test_times_survive(value: object) -> None:
    assert same(unpack(pack(value)), value)


def test_media_inside_containers_keep_their_bytes() -> None:
    value = {
        "pictures": [Image(b"abc", display_name="a"), (Text("é"), BoundingBox(1, 2, 3, 4))],
        "link": Link("/a", 1, 2),
    }
    assert unpack(pack(value)) == value
    assert unpack(pack(value, pure=True), pure=True) == value


def test_content_can_be_placed_elsewhere_and_found_again() -> None:
    kept: list[bytes] = []

    def place(value: BaseArtifact) -> dict[str, int] | None:
        content = value.stored_bytes()
        if len(content) < 100:
            return None
        kept.append(content)
        return {"at": len(kept) - 1}

    value = [Image(b"x" * 1000), Image(b"small")]
    data = pack(value, place=place)
    assert len(data) < 500
    assert unpack(data, lambda reference: BytesSource(kept[reference["at"]])) == value


class Color(enum.StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ({1, 2}, "'set'"),
        ([{"a": frozenset()}], "'frozenset'"),
        (Color.RED, "Color"),
        (object(), "'object'"),
        (1j, "'complex'"),
        (np.array([object()]), "ndarray"),
        (np.ma.masked_array([1], mask=[True]), "MaskedArray"),
        (range(3), "'range'"),
    ],
)
@pytest.mark.parametrize("pure", [False, True])
def test_what_cannot_be_stored_is_named(value: object, named: str, pure: bool) -> None:
    with pytest.raises(UnsupportedValueError, match=named):
        pack(value, pure=pure)


@pytest.mark.parametrize("pure", [False, True])
def test_a_list_that_holds_itself_is_refused(pure: bool) -> None:
    value: list[object] = []
    value.append(value)
    with pytest.raises(UnsupportedValueError, match="list"):
        pack(value, pure=pure)


Pair = namedtuple("Pair", "a b")  # noqa: PYI024  # pyright: ignore[reportUntypedNamedTuple] - users have such ones


@pytest.mark.parametrize(
    ("value", "plain"),
    [(OrderedDict(a=1), {"a": 1}), (Pair(1, 2), (1, 2)), (bytearray(b"a"), b"a"), ([memoryview(b"a")], [b"a"])],
)
def test_subclasses_become_plain_unless_exactness_is_asked_for(value: object, plain: object) -> None:
    assert pack(value) == pack(plain) == pack(value, pure=True)
    with pytest.raises(UnsupportedValueError):
        pack(value, exact=True)
    assert same(unpack(pack(plain, exact=True)), plain)


@pytest.mark.parametrize("pure", [False, True])
def test_damaged_bytes_are_an_error(pure: bool) -> None:
    data = pack([1, "abc", {"a": (1, 2)}])
    for cut in range(len(data)):
        with pytest.raises(CorruptedError):
            unpack(data[:cut], pure=pure)
    with pytest.raises(CorruptedError):
        unpack(data + b"\0", pure=pure)


def test_nan_in_a_dict_stays_nan() -> None:
    found = unpack(pack({"loss": math.nan}))
    assert isinstance(found, dict)
    assert math.isnan(found["loss"])
