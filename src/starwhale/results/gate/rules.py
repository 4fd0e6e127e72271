"""The rule language of gates: what a run has to keep, in one line.

    rule   = metric [slice] (sign bound | words)
    metric = NAME | quoted text
    slice  = "[" column "=" value {"," column "=" value} "]"        value: text, quoted text, or * for each of them
    sign   = ">=" | ">" | "<=" | "<"
    bound  = "baseline" [("+" | "-") amount] | ["-"] amount
    amount = NUMBER ["%" | "point" | "points"]
    words  = ["is"] ("at least" bound | "at most" bound | "above" bound | "below" bound
                     | "better than baseline" ["by" ["more" "than"] amount]
                     | ("not" | "no") "worse than baseline" ["by" "more" "than" amount])

A name holds letters, digits, `_`, `.`, `/` and `:`; others are put in quotes. A point is 0.01. A share of the baseline cannot be
said: `baseline - 1%` could mean two things, and is refused.
"""

from __future__ import annotations

import difflib
import math
import re
from dataclasses import dataclass, field
from enum import StrEnum

from starwhale.errors import RuleError

_TOKEN = re.compile(
    r"""\s*(?:(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)
        |(?P<name>[^\W\d][\w./:]*)
        |"(?P<double>[^"]*)"|'(?P<single>[^']*)'
        |(?P<sign>>=|<=|==|!=|=>|=<|[≥≤><=])
        |(?P<mark>[\[\]+\-−–,%*]))""",
    re.VERBOSE,
)
_SIGNS = {"≥": ">=", "≤": "<="}
_POINTS = ("point", "points")


class Wants(StrEnum):
    """What a rule asks of a figure, or of its difference to the baseline."""

    AT_LEAST = ">="
    ABOVE = ">"
    AT_MOST = "<="
    BELOW = "<"
    NOT_WORSE = "not worse"
    """At least, or at most where less is better."""
    BETTER = "better"
    """Above, or below where less is better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule, read."""

    text: str
    """As it was written."""
    metric: str
    """Name of the metric."""
    where: tuple[tuple[str, str | None], ...] = ()
    """Columns and the value that rows have in them; None for each value by itself. Empty for all rows."""
    wants: Wants
    """What is asked."""
    bound: float
    """Of the figure; or of its difference to the baseline: −0.01 for `baseline - 0.01`. With NOT_WORSE and BETTER a size, 0 or more."""
    is_relative: bool
    """Whether the bound is one of the difference to the baseline."""
    name: str = ""
    """What the user calls it; empty for its text."""

    @property
    def title(self) -> str:
        """What it is called where it is told."""
        return self.name or self.text


def parse_rule(text: str, *, place: str = "") -> Rule:
    """Read a rule.

    Args:
        text: One rule.
        place: Where it stands, such as `gate.yaml, line 3`; empty for a command line.

    Raises:
        RuleError: It is no rule; the message shows the place with a caret.

    Example:
        >>> rule = parse_rule("accuracy[lang=de] >= baseline - 1 point")
        >>> rule.metric, rule.where, str(rule.wants), rule.bound, rule.is_relative
        ('accuracy', (('lang', 'de'),), '>=', -0.01, True)
        >>> parse_rule("rmse is not worse than baseline by more than 0.5").wants
        <Wants.NOT_WORSE: 'not worse'>
    """
    return _Reader(text, place).rule()


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    """`number`, `name`, `quoted`, `sign`, `mark`, or `end`."""
    text: str
    start: int
    stop: int


