"""What building and reading datasets costs, beside Hugging Face `datasets` and bare pyarrow in the same run.

    python benchmarks/dataset_speed.py                     # full counts, about three minutes
    python benchmarks/dataset_speed.py --scale 0.1 --repeats 1

Each figure is the lowest of several processes, in CPU seconds (user and system) unless it says wall. There are three views of it:

- `after imports` is what the operation takes in a process that has done the same on ten rows before;
- `less import` is a process that does nothing else, without what `import starwhale` or `import datasets` alone takes. That is nearly all
  of Hugging Face's modules, and none of what reads and writes rows here, which is imported when it is needed;
- `process` is that whole process.

Hugging Face stores bytes as they are, where the dataset makes an Image or a Binary of each; it verifies no checksum when it reads, and
syncs nothing to disk when it writes.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import importlib.util
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

COUNTS = {"scalars": 100_000, "images": 20_000, "blobs": 2_000}
LABELLED = 100_000
"""Images whose labels are read."""
CHANGED = 1_000_000
"""Rows of the dataset of which ten are changed."""
_POOL = random.Random(0).randbytes(4 << 20)


def piece(number: int, step: int, size: int) -> bytes:
    """Return bytes that do not compress and differ from row to row."""
    start = number * step % (len(_POOL) - size)
    return _POOL[start : start + size - 4] + number.to_bytes(4, "big")


def rows(shape: str, count: int) -> Iterator[dict[str, Any]]:
    """Make rows: a number, a float and a short text; 28 × 28 pixels and a label; or 100 KiB and a name."""
    for i in range(count):
        if shape == "scalars":
            yield {"i": i, "f": i * 0.5, "t": f"text {i}"}
        elif shape == "images":
            yield {"img": piece(i, 7919, 784), "label": i % 10}
        else:
            yield {"blob": piece(i, 104_729, 102_400), "name": f"f{i}"}


def touch(row: Any) -> int:  # Any: features by name
    """Use every value; media are read to their bytes."""
    return sum(
        len(value.to_bytes()) if hasattr(value, "to_bytes") and not isinstance(value, int) else 1
        for value in row.values()
    )


class Ours:
    """The dataset of this program."""

    def build(self, name: str, shape: str, count: int) -> None:
        from starwhale import Binary, GrayscaleImage, dataset

        with dataset(name, create="empty") as opened:
            for row in rows(shape, count):
                if shape == "images":
                    row["img"] = GrayscaleImage(row["img"], shape=(28, 28, 1))
                elif shape == "blobs":
                    row["blob"] = Binary(row["blob"])
                opened.append(row)
            opened.commit()

    def read(self, name: str) -> None:
        for row in self.open(name):
            touch(row.features)

    def open(self, name: str) -> Any:  # Any: the opened dataset
        from starwhale import dataset

        return dataset(name, readonly=True)

    def one(self, opened: Any, key: int) -> None:
        touch(opened[key].features)

    def many(self, opened: Any, keys: list[int]) -> None:
        for row in opened[keys]:
            touch(row.features)


class HuggingFace:
    """Its `Dataset`, built by a generator and saved to disk."""

    def build(self, name: str, shape: str, count: int) -> None:
        import datasets

        datasets.disable_progress_bars()
        given = {"shape": shape, "count": count}
        datasets.Dataset.from_generator(rows, gen_kwargs=given, cache_dir=f"cache-{name}").save_to_disk(name)

    def read(self, name: str) -> None:
        for row in self.open(name):
            touch(row)

    def open(self, name: str) -> Any:
        import datasets

        return datasets.load_from_disk(name)

    def one(self, opened: Any, key: int) -> None:
        touch(opened[key])

    def many(self, opened: Any, keys: list[int]) -> None:
        found = opened[keys]
        for values in zip(*found.values(), strict=True):
            touch(dict(zip(found, values, strict=True)))


def cpu_of(work: Callable[[], object]) -> float:
    """Return the CPU seconds of a call."""
    began = time.process_time()
    work()
    return time.process_time() - began


def median_wall_ms(work: Callable[[], object], times: int) -> float:
    """Return the median wall time of a call, in milliseconds."""
    taken: list[float] = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return sorted(taken)[times // 2] * 1000


# ------------------------------------------------------------------------------------------- what runs in a process of its own


def do_build(tool: Any, shape: str, count: int) -> dict[str, float]:
    """Build ten rows, then all of them."""
    tool.build(f"few-{shape}", shape, 10)
    return {"work": cpu_of(lambda: tool.build(f"warm-{shape}", shape, count))}


def do_build_only(tool: Any, shape: str, count: int) -> dict[str, float]:
    """Build all rows."""
    tool.build(shape, shape, count)
    return {}


def do_read(tool: Any, shape: str, count: int) -> dict[str, float]:
    """Read ten rows, then all of them in order."""
    del count
    tool.read(f"few-{shape}")
    return {"work": cpu_of(lambda: tool.read(shape))}


def do_read_only(tool: Any, shape: str, count: int) -> dict[str, float]:
    """Read all rows in order."""
    del count
    tool.read(shape)
    return {}


def do_import(tool: Any, _shape: str, _count: int) -> dict[str, float]:
    """Import the package alone."""
    importlib.import_module("starwhale" if isinstance(tool, Ours) else "datasets")
    return {}


def do_random(tool: Any, shape: str, count: int) -> dict[str, float]:
    """Read one row, and 64 rows in one call, again and again."""
    return do_random_of(tool, shape, count)


def do_random_of(tool: Any, name: str, count: int) -> dict[str, float]:
    """The same of a dataset by its name."""
    opened, choice = tool.open(name), random.Random(1)
    one = median_wall_ms(lambda: tool.one(opened, choice.randrange(count)), 1000)
    return {"one": one, "many": median_wall_ms(lambda: tool.many(opened, choice.sample(range(count), 64)), 50)}


def do_build_labels(tool: Any, _shape: str, count: int) -> dict[str, float]:
    """Build many images with labels, and Parquet files of the same, without and with checksums of pages."""
    import pyarrow as pa
    from pyarrow import parquet as pq

    tool.build("labelled", "images", count)
    table = {
        "img": [row["img"] for row in rows("images", count)],
        "label": [row["label"] for row in rows("images", count)],
    }
    pq.write_table(pa.table(table), "labelled.parquet")
    pq.write_table(pa.table(table), "verified.parquet", write_page_checksum=True)
    return {}


def do_labels(tool: Any, _shape: str, count: int) -> dict[str, float]:
    """Read one column of many images, and the same column of one Parquet file, each opened anew, after everything is imported.

    `by name` starts from the name: whether settings and the catalog are still what they were is looked at, the tails of fragments are read and
    verified, and the column with them; what the process has verified of catalog and manifest before is remembered. `opened` reads the first column of a dataset just opened. Parquet starts from the path of one file that pyarrow
    wrote as it does by default, and verifies nothing, or (`verified`) the checksums of its pages, with which it was written then. All of
    it lies in the page cache. What is compared is the lowest of 60 in one process, which has built nothing: all ways in turn, with a look for garbage
    before each, which lets go of what the one before had in memory.
    """
    from pyarrow import parquet as pq

    def bare_labels() -> Any:  # Any: pyarrow has no types
        return pq.read_table("labelled.parquet", columns=["label"])["label"]

    def verified_labels() -> Any:  # Any: pyarrow has no types
        return pq.read_table("verified.parquet", columns=["label"], page_checksum_verification=True)["label"]

    def column(opened: Any) -> Any:
        return opened.column("label")

    def arrow(opened: Any) -> Any:
        return opened.to_arrow(columns=["label"], drop_index=True)

    def opening() -> Any:
        return tool.open("labelled")

    ways: dict[str, tuple[Callable[[], Any] | None, Callable[..., object]]] = {
        "list, by name": (None, lambda: column(opening())),
        "list, opened": (opening, column),
        "list, pyarrow": (None, lambda: bare_labels().to_pylist()),
        "list, verified": (None, lambda: verified_labels().to_pylist()),
        "Arrow, by name": (None, lambda: arrow(opening())),
        "Arrow, opened": (opening, arrow),
        "Arrow, pyarrow": (None, bare_labels),
        "Arrow, verified": (None, verified_labels),
    }
    found = dict.fromkeys(ways, float("inf"))
    for _ in range(60):
        for name, (before, work) in ways.items():
            gc.collect()
            given = () if before is None else (before(),)
            found[name] = min(found[name], cpu_of(lambda work=work, given=given: work(*given)))
            del given  # what is open is shared, with what it has in memory
    return {**found, **do_random_of(tool, "labelled", count)}


def do_change(_tool: Any, _shape: str, count: int) -> dict[str, float]:
    """Change ten rows of many."""
    from starwhale import dataset

    with dataset("million", create="empty") as opened:
        opened.extend([{"i": i, "f": i * 0.5, "t": f"text {i}"} for i in range(count)])
        opened.commit()
    before = _stored_bytes()

    def change() -> None:
        with dataset("million") as opened:
            for key in random.Random(2).sample(range(count), 10):
                opened[key] = {"f": -1.0}
            opened.commit()

    return {"work": cpu_of(change), "bytes": _stored_bytes() - before}


def _stored_bytes() -> int:
    root = Path(os.environ["SW_LOCAL_STORAGE"]) / "datasets"
    return sum(path.stat().st_size for path in root.rglob("*") if path.is_file())


# ----------------------------------------------------------------------------------------------------------- all of it together


def run(place: Path, tool: str, what: str, shape: str, count: int) -> dict[str, float]:
    """Do one thing in a new process; its own figures, with the CPU and the peak memory of the process."""
    home = place / tool
    home.mkdir(exist_ok=True)
    env = {
        **os.environ,
        "SW_LOCAL_STORAGE": str(home / "storage"),
        "SW_CLI_CONFIG": str(home / "config.yaml"),
        "HF_HOME": str(home / "hf"),
        "HF_HUB_OFFLINE": "1",
        "PYTHONPYCACHEPREFIX": str(
            place / "compiled"
        ),  # as after an installation: nothing is compiled again for each process
    }
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, str(Path(__file__).resolve()), "--inside", tool, what, shape, str(count)]
    done = subprocess.run(command, cwd=home, env=env, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def inside(tool: str, what: str, shape: str, count: int) -> None:
    """Do what `run` asks for, and print it."""
    found = globals()[f"do_{what}"]({"ours": Ours, "hf": HuggingFace}[tool](), shape, count)
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({**found, "process": used.ru_utime + used.ru_stime, "mib": used.ru_maxrss / 1024}))


def lowest(place: Path, tool: str, what: str, shape: str, count: int, repeats: int) -> dict[str, float]:
    """Repeat in new processes, each time on new data, and keep the lowest of each figure of all three views."""
    found: list[dict[str, float]] = []
    for _ in range(repeats):
        if what == "build":
            shutil.rmtree(place / tool, ignore_errors=True)
        alone = run(place, tool, f"{what}_only", shape, count)
        found.append({**run(place, tool, what, shape, count), "process": alone["process"], "mib": alone["mib"]})
    made = {name: min(each[name] for each in found) for name in found[0]}
    bare = min(run(place, tool, "import", shape, 0)["process"] for _ in range(3))
    return {**made, "less": max(made["process"] - bare, 0.001)}


VIEWS = (("after imports", "work", 3), ("less import", "less", 3), ("process", "process", 2), ("peak MiB", "mib", 0))
"""Columns: what it is called, its figure, and digits."""


def compare(place: Path, tools: list[str], scale: float, repeats: int) -> None:
    """Print build, read and random rows of each shape."""
    print(f"{'':22}" + "".join(f"{title:>23}" for title, _, _ in VIEWS))
    for shape, full in COUNTS.items():
        count = max(200, int(full * scale))
        for what in ("build", "read"):
            got = {tool: lowest(place, tool, what, shape, count, repeats) for tool in tools}
            cells = "".join(f"{_beside(got, name, digits):>23}" for _, name, digits in VIEWS)
            print(f"{f'{what} {count:,} {shape}':22}{cells}", flush=True)
        got = {tool: run(place, tool, "random", shape, count) for tool in tools}
        one, many = _beside(got, "one", 3), _beside(got, "many", 2)
        print(f"{f'  rows of {shape}':22}{f'one {one} wall ms':>46}{f'64 {many} wall ms':>46}", flush=True)


def _beside(got: dict[str, dict[str, float]], name: str, digits: int) -> str:
    ours = got["ours"][name]
    if "hf" not in got:
        return f"{ours:.{digits}f}"
    theirs = got["hf"][name]
    return f"{ours:.{digits}f} / {theirs:.{digits}f} ({ours / max(theirs, 1e-9):.2f}x)"


def main() -> None:
    """Read the options and print everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full counts")
    parser.add_argument("--repeats", type=int, default=3, help="processes per figure")
    parser.add_argument("--inside", nargs=4, metavar=("TOOL", "WHAT", "SHAPE", "COUNT"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.inside:
        tool, what, shape, count = args.inside
        inside(tool, what, shape, int(count))
        return
    tools = ["ours", "hf"] if importlib.util.find_spec("datasets") else ["ours"]
    if "hf" not in tools:
        print("Hugging Face datasets is not installed here (pip install datasets): figures without a ratio")
    with tempfile.TemporaryDirectory(prefix="dataset-speed-") as temporary:
        place = Path(temporary)
        print("ours / Hugging Face datasets (ratio); CPU seconds" if "hf" in tools else "CPU seconds")
        compare(place, tools, args.scale, args.repeats)
        count = max(1000, int(LABELLED * args.scale))
        run(place, "ours", "build_labels", "", count)
        found = run(place, "ours", "labels", "", count)
        for what in ("list", "Arrow"):
            bare = found[f"{what}, pyarrow"]
            shown = ", ".join(
                f"{how} {found[f'{what}, {how}'] * 1000:.1f} ms ({found[f'{what}, {how}'] / bare:.2f}x)"
                for how in ("by name", "opened")
            )
            verified = found[f"{what}, verified"] * 1000
            print(
                f"labels of {count:,} images as {what}, CPU: {shown}; one Parquet file {bare * 1000:.1f} ms, verified {verified:.1f} ms"
            )
        print(f"  rows of {count:,} images: one {found['one']:.3f} wall ms, 64 {found['many']:.2f} wall ms")
        count = max(10_000, int(CHANGED * args.scale))
        found = run(place, "ours", "change", "", count)
        print(f"change 10 of {count:,} rows: {found['bytes']:,.0f} bytes written, {found['work'] * 1000:.1f} ms CPU")


if __name__ == "__main__":
    main()
