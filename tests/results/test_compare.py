"""Comparisons against SciPy, worked figures and exact enumeration."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from starwhale.results.compare.corrections import benjamini_hochberg, holm
from starwhale.results.compare.differences import compare_scores
from starwhale.results.compare.distributions import (
    beta_cdf,
    beta_quantile,
    binomial_two_sided,
    student_quantile,
    student_two_sided,
)
from starwhale.results.compare.intervals import exact_share, mean_interval, share_interval
from starwhale.results.compare.paired_shares import PairedCounts, mcnemar, tango
from starwhale.results.compare.paired_shares import share_interval as paired_interval
from starwhale.results.compare.power import rows_needed, smallest_resolvable
from starwhale.results.compare.verdict import Outcome, judge

scores = st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), min_size=2, max_size=40)


@given(a=st.floats(0.1, 1e4), b=st.floats(0.1, 1e4), x=st.floats(0, 1))
@settings(max_examples=50, deadline=None)
def test_beta_equals_scipy(a: float, b: float, x: float) -> None:
    special: Any = pytest.importorskip("scipy.special")
    assert beta_cdf(x, a, b) == pytest.approx(float(special.betainc(a, b, x)), abs=1e-9)


@pytest.mark.parametrize("df", [1, 2, 3.5, 10, 1_318, 1e5])
@pytest.mark.parametrize("probability", [0.0005, 0.025, 0.5, 0.8, 0.975])
def test_student_equals_scipy(df: float, probability: float) -> None:
    stats: Any = pytest.importorskip("scipy.stats")
    expected = float(stats.t.ppf(probability, df))
    assert student_quantile(probability, df) == pytest.approx(expected, rel=1e-8, abs=1e-12)
    assert student_two_sided(expected, df) == pytest.approx(2 * float(stats.t.sf(abs(expected), df)), abs=1e-10)


@given(trials=st.integers(1, 3_000), share=st.floats(0, 1))
@settings(max_examples=50, deadline=None)
def test_mcnemar_equals_the_binomial_test_of_scipy(trials: int, share: float) -> None:
    stats: Any = pytest.importorskip("scipy.stats")
    count = round(trials * share)
    expected = float(stats.binomtest(count, trials).pvalue)
    assert binomial_two_sided(count, trials) == pytest.approx(expected, rel=1e-8, abs=1e-300)


@pytest.mark.parametrize(("successes", "count"), [(0, 20), (20, 20), (19, 20), (99, 100)])
def test_exact_share_equals_scipy(successes: int, count: int) -> None:
    stats: Any = pytest.importorskip("scipy.stats")
    expected = stats.binomtest(successes, count).proportion_ci(method="exact")
    found = exact_share(successes, count)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-10)


@pytest.mark.parametrize("count", [20, 50, 100, 1_000])
@pytest.mark.parametrize("share", [0.5, 0.7, 0.9, 0.99])
def test_the_interval_of_a_share_covers_at_least_94_percent(count: int, share: float) -> None:
    """Exactly, over all outcomes, not on average."""
    stats: Any = pytest.importorskip("scipy.stats")
    likely = [each for each in range(count + 1) if stats.binom.pmf(each, count, share) > 1e-8]
    found = [share_interval(each, count) for each in likely]
    covered = sum(
        stats.binom.pmf(each, count, share)
        for each, ends in zip(likely, found, strict=True)
        if ends.low <= share <= ends.high
    )
    assert covered >= 0.94


@given(pairs=scores)
@settings(max_examples=50, deadline=None)
def test_paired_means_equal_scipy(pairs: list[tuple[float, float]]) -> None:
    stats: Any = pytest.importorskip("scipy.stats")
    ours, theirs = np.array(pairs).T
    differences = ours - theirs
    if differences.std() < 1e-6 or set(ours) | set(theirs) <= {0.0, 1.0}:
        return
    expected = stats.ttest_rel(ours, theirs)
    ends = expected.confidence_interval(0.95)
    found = compare_scores(ours, theirs)
    assert found.p == pytest.approx(float(expected.pvalue), rel=1e-6, abs=1e-12)
    assert (found.low, found.high) == pytest.approx((float(ends.low), float(ends.high)), rel=1e-6, abs=1e-9)
    assert found.wins + found.losses + found.ties == len(pairs)


@given(both=st.integers(0, 200), gained=st.integers(0, 90), lost=st.integers(0, 90), neither=st.integers(0, 200))
@settings(max_examples=200, deadline=None)
def test_interval_and_p_never_contradict_each_other(both: int, gained: int, lost: int, neither: int) -> None:
    counts = PairedCounts(both=both, gained=gained, lost=lost, neither=neither)
    if not counts.n:
        return
    for confidence in (0.9, 0.95, 0.99, 0.9999):
        low, high = paired_interval(counts, confidence)
        assert low <= counts.delta <= high
        assert (low > 0 or high < 0) == (mcnemar(counts) < 1 - confidence)


def test_tango_holds_what_its_score_test_does_not_reject() -> None:
    """At 0 the score test is McNemar's without correction: (b − c)²/(b + c) against z²."""
    counts = PairedCounts(both=20, gained=12, lost=4, neither=14)
    z_at_zero = (12 - 4) / math.sqrt(16)
    low, _ = tango(counts, z_at_zero)
    assert low == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [((43, 0, 1, 0), (-0.1181, 0.0594)), ((8, 0, 0, 2), (-0.2775, 0.2775)), ((0, 0, 10, 0), (-1.0, -0.4449))],
)
def test_tango_where_few_rows_differ(counts: tuple[int, int, int, int], expected: tuple[float, float]) -> None:
    """No width of zero where nothing differs, and ends at −1 and 1."""
    both, gained, lost, neither = counts
    found = tango(PairedCounts(both=both, gained=gained, lost=lost, neither=neither), 1.959963984540054)
    assert found == pytest.approx(expected, abs=2e-4)


