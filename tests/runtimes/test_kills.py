"""SIGKILL at random instants of builds, restores and copies: never a half version, never an environment taken for whole."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from starwhale.instances import open_instance
from starwhale.runtimes.environment import drafts, find_damage, verify
from starwhale.settings import Settings, read_settings

if TYPE_CHECKING:
    from tests.conftest import Swcli

HOUSE = Path(__file__).parents[2]
LONGEST_S = {"build": 1.0, "restore": 2.0, "copy": 0.2}
"""Several of each fit into that."""
YAML = """
name: r
dependencies:
  - pip: ['tiny==1.0']
  - files: [{src: one.txt, dest: etc/one.txt}, {src: two.txt, dest: etc/two.txt}]
"""


def kill_one(what: str, folder: Path, env: dict[str, str], pause_s: float) -> int:
    """Start, let it work for a while, kill it with what it started, and return how many it said were done."""
    command = [sys.executable, "-m", "tests.runtimes.killed_runtimes", what, str(folder)]
    worker = subprocess.Popen(command, cwd=HOUSE, env=env, stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None
    assert worker.stdout.readline() == "ready\n"
    time.sleep(pause_s)  # not a wait for anything: the instant is what is tried
    worker.kill()
    return worker.communicate()[0].count("done\n")


def check_versions(settings: Settings, out: Path, known: set[str]) -> int:
    """Extract every version that is not known yet, each byte verified, and return how many there are."""
    with open_instance(settings) as instance:
        found = [each for name in instance.runtimes.list() for each in instance.runtimes.history(name.uri)]
        for version in (each for each in found if each.version not in known):
            instance.runtimes.extract(version.uri, out / version.version)
            texts = {path.read_text() for path in (out / version.version / "files").glob("*.txt")}
            assert len(texts) == 1, "the files of one build, never of two"
            known.add(version.version)
        return len(found)


def check_environments(settings: Settings) -> None:
    """Every environment that a use would take for whole is whole, every byte."""
    with open_instance(settings) as instance:
        places = [each for each in instance.runtimes.environments.glob("[!.]*") if each.is_dir()]
        for place in places:
            assert find_damage(place) or verify(place) == []


@pytest.mark.needs_kills
@pytest.mark.needs_venv
@pytest.mark.parametrize("kills", [3, pytest.param(50, marks=pytest.mark.soak)])
@pytest.mark.parametrize("what", ["build", "restore", "copy"])
def test_what_is_killed_leaves_whole_versions_and_environments(
    tmp_path: Path, placed: Swcli, call: Callable[..., str], what: str, kills: int
) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.txt").write_text("first")
    (tmp_path / "runtime.yaml").write_text(YAML)
    call("build", "--yaml", str(tmp_path / "runtime.yaml"))
    call("restore", "r")
    settings, env = read_settings(placed.env), dict(placed.env)
    known: set[str] = set()
    count = check_versions(settings, tmp_path / "out", known)
    instants = random.Random(kills)
    for _ in range(kills):
        done = kill_one(what, tmp_path, env, instants.uniform(0, LONGEST_S[what]))
        now = check_versions(settings, tmp_path / "out", known)
        made = 0 if what == "restore" else done
        assert count + made <= now <= count + made + (what != "restore"), (
            "what was said to be done, and at most one more"
        )
        count = now
        check_environments(settings)
    with open_instance(settings) as instance:
        environment = instance.runtimes.restore("r", lambda _: None)
        assert verify(environment.prefix) == []
        del environment
        instance.garbage.collect(instance.garbage.plan(min_age_s=0), min_age_s=0)
        assert instance.stores.blobs.drafts() == []
        assert drafts(instance.runtimes.environments) == []
    assert check_versions(settings, tmp_path / "again", set()) == count
    assert call("run", "r", "say-tiny").endswith("1.0\n")
