"""What restoring a runtime costs, against `python -m venv` with `pip install` of the same wheels.

    python benchmarks/runtime_restore.py [package ...]

NumPy and scikit-learn by default. Fetched once from the package index; everything that is measured afterwards works without a network: an
environment made anew with all packages in the cache (warm), a second environment with the same packages and one more (its new disk),
and a use of an environment that is there. The alternatives, in the same run: `python -m venv` and `pip install --no-index` from a folder of
the same wheels, and `uv venv` with `uv pip install --offline` from uv's own cache, where uv is there. CPU seconds (user and system) of all
processes, and wall seconds, the best of three. Quote the ratios.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROUNDS = 3
MB = 1 << 20
SWCLI = [sys.executable, "-m", "starwhale.cli"]


@dataclass(frozen=True, slots=True)
class Cost:
    """What one piece of work took."""

    cpu_s: float
    """User and system, of all processes."""
    wall_s: float
    """By the clock."""

    def __str__(self) -> str:
        return f"{self.cpu_s:6.2f} CPU s, {self.wall_s:6.2f} s"


def cost(work: Callable[[], object]) -> Cost:
    """Measure what processes that are started meanwhile take."""
    before, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return Cost(cpu, time.perf_counter() - wall)


def best(work: Callable[[], object], prepare: Callable[[], object] = lambda: None) -> Cost:
    """Return the quickest of some rounds, each prepared anew."""
    found: list[Cost] = []
    for _ in range(ROUNDS):
        prepare()
        found.append(cost(work))
    return min(found, key=lambda each: each.wall_s)


def run(words: Sequence[str], env: dict[str, str]) -> str:
    """Run a command to its end."""
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)} failed:\n{done.stderr}")
    return done.stdout


def disk_bytes(folder: Path, *, seen: set[tuple[int, int]] | None = None) -> int:
    """Return what the files below a folder take on the disk; files that were seen before take nothing."""
    known = set[tuple[int, int]]() if seen is None else seen
    total = 0
    for path in folder.rglob("*"):
        stat = path.lstat()
        if path.is_symlink() or not path.is_file() or (stat.st_dev, stat.st_ino) in known:
            continue
        known.add((stat.st_dev, stat.st_ino))
        total += stat.st_blocks * 512
    return total


def measure(packages: Sequence[str], folder: Path, env: dict[str, str], installer: str) -> tuple[Cost, Cost, int]:
    """Return the costs of a warm restore and of a use, and the new disk of a second environment."""
    root = folder / f"root-{installer}"
    env = {**env, "SW_LOCAL_STORAGE": str(root), "SW_RUNTIME_INSTALLER": installer}
    for name, wanted in (("one", packages), ("two", [*packages, "six"])):
        (folder / f"{name}.yaml").write_text(f"name: {name}\ndependencies: [{{pip: [{', '.join(wanted)}]}}]\n")
        run([*SWCLI, "runtime", "build", "--yaml", str(folder / f"{name}.yaml")], env)
    run([*SWCLI, "runtime", "restore", "one"], env)
    warm = best(lambda: run([*SWCLI, "runtime", "restore", "one", "--force"], env))
    use = best(lambda: run([*SWCLI, "runtime", "restore", "one"], env))
    seen: set[tuple[int, int]] = set()
    disk_bytes(root, seen=seen)
    run([*SWCLI, "runtime", "restore", "two"], env)
    return warm, use, disk_bytes(root / "runtimes" / "environments", seen=seen)


def with_pip(packages: Sequence[str], folder: Path, env: dict[str, str]) -> Cost:
    """Return the cost of a venv with pip from a folder of wheels."""
    wheels, made = folder / "wheels", folder / "by-pip"
    run([sys.executable, "-m", "venv", str(folder / "tool")], env)
    tool = str(folder / "tool" / "bin" / "python")
    run([tool, "-m", "pip", "download", "-q", "--dest", str(wheels), *packages], env)

    def make() -> None:
        run([sys.executable, "-m", "venv", str(made)], env)
        words = [str(made / "bin" / "python"), "-m", "pip", "install", "-q", "--no-index", "--find-links", str(wheels)]
        run([*words, *packages], env)

    return best(make, lambda: shutil.rmtree(made, ignore_errors=True))


def with_uv(packages: Sequence[str], folder: Path, env: dict[str, str]) -> Cost:
    """Return the cost of an environment of uv from its own cache."""
    made, env = folder / "by-uv", {**env, "UV_CACHE_DIR": str(folder / "uv-cache")}

    def make(*more: str) -> None:
        run(["uv", "venv", "-q", "--python", sys.executable, str(made)], env)
        run(["uv", "pip", "install", "-q", "--python", str(made / "bin" / "python"), *more, *packages], env)

    make()
    return best(lambda: make("--offline"), lambda: shutil.rmtree(made, ignore_errors=True))


def main(packages: Sequence[str]) -> None:
    """Print the figures."""
    left_out = ("PYTHONPATH", "VIRTUAL_ENV")
    env = {name: value for name, value in os.environ.items() if not name.startswith("SW_") and name not in left_out}
    with tempfile.TemporaryDirectory(prefix="starwhale-bench-") as name:
        folder = Path(name)
        env["SW_CLI_CONFIG"] = str(folder / "config.yaml")
        start = best(lambda: run([*SWCLI, "--version"], env))
        plain = with_pip(packages, folder, env)
        print(f"{' and '.join(packages)}, Python {sys.version.split()[0]}")
        print(f"  swcli --version              {start}")
        print(f"  venv and pip, local wheels   {plain}")
        quick = with_uv(packages, folder, env) if shutil.which("uv") else None
        if quick is not None:
            print(f"  uv, its own cache            {quick}")
        for installer in ("uv", "pip") if quick is not None else ("pip",):
            warm, use, disk = measure(packages, folder, env, installer)
            other = quick if installer == "uv" and quick is not None else plain
            print(
                f"  restore with {installer:<4} warm       {warm}  ({warm.wall_s / plain.wall_s:.2f} of venv and pip; limit 3 s)"
            )
            print(
                f"                               {'':17}  {warm.cpu_s / other.cpu_s:.2f} of the CPU of {'uv' if other is quick else 'venv and pip'}"
            )
            print(f"  an environment that is there {use}")
            print(f"  new disk of a second one     {disk / MB:6.2f} MB  (limit 5 MB)")


if __name__ == "__main__":
    main(sys.argv[1:] or ["numpy", "scikit-learn"])
