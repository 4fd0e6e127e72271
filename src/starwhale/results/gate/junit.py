"""A gate as JUnit XML: one test case per rule, so that a CI server shows it beside the tests.

A rule that cannot be told is an `error`, not a `skipped`: a server shows skipped cases as harmless, and nobody would look.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from starwhale.domain.counted import counted
from starwhale.results.gate.findings import Outcome, RuleFinding
from starwhale.results.gate.telling import figure, level, sentence, title, why

if TYPE_CHECKING:
    from starwhale.results.gate.report import Gate

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 does not have."""


def gate_to_junit(gate: Gate) -> str:
    """Write a gate as JUnit XML."""
    count = {outcome: sum(each.outcome is outcome for each in gate.findings) for outcome in Outcome}
    counts = {
        "tests": str(len(gate.findings)),
        "failures": str(count[Outcome.FAIL]),
        "errors": str(count[Outcome.INCONCLUSIVE]),
        "skipped": "0",
    }
    root = ET.Element("testsuites", counts)
    suite = ET.SubElement(root, "testsuite", {"name": "swcli job gate", **counts})
    for found in gate.findings:
        _case(suite, gate, found)
    ET.SubElement(suite, "system-out").text = _clean("\n".join((sentence(gate), *gate.notes)))
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _case(suite: ET.Element, gate: Gate, found: RuleFinding) -> None:
    case = ET.SubElement(suite, "testcase", {"classname": _clean(gate.run.name), "name": _clean(title(found))})
    if found.outcome is Outcome.PASS:
        return
    tag = "failure" if found.outcome is Outcome.FAIL else "error"
    reason = f"; {text}" if (text := why(found)) else ""
    message = _clean(f"{figure(found)}{reason}")
    child = ET.SubElement(case, tag, {"type": str(found.outcome), "message": message})
    child.text = _clean(
        f"{found.rule.text}\n{message}\n{counted(found.n, 'row')}, {found.method}, level {level(found)}"
    )


def _clean(text: str) -> str:
    return _NO_XML.sub("�", text)
