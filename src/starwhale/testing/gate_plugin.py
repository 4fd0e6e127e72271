"""A gate as a test of pytest: the fixture `starwhale_gate`, which is there wherever this package is installed.

    def test_the_candidate_is_good_enough(starwhale_gate):
        starwhale_gate("candidate", baseline="main", rule="accuracy >= baseline - 0.01")

A broken rule fails the test, and so does one that these rows cannot tell, unless `inconclusive="skip"` or `"pass"` says otherwise. Until a
test asks for the fixture nothing is imported but this module.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from starwhale.results.gate.report import Gate


@dataclass(frozen=True, slots=True)
class GateFixture:
    """What the fixture gives: called with a run and rules, it passes, fails or skips the test."""

    request: pytest.FixtureRequest
    """The test that asks, which is passed, failed or skipped."""

    def __call__(  # noqa: PLR0913 - one parameter per option of `swcli job gate`
        self,
        run: str | Path,
        *,
        rule: str | Sequence[str] = (),
        rules_file: str | Path = "",
        baseline: str | Path = "",
        lower_is_better: Sequence[str] = (),
        cluster: str = "",
        key: str = "",
        allow_missing: bool = False,
        inconclusive: Literal["fail", "skip", "pass"] = "fail",
    ) -> Gate:
        """Judge a run by rules.

        Args:
            run: A job by id, name or `latest`, or a file of predictions.
            rule: A rule, or several.
            rules_file: A file of rules.
            baseline: What rules mean by `baseline`.
            lower_is_better: Metrics of which less is better.
            cluster: Column that says which rows are alike.
            key: Column of files that says which example a row is; empty for `id`.
            allow_missing: Leave rows without a score out.
            inconclusive: What becomes of the test when these rows cannot tell.

        Returns:
            What came of it, where the test goes on.

        Raises:
            ValueError: `inconclusive` is none of the three.
        """
        __tracebackhide__ = True
        from starwhale.instances import open_instance
        from starwhale.instances.jobs.job_gate import GateOptions
        from starwhale.settings import read_settings

        if inconclusive not in {"fail", "skip", "pass"}:
            message = f"inconclusive is {inconclusive!r}, not 'fail', 'skip' or 'pass'"
            raise ValueError(message)
        options = GateOptions(
            rules=(rule,) if isinstance(rule, str) and rule else tuple(rule),
            rules_file=str(rules_file),
            baseline=str(baseline),
            lower_is_better=(lower_is_better,) if isinstance(lower_is_better, str) else tuple(lower_is_better),
            cluster=cluster or None,
            key=key,
            allow_missing=allow_missing,
        )
        with open_instance(read_settings()) as instance:
            found = instance.jobs.gate(str(run), options=options)
        self._conclude(found, inconclusive)
        return found

    def _conclude(self, found: Gate, inconclusive: str) -> None:
        __tracebackhide__ = True
        from starwhale.results.gate.telling import as_text

        node: pytest.Item = self.request.node
        node.user_properties.append(("starwhale_gate", str(found)))
        if found.is_passed or (found.exit_code == 3 and inconclusive == "pass"):
            return
        if found.exit_code == 3 and inconclusive == "skip":
            pytest.skip(str(found))
        pytest.fail(as_text(found), pytrace=False)


@pytest.fixture
def starwhale_gate(request: pytest.FixtureRequest) -> GateFixture:
    """Judge a run by rules: `starwhale_gate("candidate", baseline="main", rule="accuracy >= baseline - 0.01")`."""
    return GateFixture(request)
