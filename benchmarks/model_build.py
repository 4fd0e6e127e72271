"""What packaging a model costs, against hashing its files and writing them.

    python benchmarks/model_build.py [megabytes] [files]

A model of so many megabytes in five files, and one of so many small files: built for the first time, again with one small file
changed, and again with every file read. The alternative, in the same run: BLAKE3 of each file while it is written to another, and fsync.
CPU seconds (user and system) of one process, the best of three; wall seconds say more about the disk. Quote the ratios.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3

from starwhale.models.ignore import read_rules
from starwhale.models.package import package
from starwhale.models.seen import Seen
from starwhale.storage.blobs.local import LocalBlobStore

ROUNDS = 3
SETTLE_S = 2.5
"""Files that are younger are read again: the clock of a file system could hide a change."""
SWCLI = [sys.executable, "-m", "starwhale.cli"]


@dataclass(frozen=True, slots=True)
class Cost:
    """What one piece of work took."""

    cpu_s: float
    """User and system."""
    wall_s: float
    """By the clock."""

    def __str__(self) -> str:
        return f"{self.cpu_s:6.2f} CPU s, {self.wall_s:6.2f} s"


def cost(work: Callable[[], object]) -> Cost:
    """Measure one call."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return Cost(time.process_time() - cpu, time.perf_counter() - wall)


def hash_and_write(workdir: Path, out: Path) -> None:
    """The alternative: nothing is known afterwards but the digests."""
    for number, path in enumerate(sorted(path for path in workdir.rglob("*") if path.is_file())):
        hasher = blake3()
        with path.open("rb") as source, (out / str(number)).open("wb") as target:
            while piece := source.read(1 << 20):
                hasher.update(piece)
                target.write(piece)
            target.flush()
            os.fsync(target.fileno())
        hasher.hexdigest()


def build(workdir: Path, root: Path, *, trusts: bool = True) -> None:
    """Package a folder."""
    seen = Seen.open(root / "seen", workdir, trusts=trusts)
    package(workdir, read_rules(workdir), LocalBlobStore(root / "blobs"), seen=seen)


def best(costs: list[Cost]) -> Cost:
    """The cheapest."""
    return min(costs, key=lambda each: each.cpu_s)


def compare(title: str, workdir: Path, rounds: int) -> None:
    """Measure one model and print it."""
    firsts: list[Cost] = []
    bare: list[Cost] = []
    time.sleep(SETTLE_S)
    with tempfile.TemporaryDirectory(dir=workdir.parent) as folder:
        for _ in range(rounds):
            root = Path(folder) / "root"
            shutil.rmtree(root, ignore_errors=True)
            root.mkdir()
            firsts.append(cost(lambda root=root: build(workdir, root)))
            out = Path(folder) / "out"
            out.mkdir()
            bare.append(cost(lambda out=out: hash_and_write(workdir, out)))
            shutil.rmtree(out)
        (workdir / "evaluation.py").write_text(f"x = {time.time_ns()}\n")
        root = Path(folder) / "root"
        again = cost(lambda: build(workdir, root))
        verified = cost(lambda: build(workdir, root, trusts=False))
    first, alternative = best(firsts), best(bare)
    print(title)
    print(f"  hash, write, fsync              {alternative}")
    print(f"  first build                     {first}   {first.cpu_s / alternative.cpu_s:.2f} times the CPU")
    print(f"  again, one small file changed   {again}   {again.cpu_s / alternative.cpu_s:.2f} times")
    print(f"  again, every file read          {verified}   {verified.cpu_s / alternative.cpu_s:.2f} times")
    print(f"  most memory so far: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MiB", flush=True)


def children_cpu_s(work: Callable[[], object]) -> float:
    """CPU seconds of the processes that a call starts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def command(workdir: Path) -> None:
    """Measure the command as users type it, and the same for a model of one file: what is left is the model's."""
    with tempfile.TemporaryDirectory(dir=workdir.parent) as folder:
        env = {**os.environ, "SW_LOCAL_STORAGE": f"{folder}/root", "SW_CLI_CONFIG": f"{folder}/config.yaml"}
        small = Path(folder) / "small"
        small.mkdir()
        source = "from starwhale import evaluation\n\n@evaluation.predict\ndef predict(row):\n    return row\n"

        def run(target: Path) -> None:
            (target / "evaluation.py").write_text(f"{source}# {time.time_ns()}\n")
            words = [*SWCLI, "model", "build", str(target), "-m", "evaluation", "-n", "m"]
            subprocess.run(words, env=env, check=True, stdout=subprocess.DEVNULL)

        run(small)
        run(workdir)
        alone = min(children_cpu_s(lambda: run(small)) for _ in range(ROUNDS))
        whole = min(children_cpu_s(lambda: run(workdir)) for _ in range(ROUNDS))
    print(
        f"swcli model build, again: {whole:.2f} CPU s; of a model of one file {alone:.2f}: {whole - alone:.2f} over it"
    )


def main() -> None:
    """Measure both models and the command."""
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    files = int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
    with tempfile.TemporaryDirectory() as folder:
        large = Path(folder).resolve() / "large"
        large.mkdir()
        for number in range(5):
            with (large / f"{number}.bin").open("wb") as out:
                for _ in range(megabytes // 5):
                    out.write(os.urandom(1 << 20))
        compare(f"{megabytes} MiB in 5 files", large, ROUNDS)
        command(large)
        shutil.rmtree(large)
        small = Path(folder).resolve() / "small"
        for number in range(files):
            place = small / f"{number // 500}"
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{number}.txt").write_text(f"file {number}\n")
        if files:
            compare(f"{files} small files", small, 1)


if __name__ == "__main__":
    main()
