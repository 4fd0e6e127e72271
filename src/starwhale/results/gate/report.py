"""What comes of a gate: every rule with its finding, and all of them together; as JSON, Markdown, JUnit, or one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from starwhale.results.compare.examples import Flip
from starwhale.results.compare.runs import Id, Run
from starwhale.results.gate.findings import EXIT_CODES, Outcome, RuleFinding
from starwhale.results.gate.junit import gate_to_junit
from starwhale.results.gate.markdown import gate_to_markdown
from starwhale.results.gate.telling import gate_to_json, sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What came of a gate."""

    run: Run
    """What was to pass it."""
    baseline: Run | None
    """What it was compared with; None where every rule is absolute."""
    findings: tuple[RuleFinding, ...]
    """One per rule, and per slice of a rule with `*`."""
    notes: tuple[str, ...] = ()
    """What has to be known of how rows were brought together."""
    flips: tuple[Sequence[Id], Sequence[Id]] = field(default=((), ()))
    """Rows that the run gained and lost against the baseline, by the metric of the first rule that names it."""
    flip_metric: str = ""
    """That metric; empty where no rule names the baseline."""

    examples: tuple[Flip, ...] = ()
    """Some of these rows, with what lies behind each."""

    @property
    def outcome(self) -> Outcome:
        """Fail if a rule is broken, else inconclusive if one cannot be told, else pass."""
        outcomes = {each.outcome for each in self.findings}
        for outcome in (Outcome.FAIL, Outcome.INCONCLUSIVE):
            if outcome in outcomes:
                return outcome
        return Outcome.PASS

    @property
    def is_passed(self) -> bool:
        """Whether every rule is kept."""
        return self.outcome is Outcome.PASS

    @property
    def exit_code(self) -> int:
        """0, 1 or 3."""
        return EXIT_CODES[self.outcome]

    def to_json(self) -> dict[str, object]:
        """Return the shape of `swcli job gate -o json`."""
        return gate_to_json(self)

    def to_markdown(self) -> str:
        """Return it as a comment of a pull request."""
        return gate_to_markdown(self)

    def to_junit(self) -> str:
        """Return it as JUnit XML, one test case per rule."""
        return gate_to_junit(self)

    def _repr_markdown_(self) -> str:
        return gate_to_markdown(self)

    def __str__(self) -> str:
        return sentence(self)
