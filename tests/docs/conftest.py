"""The generator of the compatibility page, for the tests of this room."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def generator() -> ModuleType:
    """`compatibility.py`, loaded from beside this file."""
    spec = importlib.util.spec_from_file_location(
        "compatibility_page", Path(__file__).resolve().parent / "compatibility.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
