"""What an evaluation takes beside a hand-written loop that does the same, wall time, in turns within one run.

    python benchmarks/beside_loops.py                      # all three, some minutes
    python benchmarks/beside_loops.py async digits --repeats 5
    python benchmarks/beside_loops.py images --devices cpu cuda --executors thread process

- `async`: 1,000 calls of an async function that take 1 s each, all in flight; the loop is `asyncio.gather` with a file of results.
- `digits`: scikit-learn's digits, ten times over, one call of a support vector classifier per image; the loop is a `for` that writes Parquet.
- `images`: PNG pictures that are decoded and go through a small CNN in batches of 64, with a task for each core; the loop is a PyTorch
  DataLoader, the best of as many worker processes as there are cores, and of half as many with the other cores for the CNN; on few cores also of none.

The clock starts when the model is loaded. `first` is when the first call of predict has returned, less the second that it takes in `async`;
`rows` when all outputs are kept, synced to disk on both sides; `done` when the summary is there; `whole` is the process from its start to its
end, imports and all; `CPU` is user and system time of that, with all its processes. Of several turns the least counts, each figure for
itself. On a machine that others use too the ratios of wall time tell little, and that of CPU is the one to look at.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from textwrap import dedent

FEW = 4
"""On so many cores a DataLoader without worker processes may be the quickest."""
STAMPS = """
    import json, os, time

    def stamp(name):
        with open(os.environ["STAMPS"], "a") as file:
            file.write(json.dumps([name, time.time()]) + "\\n")

    class First:
        is_over = False

        def __call__(self):
            if not self.is_over:
                self.is_over = True
                stamp("first")

    first = First()
"""
KEEP = """
    import pyarrow as pa, pyarrow.parquet as pq

    def keep(rows):
        with open("results.parquet", "wb") as file:
            pq.write_table(pa.Table.from_pylist(rows), file)
            file.flush()
            os.fsync(file.fileno())
"""
EVALUATE = """
    @evaluation.evaluate(needs=[predict])
    def evaluate(results):
        stamp("kept")  # it begins when the rows of predict are
        n = right = 0
        for row in results:
            n += 1
            right += row["output"] == row["input"]["label"]
        evaluation.log_summary(n=n, accuracy=right / n)
"""
ASYNC_WORK = """
    import asyncio

    async def answer(number):
        await asyncio.sleep(1)
        first()
        return number
"""
ASYNC_MODEL = """
    from starwhale import evaluation

    @evaluation.predict(concurrency=1000, log_mode="plain")
    async def predict(data):
        return await answer(data["label"])
"""
ASYNC_LOOP = """
    stamp("loaded")

    async def main():
        return await asyncio.gather(*(answer(number) for number in range(COUNT)))

    rows = [{"id": number, "output": output} for number, output in enumerate(asyncio.run(main()))]
    keep(rows)
    stamp("kept")
    print(sum(row["output"] == row["id"] for row in rows) / len(rows))
    stamp("done")
"""
DIGITS_WORK = """
    import numpy as np
    import pickle

    with open("svc.pickle", "rb") as file:
        classifier = pickle.load(file)

    def digit(pixels):
        found = int(classifier.predict(pixels[None, :])[0])
        first()
        return found
"""
DIGITS_MODEL = """
    from starwhale import evaluation

    @evaluation.predict(log_mode="plain")
    def predict(data):
        return digit(data["pixels"].to_numpy())
"""
DIGITS_LOOP = """
    source = np.load("digits.npz")
    stamp("loaded")
    rows = []
    for number, (pixels, label) in enumerate(zip(source["pixels"], source["labels"])):
        rows.append({"id": number, "label": int(label), "output": digit(pixels)})
    keep(rows)
    stamp("kept")
    print(sum(row["output"] == row["label"] for row in rows) / len(rows))
    stamp("done")
"""
DIGITS_BUILD = """
    import pickle
    import numpy as np
    from sklearn.datasets import load_digits
    from sklearn.svm import SVC
    from starwhale import dataset, NumpyBinary

    loaded = load_digits()
    with open("svc.pickle", "wb") as file:
        pickle.dump(SVC().fit(loaded.data[:900], loaded.target[:900]), file)
    pixels, labels = np.tile(loaded.data, (10, 1)), np.tile(loaded.target, 10)
    np.savez("digits.npz", pixels=pixels, labels=labels)
    with dataset("digits", create="empty") as made:
        made.extend(
            {"pixels": NumpyBinary(row.tobytes(), row.dtype, row.shape), "label": int(label)}
            for row, label in zip(pixels, labels)
        )
        made.commit()
