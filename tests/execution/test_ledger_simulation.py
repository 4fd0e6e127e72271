"""A hundred thousand schedules of what may happen to leases; the tests at the end break one rule each and ask that it is noticed."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest
from tests.execution.ledger_simulation import Rules, simulate

from starwhale.domain import ledger, together
from starwhale.domain.ledger import Pace, Queue, RangeState, RowRange
from starwhale.domain.together import Piece
from starwhale.errors import LeaseLostError

SCHEDULES = 100_000
FEW = 1
"""Seeds that every `make test` tries."""
SEEDS = 8


@pytest.mark.parametrize(
    "seed", [*range(FEW), *(pytest.param(each, marks=pytest.mark.needs_time) for each in range(FEW, SEEDS))]
)
def test_every_row_is_done_once_whatever_happens(seed: int) -> None:
    count = SCHEDULES // SEEDS
    granted, refused, retried, grouped, shortened = simulate(seed, count)
    assert granted > 3 * count, "the schedules hand out rows again and again"
    assert refused > count, "late and doubled commits are part of them"
    assert retried > count // 2, "rows that failed are tried again"
    assert grouped > count // 5, "ranges are leased together"
    assert shortened > count // 100, "long ones are cut"


def no_check_of_epochs(
    each: RowRange, _epoch: int, holder: str, now_s: float, stop: int | None
) -> tuple[RowRange, RowRange | None]:
    return ledger.commit(each, each.epoch, holder, now_s, stop)


def no_check_of_holders(
    each: RowRange, epoch: int, _holder: str, now_s: float, stop: int | None
) -> tuple[RowRange, RowRange | None]:
    return ledger.commit(each, epoch, each.holder, now_s, stop)


def no_check_of_deadlines(
    each: RowRange, epoch: int, holder: str, _now_s: float, stop: int | None
) -> tuple[RowRange, RowRange | None]:
    return ledger.commit(each, epoch, holder, 0.0, stop)


def taken_when_done(
    each: RowRange, epoch: int, holder: str, now_s: float, stop: int | None
) -> tuple[RowRange, RowRange | None]:
    is_same = each.state is RangeState.DONE and (each.epoch, each.holder) == (epoch, holder)
    leased = dataclasses.replace(each, state=RangeState.LEASED) if is_same else each
    return ledger.commit(leased, epoch, holder, now_s, min(stop or each.stop, each.stop))


def rest_is_lost(
    each: RowRange, epoch: int, holder: str, now_s: float, stop: int | None
) -> tuple[RowRange, RowRange | None]:
    return ledger.commit(each, epoch, holder, now_s, stop)[0], None


def whole_range_is_done(
    each: RowRange, epoch: int, holder: str, now_s: float, _stop: int | None
) -> tuple[RowRange, RowRange | None]:
    return ledger.commit(each, epoch, holder, now_s)


def same_epoch_again(each: RowRange, holder: str, deadline_s: float | None) -> RowRange:
    return dataclasses.replace(ledger.grant(each, holder, deadline_s), epoch=1)


def never_released(each: RowRange, **_: bool) -> RowRange:
    return each


def renewed_by_anybody(each: RowRange, _holder: str, deadline_s: float) -> RowRange:
    return ledger.renew(each, each.holder, deadline_s)


def renewals_are_forgotten(each: RowRange, _holder: str, _deadline_s: float) -> RowRange:
    return each


def rest_of_a_long_range_is_lost(each: RowRange, queue: Queue, pace: Pace) -> tuple[RowRange, RowRange | None]:
    return ledger.shorten(each, queue, pace)[0], None


def second_half_is_lost(each: RowRange, batch: int, *, is_alone: bool) -> Sequence[RowRange]:
    return ledger.give_back_suspect(each, batch, is_alone=is_alone)[:1]


def suspects_are_forgotten(each: RowRange, batch: int, *, is_alone: bool) -> Sequence[RowRange]:
    free = ledger.give_back_suspect(each, batch, is_alone=is_alone)
    return [dataclasses.replace(part, crashes=each.crashes) for part in free]


def halves_overlap(each: RowRange, batch: int, *, is_alone: bool) -> Sequence[RowRange]:
    first, *rest = ledger.give_back_suspect(each, batch, is_alone=is_alone)
    return [dataclasses.replace(first, stop=each.stop), *rest]


def whole_ranges_are_tried_again(each: RowRange, _failed: Sequence[int], _queue: Queue) -> Sequence[RowRange]:
    return [dataclasses.replace(each, state=RangeState.FREE, holder="")]


def whole_batches_are_tried_again(each: RowRange, failed: Sequence[int], queue: Queue) -> Sequence[RowRange]:
    batches = {rank // queue.batch for rank in failed}
    return ledger.free_failed(each, [r for r in range(each.start, each.stop) if r // queue.batch in batches], queue)


def rows_behind_the_last_failure_are_lost(each: RowRange, failed: Sequence[int], queue: Queue) -> Sequence[RowRange]:
    pieces = ledger.free_failed(each, failed, queue)
    return pieces[:-1] if len(pieces) > 1 else pieces


def numbers_begin_anew(each: RowRange, failed: Sequence[int], queue: Queue) -> Sequence[RowRange]:
    return [dataclasses.replace(piece, epoch=0) for piece in ledger.free_failed(each, failed, queue)]


def failed_rows_stay_done(each: RowRange, _failed: Sequence[int], _queue: Queue) -> Sequence[RowRange]:
    return [each]


def last_piece_is_lost(
    each: RowRange, epoch: int, holder: str, now_s: float, cuts: Sequence[int], batch: int
) -> Sequence[RowRange]:
    return ledger.split(each, epoch, holder, now_s, cuts, batch)[:-1]


def pieces_overlap(
    each: RowRange, epoch: int, holder: str, now_s: float, cuts: Sequence[int], batch: int
) -> Sequence[RowRange]:
    first, *others = ledger.split(each, epoch, holder, now_s, cuts, batch)
    return [dataclasses.replace(first, stop=each.stop), *others]


def cut_by_anybody(
    each: RowRange, _epoch: int, _holder: str, _now_s: float, cuts: Sequence[int], batch: int
) -> Sequence[RowRange]:
    return ledger.split(dataclasses.replace(each, state=RangeState.LEASED), each.epoch, each.holder, 0.0, cuts, batch)


Found = Sequence[tuple[RowRange, Piece]]


def leased_with_others(first: RowRange, behind: Sequence[RowRange], *_: object) -> Sequence[RowRange]:
    return [first, *behind, *behind[:1]]


def others_are_not_looked_at(
    found: Found, holder: str, now_s: float, stop: int | None = None
) -> tuple[list[RowRange], list[RowRange]]:
    first, *others = found
    held = [(dataclasses.replace(each, state=RangeState.LEASED, holder=holder), piece) for each, piece in others]
    held = [(each, dataclasses.replace(piece, epoch=each.epoch)) for each, piece in held]
    return together.commit([first, *held], holder, now_s, stop)


def others_stay_leased(
    found: Found, holder: str, now_s: float, stop: int | None = None
) -> tuple[list[RowRange], list[RowRange]]:
    done, free = together.commit(found, holder, now_s, stop)
    return done, [dataclasses.replace(each, state=RangeState.LEASED, holder="nobody") for each in free]


def others_are_done_too(
    found: Found, holder: str, now_s: float, stop: int | None = None
) -> tuple[list[RowRange], list[RowRange]]:
    together.commit(found, holder, now_s, stop)
    return together.commit(found, holder, now_s)


def last_group_is_lost(found: Found, *args: Any) -> list[list[RowRange]]:
    return together.split(found, *args)[:-1]


def groups_overlap(found: Found, *args: Any) -> list[list[RowRange]]:
    first, *others = together.split(found, *args)
    return [[*first, *(others[0] if others else [])], *others]


def simulate_seeds(seeds: Sequence[int], rules: Rules) -> None:
    for seed in seeds:
        simulate(seed, 6000, rules)


@pytest.mark.parametrize(
    "rules",
    [
        pytest.param(Rules(choose=leased_with_others), id="a range is granted twice"),
        pytest.param(Rules(commit_together=others_are_not_looked_at), id="only the first lease of several is checked"),
        pytest.param(Rules(commit_together=others_stay_leased), id="ranges behind a partial commit stay leased"),
        pytest.param(Rules(commit_together=others_are_done_too), id="a partial commit of several counts for all"),
        pytest.param(Rules(split_together=last_group_is_lost), id="the last group of several ranges is lost"),
        pytest.param(Rules(split_together=groups_overlap), id="groups of several ranges overlap"),
        pytest.param(Rules(free_failed=whole_ranges_are_tried_again), id="rows that succeeded are tried again"),
        pytest.param(Rules(free_failed=whole_batches_are_tried_again), id="rows beside failed ones are tried again"),
        pytest.param(Rules(free_failed=rows_behind_the_last_failure_are_lost), id="rows behind failed ones are lost"),
        pytest.param(Rules(free_failed=numbers_begin_anew), id="epochs begin anew"),
        pytest.param(Rules(free_failed=failed_rows_stay_done), id="nothing is tried again"),
        pytest.param(Rules(commit=no_check_of_epochs), id="no check of epochs"),
        pytest.param(Rules(commit=no_check_of_holders), id="no check of holders"),
        pytest.param(Rules(commit=no_check_of_deadlines), id="no check of deadlines"),
        pytest.param(Rules(commit=taken_when_done), id="a doubled commit is taken"),
        pytest.param(Rules(commit=rest_is_lost), id="the rest of a partial commit is lost"),
        pytest.param(Rules(commit=whole_range_is_done), id="a partial commit counts for all"),
        pytest.param(Rules(grant=same_epoch_again), id="epochs come again"),
        pytest.param(Rules(release=never_released), id="leases never end"),
        pytest.param(Rules(renew=renewed_by_anybody), id="anybody renews a lease"),
        pytest.param(Rules(renew=renewals_are_forgotten), id="renewals are forgotten"),
        pytest.param(Rules(shorten=rest_of_a_long_range_is_lost), id="the rest of a long range is lost"),
        pytest.param(Rules(give_back_suspect=second_half_is_lost), id="half a suspect is lost"),
        pytest.param(Rules(give_back_suspect=suspects_are_forgotten), id="a death leaves no suspect"),
        pytest.param(Rules(give_back_suspect=halves_overlap), id="halves overlap"),
        pytest.param(Rules(split=last_piece_is_lost), id="the last piece of a cut range is lost"),
        pytest.param(Rules(split=pieces_overlap), id="pieces of a cut range overlap"),
        pytest.param(Rules(split=cut_by_anybody), id="a range is cut by whoever had it once"),
    ],
)
def test_a_broken_rule_is_noticed(rules: Rules) -> None:
    with pytest.raises((AssertionError, LeaseLostError)):
        simulate_seeds(range(6), rules)  # what is rare is found by another seed
