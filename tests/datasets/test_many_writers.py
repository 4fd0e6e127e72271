"""Eight processes that build and commit at once, and a real disk that is full: nothing is lost."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.datasets.killed_builder import change, open_at

from starwhale.datasets.dataset import Dataset
from starwhale.errors import NoSpaceError
from starwhale.media import Image

WRITERS = 8
COMMITS = 3
WRITER = """
import sys
from pathlib import Path
from starwhale.datasets.dataset import Dataset
from starwhale.errors import ConflictError
from starwhale.media import Image
from tests.datasets.killed_builder import open_at

number, root, name = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
shared = sys.argv[4] == "shared"
with open_at(root) as instance:
    opened = instance.datasets.open(name, Dataset)
    print("ready", flush=True)
    sys.stdin.readline()
    for turn in range(3):
        for k in range(5):
            key = (k if shared else number * 1000 + turn * 10 + k)
            opened[key] = {"writer": number, "image": Image(bytes([number, turn, k]) * 2000)}
        try:
            opened.commit()
            print("done", flush=True)
        except ConflictError as error:
            opened.abort()
            print("refused", error.message, flush=True)
        opened = instance.datasets.open(name, Dataset)
"""


def run_writers(root: Path, names: list[str], *, shared: bool) -> list[list[str]]:
    """Start eight writers, let them go at once, and return what each said after that."""
    command = [sys.executable, "-c", WRITER]
    writers = [
        subprocess.Popen(
            [*command, str(number), str(root), names[number], "shared" if shared else "own"],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(WRITERS)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    said = [writer.communicate(timeout=300)[0].splitlines() for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * WRITERS
    return said


def rows_of(root: Path, name: str) -> dict[int, tuple[int, bytes]]:
    with open_at(root) as instance:
        dataset = instance.datasets.open(name, Dataset)
        return {int(row.index): (row.features["writer"], row.features["image"].to_bytes()) for row in dataset}


def rows_by(number: int) -> dict[int, tuple[int, bytes]]:
    return {
        number * 1000 + turn * 10 + k: (number, bytes([number, turn, k]) * 2000)
        for turn in range(COMMITS)
        for k in range(5)
    }


@pytest.mark.needs_kills
@pytest.mark.parametrize("datasets", [1, WRITERS])
def test_eight_processes_that_commit_other_rows_at_once_lose_none(tmp_path: Path, datasets: int) -> None:
    names = [f"ds{number % datasets}" for number in range(WRITERS)]
    said = run_writers(tmp_path, names, shared=False)
    assert said == [["done"] * COMMITS] * WRITERS
    for name in set(names):
        expected = [rows_by(number) for number in range(WRITERS) if names[number] == name]
        assert rows_of(tmp_path, name) == {key: row for rows in expected for key, row in rows.items()}
    with open_at(tmp_path) as instance:
        assert len(instance.datasets.open(names[0], Dataset).history()) == COMMITS * WRITERS // datasets


@pytest.mark.needs_kills
def test_eight_processes_that_commit_the_same_rows_are_told_which(tmp_path: Path) -> None:
    said = run_writers(tmp_path, ["ds"] * WRITERS, shared=True)
    lines = [line for lines in said for line in lines]
    refused = [line for line in lines if line.startswith("refused")]
    assert len(lines) == WRITERS * COMMITS
    assert all("another writer changed 5 of the same rows of dataset 'ds': 0, 1, 2, 3, 4" in line for line in refused)
    rows = rows_of(tmp_path, "ds")
    assert len({writer for writer, _ in rows.values()}) == 1  # of one commit, never a mixture
    with open_at(tmp_path) as instance:
        assert len(instance.datasets.open("ds", Dataset).history()) == lines.count("done") > 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Generator[Path]:
    """A file system of its own with 3 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "none", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.needs_mount
def test_a_disk_that_is_really_full_leaves_the_last_version_whole(small_disk: Path) -> None:
    """The catalog too finds no space, at whatever it is about to write."""
    failed = 0
    for free_kb in range(0, 480, 16):
        root = small_disk / "root"
        with open_at(root) as instance, instance.datasets.open("ds", Dataset) as dataset:
            change(dataset, 0)
            dataset.commit()
            before = content(dataset)
        filler = small_disk / "filler"
        with suppress(OSError):
            filler.write_bytes(bytes(shutil.disk_usage(small_disk).free - free_kb * 1024))
        failed += is_refused(root)
        filler.unlink()
        with open_at(root) as instance:
            versions = len(instance.datasets.open("ds", Dataset).history())
            assert content(instance.datasets.open("ds/version/v0", Dataset)) == before
            with instance.datasets.open("ds", Dataset) as dataset:
                change(dataset, versions)
                dataset.commit()
            assert len(instance.datasets.open("ds", Dataset)) == 29 * (versions + 1)
        shutil.rmtree(root)
    assert 2 < failed < 30


def is_refused(root: Path) -> bool:
    try:
        with open_at(root) as instance, instance.datasets.open("ds", Dataset) as dataset:
            change(dataset, 1)
            dataset.commit()
    except NoSpaceError as error:
        return "space" in str(error)
    return False


def content(dataset: Dataset) -> list[tuple[object, dict[str, object]]]:
    return [
        (
            row.index,
            {name: value.to_bytes() if isinstance(value, Image) else value for name, value in row.features.items()},
        )
        for row in dataset
    ]
