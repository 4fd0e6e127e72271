"""Which rows a sample has, and that they come with their batches."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from starwhale.domain.job import DatasetInput
from starwhale.domain.ledger import RangeState, tile
from starwhale.execution.plan import draw_sample


def make_input(name: str, rows: int) -> DatasetInput:
    """Return a dataset of so many rows."""
    return DatasetInput(
        uri=name,
        given=name,
        dataset_id=name,
        project="self",
        name=name,
        version=name,
        manifest_digest="",
        row_count=rows,
    )


@given(total=st.integers(0, 60), batch=st.integers(1, 9), ranks=st.sets(st.integers(0, 59)))
def test_tiles_cover_every_row_once_and_only_batches_of_chosen_rows_are_free(
    total: int, batch: int, ranks: set[int]
) -> None:
    chosen = sorted(rank for rank in ranks if rank < total)
    tiles = tile(total, batch, chosen)
    covered = [rank for each in tiles for rank in range(each.start, each.stop)]
    assert covered == list(range(total))
    free = {rank for each in tiles if each.state is RangeState.FREE for rank in range(each.start, each.stop)}
    assert free == {rank for rank in range(total) if rank // batch in {each // batch for each in chosen}}


def test_a_sample_is_drawn_from_all_datasets_and_is_the_same_each_time() -> None:
    datasets = [make_input("a", 30), make_input("empty", 0), make_input("b", 70)]
    drawn = draw_sample(datasets, 20, 5)
    assert drawn == draw_sample(datasets, 20, 5) != draw_sample(datasets, 20, 6)
    assert sum(len(each.chosen) for each in drawn) == 20
    assert all(max(each.chosen, default=-1) < each.row_count for each in drawn)
    assert [each.chosen for each in draw_sample(datasets, 1000, 0)] == [tuple(range(30)), (), tuple(range(70))]
    assert list(drawn[0].chosen) == PINNED


PINNED = [3, 7, 8, 9, 12, 17, 18, 22, 29]
"""What seed 5 has always drawn: a record from another machine and year has to mean the same rows."""