def test_clusters_widen_what_repeats_pretend_to_know() -> None:
    """Each row ten times says no more than each row once."""
    rng = np.random.default_rng(3)
    once = rng.normal(size=(2, 60))
    many = np.repeat(once, 10, axis=1)
    alone = compare_scores(once[0], once[1])
    naive = compare_scores(many[0], many[1])
    clustered = compare_scores(many[0], many[1], clusters=np.repeat(np.arange(60), 10))
    assert naive.high - naive.low < 0.4 * (alone.high - alone.low)
    assert (clustered.low, clustered.high, clustered.p) == pytest.approx((alone.low, alone.high, alone.p))
    found = mean_interval(many[0], clusters=np.repeat(np.arange(60), 10))
    assert found.design_effect == pytest.approx(10, rel=0.05)
    assert found.clusters == 60


def test_holm_and_benjamini_hochberg_equal_a_worked_example_and_scipy() -> None:
    stats: Any = pytest.importorskip("scipy.stats")
    found = [0.001, 0.2, 0.039, 0.008, 0.041, 0.6]
    assert benjamini_hochberg(found) == pytest.approx(stats.false_discovery_control(found).tolist())
    assert holm(found) == pytest.approx([0.006, 0.4, 0.156, 0.04, 0.156, 0.6])
    assert holm([0.01, math.nan])[0] == 0.01
    assert math.isnan(holm([0.01, math.nan])[1])


def test_rows_needed_of_the_paper() -> None:
    """ω² = 1/9 and 3 points at 80 % power: 969 questions (Miller 2024, section 5)."""
    error = math.sqrt(1 / 9 / 100)
    assert rows_needed(error, 100, 0.03) == 969
    assert smallest_resolvable(math.sqrt(1 / 9 / 969)) == pytest.approx(0.03, abs=1e-5)
    assert rows_needed(error, 100, 0.0) is None


