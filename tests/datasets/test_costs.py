"""What a commit costs, in bytes written: what changed, never what is there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from starwhale.media import Binary
from starwhale.storage.dataset_rows.limits import LIMITS
from starwhale.storage.dataset_rows.size_classes import first_to_join

if TYPE_CHECKING:
    from tests.datasets.conftest import Open

    from starwhale.datasets.dataset import Dataset
    from starwhale.instances import Instance

KB = 1000


@pytest.fixture
def cost(instance: Instance, open_: Open) -> Callable[[Callable[[Dataset], object]], int]:
    """Change the dataset `ds`, commit, and return the bytes by which its folder grew."""
    folder = instance.stores.layout.datasets

    def size() -> int:
        return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())

    def grow(change: Callable[[Dataset], object]) -> int:
        before = size()
        with open_("ds") as dataset:
            change(dataset)
            dataset.commit()
        return size() - before

    return grow


def extend(rows: int, **more: Any) -> Callable[[Dataset], object]:
    return lambda dataset: dataset.extend([{"x": k, "t": f"text {k}", **more} for k in range(rows)])


def test_a_small_cell_beside_a_large_one_costs_what_it_is(
    cost: Callable[[Callable[[Dataset], object]], int], open_: Open
) -> None:
    blob = bytes(range(256)) * 40_000
    assert cost(lambda ds: ds.extend([{"label": k, "blob": Binary(blob + bytes([k]))} for k in range(3)])) > 30_000 * KB
    assert cost(lambda ds: ds.__setitem__(1, {"label": "changed"})) < 4 * KB
    row = open_("ds")[1].features
    assert row["label"] == "changed"
    assert row["blob"].to_bytes() == blob + b"\1"


def test_whatever_changes_costs_what_changed(cost: Callable[[Callable[[Dataset], object]], int]) -> None:
    cost(extend(50_000))
    assert cost(lambda ds: ds.__delitem__(7)) < 4 * KB
    assert cost(lambda ds: ds.__delitem__(slice(100, 200))) < 6 * KB
    assert cost(lambda ds: ds.__setitem__(8, {"new column": 1.5})) < 5 * KB
    assert cost(lambda ds: ds.__setitem__(9, {"x": "another kind"})) < 6 * KB
    assert cost(lambda ds: ds.__setitem__(10, {"x": [1, {"y": None}]})) < 6 * KB
    assert cost(lambda ds: ds.append({"x": 1})) < 6 * KB
    assert cost(lambda ds: ds.info.update(note=1)) < 4 * KB


@pytest.mark.needs_time
def test_ten_rows_of_a_million_cost_less_than_a_megabyte(cost: Callable[[Callable[[Dataset], object]], int]) -> None:
    cost(extend(1_000_000))
    assert cost(lambda ds: [ds.__setitem__(k, {"t": "changed"}) for k in range(0, 1_000_000, 100_000)]) < 20 * KB


@pytest.mark.needs_time
@pytest.mark.parametrize("how", ["append", "change", "append long"])
def test_many_small_commits_neither_swell_the_store_nor_slow_down_the_next(
    cost: Callable[[Callable[[Dataset], object]], int], open_: Open, how: str
) -> None:
    """Twice as many commits write little more than twice as much, and a version stays a few files."""
    cost(extend(300))
    row = {"t": "t" * 3000}

    def change(number: int) -> Callable[[Dataset], object]:
        if how == "append long":
            return lambda ds: ds.append({"t": f"{number} " * 2000})
        return lambda ds: ds.append(row) if how == "append" else ds.__setitem__(number, row)

    costs = [cost(change(number)) for number in range(160)]
    assert sum(costs[80:]) < 1.6 * sum(costs[:80])
    assert max(costs) < 160 * 4 * KB
    manifest: Any = open_("ds")._view()
    assert len(list(manifest.manifest.fragments())) <= 20
    assert len(manifest.manifest.to_json()) < 5 * KB


def test_pieces_are_joined_by_size_so_that_each_row_is_written_again_a_few_times() -> None:
    pieces: list[int] = []
    written = 0
    for number in range(1, 4000):
        pieces.append(1)
        first = first_to_join(pieces, LIMITS.max_small)
        if first < len(pieces):
            pieces[first:] = [sum(pieces[first:])]
            written += pieces[-1]
        assert sum(pieces) == number
        assert len(pieces) <= 4 * LIMITS.max_small + 1
    assert written < 4 * 4000