"""
IMAGES_WORK = """
    import io
    import numpy as np
    import torch
    from PIL import Image as Pillow

    torch.manual_seed(0)
    torch.set_num_threads(int(os.environ["THREADS"]))
    device = torch.device(os.environ["DEVICE"])
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 16, 3, stride=2), torch.nn.ReLU(), torch.nn.Conv2d(16, 32, 3, stride=2), torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(4), torch.nn.Flatten(), torch.nn.Linear(512, 10),
    ).eval().to(device)
    if device.type == "cuda":  # its libraries are loaded with the model
        with torch.inference_mode():
            network(torch.zeros(64, 3, 128, 128, device=device)).argmax(1).tolist()

    def decode(content):
        return torch.from_numpy(np.array(Pillow.open(io.BytesIO(content)))).permute(2, 0, 1).float() / 255

    def classes(batch):
        with torch.inference_mode():
            found = network(batch.to(device)).argmax(1).tolist()
        first()
        return found
"""
IMAGES_MODEL = """
    from starwhale import evaluation

    @evaluation.predict(log_mode="plain", batch_size=64)
    def predict(rows):
        return classes(torch.stack([decode(row["image"].to_bytes()) for row in rows]))
"""
IMAGES_LOOP = """
    from pathlib import Path

    class Files(torch.utils.data.Dataset):
        def __init__(self):
            self.files = sorted(Path("pictures").glob("*.png"))

        def __len__(self):
            return len(self.files)

        def __getitem__(self, number):
            return decode(self.files[number].read_bytes()), number % 10

    stamp("loaded")
    loader = torch.utils.data.DataLoader(Files(), batch_size=64, num_workers=int(os.environ["WORKERS"]))
    rows = []
    for batch, labels in loader:
        rows += [{"output": output, "label": label} for output, label in zip(classes(batch), labels.tolist())]
    keep([{"id": number, **row} for number, row in enumerate(rows)])
    stamp("kept")
    print(sum(row["output"] == row["label"] for row in rows) / len(rows))
    stamp("done")
"""
IMAGES_BUILD = """
    import io
    from pathlib import Path
    import numpy as np
    from PIL import Image as Pillow
    from starwhale import dataset, Image

    chance = np.random.default_rng(0)
    Path("pictures").mkdir()
    with dataset("pictures", create="empty") as made:
        for number in range(PICTURES):
            coarse = chance.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            file = io.BytesIO()
            Pillow.fromarray(coarse).resize((128, 128)).save(file, "PNG")
            Path(f"pictures/{number:06}.png").write_bytes(file.getvalue())
            made.append((number, {"image": Image(file.getvalue()), "label": number % 10}))
        made.commit()
"""
NUMBERS_BUILD = """
    from starwhale import dataset

    with dataset("numbers", create="empty") as made:
        made.extend({"label": number} for number in range(COUNT))
        made.commit()
