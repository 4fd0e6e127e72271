"""The pages that show commands are followed from an empty folder: what they say is what happens."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.docs.walkthrough import Command, File, first_missing, follow, read_page
from tests.runtimes.index import publish, serve

HOUSE = Path(__file__).resolve().parent.parent.parent
_NEEDS = re.compile(r"<!-- needs: (\w+) -->")
NOT_TYPED = {"run-on-kubernetes": "it needs a cluster"}
"""Pages whose commands nobody can type here, and why."""
PAGES = sorted(
    page
    for folder in ("tutorial", "how-to")
    for page in (HOUSE / "docs" / folder).glob("*.md")
    if page.stem not in NOT_TYPED
)


def marked(page: Path) -> Any:  # Any: pytest's own class of parameters
    """Return a page as a parameter, with the marks of what it says it needs."""
    needs = _NEEDS.findall(page.read_text(encoding="utf-8"))
    return pytest.param(page, id=page.stem, marks=[getattr(pytest.mark, f"needs_{need}") for need in needs])


@pytest.fixture
def package_index(tmp_path: Path) -> Iterator[dict[str, str]]:
    """An index with the package that the pages name, and one that it needs."""
    body = "KIND = {'like', 'love'}\n\n\ndef is_kind(text):\n    return bool(KIND & set(text.split()))\n"
    publish(tmp_path / "index", "sentiment-words", "1.4", needs=("wordlist",), body=body)
    publish(tmp_path / "index", "sentiment-words", "2.0", needs=("wordlist",))
    publish(tmp_path / "index", "wordlist", "3.1")
    with serve(tmp_path / "index") as address:
        yield {
            "SW_PYPI_INDEX_URL": address,
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_FIND_LINKS": "",
            "PIP_EXTRA_INDEX_URL": "",
        }


@pytest.mark.parametrize("page", [marked(page) for page in PAGES])
def test_a_reader_who_does_what_the_page_says_sees_what_it_shows(
    page: Path, tmp_path: Path, instance_root: dict[str, str], request: pytest.FixtureRequest
) -> None:
    folder = tmp_path / "reader"
    folder.mkdir()
    environment = dict(instance_root)
    needs = _NEEDS.findall(page.read_text(encoding="utf-8"))
    if "venv" in needs:
        environment |= request.getfixturevalue("package_index")
    if "podman" in needs:  # the reader has an image of this name
        environment |= request.getfixturevalue("podman_variables")
    if "s3" in needs:  # the reader has a store with a bucket of this name
        server = replace(request.getfixturevalue("s3"), bucket="my-bucket")
        server.client().create_bucket(Bucket=server.bucket)
        environment |= server.environment
    assert follow(page, folder, environment)


def test_a_line_that_is_not_printed_is_noticed() -> None:
    printed = "accuracy   0.7000\njob 4kd done\n"
    assert first_missing(["accuracy 0.7000", "job … done"], printed) is None
    assert first_missing(["accuracy 0.8000"], printed) == "accuracy 0.8000"
    assert first_missing(["job … done", "accuracy 0.7000"], printed) == "accuracy 0.7000"


def test_files_commands_and_exit_codes_are_read_from_a_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        '```csv title="a.csv"\nx,y\n```\n```console\n$ swcli x  # exit 2\nError: …\n```\n', encoding="utf-8"
    )
    assert list(read_page(page)) == [
        File(name="a.csv", text="x,y\n"),
        Command(line="swcli x", shown=["Error: …"], exit_code=2),
    ]