@dataclass(slots=True)
class _Reader:
    """Reads a rule from the left, one token at a time."""

    text: str
    place: str
    at: int = 0
    where: list[tuple[str, str | None]] = field(default_factory=list[tuple[str, str | None]])

    def rule(self) -> Rule:
        metric = self._metric()
        if self._peek().text == "[":
            self._slice()
        wants, bound, is_relative = self._condition()
        end = self._peek()
        if end.kind != "end":
            joined = end.text.lower() in {"and", "or", "if"} or end.text == ","
            hint = "give each rule by itself: another --rule, or another line of the file" if joined else ""
            raise self._error(end.start, f"nothing is expected after the rule, not {end.text!r}", hint)
        return Rule(
            text=" ".join(self.text.split()),
            metric=metric,
            where=tuple(self.where),
            wants=wants,
            bound=bound,
            is_relative=is_relative,
        )

    # ------------------------------------------------------------------------------------------------------- tokens

    def _peek(self) -> _Token:
        rest = self.text[self.at :]
        start = self.at + len(rest) - len(rest.lstrip())
        if start == len(self.text):
            return _Token("end", "", start, start)
        found = _TOKEN.match(self.text, self.at)
        if found is None:
            character = self.text[start]
            what = "a quote that does not end" if character in "\"'" else f"{character!r}"
            raise self._error(start, f"{what} is no part of a rule")
        kind = found.lastgroup or ""
        if kind in {"double", "single"}:
            return _Token("quoted", found[kind], start, found.end())
        return _Token(kind, _SIGNS.get(found[kind], found[kind]), start, found.end())

    def _next(self) -> _Token:
        token = self._peek()
        self.at = token.stop
        return token

    def _word(self, *words: str) -> bool:
        """Take these words if they come next; all or none of them."""
        before = self.at
        for word in words:
            token = self._next()
            if token.kind != "name" or token.text.lower() != word:
                self.at = before
                return False
        return True

    def _need(self, *words: str) -> None:
        for word in words:
            if not self._word(word):
                token = self._peek()
                raise self._error(token.start, f"expected {' '.join(words)!r} here{_instead(token)}")

    # -------------------------------------------------------------------------------------------------------- pieces

    def _metric(self) -> str:
        token = self._next()
        if token.kind not in {"name", "quoted"} or not token.text:
            hint = "a rule begins with the name of a metric: accuracy >= 0.9"
            raise self._error(token.start, f"expected the name of a metric{_instead(token)}", hint)
        if token.kind == "name" and token.text.lower() == "baseline":
            raise self._error(token.start, "the metric stands on the left", "write: accuracy >= baseline - 0.01")
        follows = self._peek()
        if token.kind == "name" and follows.text == "-" and follows.start == token.stop:
            hint = f'put a name with other characters in quotes: "{token.text}-…" >= 0.9'
            raise self._error(follows.start, "a name ends here", hint)
        return token.text

    def _slice(self) -> None:
        opened = self._next()
        while True:
            column = self._next()
            if column.kind not in {"name", "quoted"}:
                raise self._error(
                    column.start, f"expected a column{_instead(column)}", "write: accuracy[lang=de] >= 0.9"
                )
            equals = self._next()
            if equals.text != "=":
                hint = "write: accuracy[lang=de]; accuracy[lang=*] looks at each language"
                raise self._error(equals.start, f"expected '=' here{_instead(equals)}", hint)
            self.where.append((column.text, self._value(opened)))
            end = self._next()
            if end.text == "]":
                return
            if end.text != ",":
                raise self._error(end.start, f"expected ',' or ']' here{_instead(end)}")

    def _value(self, opened: _Token) -> str | None:
        """Read a value: in quotes, or everything up to the next `,` or `]`."""
        rest = self.text[self.at :].lstrip()
        if rest[:1] in {'"', "'"}:
            return self._next().text
        start = len(self.text) - len(rest)
        found = re.match(r"[^\],\[]*", rest)
        value = found[0].rstrip() if found else ""
        self.at = start + len(value)
        if not value:
            raise self._error(start, "expected a value", "write: accuracy[lang=de] >= 0.9")
        if not re.match(r"\s*[\],]", self.text[self.at :]):
            raise self._error(opened.start, "this '[' is not closed", 'put values with "[", "]" or "," in quotes')
        return None if value == "*" else value

    def _condition(self) -> tuple[Wants, float, bool]:
        token = self._peek()
        if token.kind == "sign":
            if token.text not in {">=", ">", "<=", "<"}:
                right = {"=>": ">=", "=<": "<="}.get(token.text)
                hint = f"write {right}" if right else "a gate compares with >=, >, <= or <"
                raise self._error(token.start, f"{token.text!r} is no comparison of a gate", hint)
            self._next()
            return (Wants(token.text), *self._bound())
        said = self._word("is")
        for words, wants in (
            (("at", "least"), Wants.AT_LEAST),
            (("at", "most"), Wants.AT_MOST),
            (("above",), Wants.ABOVE),
            (("below",), Wants.BELOW),
        ):
            if self._word(*words):
                return (wants, *self._bound())
        if self._word("better"):
            self._need("than", "baseline")
            return Wants.BETTER, self._margin(), True
        if self._word("not", "worse") or self._word("no", "worse"):
            self._need("than", "baseline")
            return Wants.NOT_WORSE, self._margin(), True
        token = self._peek()
        hint = "write >=, >, <=, <, 'at least', 'at most', 'better than baseline' or 'not worse than baseline'"
        known = ["at", "above", "below", "better", "not", *([] if said else ["is"])]
        close = difflib.get_close_matches(token.text.lower(), known, n=1) if token.kind == "name" else []
        raise self._error(
            token.start, f"expected a comparison{_instead(token)}", f"did you mean {close[0]!r}?" if close else hint
        )

    def _margin(self) -> float:
        if not self._word("by"):
            return 0.0
        self._word("more", "than")
        return self._amount(is_margin=True)

    def _bound(self) -> tuple[float, bool]:
        """Read what the figure is compared with, and whether that is the baseline."""
        token = self._peek()
        if token.kind == "name":
            if token.text.lower() != "baseline":
                close = difflib.get_close_matches(token.text.lower(), ["baseline"], n=1)
                hint = "did you mean 'baseline'?" if close else "write a number, or baseline - 0.01"
                raise self._error(token.start, f"expected a number or 'baseline'{_instead(token)}", hint)
            self._next()
            mark = self._peek()
            if mark.text in {"+", "-", "−", "–"}:
                self._next()
                size = self._amount(is_margin=True)
                return (size if mark.text == "+" else -size), True
            if mark.text == "*" or mark.kind == "number":
                hint = "a margin is a difference: baseline - 0.01, or baseline - 1 point"
                raise self._error(mark.start, f"expected '+' or '-' here{_instead(mark)}", hint)
            return 0.0, True
        sign = 1.0
        if token.text in {"-", "−", "–"}:
            self._next()
            sign = -1.0
        return sign * self._amount(is_margin=False), False

    def _amount(self, *, is_margin: bool) -> float:
        token = self._next()
        if token.kind != "number" or not math.isfinite(float(token.text)):
            what = "the size of the margin" if is_margin else "a number or 'baseline'"
            hint = "write a number such as 0.01, or 1 point" if is_margin else "write a number, or baseline - 0.01"
            raise self._error(token.start, f"expected {what}{_instead(token)}", hint)
        unit = self._peek()
        if unit.text == "%":
            if is_margin:
                hint = f"write {token.text} points if you mean {float(token.text) / 100:g}"
                raise self._error(unit.start, "a % of what?", hint)
            self._next()
            return float(token.text) / 100
        if unit.kind == "name" and unit.text.lower() in _POINTS:
            self._next()
            return float(token.text) / 100
        return float(token.text)

    def _error(self, position: int, why: str, hint: str = "") -> RuleError:
        return RuleError(why, text=self.text, position=position, place=self.place, hint=hint)


def _instead(token: _Token) -> str:
    return ", and the rule ends" if token.kind == "end" else f", not {token.text!r}"
