"""A line of `.swignore` means what a real git makes of it."""

from __future__ import annotations

import random
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from starwhale.models.gitignore import read_lines
from starwhale.models.ignore import read_rules
from starwhale.models.walk import walk

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("a", "b", "ab", "a.txt", "a b", "#x", "!y", "[z]", "a\\b", "é", "📦", "a*", "c?", "A", "-", "]", "1")
PIECES = (
    *("a", "b", "*.txt", "a*", "*", "?", "**", "a**b", "***", "ab**", "*b*", "**/a", "a/**", "é", "📦", "é*", "A", "1"),
    *(
        "[ab]",
        "[!a]",
        "[^b]",
        "[a-c]",
        "[c-a]",
        "[]a]",
        "[!]",
        "[^",
        "[a",
        "[a-]",
        "[-a]",
        "[a-b-c]",
        "[\\]]",
        "[a\\-c]",
    ),
    *("[[:alpha:]]", "[[:digit:]a]", "[[:foo:]]", "[[:alpha", "[é]", "\\#x", "#x", "\\!y", "!y", "\\[z\\]", "[z]"),
    *("a\\\\b", "a\\*", "a\\", "\\a", "\\*\\?", "a b"),
)
pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def make_tree(root: Path, pick: random.Random) -> set[str]:
    made: set[str] = set()
    while len(made) < 14:
        path = root.joinpath(*(pick.choice(NAMES) for _ in range(pick.randint(1, 4))))
        if not path.exists() and all(each.is_dir() or not each.exists() for each in path.parents):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            made.add(path.relative_to(root).as_posix())
    return made


def make_line(pick: random.Random) -> str:
    line = "/".join(pick.choice(PIECES) for _ in range(pick.randint(1, 3)))
    before, after = (
        pick.choice(("", "", "", "/", "!", "!/", " ")),
        pick.choice(("", "", "", "/", "/", " ", "\\ ", "\t", "\r")),
    )
    return f"{before}{line}{after}"


def ignored_by_git(root: Path, lines: str, paths: set[str]) -> set[str]:
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    (root / ".git/info/exclude").write_text(lines, encoding="utf-8", newline="")
    words = ["git", "-c", "core.excludesFile=", "check-ignore", "--no-index", "-z", "--stdin"]
    done = subprocess.run(words, input="\0".join(paths).encode(), cwd=root, capture_output=True, check=False)
    assert done.returncode in {0, 1}, done.stderr
    return set(done.stdout.decode().split("\0")) - {""}


@pytest.mark.parametrize("seed", range(12))
def test_what_git_ignores_is_left_out_and_nothing_else(tmp_path: Path, seed: int) -> None:
    pick = random.Random(seed)
    paths = make_tree(tmp_path, pick)
    lines = "\n".join([*(make_line(pick) for _ in range(pick.randint(1, 5))), "!no line of an older file"])
    ignored = ignored_by_git(tmp_path, lines, paths)
    (tmp_path / ".swignore").write_text(lines, encoding="utf-8", newline="")

    rules = read_rules(tmp_path, add_all=True)
    kept = {each.path for each in walk(tmp_path.resolve(), rules) if each.kind == "file"}

    assert kept & paths == paths - ignored, lines


@pytest.mark.parametrize("seed", range(100, 106))
def test_files_in_folders_below_speak_of_what_git_takes_them_for(tmp_path: Path, seed: int) -> None:
    pick = random.Random(seed)
    paths = make_tree(tmp_path, pick)
    folders = sorted({parent for path in paths for parent in (tmp_path / path).parents if parent != tmp_path})
    folders = [folder for folder in folders if folder.is_relative_to(tmp_path)]
    for folder in pick.sample(folders, min(len(folders), 4)):
        own = "\n".join(make_line(pick) for _ in range(pick.randint(1, 3)))
        for name in (".gitignore", ".swignore"):
            (folder / name).write_text(own, encoding="utf-8", newline="")
    lines = "\n".join([*(make_line(pick) for _ in range(2)), "!no line of an older file"])
    ignored = ignored_by_git(tmp_path, lines, paths)
    (tmp_path / ".swignore").write_text(lines, encoding="utf-8", newline="")

    rules = read_rules(tmp_path, add_all=True)
    kept = {each.path for each in walk(tmp_path.resolve(), rules) if each.kind == "file"}

    assert kept & paths == paths - ignored


def test_a_file_is_cut_into_lines_as_git_does() -> None:
    assert read_lines("\ufeffa\r\nb\x0c\u2028c\n\n") == ["a", "b\x0c\u2028c", "", ""]
