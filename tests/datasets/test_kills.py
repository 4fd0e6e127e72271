"""SIGKILL at random instants of build and commit: the last committed version reads whole, nothing uncommitted shows, the rest goes on."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from tests.datasets import killed_builder
from tests.datasets.killed_builder import change, open_at

from starwhale.datasets.dataset import Dataset
from starwhale.instances import Instance
from starwhale.media import Image
from starwhale.storage.dataset_rows.manifest import load_manifest
from starwhale.storage.dataset_rows.places import LocalPlaces

Rows = dict[int, dict[str, Any]]
KILLS_OF_ONE = 10
"""Kills that one dataset suffers; then another begins, for its first build has instants of its own."""


class Merging(dict[int, dict[str, Any]]):
    """Rows that keep their other columns when some are written."""

    def __setitem__(self, key: int, row: dict[str, Any]) -> None:
        super().__setitem__(key, {**self.get(key, {}), **row})


def expected(versions: int) -> list[Rows]:
    """What each version has to be."""
    rows, found = Merging(), list[Rows]()
    for version in range(versions):
        change(rows, version, wrap=bytes)
        found.append(dict(rows))
    return found


def content(dataset: Dataset) -> Rows:
    return {
        int(row.index): {
            name: value.to_bytes() if isinstance(value, Image) else value for name, value in row.features.items()
        }
        for row in dataset
    }


def kill_at_random(root: Path, name: str, chance: random.Random) -> list[str]:
    """Let a builder run until an instant in its second or third version; return what it said."""
    command = [sys.executable, "-m", killed_builder.__name__, str(root), name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as child:
        assert child.stdout is not None
        said = [child.stdout.readline().strip()]
        began = time.monotonic()
        while chance.random() < 0.7:
            said.append(child.stdout.readline().strip())
        pace_s = max((time.monotonic() - began) / len(said), 0.005)
        time.sleep(chance.uniform(0.0, pace_s))  # not a wait for anything: the instant is what is drawn
        child.send_signal(signal.SIGKILL)
        said += [line.strip() for line in child.stdout]
    assert child.returncode == -signal.SIGKILL
    return said


def named_files(instance: Instance, dataset: Dataset) -> set[str]:
    """The files that versions of a dataset need."""
    needed: set[str] = set()
    for each in instance.stores.catalog.versions.history(bundle_of(dataset)):
        manifest = load_manifest(LocalPlaces(folder_of(instance, dataset)), each.content_digest)
        needed.add(f"{each.content_digest}.json")
        needed |= {f"{part.file}.parquet" for part in manifest.fragments()}
        needed |= {Path(each.name).name for each in manifest.pack_lists}
        needed |= {f"{pack.name}.{ending}" for pack in manifest.packs for ending in ("pack", "idx")}
    return needed


def bundle_of(dataset: Dataset) -> str:
    version = dataset._opened.version
    assert version is not None
    return version.bundle_id


def folder_of(instance: Instance, dataset: Dataset) -> Path:
    return instance.stores.layout.datasets / bundle_of(dataset)


def check_versions(instance: Instance, name: str, said: Iterable[str]) -> int:
    """Read every version; what was said to be done is there, and at most the one that was being committed besides."""
    history = instance.datasets.open(name, Dataset).history()
    done = [int(line.split()[1]) for line in said if line.startswith("done")]
    begun = [int(line.split()[1]) for line in said if line.startswith("commit")]
    assert len(history) >= max(done, default=-1) + 1
    assert len(history) <= max(begun, default=-1) + 1 or not begun
    for number, rows in enumerate(expected(len(history))):
        assert content(instance.datasets.open(f"{name}/version/v{number}", Dataset, readonly=True)) == rows
    return len(history)


def sweep(instance: Instance, name: str) -> int:
    """Collect what killed writers left; exactly what versions need is there afterwards."""
    taken = instance.garbage.collect(instance.garbage.plan(min_age_s=-60), min_age_s=-60)
    dataset = instance.datasets.open(name, Dataset)
    if dataset.exists():
        files = {path.name for path in folder_of(instance, dataset).rglob("*") if path.is_file()}
        assert files - {".in-use"} == named_files(instance, dataset)
    return sum(each.file_count for each in taken.items)


def build_next(instance: Instance, name: str, versions: int) -> None:
    with instance.datasets.open(name, Dataset) as dataset:
        change(dataset, versions)
        dataset.commit()
    assert content(instance.datasets.open(name, Dataset)) == expected(versions + 1)[-1]


@pytest.mark.needs_kills
@pytest.mark.parametrize("kills", [8, pytest.param(100, marks=pytest.mark.soak)])
def test_a_kill_at_any_instant_leaves_every_version_whole(
    tmp_path: Path, kills: int, record_property: Callable[[str, object], None]
) -> None:
    chance = random.Random(kills)
    phases: Counter[str] = Counter()
    swept = 0
    for number in range(kills):
        name = f"ds{number // KILLS_OF_ONE}"
        said = kill_at_random(tmp_path, name, chance)
        phases[said[-1].split()[0]] += 1
        with open_at(tmp_path) as instance:
            versions = check_versions(instance, name, said)
            if number % 2:  # sometimes the next build finds the leftovers, sometimes not
                swept += sweep(instance, name)
            build_next(instance, name, versions)
    record_property("kills by what was said last, and leftovers swept", (dict(phases), swept))
    assert {"build", "commit"} <= set(phases)
    assert swept > 0
