"""What is left out of a packaged model: built-in rules, `.swignore`, and `--exclude`.

A line means what it means in `.gitignore`; the last one that fits a path decides. A folder below may have a `.swignore` of its own, which speaks
of what lies in that folder and wins over those above it; `--exclude` wins over all. Where neither the file at the top nor `--exclude` has a line
that begins with `!`, which older files never had, their lines also mean what they meant there: they are matched against the whole path, and
`*` crosses `/`, so that `data/*.bin` leaves `data/deep/a.bin` out too.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from starwhale.errors import ModelSourceError
from starwhale.models.gitignore import GitLine, parse_line, read_lines

SWIGNORE = ".swignore"
"""The file with the user's own lines, at the top of the work directory and in any folder below."""
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
_ENVIRONMENTS = ("pyvenv.cfg", "conda-meta")
"""A folder that holds one of these is a virtual environment or a conda prefix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """One line of the rules."""

    git: GitLine
    """What it means in `.gitignore`."""
    old: re.Pattern[str]
    """What it meant in an older `.swignore`: the whole path, with `*` across `/`."""

    def fitted(self, path: str) -> bool:
        """Whether the line spoke of the path in an older `.swignore`."""
        return self.old.match(path) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Below:
    """A file in a folder below the top."""

    folder: str
    """Relative to the work directory, with slashes."""
    lines: tuple[GitLine, ...]
    """Its lines, the last one first."""


class IgnoreRules:
    """Decides path by path; whoever walks does not descend into a folder that is left out."""

    def __init__(self, top: Sequence[str], excludes: Sequence[str], workdir: Path, *, skips_environments: bool) -> None:
        self._top = _read(top)
        self._excludes = _read(excludes)
        self._workdir = workdir
        self._skips_environments = skips_environments
        self._is_old = all(line.git.excludes for line in (*self._top, *self._excludes))
        self._below: dict[str, tuple[_Below, ...]] = {"": ()}

    def leaves_out(self, path: str, *, is_folder: bool) -> bool:
        """Whether a path, relative to the work directory and with slashes, is left out; the folders above it are not.

        Raises:
            ModelSourceError: The `.swignore` of a folder above it cannot be read.
        """
        decides = self._last(self._excludes, path, is_folder=is_folder)
        if decides is None:
            for below in self._files_above(path):
                own = path[len(below.folder) + 1 :]
                decides = next((line for line in below.lines if line.fits(own, is_folder=is_folder)), None)
                if decides is not None:
                    return decides.excludes
            decides = self._last(self._top, path, is_folder=is_folder)
        return decides is not None and decides.excludes

    def _last(self, lines: Sequence[_Line], path: str, *, is_folder: bool) -> GitLine | None:
        for line in lines:
            if line.git.fits(path, is_folder=is_folder) or (self._is_old and line.fitted(path)):
                return line.git
        return None

    def _files_above(self, path: str) -> tuple[_Below, ...]:
        """Return what the files say in the folders between the top and a path, the nearest first; each is read once."""
        folder = path.rpartition("/")[0]
        found = self._below.get(folder)
        if found is None:
            found = self._files_above(folder)
            place = self._workdir / folder
            if not place.is_symlink() and (text := _read_text(place / SWIGNORE)):
                lines = [made for line in reversed(read_lines(text)) if (made := parse_line(line)) is not None]
                found = (_Below(folder=folder, lines=tuple(lines)), *found)
            self._below[folder] = found
        return found

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
        ModelSourceError: `.swignore` cannot be read.
    """
    own = read_lines(_read_text(workdir / SWIGNORE))
    top = [*(() if add_all else BUILT_IN), *own]
    return IgnoreRules(top, excludes, workdir, skips_environments=not add_all)


def _read_text(file: Path) -> str:
    """Return the text of a file, empty where there is none."""
    if not file.exists():
        return ""
    if not file.is_file():
        raise _unreadable(file, "it is no file")
    try:
        return file.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise _unreadable(file, "it is not UTF-8") from error
    except OSError as error:
        raise _unreadable(file, str(error.strerror)) from error


def _unreadable(file: Path, why: str) -> ModelSourceError:
    return ModelSourceError(f"cannot read {file}: {why}", path=str(file), hint="mend the file, or remove it")


def _read(lines: Sequence[str]) -> list[_Line]:
    """Return what lines say, the last one first."""
    return [made for line in reversed(lines) if (made := _read_line(line)) is not None]


def _read_line(line: str) -> _Line | None:
    git = parse_line(line)
    return None if git is None else _Line(git=git, old=re.compile(fnmatch.translate(line.strip())))
