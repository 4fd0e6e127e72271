"""A file of rules that lies in a repository, such as `gate.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from starwhale.errors import NotFoundError, UsageError, nearest
from starwhale.results.gate.rules import Rule, parse_rule

DEFAULT_NAME = "gate.yaml"
"""What a command looks for in the folder where it is called, when no rule was given."""
_TEXTS = ("baseline", "cluster", "key")
_KNOWN = (*_TEXTS, "rules", "lower_is_better", "allow_missing")
_HINT = "rules: followed by lines such as   - accuracy >= baseline - 0.01"


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesFile:
    """What a file of rules says."""

    rules: tuple[Rule, ...]
    """One or more."""
    baseline: str = ""
    """What the run is compared with; empty for what the call says."""
    lower_is_better: tuple[str, ...] = ()
    """Metrics of which less is better."""
    cluster: str = ""
    """Column that says which rows are alike."""
    key: str = ""
    """Column of files of predictions that names the example."""
    allow_missing: bool = False
    """Whether rows without a score are left out."""


def read_rules_file(path: str) -> RulesFile:
    """Read a file of rules (YAML or JSON).

    Raises:
        NotFoundError: There is none.
        UsageError: It is no such file; the message names the line.
        RuleError: A rule does not parse; the message shows line and place.
    """
    import yaml

    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise NotFoundError(f"no file {path}", hint=f"write one with {_HINT}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}", hint="it is to be YAML in UTF-8") from error
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        content: object = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark else ""
        raise UsageError(f"{path}{place}: {getattr(error, 'problem', None) or error}", hint=_HINT) from error
    if not isinstance(content, dict):
        raise UsageError(f"{path} holds no rules", hint=_HINT)
    return _read(path, content, _rule_lines(node))


def _rule_lines(node: Any) -> list[int]:  # Any: a node of PyYAML, which ships no types
    """Return the line of each rule, from 1."""
    for key, value in node.value:
        if getattr(key, "value", "") == "rules" and isinstance(value.value, list):
            return [each.start_mark.line + 1 for each in value.value]
    return []


def _read(path: str, content: Mapping[Any, Any], lines: list[int]) -> RulesFile:  # Any: YAML
    unknown = next((each for each in content if each not in _KNOWN), None)
    if unknown is not None:
        raise UsageError(f"{path}: nothing reads {unknown!r}", hint=nearest(str(unknown), _KNOWN))
    listed = content.get("rules")
    if not isinstance(listed, list) or not listed:
        raise UsageError(f"{path} holds no rules", hint=_HINT)
    for name in _TEXTS:
        if not isinstance(content.get(name, ""), str):
            raise UsageError(f"{path}: {name} is {content[name]!r}", hint="give a text")
    allow = content.get("allow_missing", False)
    if not isinstance(allow, bool):
        raise UsageError(f"{path}: allow_missing is {allow!r}", hint="give true or false")
    lower = content.get("lower_is_better", [])
    lower = [lower] if isinstance(lower, str) else lower
    if not isinstance(lower, list) or not all(isinstance(each, str) for each in lower):
        raise UsageError(f"{path}: lower_is_better is {lower!r}", hint="give a list of metrics")
    return RulesFile(
        rules=tuple(_rule(f"{path}, line {line}", each) for line, each in zip(lines, listed, strict=True)),
        baseline=content.get("baseline", ""),
        lower_is_better=tuple(lower),
        cluster=content.get("cluster", ""),
        key=content.get("key", ""),
        allow_missing=allow,
    )


def _rule(place: str, entry: object) -> Rule:
    if isinstance(entry, str):
        return parse_rule(entry, place=place)
    if isinstance(entry, dict) and isinstance(entry.get("rule"), str) and set(entry) <= {"rule", "name"}:
        return replace(parse_rule(entry["rule"], place=place), name=str(entry.get("name") or ""))
    hint = 'write   - accuracy >= 0.9   or   - {rule: "accuracy >= 0.9", name: good enough}'
    raise UsageError(f"{place}: {entry!r} is no rule", hint=hint)
