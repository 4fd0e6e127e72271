"""One flipped byte anywhere is reported with the file's name, or harmless; a killed writer harms nothing."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from starwhale.errors import CorruptedError
from starwhale.media import Image
from starwhale.storage.dataset_rows.dataset_store import LocalDatasetStore
from starwhale.storage.protocols import Key

FLIPS = 60


def build(root: Path) -> str:
    """Make a version with a run, layers, packs, every kind of column."""
    store = LocalDatasetStore(root)
    writer = store.begin("d", None)
    for key in range(300):
        image = Image(random.Random(key).randbytes(6000 if key % 50 == 0 else 100), display_name=str(key))
        writer.put(key, {"i": key, "f": key / 3, "t": f"text {key}", "image": image, "mixed": key if key % 2 else "x"})
    base = writer.commit().manifest_digest
    writer = store.begin("d", base)
    writer.put(7, {"t": "y" * 5000})
    writer.put(9, {"t": None, "i": 10})
    writer.delete(100)
    return writer.commit().manifest_digest


def read(root: Path, digest: str) -> dict[Key, list[Any]]:
    reader = LocalDatasetStore(root).open_version("d", digest)
    found: dict[Key, list[Any]] = {}
    for rows in reader.iter_batches():
        for place, key in enumerate(rows.keys):
            cells = [column[place] for column in rows.columns.values()]
            found[key] = [(cell.to_bytes(), cell.display_name) if isinstance(cell, Image) else cell for cell in cells]
    return found


def damaged_file(root: Path, digest: str, expected: dict[Key, list[Any]]) -> str | None:
    """Read everything; return the file that is named as damaged, or None where every value is right."""
    try:
        found = read(root, digest)
    except CorruptedError as error:
        return error.path if Path(error.path).name in str(error) else "a file that the message does not name"
    return None if found == expected else "wrong data without an error"


def all_files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file() and not path.name.startswith("."))


def places(files: list[Path], count: int) -> Iterator[tuple[Path, int]]:
    """Choose bytes over all files: some of each file, small ones too, and the first and last of each."""
    seed = random.Random(5)
    for path in files:
        yield path, 0
        yield path, path.stat().st_size - 1
    for _ in range(count):
        path = seed.choice(files)
        yield path, seed.randrange(path.stat().st_size)


@pytest.mark.parametrize("count", [FLIPS, pytest.param(3000, marks=pytest.mark.soak)])
def test_a_flipped_byte_is_reported_or_harmless(tmp_path: Path, count: int) -> None:
    root = tmp_path / "datasets"
    digest = build(root)
    expected = read(root, digest)
    files = all_files(root)
    caught = 0
    for path, offset in places(files, count):
        original = path.read_bytes()
        damaged = bytearray(original)
        damaged[offset] ^= 1 << (offset % 8)
        path.write_bytes(damaged)
        damaged_path = damaged_file(root, digest, expected)
        caught += damaged_path is not None
        assert damaged_path in (None, str(path))
        if damaged_path is None and path.suffix != ".json":  # the other manifest is the other version's
            damages = LocalDatasetStore(root).open_version("d", digest).verify()
            assert [damage.path for damage in damages] in ([], [str(path)])
        path.write_bytes(original)
    assert caught > count // 2
    assert read(root, digest) == expected


def test_verify_names_every_damaged_file_and_what_is_lost(tmp_path: Path) -> None:
    digest = build(tmp_path)
    reader = LocalDatasetStore(tmp_path).open_version("d", digest)
    assert reader.verify() == []
    pack = next(path for path in all_files(tmp_path) if path.suffix == ".pack" and path.stat().st_size > 6000)
    fragment = max(
        (path for path in all_files(tmp_path) if path.suffix == ".parquet"), key=lambda path: path.stat().st_size
    )
    for path in (pack, fragment):
        content = bytearray(path.read_bytes())
        content[100] ^= 1
        path.write_bytes(content)
    found = {damage.path: damage.lost for damage in reader.verify()}
    assert found == {str(pack): "one value of 6000 bytes", str(fragment): "300 rows with keys from 0 to 299"}


@pytest.mark.parametrize("kind", [".json", ".parquet", ".pack"])
def test_a_missing_or_short_file_is_reported(tmp_path: Path, kind: str) -> None:
    digest = build(tmp_path / "whole")
    expected = read(tmp_path / "whole", digest)
    for path in all_files(tmp_path / "whole"):
        if path.suffix != kind or (kind == ".json" and path.stem != digest):
            continue
        for size in (None, 0, path.stat().st_size // 2):
            copy = tmp_path / "copy"
            shutil.copytree(tmp_path / "whole", copy)
            target = copy / path.relative_to(tmp_path / "whole")
            target.unlink() if size is None else os.truncate(target, size)
            path_named = damaged_file(copy, digest, expected)
            if path_named is None:  # keys without a gap stand in the manifest: a file of nothing else is not needed
                damages = LocalDatasetStore(copy).open_version("d", digest).verify()
                path_named = damages[0].path
            assert path_named == str(target)
            shutil.rmtree(copy)


CHILD = """
import sys
from pathlib import Path
from starwhale.storage.dataset_rows.dataset_store import LocalDatasetStore
store = LocalDatasetStore(Path(sys.argv[1]))
base = None
for number in range(1000):
    writer = store.begin("d", base)
    for key in range(number * 50, number * 50 + 50):
        writer.put(key, {"a": key, "b": "x" * 5000 + str(key)})
    writer.put(number // 2, {"c": number})
    base = writer.commit().manifest_digest
    print(base, flush=True)
"""


@pytest.mark.parametrize("commits", [1, 2, 5, 9])
def test_a_killed_writer_leaves_every_committed_version_whole(tmp_path: Path, commits: int) -> None:
    with subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        digests = [child.stdout.readline().strip() for _ in range(commits)]
        child.send_signal(signal.SIGKILL)  # somewhere in the next build or commit
        digests += [line.strip() for line in child.stdout if len(line) == 65]
    store = LocalDatasetStore(tmp_path)
    for number, digest in enumerate(digests):
        reader = store.open_version("d", digest)
        assert reader.verify() == []
        assert reader.read(0, 10**6, ["a"]).columns["a"] == list(range(number * 50 + 50))
    writer = store.begin("d", digests[-1])  # and the next writer goes on
    writer.put(0, {"a": -1})
    assert store.open_version("d", writer.commit().manifest_digest).get(0) is not None
