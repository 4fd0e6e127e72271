"""What a gate finds of a rule: kept, broken, or not to be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from starwhale.results.gate.rules import Rule


class Outcome(StrEnum):
    """What a rule, or a gate, comes to."""

    PASS = "pass"  # noqa: S105 - a verdict
    """The whole interval lies on the right side of the bound."""
    FAIL = "fail"
    """The whole interval lies on the wrong side."""
    INCONCLUSIVE = "inconclusive"
    """These rows do not say."""


EXIT_CODES: Mapping[Outcome, int] = {Outcome.PASS: 0, Outcome.FAIL: 1, Outcome.INCONCLUSIVE: 3}
"""What a command ends with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateQuestion:
    """How rules are judged."""

    lower_is_better: frozenset[str] = frozenset()
    """Metrics of which less is better."""
    cluster: str = ""
    """Column that says which rows are alike; empty where rows are independent."""
    confidence: float = 0.95
    """Of the interval that a rule is judged by."""
    allows_missing: bool = False
    """Whether rows without a score are left out, instead of taken for as bad as can be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFinding:
    """One rule on one run."""

    rule: Rule
    """What was asked."""
    slice: str
    """`column=value`, several with commas; empty for all rows."""
    wants: str
    """The sign: `>=`, `>`, `<=` or `<`."""
    bound: float
    """Of the figure, or of its difference to the baseline."""
    outcome: Outcome
    """What it comes to."""
    why: str
    """Why it is inconclusive, where that is not the interval; else empty."""
    is_share: bool
    """Whether every score is 0 or 1, so that figures are told in percent and differences in points."""
    value: float
    """The figure of the run."""
    baseline: float
    """The figure of the baseline; NaN where the rule asks nothing of it."""
    found: float
    """What the bound is compared with: the figure, or its difference to the baseline."""
    low: float
    """Lower end of the interval at the level at which the rule was judged; NaN where there is none."""
    high: float
    """Upper end."""
    confidence: float
    """That level: higher where several rules could be broken by chance."""
    method: str
    """How the interval was made, or why there is none."""
    n: int
    """Rows that were looked at."""
    missing: int
    """Rows without a score: failed, lacking, or NaN."""
    resolves: float
    """Smallest distance from the bound that these rows show four times out of five; NaN where nobody knows."""
    rows_needed: int | None
    """Rows that a distance like this one needs; None where it is shown, or nobody knows."""
