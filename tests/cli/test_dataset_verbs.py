"""`swcli dataset diff` and its siblings over whole versions, as a user runs them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conftest import Swcli


def ok(swcli: Swcli, *args: str) -> str:
    done = swcli("dataset", *args)
    assert done.returncode == 0, done.stderr
    return done.stdout


def shown(swcli: Swcli, *args: str) -> Any:
    return json.loads(ok(swcli, *args, "-o", "json"))


def rows(swcli: Swcli, name: str) -> list[tuple[int | str, dict[str, Any]]]:
    return [(row["index"], row["features"]) for row in shown(swcli, "head", name, "-n", "100")]


@pytest.fixture
def digits(swcli: Swcli, tmp_path: Path) -> None:
    """A dataset `digits` with two versions; the first one has the tag `gold`."""
    (tmp_path / "a.json").write_text(json.dumps([{"n": 0, "t": "zero"}, {"n": 1, "t": "one"}]))
    ok(swcli, "build", "--json", "a.json", "-n", "digits", "-t", "gold", "-d", "two rows")
    (tmp_path / "b.json").write_text(
        json.dumps([{"n": 0.5}, {}, {"n": 2, "long": "y" * 5000}]).replace("{}", '{"t": "1"}')
    )
    ok(swcli, "build", "--json", "b.json", "-n", "digits")


@pytest.mark.usefixtures("digits")
def test_diff_says_what_changed(swcli: Swcli) -> None:
    text = ok(swcli, "diff", "digits/version/gold", "digits", "--show-details")
    assert "rows: 1 added, 0 removed, 2 changed, 0 the same" in text
    assert "  n: 0 → 0.5" in text
    assert '  t: "one" → "1"' in text
    assert "  + column long (str)" in text
    said = shown(swcli, "diff", "digits/version/gold", "digits", "--show-details", "--limit", "1")
    assert said["rows"]["changed"] == {"count": 2, "keys": [0]}
    assert said["details"] == [{"key": 0, "cells": {"n": {"old": 0, "new": 0.5}}}]
    assert "no difference" in ok(swcli, "diff", "digits", "digits")
    done = swcli("dataset", "diff", "digits", "digit")
    assert done.returncode == 1
    assert "did you mean 'digits'?" in done.stderr
