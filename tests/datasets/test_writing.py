"""What can be written, in which forms, and what is refused at the call."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from starwhale.datasets.dataset import Dataset, UncommittedChangesWarning
from starwhale.datasets.rows import DataRow
from starwhale.errors import (
    ArgumentTypeError,
    FieldNameError,
    InvalidNameError,
    NothingToCommitError,
    ReadOnlyError,
    UnsupportedValueError,
    UsageError,
)
from starwhale.media import Binary, GrayscaleImage, Image, Link, MIMEType, NumpyBinary, Text

if TYPE_CHECKING:
    from tests.datasets.conftest import Build, Open


def content(dataset: Dataset) -> list[tuple[int | str, dict[str, Any]]]:
    return [(row.index, dict(row.features)) for row in dataset]


# ------------------------------------------------------------------------------------------------------------ appending


def test_append_takes_every_form(open_: Open) -> None:
    with open_("ds") as ds:
        ds.append({"x": 0})
        ds.append(({"x": 1},))
        ds.append((5, {"x": 5}))
        ds.append([6, {"x": 6}])
        ds.append(DataRow(8, {"x": 8}))
        ds.append({"x": 9})
        ds.commit()
    expected = [(0, {"x": 0}), (1, {"x": 1}), (5, {"x": 5}), (6, {"x": 6}), (8, {"x": 8}), (9, {"x": 9})]
    assert content(open_("ds")) == expected


@pytest.mark.parametrize("item", [3, "text", None, (), (1, {"x": 1}, 2), object()])
def test_append_refuses_what_is_no_row(open_: Open, item: object) -> None:
    ds = open_("ds")
    with pytest.raises((TypeError, ValueError)):
        ds.append(item)
    assert not ds.changed


@pytest.mark.parametrize("key", [1.0, True, None, b"k", (1,), 2**63, -(2**63) - 1])
def test_keys_are_int_of_64_bits_or_str(open_: Open, key: Any) -> None:
    ds = open_("ds")
    with pytest.raises((ArgumentTypeError, UnsupportedValueError)):
        ds.append((key, {"x": 1}))
    with pytest.raises((ArgumentTypeError, UnsupportedValueError)):
        ds[key] = {"x": 1}
    assert not ds.changed


def test_features_must_be_named_values(open_: Open) -> None:
    ds = open_("ds")
    with pytest.raises(UnsupportedValueError, match="no features"):
        ds.append({})
    with pytest.raises(ArgumentTypeError, match="dict"):
        ds.append((0, 3))
    with pytest.raises(ArgumentTypeError, match="str"):
        ds.append({3: 1})
    with pytest.raises(UnsupportedValueError):
        ds.append({"x": object()})
    assert not ds.changed


def test_extend_takes_mixed_rows_and_any_iterable(open_: Open) -> None:
    with open_("ds") as ds:
        ds.extend([{"x": k} for k in range(3)])
        ds.extend({"x": k} for k in range(3, 5))
        ds.extend([{"x": 5}, (7, {"x": 7}), DataRow(9, {"y": 9})])
        ds.extend([{"x": 10}, {"y": 11}])
        ds.extend([])
        ds.commit()
    rows = content(open_("ds"))
    assert [key for key, _ in rows] == [0, 1, 2, 3, 4, 5, 7, 9, 10, 11]
    assert rows[-2:] == [(10, {"x": 10}), (11, {"y": 11})]


def test_extend_refuses_a_bad_value_and_names_the_row(open_: Open) -> None:
    ds = open_("ds")
    with pytest.raises(UnsupportedValueError, match="x"):
        ds.extend([{"x": 1}, {"x": object()}])


def test_rows_are_kept_as_they_were_when_they_were_written(open_: Open) -> None:
    picture, numbers, nested = Image(b"abc", display_name="before"), [1, 2], {"a": [1]}
    with open_("demo") as ds:
        ds.append({"picture": picture, "numbers": numbers, "nested": nested, "label": 1})
        picture.display_name = "after"
        picture.shape.append(4)
        numbers.append(3)
        nested["a"].append(2)
        row = ds[0].features
        ds.commit()
    assert row["picture"] == Image(b"abc", display_name="before")
    assert (row["numbers"], row["nested"]) == ([1, 2], {"a": [1]})


ALIKE: list[Any] = [GrayscaleImage(bytes([n]) * 6, shape=(2, 3, 1)) for n in range(40)]
NOT_ALIKE: list[Any] = [
    GrayscaleImage(b"other", shape=(5, 1, 1)),
    GrayscaleImage(b"named", "seven", shape=(2, 3, 1)),
    GrayscaleImage(b"mask", shape=(2, 3, 1), as_mask=True),
    GrayscaleImage(b"mask of", shape=(2, 3, 1), mask_uri="there"),
    GrayscaleImage(b"floats", shape=(2, 3, 1), dtype="float32"),
    GrayscaleImage(b"", shape=(2, 3, 1)),
    GrayscaleImage(b"long" * 2000, shape=(2, 3, 1)),
    GrayscaleImage(shape=(2, 3, 1), link=Link("file:///nowhere/seen.png")),
    Image(b"another type", shape=(2, 3, 1), mime_type=MIMEType.GRAYSCALE),
    Binary(b"plain", auto_convert_to_bytes=True),
    NumpyBinary(b"array", shape=(5,)),
    Text("a text", encoding="latin-1"),
    b"bytes",
    "text",
    7,
    None,
]


@pytest.mark.parametrize("odd", NOT_ALIKE, ids=lambda value: repr(value)[:40])
@pytest.mark.parametrize("place", [0, 1, 35, 40])
def test_media_that_differ_in_more_than_their_content_stay_what_they_are(open_: Open, odd: Any, place: int) -> None:
    """Of media that differ in nothing else only the content is gathered; whatever comes between them is stored as well."""
    values = [*ALIKE[:place], odd, *ALIKE[place:]]
    with open_("ds") as ds:
        for number, value in enumerate(values):
            ds.append({"number": number, "value": value})
        ds.commit()
    read = open_("ds").column("value")
    assert read == values
    assert [type(value) for value in read] == [type(value) for value in values]


def test_media_of_a_row_that_is_refused_are_not_kept(open_: Open) -> None:
    with open_("ds") as ds:
        for number in range(40):
            with pytest.raises(UnsupportedValueError):
                ds.append({"a": ALIKE[39], "b": object(), "c": ALIKE[39]})
            ds.append({"a": ALIKE[number], "b": [number], "c": ALIKE[-number]})
        ds.commit()
    assert content(open_("ds")) == [
        (number, {"a": ALIKE[number], "b": [number], "c": ALIKE[-number]}) for number in range(40)
    ]


def test_media_are_stored_as_they_were_when_they_were_appended(open_: Open) -> None:
    image = GrayscaleImage(b"123456", shape=(2, 3, 1))
    with open_("ds") as ds:
        for number in range(40):
            ds.append({"image": image})
            image.shape[0] = number
            image.display_name = f"changed {number}"
        ds.commit()
    shapes = [[2, 3, 1], *([number, 3, 1] for number in range(39))]
    names = ["", *(f"changed {number}" for number in range(39))]
    read = open_("ds").column("image")
    assert [each.shape for each in read] == shapes
    assert [each.display_name for each in read] == names


def test_rows_whose_features_differ_from_one_to_the_next_keep_their_order(open_: Open) -> None:
    rows = [{"a": i, "b": "x" * 2000} if i % 3 else {"a": i, "c": Image(bytes([i % 256]))} for i in range(200)]
    with open_("demo") as ds:
        for row in rows:
            ds.append(row)
        ds[200] = {"d": None, "a": 200}
        ds.append({"a": 201})
        ds.commit()
    assert [dict(row.features) for row in open_("demo", readonly=True)] == [*rows, {"a": 200}, {"a": 201}]


def test_a_row_that_cannot_be_kept_is_refused_whole_and_named(open_: Open) -> None:
    with open_("demo") as ds:
        ds.append({"a": 1, "b": 2})
        with pytest.raises(UnsupportedValueError, match="column 'b' of row 1: "):
            ds.append({"a": 1, "b": object()})
        with pytest.raises(UnsupportedValueError, match="column 'b' of row 7: "):
            ds[7] = {"a": 1, "b": [object()]}
        ds.append({"a": 3, "b": 4})
        ds.commit()
    assert [row.features["a"] for row in open_("demo", readonly=True)] == [1, 3]


def test_text_that_is_no_unicode_is_no_name_and_no_key(open_: Open) -> None:
    with open_("demo") as ds:
        with pytest.raises(FieldNameError, match="not valid Unicode"):
            ds.append({"\ud800": 1})
        with pytest.raises(InvalidNameError, match="not valid Unicode"):
            ds["\ud800"] = {"a": 1}
        ds.append({"a": "\ud800"})
        ds.append({"a": "x" * 9000})
        ds.commit()
    assert [row.features["a"] for row in open_("demo", readonly=True)] == ["\ud800", "x" * 9000]


def test_long_texts_wait_on_disk_and_not_in_memory(open_: Open) -> None:
    with open_("demo") as ds:
        for i in range(40):
            ds.append({"a": str(i) * 100_000, "b": b"x" * (4000 + i * 10)})
        ds.commit()
    found = open_("demo", readonly=True)
    assert [(row.features["a"], len(row.features["b"])) for row in found] == [
        (str(i) * 100_000, 4000 + i * 10) for i in range(40)
    ]


def test_the_next_key_is_above_every_key_ever_used(open_: Open, build: Build) -> None:
    build([(0, {"x": 0}), (9, {"x": 9}), (4, {"x": 4})])
    with open_("ds") as ds:
        del ds[9]
        del ds[4]
        ds.append({"x": "new"})
        ds.commit()
    with open_("ds") as ds:
        del ds[:]
        ds.append({"x": "last"})
        ds.commit()
    assert content(open_("ds")) == [(11, {"x": "last"})]


def test_threads_append_each_row_once(open_: Open) -> None:
    with open_("ds") as ds:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda k: ds.append((k, {"x": k})), range(2000)))
            list(pool.map(lambda k: ds.append({"y": k}), range(500)))
        ds.commit()
    rows = content(open_("ds"))
    assert [key for key, _ in rows] == list(range(2500))
    assert rows[:2000] == [(k, {"x": k}) for k in range(2000)]
    assert sorted(features["y"] for _, features in rows[2000:]) == list(range(500))


def test_key_types_do_not_mix_and_the_call_says_so(open_: Open, build: Build) -> None:
    ds = open_("ds")
    ds.append({"x": 1})
    with pytest.raises(ArgumentTypeError, match="'a'"):
        ds["a"] = {"x": 2}
    ds.commit()
    with pytest.raises(ArgumentTypeError, match="int keys"):
        open_("ds").append(("a", {"x": 2}))
    build([("a", {"x": 1})], "texts")
    for write in (lambda each: each.append({"x": 2}), lambda each: each.extend([{"x": 2}])):
        with pytest.raises(ArgumentTypeError, match="str keys"):
            write(open_("texts"))


# ------------------------------------------------------------------------------------------------------- set and delete


def test_setting_a_row_merges_its_features(open_: Open, build: Build) -> None:
    build([{"x": 1, "y": 1}, {"x": 2, "y": 2}])
    with open_("ds") as ds:
        ds[0] = {"y": 10, "z": 10}
        ds[1] = ({"x": None},)
        ds[2] = (99, {"x": 3})
        ds[3] = DataRow(77, {"x": 4})
        with pytest.raises(ArgumentTypeError):
            ds[4] = (1, 2, {"x": 1})
        ds.commit()
    assert content(open_("ds")) == [(0, {"x": 1, "y": 10, "z": 10}), (1, {"y": 2}), (2, {"x": 3}), (3, {"x": 4})]


def test_deleting_by_key_and_by_range_ignores_what_is_missing(open_: Open, build: Build) -> None:
    build([{"x": k} for k in range(10)])
    with open_("ds") as ds:
        del ds[0]
        del ds[100]
        del ds[3:5]
        del ds[7:100:2]
        assert [row.index for row in ds] == [1, 2, 5, 6, 8]
        ds.commit()
    assert [row.index for row in open_("ds")] == [1, 2, 5, 6, 8]
    assert open_("ds").summary()["deleted_rows"] == 5


def test_deleting_the_only_feature_keeps_the_dataset_readable(open_: Open, build: Build) -> None:
    build([{"x": 1}, {"x": 2}])
    with open_("ds") as ds:
        del ds[0].features.x
        ds.commit()
    assert content(open_("ds")) == [(0, {}), (1, {"x": 2})]


def test_features_of_read_rows_write_through(open_: Open, build: Build) -> None:
    build([{"x": k, "y": k} for k in range(4)])
    with open_("ds") as ds:
        for row in ds:
            row.features.x = row.features.x * 10
            if row.index == 2:
                del row.features.y
        ds[3].features["z"] = "new"
        ds[0:1][0].features.update(y=-1)
        ds.commit()
    expected = [(0, {"x": 0, "y": -1}), (1, {"x": 10, "y": 1}), (2, {"x": 20}), (3, {"x": 30, "y": 3, "z": "new"})]
    assert content(open_("ds")) == expected


def test_rows_of_head_scan_and_fetch_one_do_not_write_through(open_: Open, build: Build) -> None:
    build([{"x": 1}])
    ds = open_("ds")
    for row in (*ds.head(1), *ds.scan(), ds.fetch_one()):
        row.features.x = 2
        assert row.features == {"x": 2}
    assert not ds.changed


# ----------------------------------------------------------------------------------------------------------- names


def test_names_keep_their_case_and_are_matched_in_any(open_: Open, build: Build) -> None:
    build([{"Label": 1}])
    with open_("ds") as ds:
        ds.append({"label": 2})
        ds.extend([{"LABEL": 3}, {"LABEL": 4}])
        ds.commit()
    ds = open_("ds")
    assert content(ds) == [(k, {"Label": k + 1}) for k in range(4)]
    row = ds[0]
    assert (row.features["LABEL"], row.features.label, row.features.get("lAbEl"), "label" in row.features) == (
        1,
        1,
        1,
        True,
    )


def test_names_of_two_writers_that_differ_in_case_are_one(open_: Open, build: Build) -> None:
    build([{"x": 0}])
    first, second = open_("ds"), open_("ds")
    first.append({"Label": 1})
    second[7] = {"label": 2, "other": 3}
    second[8] = {"other": None}  # a row may have no feature that shows
    first.commit()
    second.commit()
    assert content(open_("ds")) == [(0, {"x": 0}), (1, {"Label": 1}), (7, {"Label": 2, "other": 3}), (8, {})]


def test_names_that_differ_only_in_case_are_refused(open_: Open) -> None:
    ds = open_("ds")
    with pytest.raises(FieldNameError, match="differ only in case"):
        ds.append({"a": 1, "A": 2})
    assert not ds.changed


@pytest.mark.parametrize("name", ["a.b", "ä", "日本", "with space", "a/b", "__key__", "%", "", "x" * 300, "index"])
def test_any_text_is_a_name(open_: Open, name: str) -> None:
    with open_("ds") as ds:
        ds.append({name: 1, "other": 2})
        ds.commit()
    assert content(open_("ds")) == [(0, {name: 1, "other": 2})]


# ----------------------------------------------------------------------------------------------------------- read-only


def test_nothing_is_written_when_read_only(open_: Open, build: Build) -> None:
    build([{"x": 1}])
    ds = open_("ds", readonly=True)
    assert ds.readonly

    def set_row() -> None:
        ds[0] = {"x": 2}

    def delete_row() -> None:
        del ds[0]

    def set_info() -> None:
        ds.info["a"] = 1

    def set_feature() -> None:
        ds[0].features.x = 2

    writes = (
        lambda: ds.append({"x": 2}),
        lambda: ds.extend([{"x": 2}]),
        lambda: ds.extend([]),
        lambda: ds.append(3),
        set_row,
        delete_row,
        set_info,
        set_feature,
        ds.clear,
        ds.commit,
    )
    for write in writes:
        with pytest.raises(RuntimeError) as caught:
            write()
        assert isinstance(caught.value, ReadOnlyError)
    assert content(ds) == [(0, {"x": 1})]


# ------------------------------------------------------------------------------------------------------------- closing


def test_closing_drops_uncommitted_rows_and_counts_them(open_: Open, build: Build) -> None:
    build([{"x": 1}])
    ds = open_("ds")
    ds.extend([{"x": k} for k in range(7)])
    del ds[0]
    with pytest.warns(UncommittedChangesWarning, match="8 uncommitted"):
        ds.close()
    ds.close()
    assert content(open_("ds")) == [(0, {"x": 1})]


def test_what_is_dropped_at_the_end_is_said_once_and_in_words(
    open_: Open, build: Build, caplog: pytest.LogCaptureFixture
) -> None:
    build([{"x": 1}])
    ds = open_("ds")
    ds.append({"x": 2})
    with pytest.warns(UncommittedChangesWarning, match="closed with 1 uncommitted change of rows, which is dropped"):
        ds.close()
    ds = open_("ds")
    ds.info["a"] = 1
    with pytest.warns(
        UncommittedChangesWarning, match="closed with an uncommitted change of its info, which is dropped"
    ):
        ds.close()
    assert caplog.records == []  # without a handler logging writes to stderr too, where the warning stands already


def test_a_closed_dataset_takes_no_changes_and_reads_on(open_: Open, build: Build) -> None:
    build([{"x": 1}])
    with open_("ds") as ds:
        pass
    for write in (lambda: ds.append({"x": 2}), ds.clear, ds.commit, lambda: ds.info.update(a=1)):
        with pytest.raises(ReadOnlyError, match=r"'ds' was closed, .*open it again: dataset\('ds'\)"):
            write()
    assert content(ds) == [(0, {"x": 1})]
    with pytest.raises(ReadOnlyError, match="was closed"):
        ds[0].features.x = 2


def test_an_error_inside_with_drops_the_rows_without_another_word(open_: Open) -> None:
    def fail() -> None:
        with open_("ds") as ds:
            ds.append({"x": 1})
            message = "the user's own"
            raise LookupError(message)

    with pytest.raises(LookupError, match="the user's own"):
        fail()
    assert not open_("ds").exists()


def test_layout_options_of_old_scripts_come_before_the_first_write(open_: Open) -> None:
    with open_("ds") as ds:
        assert ds.with_builder_blob_config(volume_size="1MB", alignment_size=128) is ds
        ds.append({"x": 1})
        with pytest.raises(UsageError):
            ds.with_builder_blob_config(volume_size=1)
        ds.commit()


def test_flush_names_the_pending_version(open_: Open) -> None:
    with open_("ds") as ds:
        ds.append({"x": 1})
        revision = ds.flush(artifacts_flush=True)
        assert revision == ds.pending_commit_version == ds.commit()


def test_commit_without_change_is_refused(open_: Open, build: Build) -> None:
    with pytest.raises(NothingToCommitError):
        open_("new").commit()
    build([{"x": 1}])
    with pytest.raises(RuntimeError):
        open_("ds").commit()
