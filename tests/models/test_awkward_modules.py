"""Modules that do odd things when they are imported for a build: the user's line is named, and the build goes on or ends."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from starwhale.errors import StarwhaleError, UserCodeError, WorkerDiedError
from starwhale.instances import Instance, open_instance
from starwhale.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.needs_time
HANDLER = "\nfrom starwhale import evaluation\n\n@evaluation.predict\ndef predict(row):\n    return 1\n"


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    folder = tmp_path_factory.mktemp("instance")
    settings = Settings(config_path=folder / "config.yaml", root=None, default_root=folder / "root")
    with open_instance(settings) as opened:
        yield opened


@pytest.mark.parametrize(
    ("source", "line", "says"),
    [
        ("x = 1\nraise KeyboardInterrupt", 2, "raised KeyboardInterrupt"),
        ("raise BaseException('odd')", 1, "raised BaseException: odd"),
        ("def f(): f()\nf()", 1, "raised RecursionError"),
        ("x = 1\ny = '\0'", 2, "null byte"),
        ("import sys; sys.exit(0)", 1, "raised SystemExit: 0"),
    ],
    ids=["interrupt", "base", "recursion", "null", "exit"],
)
def test_what_is_raised_names_the_line(instance: Instance, tmp_path: Path, source: str, line: int, says: str) -> None:
    (tmp_path / "evaluation.py").write_text(source + HANDLER)
    with pytest.raises(UserCodeError, match=says) as caught:
        instance.models.build(tmp_path, modules=["evaluation"], name="m")
    assert caught.value.frame.startswith(f"{tmp_path / 'evaluation.py'}:{line}")


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("import ctypes; ctypes.string_at(0)", "SIGSEGV .*evaluation.py:1 .*; it wrote: Fatal Python error"),
        ("import os\nfor each in range(3, 200):\n    try: os.close(each)\n    except OSError: pass", "exit code 1"),
        ("import os; os._exit(0)", "exit code 0"),
    ],
    ids=["crash", "descriptors", "exit"],
)
def test_a_worker_that_dies_says_in_one_line_how(instance: Instance, tmp_path: Path, source: str, says: str) -> None:
    (tmp_path / "evaluation.py").write_text(source + HANDLER)
    with pytest.raises(WorkerDiedError) as caught:
        instance.models.build(tmp_path, modules=["evaluation"], name="m")
    told = f"{caught.value.message} {caught.value.hint}"
    assert "\n" not in told
    assert re.search(says, told)
    assert "Traceback" not in told


def test_a_child_that_is_forked_at_import_ends_with_it(instance: Instance, tmp_path: Path) -> None:
    note = tmp_path / "child"
    source = f"import os, pathlib\nif not os.fork():\n    pathlib.Path({str(note)!r}).write_text(str(os.getpid()))"
    (tmp_path / "evaluation.py").write_text(source + HANDLER)

    assert instance.models.build(tmp_path, modules=["evaluation"], name="m").name == "m"

    while Path(f"/proc/{note.read_text() or 'self'}").exists():  # it may take a moment; a test has a limit of its own
        pass


def test_a_loop_that_prints_does_not_fill_the_disk(instance: Instance, tmp_path: Path) -> None:
    size = tmp_path / "size"
    source = (
        "import os, pathlib\nfor _ in range(40):\n    print('x' * (1 << 20))\n"
        f"pathlib.Path({str(size)!r}).write_text(str(os.fstat(1).st_size))"
    )
    (tmp_path / "evaluation.py").write_text(source + HANDLER)
    assert instance.models.build(tmp_path, modules=["evaluation"], name="m", excludes=["size"]).name == "m"
    assert 1 << 20 < int(size.read_text()) < 20 << 20


@pytest.mark.parametrize("module", ["", ":predict", " "])
def test_a_module_without_a_name_is_refused(instance: Instance, tmp_path: Path, module: str) -> None:
    (tmp_path / "evaluation.py").write_text(HANDLER)
    with pytest.raises(StarwhaleError, match="name of a module is empty"):
        instance.models.build(tmp_path, modules=[module], name="m")
