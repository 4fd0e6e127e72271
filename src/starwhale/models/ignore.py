"""What is left out of a packaged model: built-in rules, `.swignore`, and `--exclude`.

A line means what it means in `.gitignore`; the last one that fits a path decides. Where no line begins with `!`, which older files never had,
a line also means what it meant there: it is matched against the whole path, and `*` crosses `/`, so that `data/*.bin` leaves
`data/deep/a.bin` out too.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from starwhale.errors import ModelSourceError, UsageError

SWIGNORE = ".swignore"
"""The file with the user's own lines, at the top of the work directory."""
BUILT_IN = (
    "__pycache__/",
    "*.py[cod]",
    "*$py.class",
    ".git",
    ".idea/",
    ".vscode/",
    "*.swp",
    ".DS_Store",
    ".ipynb_checkpoints/",
    ".mypy_cache/",
    ".ruff_cache/",
    ".pytest_cache/",
)
"""Left out unless everything is to be added."""
_FOLDER = "ps_d"
"""Group of pathspec's expressions that holds the slash after the name of a folder."""
_ENVIRONMENTS = ("pyvenv.cfg", "conda-meta")
"""A folder that holds one of these is a virtual environment or a conda prefix."""


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of the rules."""

    text: str
    """As it was written."""
    pattern: re.Pattern[str]
    """What it means in `.gitignore`, for paths whose folders end with a slash; it fits what lies in a folder too."""
    excludes: bool
    """Whether it leaves out; otherwise it brings back."""

    def fits(self, path: str) -> bool:
        """Whether the line speaks of this very path; what lies in a folder that is left out is never asked for."""
        found = self.pattern.search(path)
        return found is not None and (not found.groupdict().get(_FOLDER) or found.end() == len(path))

    def fitted(self, path: str) -> bool:
        """Whether the line spoke of the path in an older `.swignore`."""
        return fnmatch.fnmatchcase(path, self.text)


class IgnoreRules:
    """Decides path by path; whoever walks does not descend into a folder that is left out."""

    def __init__(self, lines: Iterable[str], *, skips_environments: bool) -> None:
        self._lines = [made for line in lines if (made := _read_line(line)) is not None]
        self._skips_environments = skips_environments
        self._is_old = all(line.excludes for line in self._lines)

    def leaves_out(self, path: str, *, is_folder: bool) -> bool:
        """Whether a path, relative to the work directory and with slashes, is left out."""
        as_git = f"{path}/" if is_folder else path
        for line in reversed(self._lines):
            if line.fits(as_git) or (self._is_old and line.fitted(path)):
                return line.excludes
        return False

    def is_environment(self, names: Iterable[str]) -> bool:
        """Whether a folder with these names in it is an environment to be left out."""
        return self._skips_environments and any(name in _ENVIRONMENTS for name in names)


def read_rules(workdir: Path, *, excludes: Sequence[str] = (), add_all: bool = False) -> IgnoreRules:
    """Put together what is left out of a work directory.

    Args:
        workdir: The model root, with `.swignore` or without.
        excludes: Further lines, after those of the file.
        add_all: Leave the built-in rules out; `.swignore` and `excludes` hold all the same.

    Raises:
        UsageError: A line cannot be understood.
        ModelSourceError: `.swignore` cannot be read.
    """
    file = workdir / SWIGNORE
    try:
        own = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    except (OSError, UnicodeDecodeError) as error:
        message = f"cannot read {file}: {error}"
        raise ModelSourceError(message, hint="mend the file, or remove it") from error
    return IgnoreRules([*(() if add_all else BUILT_IN), *own, *excludes], skips_environments=not add_all)


def _read_line(line: str) -> _Line | None:
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

    text = line.strip()
    if not text or text.startswith("#"):
        return None
    try:
        pattern = GitIgnoreSpecPattern(line)
    except ValueError as error:
        message = f"{line!r} is no pattern of files: {error}"
        raise UsageError(message, hint="write it as in a .gitignore") from error
    if pattern.include is None or pattern.regex is None:
        return None
    return _Line(text, pattern.regex, excludes=bool(pattern.include))
