"""Ids of logged tables: held as Arrow arrays or as Python's own objects, they say the same."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from starwhale.storage.catalog.catalog import open_catalog
from starwhale.storage.layout import Layout
from starwhale.storage.part import PartDraft, TableDraft
from starwhale.storage.protocols import Key, TableQuery
from starwhale.storage.result_parts import result_table
from starwhale.storage.result_parts.result_columns import LoggedColumns
from starwhale.storage.result_parts.result_table import TableView
from starwhale.storage.result_parts.results import LocalResultStore
from starwhale.storage.result_parts.table_ids import ArrowIds

OWNER = "j" * 40
MIXED = random.Random(5)
IDS: dict[str, Sequence[Key]] = {
    "in order": list(range(-20, 60)),
    "numbers": MIXED.sample(range(-1000, 1000), 80),
    "texts": [f"self/größe_#@#_{n}" for n in MIXED.sample(range(200), 60)] + ["", "\U0001f40b", "\uffff", "Z", "a"],
}
UNLIKE: dict[str, Sequence[Key]] = {
    "twice": [3, 1, 2, 3, 0],
    "of two types": [3, "3", 1, "x", 2],
    "large": [2**70, 1, 5, -(2**70)],
}


@pytest.fixture
def results(tmp_path: Path) -> Iterator[LocalResultStore]:
    layout = Layout(tmp_path)
    catalog = open_catalog(layout.catalog, tmp_path / ".lock")
    yield LocalResultStore(layout, catalog)
    catalog.close()


def log(results: LocalResultStore, ids: Sequence[Key]) -> None:
    """Log rows in parts of 7."""
    for at in range(0, len(ids), 7):
        some = list(ids[at : at + 7])
        table = TableDraft(name="t", ids=some, columns={"said": [f"of {each!r}" for each in some]})
        results.append(OWNER, "log", PartDraft(tables=[table]))


def view_of(results: LocalResultStore, monkeypatch: pytest.MonkeyPatch, alike_from: int) -> TableView:
    monkeypatch.setattr(result_table, "ALIKE_FROM", alike_from)
    return TableView(results, OWNER, "t", results.parts.visible(OWNER))


@pytest.mark.parametrize("kind", IDS)
def test_ids_that_are_alike_say_the_same_as_arrow_arrays(
    results: LocalResultStore, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    log(results, IDS[kind])
    plain, alike = view_of(results, monkeypatch, 1000), view_of(results, monkeypatch, 1)
    assert isinstance(alike.ids, ArrowIds)
    assert list(alike.ids) == list(plain.ids) == [alike.ids[n] for n in range(len(alike.ids))]
    assert (alike.ids[-1], alike.ids[2:50:3]) == (plain.ids[-1], plain.ids[2:50:3])
    places = alike.only_places()
    assert places is not None
    assert [int(each) for each in places] == plain.only_places()
    for start, stop in ((0, 5), (3, 40), (60, 60)):
        assert alike.rows_between(start, stop) == plain.rows_between(start, stop)
    some = IDS[kind][::9]
    assert alike.rows(some) == plain.rows(some) == {"said": [f"of {each!r}" for each in some]}
    for key in (*some, "nobody", 5000, True, -7):
        assert (key in alike) == (key in plain) == (key in IDS[kind])
        query = TableQuery(table="t", start=key, end=plain.ids[-5], end_inclusive=True)
        assert alike.bounds(query) == plain.bounds(query)
    of = [LoggedColumns(each) for each in (alike, plain)]
    assert of[0].kinds() == of[1].kinds()
    for name in ("id", "said"):
        assert of[0].column(name).to_pylist() == of[1].column(name).to_pylist()


@pytest.mark.parametrize("kind", UNLIKE)
def test_ids_that_are_not_alike_are_pythons_own(
    results: LocalResultStore, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    log(results, UNLIKE[kind])
    plain, tried = view_of(results, monkeypatch, 1000), view_of(results, monkeypatch, 1)
    assert isinstance(tried.ids, list)
    assert tried.ids == plain.ids
    assert tried.rows(tried.ids) == plain.rows(plain.ids)
