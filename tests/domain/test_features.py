"""The features of a row answer in any case, in predict as in a dataset."""

from __future__ import annotations

import copy
import pickle

import pytest

from starwhale.datasets.rows import RowFeatures
from starwhale.domain.features import Features, feature_rows

KINDS = pytest.mark.parametrize("kind", [Features, RowFeatures])


@KINDS
def test_a_feature_is_found_in_any_case_and_as_an_attribute(kind: type[Features]) -> None:
    row = kind({"Label": 7, "text": "a"})
    assert (row["Label"], row["label"], row.LABEL, row.label, row.get("lABEL")) == (7, 7, 7, 7, 7)
    assert "LABEL" in row
    assert "other" not in row
    assert row.get("other", 3) == 3
    with pytest.raises(KeyError, match="other"):
        row["other"]
    with pytest.raises(AttributeError, match=r"no feature 'labl'.*'Label'"):
        _ = row.labl


@KINDS
def test_names_that_differ_in_case_alone_are_kept_apart(kind: type[Features]) -> None:
    row = kind({"Label": 7, "label": 8})
    assert (row["Label"], row["label"], row.Label, row.label) == (7, 8, 7, 8)


@KINDS
def test_what_is_written_replaces_the_feature_that_is_there(kind: type[Features]) -> None:
    row = kind({"Label": 7})
    row["label"] = 8
    row.other = 1
    row.update({"OTHER": 2}, LABEL=9)
    assert dict(row) == {"Label": 9, "other": 2}
    assert (row.setdefault("LABEL", 1), row.pop("label"), row.pop("gone", None)) == (9, 9, None)
    del row.OTHER
    assert not row


@KINDS
def test_it_is_an_ordinary_dict_to_others(kind: type[Features]) -> None:
    row = kind({"Label": 7})
    assert {**row} == {"Label": 7} == dict(row)
    assert type(row.copy()) is dict
    assert pickle.loads(pickle.dumps(row)) == row == copy.deepcopy(row)


@KINDS
def test_columns_become_rows_without_the_cells_that_are_none(kind: type[Features]) -> None:
    assert list(feature_rows({"A": [1, 2], "b": [None, 3]}, 2, kind)) == [{"A": 1}, {"A": 2, "b": 3}]
    assert list(feature_rows({"A": [1, 2]}, 2, kind)) == [{"A": 1}, {"A": 2}]
    assert list(feature_rows({}, 2, kind)) == [{}, {}]
    assert {type(each) for each in feature_rows({"A": [1]}, 1, kind)} == {kind}
