"""What a gate says: decided on intervals, never on points, and with a third answer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from starwhale.errors import NotFoundError, UsageError
from starwhale.results.compare.differences import compare_scores
from starwhale.results.compare.runs import Run
from starwhale.results.gate.findings import GateQuestion, Outcome, RuleFinding
from starwhale.results.gate.judge import Evidence, judge_gate
from starwhale.results.gate.report import Gate
from starwhale.results.gate.rules import parse_rule

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

ASK = GateQuestion()


def run(name: str, scores: Sequence[float] | npt.NDArray[np.float64], **columns: Sequence[object]) -> Run:
    return Run(id=name, name=name, ids=list(range(len(scores))), metrics={"m": list(scores)}, columns=columns)


def judge(
    rules: Sequence[str], ours: Run, base: Run | None = None, question: GateQuestion = ASK, missing: int = 0
) -> Gate:
    evidence = Evidence(run=ours, baseline=base, run_missing=missing)
    return judge_gate([(parse_rule(each), evidence) for each in rules], question, paired_by="id")


def shares(both: int, gained: int, lost: int, neither: int) -> tuple[Run, Run]:
    ours = [1.0] * (both + gained) + [0.0] * (lost + neither)
    base = [1.0] * both + [0.0] * gained + [1.0] * lost + [0.0] * neither
    return run("new", ours), run("old", base)


def test_gsm8k_passes_one_way_and_fails_the_other() -> None:
    """Recorded models: Δ = +4.32 points [1.51, 7.14]."""
    ours, base = shares(306, 209, 152, 652)
    better = judge(["m > baseline"], ours, base)
    (found,) = better.findings
    assert (better.outcome, better.exit_code) == (Outcome.PASS, 0)
    assert (found.low, found.high) == pytest.approx((0.015078, 0.071351), abs=1e-6)
    assert str(better) == "new passes the gate: m > baseline holds: +4.3 points [1.5, 7.1]"
    worse = judge(["m >= baseline - 1 point"], base, ours)
    assert (worse.outcome, worse.exit_code) == (Outcome.FAIL, 1)
    assert str(worse) == "old fails the gate: m >= baseline - 1 point is broken: −4.3 points [−7.1, −1.5]"
    assert (len(worse.flips[0]), len(worse.flips[1])) == (152, 209)
    open_ = judge(["m >= baseline - 5 points"], base, ours)
    assert (open_.outcome, open_.exit_code) == (Outcome.INCONCLUSIVE, 3)
    assert "needs about 46,000 rows" in str(open_)


def test_equal_runs_do_not_pass_without_a_margin() -> None:
    """Not one of 100 rows differs: of rows like these, a few points may still."""
    ours, base = shares(90, 0, 0, 10)
    assert judge(["m >= baseline"], ours, base).outcome is Outcome.INCONCLUSIVE
    assert judge(["m >= baseline - 1 point"], ours, base).outcome is Outcome.INCONCLUSIVE
    assert judge(["m >= baseline - 4 points"], ours, base).outcome is Outcome.PASS


@given(
    counts=st.tuples(*[st.integers(0, 60)] * 4),
    bound=st.floats(-0.3, 0.3),
    sign=st.sampled_from([">=", ">", "<=", "<"]),
    others=st.integers(0, 3),
)
@settings(max_examples=150, deadline=None)
def test_the_interval_that_is_shown_is_the_one_that_decided(
    counts: tuple[int, int, int, int], bound: float, sign: str, others: int
) -> None:
    if sum(counts) < 10:
        return
    ours, base = shares(*counts)
    rules = [f"m {sign} baseline {'+' if bound >= 0 else '-'} {abs(bound):.6f}", *["m >= baseline - 0.9"] * others]
    found = judge(rules, ours, base).findings[0]
    assert _side(found) is found.outcome
    assert found.confidence == 0.95 or found.outcome is not Outcome.PASS


def _side(found: RuleFinding) -> Outcome:
    """Where the shown interval lies."""
    low, high, b = found.low, found.high, found.bound
    if found.wants in {"<=", "<"}:
        low, high, b = -high, -low, -b
    is_strict = found.wants in {">", "<"}
    if (low > b) if is_strict else (low >= b):
        return Outcome.PASS
    if high < b:
        return Outcome.FAIL
    return Outcome.INCONCLUSIVE


def test_broken_rules_are_corrected_by_holm_and_kept_ones_are_not() -> None:
    rng = np.random.default_rng(4)
    for _ in range(20):
        base = rng.normal(size=60)
        others = base[:, None] + rng.normal(-0.18, 0.5, (60, 4))
        evidence = [Evidence(run=run("new", others[:, k]), baseline=run("old", base)) for k in range(4)]
        rule = parse_rule("m >= baseline")
        found = judge_gate([(rule, each) for each in evidence], ASK, paired_by="id").findings
        ps = [compare_scores(others[:, k], base).p for k in range(4)]
        order = sorted(range(4), key=lambda k: ps[k])
        rejected: set[int] = set()
        for place, k in enumerate(order):
            if ps[k] > 0.05 / (4 - place):
                break
            rejected.add(k)
        is_worse = [others[:, k].mean() < base.mean() for k in range(4)]
        assert {k for k in range(4) if found[k].outcome is Outcome.FAIL} == {k for k in rejected if is_worse[k]}
        kept = {k for k in range(4) if compare_scores(others[:, k], base).low >= 0}
        assert {k for k in range(4) if found[k].outcome is Outcome.PASS} == kept


def test_a_bad_candidate_seldom_passes_and_a_good_one_seldom_fails() -> None:
    """Exactly on the bound either happens in at most 2.5 % (one side of 95 %), and a little for 600 tries."""
    rng = np.random.default_rng(8)
    outcomes = dict.fromkeys(Outcome, 0)
    for _ in range(600):
        lost = rng.random(200) < 0.15
        gained = ~lost & (rng.random(200) < 0.1 / 0.85)
        ours, base = np.where(gained, 1.0, 0.0), np.where(lost, 1.0, 0.0)
        outcomes[judge(["m >= baseline - 5 points"], run("new", ours), run("old", base)).outcome] += 1
    assert outcomes[Outcome.PASS] <= 600 * 0.025 + 3 * math.sqrt(15)
    assert outcomes[Outcome.FAIL] <= 600 * 0.025 + 3 * math.sqrt(15)


def test_absolute_rules_take_the_interval_of_one_run() -> None:
    ours = run("new", [1.0] * 950 + [0.0] * 50)
    assert judge(["m >= 0.93"], ours).outcome is Outcome.PASS
    assert judge(["m >= 95%"], ours).outcome is Outcome.INCONCLUSIVE
    assert judge(["m >= 97%"], ours).outcome is Outcome.FAIL
    assert judge(["m <= 97%"], ours).outcome is Outcome.PASS
    assert judge(["m >= 0.93"], ours).baseline is None
    graded = run("new", np.linspace(2, 4, 101))
    assert judge(["m < 3.2"], graded).outcome is Outcome.PASS
    assert str(judge(["m < 3.2"], graded)) == "new passes the gate: m < 3.2 holds: 3 [2.884, 3.116]"


def test_slices_are_looked_at_by_themselves() -> None:
    lang = ["de"] * 100 + ["en"] * 300 + ["fr"] * 4
    ours = run("new", [0.0] * 100 + [1.0] * 304, lang=lang)
    base = run("old", [1.0] * 404, lang=lang)
    found = judge(["m[lang=*] >= baseline - 5 points"], ours, base)
    told = {each.slice: (each.outcome, each.n) for each in found.findings}
    assert told == {
        "lang=en": (Outcome.PASS, 300),
        "lang=de": (Outcome.FAIL, 100),
        "lang=fr": (Outcome.INCONCLUSIVE, 4),
    }
    assert found.findings[2].why == "too few rows: 4, and a gate needs 10"
    assert judge(["m[lang=en] >= baseline - 5 points"], ours, base).outcome is Outcome.PASS
    with pytest.raises(NotFoundError, match="did you mean 'en'"):
        judge(["m[lang=eng] >= 0.5"], ours, base)
    with pytest.raises(NotFoundError, match="no run has a column 'land'"):
        judge(["m[land=en] >= 0.5"], ours, base)


def test_rows_without_a_score_do_not_make_a_run_pass() -> None:
    """98 of 100 right, and 30 rows failed: 75 % at worst."""
    ours = run("new", [1.0] * 98 + [0.0] * 2)
    assert judge(["m >= 0.9"], ours).outcome is Outcome.PASS
    found = judge(["m >= 0.9"], ours, missing=30)
    assert found.outcome is Outcome.INCONCLUSIVE
    assert found.findings[0].why == "30 rows have no score; were they as bad as can be, the rule would be broken"
    assert "30 rows of new are missing" in found.notes
    assert judge(["m >= 0.9"], ours, missing=2).outcome is Outcome.PASS
    allowed = GateQuestion(allows_missing=True)
    assert judge(["m >= 0.9"], ours, question=allowed, missing=30).outcome is Outcome.PASS
    graded = run("new", [2.0, 3.0] * 40 + [math.nan])
    assert judge(["m >= 1"], graded).findings[0].why == "1 row has no score, and nobody knows what it would be"


def test_better_and_worse_depend_on_the_direction() -> None:
    rng = np.random.default_rng(1)
    base = rng.normal(10, 1, 100)
    ours, theirs = run("new", base - 0.5 + rng.normal(0, 0.1, 100)), run("old", base)
    lower = GateQuestion(lower_is_better=frozenset({"m"}))
    assert judge(["m better than baseline"], ours, theirs, lower).outcome is Outcome.PASS
    assert judge(["m better than baseline"], ours, theirs).outcome is Outcome.FAIL
    assert judge(["m not worse than baseline by more than 0.1"], ours, theirs).outcome is Outcome.FAIL
    assert judge(["m not worse than baseline by more than 0.1"], theirs, ours, lower).outcome is Outcome.FAIL
    named = Run(id="n", name="n", ids=[1], metrics={"val_loss": [1.0]})
    with pytest.raises(UsageError, match="--lower-is-better val_loss"):
        judge_gate([(parse_rule("val_loss better than baseline"), Evidence(run=named, baseline=named))], ASK)


def test_bounds_that_a_share_cannot_reach_are_refused() -> None:
    ours, base = shares(50, 1, 1, 50)
    with pytest.raises(UsageError, match="write 90%"):
        judge(["m >= 90"], ours)
    with pytest.raises(UsageError, match="write 2 points"):
        judge(["m >= baseline - 2"], ours, base)


def test_clusters_widen_and_too_few_of_them_decide_nothing() -> None:
    scores = np.repeat([1.0] * 45 + [0.0] * 5, 4)
    ours = run("new", scores, page=np.repeat(range(50), 4).tolist())
    assert judge(["m >= 0.8"], ours).outcome is Outcome.PASS
    assert judge(["m >= 0.8"], ours, question=GateQuestion(cluster="page")).outcome is Outcome.INCONCLUSIVE
    few = run("new", [1.0, 0.0] * 20, page=[0, 1] * 20)
    found = judge(["m >= 0.1"], few, question=GateQuestion(cluster="page")).findings[0]
    assert found.why == "too few clusters for an interval: 2"


def test_junit_shows_broken_rules_as_failures_and_open_ones_as_errors() -> None:
    ours, base = shares(306, 152, 209, 652)
    found = judge(["m >= baseline", "m >= baseline - 5 points", "m >= baseline - 10 points"], ours, base)
    suite = ET.fromstring(found.to_junit())[0]  # noqa: S314 - we wrote it
    assert {name: suite.get(name) for name in ("tests", "failures", "errors")} == {
        "tests": "3",
        "failures": "1",
        "errors": "1",
    }
    tags = {case.get("name"): [each.tag for each in case] for case in suite.iter("testcase")}
    assert tags == {
        "m >= baseline": ["failure"],
        "m >= baseline - 5 points": ["error"],
        "m >= baseline - 10 points": [],
    }
    odd = Run(id="x", name="a\x00b\ud800<&>", ids=list(range(20)), metrics={"m": [1.0] * 20})
    assert "a�b�" in ET.fromstring(judge(["m >= 0.1"], odd).to_junit())[0][0].get("classname", "")  # noqa: S314


def test_markdown_is_one_sentence_a_table_and_folded_examples_within_bounds() -> None:
    ids = [f"row|{k}`@all<b>" for k in range(100)]
    ours = Run(id="n", name="new | [x](y) <script>", ids=ids, metrics={"m": [0.0] * 100})
    base = Run(id="o", name="old", ids=ids, metrics={"m": [1.0] * 30 + [0.0] * 70})
    text = judge(["m >= baseline"], ours, base).to_markdown()
    lines = text.splitlines()
    assert lines[0].startswith("**❌ new \\| \\[x\\](y) &lt;script&gt; fails the gate")
    assert lines[2] == "| | rule | found | rows |"
    assert lines[4] == "| ❌ | `m >= baseline` | −30.0 points \\[−40.0, −21.2\\] | 100 |"
    assert text.count("<details>") == text.count("</details>") == 1
    assert "- ``row\\|0`@all<b>``" in lines
    assert "- and 10 more" in lines
    assert "<script>" not in text
    assert len(text) < 3_000
