"""What may be said of a difference: better, worse, no larger than a margin, or nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from starwhale.domain.counted import counted
from starwhale.results.compare.differences import Difference
from starwhale.results.compare.power import rows_needed, smallest_resolvable


class Outcome(StrEnum):
    """What a comparison says."""

    BETTER = "better"
    """The candidate is better: p is below α and the interval on the good side of 0."""
    WORSE = "worse"
    """The candidate is worse."""
    EQUIVALENT = "no difference"
    """The whole interval lies within the margin that the user gave."""
    UNDECIDED = "cannot tell"
    """These rows do not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a comparison says, and what it could have said."""

    outcome: Outcome
    """What it says."""
    mde: float
    """The smallest difference that these rows would show four times out of five; NaN where nobody knows."""
    rows_needed: int | None = None
    """Rows that would show a difference like the observed one (or one of the margin); None where it is shown, or nobody knows."""
    margin: float | None = None
    """Difference that the user called too small to matter."""

    @property
    def text(self) -> str:
        """The verdict in words.

        Example:
            >>> Verdict(outcome=Outcome.UNDECIDED, mde=0.02, rows_needed=4121).text
            'cannot tell: needs about 4,100 rows'
        """
        if self.outcome is Outcome.EQUIVALENT:
            return f"no difference larger than {self.margin:g}"
        if self.outcome is Outcome.UNDECIDED and self.rows_needed is not None:
            return f"cannot tell: needs about {counted(rounded(self.rows_needed), 'row')}"
        return str(self.outcome)


def judge(
    difference: Difference,
    *,
    p_corrected: float | None = None,
    higher_is_better: bool = True,
    margin: float | None = None,
    confidence: float = 0.95,
) -> Verdict:
    """Judge a difference by one procedure: its p, corrected where it is one of several, and its interval.

    Better or worse when p < 1 − confidence. Else no difference larger than the margin, when one was given and the interval lies within it.
    Else it cannot be told.

    Args:
        difference: Candidate minus baseline.
        p_corrected: Its p as one of several; None where it is the only one.
        higher_is_better: Whether more is better.
        margin: Difference too small to matter, above 0, in the unit of the difference; None where the user gave none.
        confidence: Of the interval.

    Source: STATISTICS, "One verdict, one procedure"; for the margin Schuirmann 1987, two one-sided tests (at half of α each, as the
        interval is the one that is shown).
    """
    alpha = 1 - confidence
    p = difference.p if p_corrected is None else p_corrected
    mde = smallest_resolvable(difference.standard_error, confidence)
    if p < alpha:
        is_better = (difference.delta > 0) is higher_is_better
        return Verdict(outcome=Outcome.BETTER if is_better else Outcome.WORSE, mde=mde, margin=margin)
    if margin is not None and -margin < difference.low and difference.high < margin:
        return Verdict(outcome=Outcome.EQUIVALENT, mde=mde, margin=margin)
    looked_for = (
        difference.delta if margin is None else math.copysign(max(margin, abs(difference.delta)), difference.delta)
    )
    needed = rows_needed(difference.standard_error, difference.n, looked_for, confidence)
    is_known = needed is not None and needed > difference.n
    return Verdict(outcome=Outcome.UNDECIDED, mde=mde, margin=margin, rows_needed=needed if is_known else None)


def rounded(count: int) -> int:
    """Round to two digits: a number of rows that is needed is a guess.

    Example:
        >>> rounded(16_483)
        16000
    """
    if count < 100:
        return count
    unit = 10 ** (len(str(count)) - 2)
    return round(count / unit) * unit
