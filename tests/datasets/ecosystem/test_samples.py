"""Which worker reads which rows in which order, and what rows become: what holds for every training library."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from starwhale.datasets.ecosystem.samples import BLOCK_ROWS, Order, default_transform, plan_blocks
from starwhale.errors import UsageError
from starwhale.media import Binary, Link, Text, Video


@given(
    rows=st.integers(0, 5000),
    shuffle=st.booleans(),
    seed=st.integers(0, 3),
    shards=st.integers(1, 3),
    workers=st.integers(1, 4),
)
def test_every_row_comes_to_one_worker_of_one_share(
    rows: int, shuffle: bool, seed: int, shards: int, workers: int
) -> None:
    seen = [
        rank
        for shard in range(shards)
        for worker in range(workers)
        for block in plan_blocks(
            rows, Order(shuffle=shuffle, seed=seed, shard=(shard, shards)), worker=(worker, workers)
        )
        for rank in block
    ]
    assert sorted(seen) == list(range(rows))


def test_workers_get_shares_that_differ_by_less_than_two_blocks() -> None:
    counts = [sum(map(len, plan_blocks(10_000, Order(shuffle=True), worker=(k, 3)))) for k in range(3)]
    assert max(counts) - min(counts) < 2 * BLOCK_ROWS


def test_seed_and_epoch_decide_the_order() -> None:
    def order(seed: int, epoch: int) -> list[range]:
        return plan_blocks(20_000, Order(shuffle=True, seed=seed), epoch=epoch)

    assert order(1, 0) == order(1, 0)
    assert order(1, 0) != order(1, 1) != order(2, 1)
    assert plan_blocks(600, Order(), epoch=5) == [range(256), range(256, 512), range(512, 600)]


@pytest.mark.parametrize("shard", [(1, 1), (-1, 2), (0, 0)])
def test_a_share_that_is_none_is_refused(shard: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match="index"):
        Order(shard=shard)


def test_what_is_transformed_by_default_without_any_library() -> None:
    link = Link("x")
    value = {"b": [Binary(b"1")], "t": (Text("t"), 1), "v": Video(b"2"), "l": link, "n": None}
    assert default_transform(value) == {"b": [b"1"], "t": ("t", 1), "v": b"2", "l": link, "n": None}
