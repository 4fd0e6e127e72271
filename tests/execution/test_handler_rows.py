"""A Python handler of a dataset runs in a process of its own, whatever it does there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from starwhale.errors import StarwhaleError, WorkerDiedError
from starwhale.execution.handler_rows.rows_elsewhere import HandlerPlace, read_elsewhere
from starwhale.media import Image, Link

if TYPE_CHECKING:
    from tests.conftest import Swcli

HANDLER = """
import ctypes, multiprocessing, os, signal, sys
from starwhale import Image, Link

class Rows:
    def __iter__(self):
        for number in range(3):
            yield {"i": number}

here = [{"process": os.getpid()}]

def prints():
    print("by print", flush=False)
    sys.stdout.flush()
    os.write(1, b"by the descriptor\\n")
    yield "a", {"image": Image(b"pixels"), "link": Image(link=Link("s3://b/k")), "folder": os.getcwd()}
    os.chdir("/")
    yield "b", {"large": b"x" * (20 << 20), "folder": os.getcwd()}

def goes_on_after_fork():
    os.fork()
    for number in range(4):
        yield {"i": number}

def square(number):
    return number * number

def spawns():
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        for number in pool.map(square, range(3)):
            yield {"i": number}

def closes():
    sys.stdout.close()
    yield {"i": 0}

def raises():
    yield {"x": 1}
    raise ValueError("my own")

def interrupts():
    yield {"x": 1}
    raise KeyboardInterrupt

def asks():
    yield {"x": input()}

def stops():
    yield {"x": 1}
    breakpoint()
    yield {"x": 2}

def exits():
    yield {"x": 1}
    os._exit(0)

def is_killed():
    yield {"x": 1}
    os.kill(os.getpid(), signal.SIGKILL)

def crashes():
    yield {"x": 1}
    ctypes.string_at(0)
"""


def read(folder: Path, name: str) -> list[tuple[int | str, dict[str, object]]]:
    (folder / "made.py").write_text(HANDLER)
    return list(read_elsewhere(HandlerPlace(handler=f"made:{name}", workdir=str(folder))))


def line_of(says: str) -> int:
    """Return the line of the handler that does what the function named last in the words does."""
    lines = str(HANDLER).splitlines()
    begin = lines.index(f"def {says.rsplit(maxsplit=1)[-1]}():") if "{place}" in says else 0
    words = ("raise ", "input()", "string_at")
    return next(number for number, line in enumerate(lines[begin:], begin + 1) if any(word in line for word in words))


def test_values_and_the_working_directory_are_those_of_another_process(tmp_path: Path) -> None:
    (_, a), (_, b) = read(tmp_path, "prints")
    assert a == {"image": Image(b"pixels"), "link": Image(link=Link("s3://b/k")), "folder": str(Path.cwd())}
    assert b == {"large": b"x" * (20 << 20), "folder": "/"}
    ((_, row),) = read(tmp_path, "here")
    assert row["process"] != os.getpid()


@pytest.mark.needs_time
@pytest.mark.parametrize(
    ("name", "numbers"),
    [("Rows", [0, 1, 2]), ("goes_on_after_fork", [0, 1, 2, 3]), ("spawns", [0, 1, 4]), ("closes", [0])],
)
def test_whatever_makes_rows_gives_each_once(tmp_path: Path, name: str, numbers: list[int]) -> None:
    assert read(tmp_path, name) == [(key, {"i": number}) for key, number in enumerate(numbers)]


@pytest.mark.needs_time
@pytest.mark.parametrize(
    ("name", "says", "hint"),
    [
        ("raises", "handler 'made:raises' raised ValueError: my own at {place} in raises", ""),
        ("interrupts", "handler 'made:interrupts' raised KeyboardInterrupt at {place} in interrupts", ""),
        ("asks", "EOFError: EOF when reading a line at {place} in asks", "python -ic 'from made import asks'"),
        ("stops", "raised BdbQuit", "python -ic 'from made import stops'"),
        ("exits", "the process in which handler 'made:exits' ran ended with exit code 0", "as os._exit() does"),
        ("is_killed", "ran was killed by SIGKILL", "the memory of the machine may not suffice"),
        ("crashes", "ran was killed by SIGSEGV at {place} in crashes", "native code has failed"),
    ],
)
def test_how_a_handler_fails_is_said_with_its_line(tmp_path: Path, name: str, says: str, hint: str) -> None:
    with pytest.raises(StarwhaleError) as raised:
        read(tmp_path, name)
    place = f"{tmp_path / 'made.py'}:{line_of(says)}"
    assert says.format(place=place) in raised.value.message
    assert hint in raised.value.hint


def test_a_handler_that_ends_its_process_leaves_no_version_and_the_program_whole(tmp_path: Path, swcli: Swcli) -> None:
    (tmp_path / "made.py").write_text(HANDLER)
    done = swcli("-o", "json", "dataset", "build", "--handler", "made:exits", "-n", "d")
    assert (done.returncode, '"worker_died"' in done.stdout) == (1, True)
    done = swcli("-o", "json", "dataset", "build", "--handler", "made:prints", "-n", "d")
    assert (done.returncode, done.stdout[0], "by print\nby the descriptor\n" in done.stderr) == (0, "{", True)


def test_a_process_that_died_is_an_error_of_its_own_kind(tmp_path: Path) -> None:
    with pytest.raises(WorkerDiedError):
        read(tmp_path, "is_killed")
