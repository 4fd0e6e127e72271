"""The reference pages say what the program has: `make docs` writes them anew."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.docs.reference_pages import PAGES

REFERENCE = Path(__file__).resolve().parent.parent.parent / "docs" / "reference"


@pytest.mark.parametrize("name", sorted(PAGES))
def test_the_page_is_what_the_program_has(name: str) -> None:
    assert (REFERENCE / name).read_text(encoding="utf-8") == PAGES[name]()


def test_what_people_type_most_is_in_there() -> None:
    commands, names = (PAGES[name]() for name in ("cli.md", "sdk.md"))
    assert "swcli model run [TARGET] [OPTIONS] [-- HANDLER OPTIONS]" in commands
    assert "| `-d, --dataset URI` |" in commands
    assert "not built yet" not in commands.partition("## swcli check")[0]
    assert "## starwhale.Job" in names
    assert "## starwhale.dataset" in names
