"""The rule language: what it reads, and that every mistake is shown at its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from starwhale.errors import NotFoundError, RuleError, UsageError
from starwhale.results.gate.rules import Rule, Wants, parse_rule
from starwhale.results.gate.rules_file import read_rules_file

READ = [
    ("accuracy >= 0.9", "accuracy", (), Wants.AT_LEAST, 0.9, False),
    ("accuracy>=90%", "accuracy", (), Wants.AT_LEAST, 0.9, False),
    ("accuracy ≥ 90 points", "accuracy", (), Wants.AT_LEAST, 0.9, False),
    ("accuracy is at least .5", "accuracy", (), Wants.AT_LEAST, 0.5, False),
    ("rmse <= 1e-3", "rmse", (), Wants.AT_MOST, 0.001, False),
    ("rmse at most 3", "rmse", (), Wants.AT_MOST, 3, False),
    ("shift < -2", "shift", (), Wants.BELOW, -2, False),
    ("shift is above −2", "shift", (), Wants.ABOVE, -2, False),
    ("accuracy >= baseline - 0.01", "accuracy", (), Wants.AT_LEAST, -0.01, True),
    ("accuracy>=Baseline-1point", "accuracy", (), Wants.AT_LEAST, -0.01, True),
    ("rmse < baseline + 2", "rmse", (), Wants.BELOW, 2, True),
    ("accuracy > baseline", "accuracy", (), Wants.ABOVE, 0, True),
    ("accuracy is better than baseline", "accuracy", (), Wants.BETTER, 0, True),
    ("accuracy better than baseline by 2 points", "accuracy", (), Wants.BETTER, 0.02, True),
    ("wer is not worse than baseline by more than 0.5", "wer", (), Wants.NOT_WORSE, 0.5, True),
    ("wer no worse than baseline", "wer", (), Wants.NOT_WORSE, 0, True),
    ("graded.output/f1 >= 0", "graded.output/f1", (), Wants.AT_LEAST, 0, False),
    ("'f1-score' >= 0", "f1-score", (), Wants.AT_LEAST, 0, False),
    ("a[lang=de] > 1", "a", (("lang", "de"),), Wants.ABOVE, 1, False),
    ("a[lang=*, kind = very long one ]>1", "a", (("lang", None), ("kind", "very long one")), Wants.ABOVE, 1, False),
    ("a['my lang'=\"x, [y]\"]>1", "a", (("my lang", "x, [y]"),), Wants.ABOVE, 1, False),
    ("größe[straße=höhe] > 1", "größe", (("straße", "höhe"),), Wants.ABOVE, 1, False),
]


@pytest.mark.parametrize(("text", "metric", "where", "wants", "bound", "is_relative"), READ, ids=str)
def test_rules_are_read(
    text: str, metric: str, where: tuple[tuple[str, str | None], ...], wants: Wants, bound: float, is_relative: bool
) -> None:
    assert parse_rule(text) == Rule(
        text=text, metric=metric, where=where, wants=wants, bound=bound, is_relative=is_relative
    )


REFUSED = [
    ("", 0, "name of a metric"),
    ("   ", 3, "name of a metric"),
    (">= 0.9", 0, "not '>='"),
    ("accuracy", 8, "the rule ends"),
    ("accuracy >=", 11, "a number or 'baseline'"),
    ("accuracy >= basline", 12, "'basline'"),
    ("accuracy => 0.9", 9, "write >="),
    ("accuracy == 0.9", 9, "is no comparison"),
    ("accuracy = 0.9", 9, "'=' is no comparison"),
    ("accuracy >= baseline - 1%", 24, "write 1 points"),
    ("accuracy >= baseline * 0.9", 21, "a difference"),
    ("accuracy >= baseline 0.9", 21, "expected '+' or '-'"),
    ("accuracy >= baseline - much", 23, "size of the margin"),
    ("f1-score >= 0.9", 2, "in quotes"),
    ("accuracy[lang] >= 1", 13, "lang=*"),
    ("accuracy[lang=de >= 1", 8, "not closed"),
    ("accuracy[] >= 1", 9, "expected a column"),
    ("accuracy[lang=] >= 1", 14, "expected a value"),
    ("accuracy >= 0.9 and f1 >= 0.8", 16, "by itself"),
    ("accuracy >= 0.9, f1 >= 0.8", 15, "by itself"),
    ("baseline <= accuracy", 0, "stands on the left"),
    ("accuracy bettr than baseline", 9, "'better'"),
    ("accuracy better then baseline", 16, "'than baseline'"),
    ("accuracy worse than baseline", 9, "expected a comparison"),
    ("accuracy >= 'x", 12, "does not end"),
    ("accuracy >= 1e999", 12, "a number"),
    ("accuracy § 3", 9, "'§'"),
]


@pytest.mark.parametrize(("text", "position", "said"), REFUSED, ids=str)
def test_a_mistake_is_shown_at_its_place(text: str, position: int, said: str) -> None:
    with pytest.raises(RuleError) as caught:
        parse_rule(text, place="gate.yaml, line 3")
    assert caught.value.position == position
    assert said in str(caught.value)
    lines = caught.value.message.splitlines()
    assert lines[0].startswith("gate.yaml, line 3: the rule cannot be read: ")
    assert lines[-1] == "  " + " " * position + "^"


@given(text=st.text(st.sampled_from("ab. []=*<>-+,%'\"09\n\tbaselinpot§"), max_size=30) | st.text(max_size=12))
@settings(max_examples=400, deadline=None)
def test_whatever_is_typed_is_a_rule_or_shown_at_its_place(text: str) -> None:
    position = 0
    try:
        assert parse_rule(text).metric
    except RuleError as error:
        position = error.position
    assert 0 <= position <= len(text)


def test_a_file_of_rules_is_read(tmp_path: Path) -> None:
    (tmp_path / "gate.yaml").write_text(
        "baseline: main\nlower_is_better: wer\nrules:\n  - accuracy >= 0.9\n"
        "  - rule: wer better than baseline\n    name: fewer words wrong\n"
    )
    found = read_rules_file(str(tmp_path / "gate.yaml"))
    assert [each.title for each in found.rules] == ["accuracy >= 0.9", "fewer words wrong"]
    assert (found.baseline, found.lower_is_better) == ("main", ("wer",))
    (tmp_path / "gate.json").write_text('{"rules": ["accuracy >= 0.9"]}')
    assert read_rules_file(str(tmp_path / "gate.json")).rules == found.rules[:1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rules:\n  - accuracy >= 0.9\n  - accuracy >= basline\n", "gate.yaml, line 3: the rule cannot be read"),
        ("rules: [", "line 1"),
        ("rules: []", "holds no rules"),
        ("- accuracy >= 0.9", "holds no rules"),
        ("", "holds no rules"),
        ("ruls:\n  - accuracy >= 0.9", "did you mean 'rules'"),
        ("rules:\n  - 7", "line 2: 7 is no rule"),
        ("rules:\n  - {rule: a > 1, nam: x}", "is no rule"),
        ("rules: [a > 1]\nbaseline: 7", "baseline is 7"),
        ("rules: [a > 1]\nallow_missing: maybe", "allow_missing is 'maybe'"),
        ("rules: [a > 1]\nlower_is_better: 3", "lower_is_better is 3"),
    ],
)
def test_a_file_that_is_none_says_where(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "gate.yaml").write_text(text)
    with pytest.raises(UsageError) as caught:
        read_rules_file(str(tmp_path / "gate.yaml"))
    assert said in str(caught.value)


def test_a_file_of_rules_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no file"):
        read_rules_file(str(tmp_path / "nothing.yaml"))
