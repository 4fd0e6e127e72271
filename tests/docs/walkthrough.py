"""Follow a page of the documentation as a reader would: write its files, type its commands, look at what they print.

In a page that is followed, a code block with a title is a file (```` ```python title="evaluation.py" ````), and a block `console` is
typed: a line that begins with `$ ` is a command, and the lines below it must occur in what it prints, in this order. `…` in such a line
stands for anything, blanks count as one, and a command that ends with `# exit 1` must end so (0 otherwise). A comment
`<!-- needs: huggingface -->` gives the page's test that need.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_BLOCK = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
_TITLE = re.compile(r'title="([^"]+)"')
_EXIT = re.compile(r"\s+# exit (\d+)$")
_DEADLINE_S = 180


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file that the reader writes."""

    name: str
    """Its path in the reader's folder."""
    text: str
    """What is in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command that the reader types."""

    line: str
    """As it is typed in a shell."""
    shown: list[str] = field(default_factory=list[str])
    """Lines that the page shows below it."""
    exit_code: int = 0
    """How it has to end."""


def read_page(page: Path) -> Iterator[File | Command]:
    """Yield what the reader does, in the order of the page."""
    for block in _BLOCK.finditer(page.read_text(encoding="utf-8")):
        title = _TITLE.search(block["info"])
        if title:
            yield File(name=title[1], text=block["body"])
        elif block["info"].strip() == "console":
            yield from _commands(block["body"])


def _commands(body: str) -> Iterator[Command]:
    current: Command | None = None
    for line in body.splitlines():
        if line.startswith("$ "):
            if current:
                yield current
            ending = _EXIT.search(line)
            current = Command(line=_EXIT.sub("", line[2:]), exit_code=int(ending[1]) if ending else 0)
        elif line.strip() and current:
            current.shown.append(line)
    if current:
        yield current


def follow(page: Path, folder: Path, environment: Mapping[str, str]) -> list[str]:
    """Do everything that a page says, in an empty folder, and return the commands that were typed.

    Raises:
        AssertionError: A command ended otherwise than the page says, or did not print what it shows.
    """
    typed: list[str] = []
    path = f"{Path(sys.executable).parent}:{environment.get('PATH', '')}"
    for each in read_page(page):
        if isinstance(each, File):
            target = folder / each.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(each.text, encoding="utf-8")
            continue
        done = subprocess.run(
            ["bash", "-c", each.line],
            cwd=folder,
            env={**environment, "PATH": path},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_DEADLINE_S,
            check=False,
        )
        typed.append(each.line)
        assert done.returncode == each.exit_code, f"$ {each.line}\nexit {done.returncode}\n{done.stdout}"
        missing = first_missing(each.shown, done.stdout)
        assert missing is None, f"$ {each.line}\ndid not print:  {missing}\nit printed:\n{done.stdout}"
    return typed


def first_missing(shown: list[str], printed: str) -> str | None:
    """Return the first line that does not occur in what was printed, after the lines before it; None when all do."""
    rest = [_squeeze(line) for line in printed.splitlines()]
    for line in shown:
        wanted = re.compile(".*".join(re.escape(piece.strip()) for piece in _squeeze(line).split("…")))
        while rest and not wanted.search(rest[0]):
            rest.pop(0)
        if not rest:
            return line
        rest.pop(0)
    return None


def _squeeze(line: str) -> str:
    return " ".join(line.split())
