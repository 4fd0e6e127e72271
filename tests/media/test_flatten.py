"""Metrics become columns; what cannot be stored is refused at the call, by name."""

from pathlib import Path

import numpy as np
import pytest

from starwhale.errors import FieldNameError, NotFoundError, UnsupportedValueError
from starwhale.media import Binary, Image
from starwhale.media.flatten import flatten


def test_nested_dicts_are_joined_and_keep_their_case_and_order() -> None:
    assert list(flatten({"B": 1, "a": {"X": {"y": 2.5}, "z": None}}).items()) == [
        ("B", 1),
        ("a/X/y", 2.5),
        ("a/z", None),
    ]


def test_lists_stay_lists_unless_they_contain_media() -> None:
    one, two = Image(b"1"), Image(b"2")
    assert flatten({"top": [1, "b"], "image": [one, {"mask": two}]}) == {
        "top": [1, "b"],
        "image/0": one,
        "image/1/mask": two,
    }


def test_arrays_and_numbers_of_numpy_are_accepted() -> None:
    array = np.arange(3)
    columns = flatten({"a": array, "b": np.float32(0.5), "c": {np.int64(1): 2}})
    np.testing.assert_array_equal(columns["a"], array)
    assert columns["b"] == 0.5
    assert columns["c/1"] == 2


def test_an_empty_dict_is_a_value() -> None:
    assert flatten({"a": {}, "b": []}) == {"a": {}, "b": []}


@pytest.mark.parametrize("key", ["loss@5", "精度", "a.b", "id", "with space", "a/b"])
def test_any_name_in_utf8_works(key: str) -> None:
    assert flatten({key: 1}) == {key: 1}


@pytest.mark.parametrize("value", [{1}, [1, {2}], object(), {"deep": [(1, {3})]}])
def test_what_cannot_be_stored_names_key_and_type(value: object) -> None:
    with pytest.raises(UnsupportedValueError, match=r"metric 'bad.*cannot store a value of type '(set|object)'"):
        flatten({"good": 1, "bad": value})


@pytest.mark.parametrize(
    "metrics", [{1: 2}, {"a": {None: 1}}, {"": 1}, {"a": {"": 1}}, {"\ud800": 1}, {"a/b": 1, "a": {"b": 2}}]
)
def test_bad_names_are_refused(metrics: dict[str, object]) -> None:
    with pytest.raises(FieldNameError):
        flatten(metrics)


def test_metrics_that_are_no_dict_are_refused() -> None:
    with pytest.raises(UnsupportedValueError, match="'list'"):
        flatten([1])  # type: ignore[arg-type]


def test_what_the_caller_changes_afterwards_is_not_seen(tmp_path: Path) -> None:
    plain, array, deep, file = [1], np.zeros(2), [{"k": [1]}], tmp_path / "a.bin"
    file.write_bytes(b"abc")
    columns = flatten({"plain": plain, "array": array, "deep": deep, "file": Binary(file)})
    plain.append(2)
    array[0] = 7
    deep[0]["k"].append(2)
    file.unlink()
    np.testing.assert_array_equal(columns.pop("array"), np.zeros(2))
    assert columns == {"plain": [1], "deep": [{"k": [1]}], "file": Binary(b"abc")}


def test_a_file_that_is_not_there_is_named_with_its_metric(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"metric 'picture': .*lost\.png"):
        flatten({"picture": Image(tmp_path / "lost.png")})
