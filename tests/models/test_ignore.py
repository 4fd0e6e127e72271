"""What a packaged model leaves out."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from starwhale.errors import ModelSourceError
from starwhale.models.ignore import read_rules
from starwhale.models.walk import walk

if TYPE_CHECKING:
    from pathlib import Path

TREE = (
    "evaluation.py",
    "data/a.bin",
    "data/deep/b.bin",
    "data/deep/keep.txt",
    "notes/a.txt",
    "pkg/notes/b.txt",
    "weird name [1].txt",
)


def packaged(root: Path, *, swignore: str = "", excludes: tuple[str, ...] = (), add_all: bool = False) -> set[str]:
    if swignore:
        (root / ".swignore").write_text(swignore)
    rules = read_rules(root, excludes=excludes, add_all=add_all)
    return {found.path for found in walk(root.resolve(), rules) if found.kind == "file"} - {".swignore"}


def write(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)


@pytest.mark.parametrize(
    ("lines", "left_out"),
    [
        ("", set[str]()),
        ("# data\n\n   \n", set[str]()),
        ("data/", {"data/a.bin", "data/deep/b.bin", "data/deep/keep.txt"}),
        ("data", {"data/a.bin", "data/deep/b.bin", "data/deep/keep.txt"}),
        ("data/*", {"data/a.bin", "data/deep/b.bin", "data/deep/keep.txt"}),
        ("*.bin", {"data/a.bin", "data/deep/b.bin"}),
        ("data/*.bin", {"data/a.bin", "data/deep/b.bin"}),  # an older file meant this, and `.gitignore` does not
        ("data/*.bin\n!nothing", {"data/a.bin"}),  # a line with `!` was never in an older one
        ("notes/", {"notes/a.txt", "pkg/notes/b.txt"}),
        ("/notes/", {"notes/a.txt"}),
        ("**/deep/*.txt", {"data/deep/keep.txt"}),
        ("data/*\n!data/deep/", {"data/a.bin"}),
        ("*.bin\n!a.bin", {"data/deep/b.bin"}),
        ("data/deep/\n!data/deep/keep.txt", {"data/deep/b.bin", "data/deep/keep.txt"}),  # as git: not from a folder
        ("data/deep/*\n!data/deep/keep.txt", {"data/deep/b.bin"}),
        ("weird name \\[1\\].txt", {"weird name [1].txt"}),
    ],
)
def test_a_line_means_what_it_means_to_git_and_in_older_files(tmp_path: Path, lines: str, left_out: set[str]) -> None:
    write(tmp_path, *TREE)
    assert packaged(tmp_path, swignore=lines) == set(TREE) - left_out
    assert packaged(tmp_path, excludes=tuple(lines.splitlines())) == set(TREE) - left_out


@pytest.mark.parametrize(
    ("lines", "excludes", "left_out"),
    [
        ("*.bin", (), {"data/a.bin", "data/deep/b.bin"}),
        ("/a.bin", (), {"data/a.bin"}),
        ("deep/*.bin\n!b.bin", (), set[str]()),
        ("deep/", (), {"data/deep/b.bin", "data/deep/keep.txt"}),
        ("!keep.txt", (), set[str]()),  # back from what the top leaves out
        ("# a comment", (), {"data/deep/keep.txt"}),
        ("!keep.txt", ("keep.txt",), {"data/deep/keep.txt"}),  # the command line wins over all
        ("notes/", (), {"data/deep/keep.txt"}),  # it speaks of its own folder
    ],
)
def test_a_folder_below_has_lines_of_its_own(
    tmp_path: Path, lines: str, excludes: tuple[str, ...], left_out: set[str]
) -> None:
    write(tmp_path, *TREE)
    (tmp_path / "data/.swignore").write_text(lines)
    top = "" if "deep" in lines or ".bin" in lines else "keep.txt"
    kept = packaged(tmp_path, swignore=top, excludes=excludes) - {"data/.swignore"}
    assert kept == set(TREE) - left_out


def test_a_file_below_that_cannot_be_read_is_named_unless_its_folder_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, *TREE)
    (tmp_path / "data/deep/.swignore").write_bytes(b"\xff")
    with pytest.raises(ModelSourceError, match=r"cannot read .*data/deep/\.swignore: it is not UTF-8"):
        packaged(tmp_path)
    assert packaged(tmp_path, excludes=("deep/",)) == set(TREE) - {"data/deep/b.bin", "data/deep/keep.txt"}


CACHES = (
    "__pycache__/a.cpython-311.pyc",
    "pkg/__pycache__/b.cpython-311.pyc",
    "a.pyc",
    "b.pyo",
    "c$py.class",
    ".git/config",
    ".idea/x",
    ".vscode/x",
    ".a.py.swp",
    "pkg/.DS_Store",
    ".ipynb_checkpoints/n.ipynb",
    ".mypy_cache/x",
    ".ruff_cache/x",
    ".pytest_cache/x",
    "env/pyvenv.cfg",
    "env/lib/python/x.py",
    "prefix/conda-meta/history",
    "prefix/bin/x",
)


def test_caches_and_environments_are_left_out_unless_all_is_added(tmp_path: Path) -> None:
    write(tmp_path, "evaluation.py", *CACHES)
    assert packaged(tmp_path) == {"evaluation.py"}
    assert packaged(tmp_path, add_all=True) == {"evaluation.py", *CACHES}
    assert packaged(tmp_path, swignore="*.py\n", add_all=True) == set(CACHES) - {"env/lib/python/x.py"}


def test_a_work_directory_that_is_an_environment_itself_is_packaged(tmp_path: Path) -> None:
    write(tmp_path, "pyvenv.cfg", "evaluation.py")
    assert packaged(tmp_path) == {"pyvenv.cfg", "evaluation.py"}


def test_rules_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    place = tmp_path / ".swignore"
    place.write_bytes(b"\xff\xfe")
    with pytest.raises(ModelSourceError, match=r"\.swignore.*UTF-8"):
        read_rules(tmp_path)
    place.unlink()
    for make in (os.mkdir, os.mkfifo):
        make(place)
        with pytest.raises(ModelSourceError, match=r"\.swignore.*no file"):
            read_rules(tmp_path)
        place.rmdir() if place.is_dir() else place.unlink()
