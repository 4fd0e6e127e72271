"""The page of exit codes says what is so."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner

from starwhale import errors
from starwhale.cli.app import CliApp
from starwhale.cli.failures import report_failure
from starwhale.cli.root import swcli
from starwhale.settings import read_settings

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent.parent / "docs" / "reference" / "exit-codes.md"


@pytest.fixture(scope="module")
def page() -> ModuleType:
    """`exit_codes.py`, loaded from beside this file."""
    spec = importlib.util.spec_from_file_location("exit_codes_page", HERE / "exit_codes.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_the_errors_say(page: ModuleType) -> None:
    """`make docs` writes the page anew."""
    assert PAGE.read_text(encoding="utf-8") == page.render()


def test_every_code_has_a_meaning_and_every_error_a_code(page: ModuleType) -> None:
    assert list(page.MEANINGS) == [0, 1, 2, 3, 70, 130]
    assert {each.exit_code for each in page.error_classes()} <= set(page.MEANINGS)


def test_the_tree_drawn_in_the_errors_names_the_codes_that_hold(page: ModuleType) -> None:
    drawn = dict(re.findall(r"── (\w+) \((\d+)\)", errors.__doc__ or ""))
    assert drawn
    assert {name: getattr(errors, name).exit_code for name in drawn} == {
        name: int(code) for name, code in drawn.items()
    }
    assert {each.__name__ for each in page.error_classes()} == {
        *re.findall(r"── (\w+)", errors.__doc__ or ""),
        "StarwhaleError",
    }


def test_waiting_too_long_is_not_knowing(capfd: pytest.CaptureFixture[str]) -> None:
    error = errors.JobTimeoutError("job abc is still running after 1 s", hint="wait again")
    assert report_failure(CliApp(read_settings({})), error) == 3
    assert "still running" in capfd.readouterr().err


def test_help_names_the_codes() -> None:
    shown = " ".join(CliRunner().invoke(swcli, ["--help"]).output.split())
    assert "0 done, 1 failed, 2 usage, 3 cannot tell, 70 a bug, 130 interrupted" in shown