"""


RUN = """
    import sys
    from starwhale import Job

    if __name__ == "__main__":
        exec(open("stamps.py").read())
        dataset, replicas, executor = sys.argv[1:]
        job = Job.run("evaluate", model="model.py", datasets=dataset, replicas=int(replicas) or None, executor=executor)
        assert job.summary["n"] > 0
        stamp("done")
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One comparison."""

    dataset: str
    """Its dataset."""
    build: str
    """Makes the dataset, and what the loop reads."""
    work: str
    """What both do with a row."""
    model: str
    """The handler."""
    loop: str
    """The loop."""
    is_spread: bool = False
    """Whether it has a task for each core, and is tried on several executors and devices."""
    allowed: float
    """What the ratio of the rows is meant to be at most."""


SCENES = {
    "async": Scene(
        dataset="numbers", build=NUMBERS_BUILD, work=ASYNC_WORK, model=ASYNC_MODEL, loop=ASYNC_LOOP, allowed=1.3
    ),
    "digits": Scene(
        dataset="digits",
        build=DIGITS_BUILD,
        work=DIGITS_WORK,
        model=DIGITS_MODEL,
        loop=DIGITS_LOOP,
        allowed=1.05,
    ),
    "images": Scene(
        dataset="pictures",
        build=IMAGES_BUILD,
        work=IMAGES_WORK,
        model=IMAGES_MODEL,
        loop=IMAGES_LOOP,
        is_spread=True,
        allowed=1.0,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Took:
    """Seconds of one turn: wall from when the model was loaded, wall of the whole, and CPU of the whole."""

    first_s: float
    kept_s: float
    done_s: float
    whole_s: float
    cpu_s: float


def quickest(turns: Sequence[Took]) -> Took:
    """Return the least of each figure."""
    names = [each.name for each in fields(Took)]
    return Took(**{name: min(getattr(each, name) for each in turns) for name in names})


def main() -> None:
    """Build the rows, take turns, print a table."""
    given = parse()
    print(
        f"{'':>24} {'first s':>8} | {'rows s':>7} {'loop s':>7} {'ratio':>6} {'allowed':>8} | {'done':>6} {'whole':>6} {'CPU':>6}  (ratios)"
    )
    for name in given.scenes:
        if name == "images" and importlib.util.find_spec("torch") is None:
            print(f"{name:>24} needs torch")
            continue
        with tempfile.TemporaryDirectory() as text:
            env = build(SCENES[name], Path(text), {"COUNT": str(given.count), "PICTURES": str(given.pictures)})
            for device in given.devices if SCENES[name].is_spread else [""]:
                compare(name, device, Path(text), env, given)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("scenes", nargs="*", help=f"of {', '.join(SCENES)}; all of them by default")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--count", type=int, default=1000, help="calls of async")
    parser.add_argument("--pictures", type=int, default=6400)
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)), help="cores that images has")
    parser.add_argument("--devices", nargs="+", default=["cpu"], help="where images has its CNN, as cpu cuda")
    parser.add_argument("--executors", nargs="+", default=["thread"], help="what runs the tasks of images")
    given = parser.parse_args()
    given.scenes = given.scenes or list(SCENES)
    if unknown := set(given.scenes) - set(SCENES):
        parser.error(f"no such scene: {', '.join(sorted(unknown))}")
    return given


def build(scene: Scene, folder: Path, numbers: Mapping[str, str]) -> dict[str, str]:
    """Write the programs of a scene and build its dataset; returns the environment of all that runs there."""
    env = {**os.environ, "SW_CLI_CONFIG": f"{folder}/config.yaml", "SW_LOCAL_STORAGE": f"{folder}/storage"}
    common = dedent(STAMPS) + dedent(scene.work)
    write(folder / "model.py", common + dedent(scene.model) + 'stamp("loaded")\n' + dedent(EVALUATE), numbers)
    write(folder / "loop.py", common + dedent(KEEP) + dedent(scene.loop), numbers)
    write(folder / "build.py", dedent(scene.build), numbers)
    subprocess.run([sys.executable, "build.py"], env=env, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    write(folder / "stamps.py", dedent(STAMPS), {})
    write(folder / "run.py", dedent(RUN), {})
    return env


def compare(name: str, device: str, folder: Path, env: Mapping[str, str], given: argparse.Namespace) -> None:
    """Run one scene in turns and print a line for each executor."""
    scene, cores = SCENES[name], given.cores
    executors = given.executors if scene.is_spread else ["thread"]
    replicas = str(cores if scene.is_spread else 0)
    workers = ([0] if cores <= FEW else []) + [cores // 2, cores] if scene.is_spread else [0]
    ours: dict[str, list[Took]] = {executor: [] for executor in executors}
    loops: list[Took] = []
    for _ in range(given.repeats):
        for executor in executors:
            alone = {**env, "DEVICE": device, "THREADS": "1"}
            ours[executor].append(turn(["run.py", scene.dataset, replicas, executor], folder, alone))
        for count in workers:
            shared = {**env, "DEVICE": device, "WORKERS": str(count), "THREADS": str(max(cores - count, 1))}
            loops.append(turn(["loop.py"], folder, shared))
    it = quickest(loops)
    for executor in executors:
        us = quickest(ours[executor])
        label = f"{name} {device} {executor}" if scene.is_spread else name
        print(
            f"{label:>24} {us.first_s - (name == 'async'):>8.2f} | {us.kept_s:>7.2f} {it.kept_s:>7.2f} "
            f"{us.kept_s / it.kept_s:>6.2f} {scene.allowed:>8.2f} | {us.done_s / it.done_s:>6.2f} "
            f"{us.whole_s / it.whole_s:>6.2f} {us.cpu_s / it.cpu_s:>6.2f}",
            flush=True,
        )


def write(file: Path, text: str, numbers: Mapping[str, str]) -> None:
    """Write a program with its counts filled in."""
    for name, number in numbers.items():
        text = text.replace(name, number)
    file.write_text(text, encoding="utf-8")


def turn(command: list[str], folder: Path, env: Mapping[str, str]) -> Took:
    """Run one side in a process of its own."""
    stamps = folder / "stamps.txt"
    stamps.unlink(missing_ok=True)
    began, before = time.time(), cpu_of_children()
    done = subprocess.run(
        [sys.executable, *command],
        env={**env, "STAMPS": str(stamps)},
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
    )
    ended = time.time()
    if done.returncode:
        raise SystemExit(f"{command} failed: {done.stderr}")
    found: dict[str, float] = {}
    for line in stamps.read_text(encoding="utf-8").splitlines():
        name, at = json.loads(line)
        found.setdefault(name, at)
    loaded = found["loaded"]
    return Took(
        first_s=found["first"] - loaded,
        kept_s=found["kept"] - loaded,
        done_s=found["done"] - loaded,
        whole_s=ended - began,
        cpu_s=cpu_of_children() - before,
    )


def cpu_of_children() -> float:
    """Return the CPU seconds of all processes that this one, or one of them, has waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