def test_verdicts_follow_p_margin_and_direction() -> None:
    rng = np.random.default_rng(0)
    base = rng.normal(size=400)
    clear = compare_scores(base + 0.5 + rng.normal(size=400) / 10, base)
    assert judge(clear).outcome is Outcome.BETTER
    assert judge(clear, higher_is_better=False).outcome is Outcome.WORSE
    assert judge(clear, p_corrected=0.2).outcome is Outcome.UNDECIDED
    same = compare_scores(base + rng.normal(size=400) / 10, base)
    assert judge(same).outcome is Outcome.UNDECIDED
    assert judge(same, margin=0.05).text == "no difference larger than 0.05"
    assert judge(same, margin=0.001).outcome is Outcome.UNDECIDED


def test_too_few_rows_or_clusters_are_said_and_not_hidden() -> None:
    one = compare_scores([0.5], [0.25])
    assert (one.interval, math.isnan(one.low), math.isnan(one.p)) == ("too few rows for an interval", True, True)
    few = compare_scores(np.arange(30.0), np.zeros(30), clusters=["a", "b", "c"] * 10)
    assert few.interval == "too few clusters for an interval: 3"
    assert judge(few).outcome is Outcome.UNDECIDED
    shifted = compare_scores([1.5, 2.5, 3.5], [1.0, 2.0, 3.0])
    assert shifted.interval == "every row differs by the same, and they are too few"
    assert judge(shifted).text == "cannot tell: needs about 6 rows"


@pytest.mark.parametrize("n", range(2, 12))
def test_rows_that_all_differ_by_the_same_are_judged_by_their_signs(n: int) -> None:
    """A t test has no error to divide by, or one of roundings: neither "cannot tell" nor p = 0 is an answer."""
    base = np.arange(n) * 0.1
    found = compare_scores(base - 0.3, base)
    assert found.p == pytest.approx(stats.binomtest(0, n).pvalue)
    assert (found.test, found.standard_error) == ("exact sign test", 0.0)
    assert math.isnan(found.low) is (found.p >= 0.05)
    assert judge(found).outcome is (Outcome.WORSE if n > 5 else Outcome.UNDECIDED)
    assert math.isnan(judge(found).mde)
    stricter = compare_scores(base - 0.3, base, confidence=0.999)
    assert math.isnan(stricter.low) is (found.p >= 0.001)


def test_roundings_are_no_difference() -> None:
    base = np.arange(1, 400) / 7
    found = compare_scores((base + 0.1) - 0.1, base)
    assert (found.delta, found.wins, found.losses, found.p, found.interval) == (
        0.0,
        0,
        0,
        1.0,
        "every row has the same",
    )


def test_clusters_that_all_differ_by_the_same_are_judged_by_their_signs() -> None:
    found = compare_scores(np.full(60, 2.5), np.full(60, 2.0), clusters=list(range(20)) * 3)
    assert (found.test, found.p, found.low, found.high) == ("exact sign test over clusters", 2.0**-19, 0.5, 0.5)


@pytest.mark.needs_recorded_data
def test_recorded_models_on_gsm8k_give_the_recorded_figures() -> None:
    """Every accuracy, Wilson interval, discordant count, difference, interval and p of the recording."""
    place = Path(os.environ["STARWHALE_TEST_DATA"])
    expected = json.loads((place / "gsm8k_replay" / "expected.json").read_text())
    for each in expected["accuracy"].values():
        found = share_interval(each["correct"], expected["n"])
        assert found.value == pytest.approx(each["accuracy"], abs=1e-12)
        assert [round(found.low, 6), round(found.high, 6)] == each["wilson95"]
    for pair in expected["pairs"].values():
        n, lost, gained = pair["n"], pair["only_a"], pair["only_b"]
        counts = PairedCounts(both=pair["both"], gained=lost, lost=gained, neither=pair["neither"])
        assert counts.n == n
        assert round(counts.delta, 6) == pair["diff"]
        assert paired_interval(counts) == pytest.approx(pair["diff_ci95_wald"], abs=1.5e-6)  # recorded with z = 1.96
        assert mcnemar(counts) == pytest.approx(pair["mcnemar_exact_p"], rel=1e-9)
    assert beta_quantile(0.5, 3, 3) == pytest.approx(0.5)
