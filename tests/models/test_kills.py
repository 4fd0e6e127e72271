"""SIGKILL at random instants of builds and copies: there is a whole version, or none."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from starwhale.instances import open_instance
from starwhale.models.unpack import remove_tree
from starwhale.settings import Settings, read_settings

HOUSE = Path(__file__).parents[2]
LONGEST_S = 0.4
"""Several builds, or many copies, fit into that."""


def kill_one(what: str, work: Path, env: dict[str, str], pause_s: float | None) -> int:
    """Start, let it work for a while, or until one version is done; kill it, and return how many versions it said were done."""
    command = [sys.executable, "-m", "tests.models.killed_build", what, str(work)]
    worker = subprocess.Popen(command, cwd=HOUSE, env=env, stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None
    assert worker.stdout.readline() == "ready\n"
    said = ""
    if pause_s is None:
        said = worker.stdout.readline()
    else:
        time.sleep(pause_s)  # not a wait for anything: the instant is what is tried
    worker.kill()
    said += worker.communicate()[0]
    return said.count("done\n")


def check(settings: Settings, out: Path, known: set[str]) -> int:
    """Extract every version that is not known yet, each byte verified, and return how many there are."""
    with open_instance(settings) as instance:
        found = [each for name in instance.models.list() for each in instance.models.history(name.uri)]
        for version in (each for each in found if each.version not in known):
            instance.models.extract(version.uri, out)
            texts = [path.read_text() for path in out.glob("*.txt")]
            assert len(texts) == 40
            assert len({text.split()[0] for text in texts}) == 1, "the files of one build, never of two"
            assert (out / "weights.bin").stat().st_size == 4 << 20
            remove_tree(out)
            known.add(version.version)
        return len(found)


@pytest.mark.needs_kills
@pytest.mark.parametrize("kills", [3, pytest.param(50, marks=pytest.mark.soak)])
@pytest.mark.parametrize("what", ["build", "copy"])
def test_a_killed_build_or_copy_leaves_whole_versions(
    tmp_path: Path, instance_root: dict[str, str], what: str, kills: int
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "evaluation.py").touch()
    for number in range(40):
        (work / f"{number}.txt").write_text(f"first {number}")
    (work / "weights.bin").write_bytes(random.Random(1).randbytes(4 << 20))
    settings = read_settings(instance_root)
    assert kill_one("build", work, instance_root, None) > 0
    known: set[str] = set()
    count = check(settings, tmp_path / "out", known)
    instants = random.Random(kills)
    for _ in range(kills):
        done = kill_one(what, work, instance_root, instants.uniform(0, LONGEST_S))
        now = check(settings, tmp_path / "out", known)
        assert count + done <= now <= count + done + 1, (
            "what was said to be done, and at most one that was not said any more"
        )
        count = now
    with open_instance(settings) as instance:
        instance.garbage.collect(instance.garbage.plan(min_age_s=0), min_age_s=0)
        assert instance.stores.blobs.drafts() == []
    assert check(settings, tmp_path / "out", set()) == count
