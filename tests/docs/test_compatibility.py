"""The compatibility page says what is so, and what it calls not built says so too."""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from starwhale.errors import NotBuiltYetError

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent.parent / "docs" / "reference" / "compatibility.md"
SPEC: dict[str, Any] = json.loads((HERE / "spec_names.json").read_text(encoding="utf-8"))


def test_the_page_is_what_the_program_says(generator: ModuleType) -> None:
    """`make docs` writes the page anew."""
    assert PAGE.read_text(encoding="utf-8") == generator.render()


@pytest.mark.parametrize("name", SPEC["modules"]["starwhale"])
def test_every_public_name_can_be_imported(name: str) -> None:
    assert getattr(importlib.import_module("starwhale"), name) is not None


def _not_built(generator: ModuleType) -> list[tuple[str, Callable[..., object]]]:
    found: list[tuple[str, Callable[..., object]]] = []
    for place in [*SPEC["modules"], *SPEC["classes"]]:
        module_name, _, class_name = place.partition(":")
        names = SPEC["classes" if class_name else "modules"][place]
        for name in names:
            try:
                owner: Any = importlib.import_module(module_name)
                thing = getattr(getattr(owner, class_name) if class_name else owner, name)
            except (ImportError, AttributeError):
                continue
            if callable(thing) and generator.is_not_built(thing):
                found.append((f"{place}.{name}", thing))
    return found


def test_what_is_called_not_built_raises_the_error_that_says_so(generator: ModuleType) -> None:
    found = _not_built(generator)
    assert found
    for place, thing in found:
        wanted = [
            "x"
            for parameter in inspect.signature(thing).parameters.values()
            if parameter.default is parameter.empty
            and parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        ]
        try:
            thing(*wanted)
        except NotBuiltYetError:
            continue
        pytest.fail(f"{place} is called not built and did not raise")


def test_a_command_that_is_not_built_says_so_and_exits_with_1(swcli: Callable[..., Any]) -> None:
    done = swcli("board")
    assert done.returncode == 1
    assert "not built yet" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_commands_of_the_main_job_are_built(generator: ModuleType) -> None:
    status = {title: entry.status for title, entry, _ in generator.command_entries(SPEC["commands"])}
    wanted = ["dataset build", "dataset list", "dataset info", "dataset head", "model run", "job list", "job info"]
    for path in wanted:
        assert status[f"swcli {path}"] in {generator.Status.WORKS, generator.Status.PARTLY}, path
