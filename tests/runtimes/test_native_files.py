"""Files that a runtime brings along stay inside: they are gathered from plain files, and written through no link."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from starwhale.domain.runtime import NativeFile
from starwhale.errors import RestoreError, UsageError
from starwhale.runtimes.bundle import gather_yaml
from starwhale.runtimes.environment import put_native
from starwhale.runtimes.requirements import check_requirements
from starwhale.runtimes.runtime_yaml import parse_runtime_yaml

if TYPE_CHECKING:
    from pathlib import Path

YAML = "name: a\ndependencies:\n  - files: [{src: data, dest: etc/data}]\n"


def gather(root: Path) -> None:
    (root / "folder").mkdir()
    said = parse_runtime_yaml(YAML, "runtime.yaml")
    gather_yaml(said.spec, said.text, root, root / "folder")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (os.mkfifo, "a socket, a pipe or a device"),
        (lambda path: path.symlink_to("/etc"), "a link to a folder"),
        (lambda path: path.symlink_to("nowhere"), "to nothing"),
        (lambda path: path.symlink_to(path.name), "to nothing"),
    ],
    ids=["pipe", "folder", "nowhere", "circle"],
)
def test_what_a_runtime_cannot_hold_is_refused_by_name(tmp_path: Path, make: object, says: str) -> None:
    (tmp_path / "data" / "sub").mkdir(parents=True)
    assert callable(make)
    make(tmp_path / "data" / "sub" / "odd")
    with pytest.raises(UsageError, match=f"sub/odd is .*{says}"):
        gather(tmp_path)


def test_a_link_to_a_file_becomes_that_file(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "elsewhere").write_text("content")
    (tmp_path / "data" / "link").symlink_to("../elsewhere")
    gather(tmp_path)
    kept = tmp_path / "folder" / "files" / "data" / "link"
    assert (kept.is_symlink(), kept.read_text()) == (False, "content")


@pytest.mark.parametrize("dest", ["bin/python", "bin", "lib64/x", "bin/python/x"])
def test_nothing_is_written_through_a_link_of_the_environment(tmp_path: Path, dest: str) -> None:
    machine = tmp_path / "interpreter"
    machine.write_text("of the machine")
    draft = tmp_path / "draft"
    (draft / "bin").mkdir(parents=True)
    (draft / "bin" / "python").symlink_to(machine)
    (draft / "lib64").symlink_to(tmp_path)
    (tmp_path / "files" / "data").mkdir(parents=True)
    (tmp_path / "files" / "data" / "python").write_text("of an archive")

    with pytest.raises(RestoreError, match="where the environment has a link"):
        put_native(tmp_path / "files", NativeFile(src="data", dest=dest), draft)

    assert machine.read_text() == "of the machine"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["draft", "files", "interpreter"]


@pytest.mark.parametrize("line", ["-r other.txt", "--index-url https://host", "numpy\n-r other.txt"])
def test_an_entry_of_a_runtime_yaml_is_one_requirement(line: str) -> None:
    with pytest.raises(UsageError, match="an option, or more than one line"):
        check_requirements([line], "dependencies.pip")
