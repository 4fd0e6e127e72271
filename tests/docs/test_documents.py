"""What the documents show can be typed: commands exist, the README's example runs, the Makefile has the targets."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from starwhale.cli.root import swcli as root

HOUSE = Path(__file__).resolve().parent.parent.parent
DOCUMENTS = sorted([*HOUSE.glob("*.md"), *HOUSE.glob("docs/**/*.md"), *HOUSE.glob("examples/**/*.md")])
README = (HOUSE / "README.md").read_text(encoding="utf-8")


def _commands(text: str) -> list[str]:
    """The `swcli …` lines of the code blocks."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"^(?:\$ )?(?:\S*/)?swcli ([^#\n]+)", "\n".join(blocks), flags=re.MULTILINE)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(HOUSE)))
def test_each_command_that_a_document_shows_exists(document: Path) -> None:
    for line in _commands(document.read_text(encoding="utf-8")):
        command: click.Command = root
        for word in line.split():
            if word.startswith("-") or not isinstance(command, click.Group):
                break
            found = command.get_command(click.Context(command), word)
            assert found is not None, f"{document.name}: swcli {line}"
            command = found
        known = {
            name
            for param in command.get_params(click.Context(command))
            for name in [*param.opts, *param.secondary_opts]
        }
        shown = {word.split("=")[0] for word in line.partition(" -- ")[0].split() if word.startswith("-")}
        assert shown <= known, f"{document.name}: swcli {line}"


def test_the_example_of_the_readme_runs(
    swcli: Callable[..., Any], tmp_path: Path, instance_root: dict[str, str]
) -> None:
    [program] = re.findall(r"^```python\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
    (tmp_path / "parity.py").write_text(program, encoding="utf-8")
    built = subprocess.run(
        [sys.executable, "parity.py"], cwd=tmp_path, env=instance_root, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    lines = [line for line in _commands(README) if line.startswith(("model run parity.py", "job info"))]
    ran, shown = [swcli(*line.replace("parity.py", str(tmp_path / "parity.py")).split()) for line in lines]
    assert ran.returncode == 0, ran.stderr
    assert shown.returncode == 0, shown.stderr
    assert "accuracy" in shown.stdout
    assert "100" in shown.stdout


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(HOUSE)))
def test_each_make_command_that_a_document_shows_is_a_target(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (HOUSE / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    shown = set(re.findall(r"(?:^|`)make ([a-z][a-z-]+)", document.read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert shown <= targets
