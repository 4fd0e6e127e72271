"""Measure what it costs to hand a dataset to pandas, Polars, DuckDB and PyTorch, against Hugging Face `datasets` in the same run.

    python benchmarks/dataset_into_libraries.py
    python benchmarks/dataset_into_libraries.py --scalars 20000 --images 2000 --rounds 3

Needs the packages of the group `everything`, and PyTorch. Each step runs in a process of its own and counts the processor time of itself
and its workers, without the imports, which both sides do before. "first" opens the dataset and reads files that this process has not read;
"again" does the same with what is open, the best of the rounds. Ours verifies the checksum of everything that it hands out; `datasets` maps
Arrow files as they are.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import resource
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

SIDE = 28


def make_scalars(count: int) -> dict[str, list[Any]]:
    """Return columns of an integer, a float, a truth value and a short text."""
    rng = random.Random(0)
    return {
        "n": [rng.randrange(1 << 40) for _ in range(count)],
        "f": [rng.random() for _ in range(count)],
        "ok": [rng.random() < 0.5 for _ in range(count)],
        "s": [f"class {rng.randrange(1000)}" for _ in range(count)],
    }


def make_images(count: int) -> list[bytes]:
    """Return raw pixels of handwriting size."""
    rng = random.Random(1)
    return [rng.randbytes(SIDE * SIDE) for _ in range(count)]


def build(folder: Path, scalars: int, images: int) -> None:
    """Build every dataset on both sides."""
    import numpy as np
    import PIL.Image

    import datasets
    from starwhale import GrayscaleImage, Image, dataset

    with dataset("small") as opened:
        opened.append({"label": 1})
        opened.commit()
    columns = make_scalars(scalars)
    with dataset("scalars") as opened:
        opened.extend([dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)])
        opened.commit()
    datasets.Dataset.from_dict(columns).save_to_disk(str(folder / "scalars"))

    raw = make_images(images)
    arrays = [np.frombuffer(each, dtype="uint8").reshape(SIDE, SIDE) for each in raw]
    pictures = [PIL.Image.fromarray(each) for each in arrays]
    with dataset("raw") as opened:
        opened.extend(
            [{"image": GrayscaleImage(each, shape=(SIDE, SIDE, 1)), "label": k % 10} for k, each in enumerate(raw)]
        )
        opened.commit()
    with dataset("png") as opened:
        opened.extend([{"image": Image(each), "label": k % 10} for k, each in enumerate(pictures)])
        opened.commit()
    labels = [k % 10 for k in range(images)]
    features = datasets.Features({"image": datasets.Array2D((SIDE, SIDE), "uint8"), "label": datasets.Value("int64")})
    datasets.Dataset.from_dict({"image": arrays, "label": labels}, features=features).save_to_disk(str(folder / "raw"))
    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("int64")})
    datasets.Dataset.from_dict({"image": pictures, "label": labels}, features=features).save_to_disk(
        str(folder / "png")
    )


def ours(name: str) -> Any:
    """Open our dataset."""
    from starwhale import dataset

    return dataset(name, readonly=True)


def theirs(folder: Path, name: str) -> Any:
    """Open the same of Hugging Face."""
    import datasets

    return datasets.load_from_disk(str(folder / name))


def drain(data: Any, workers: int, *, shuffle: bool = False) -> int:
    """Read everything through a DataLoader, and return the sum of the labels."""
    from torch.utils.data import DataLoader

    loader = DataLoader(
        data, batch_size=64, num_workers=workers, shuffle=shuffle, multiprocessing_context="fork" if workers else None
    )
    return sum(int(batch["label"].sum()) for batch in loader)


Step = tuple[Callable[[], Any], Callable[[Any], object]]
"""What opens a dataset, and what is done with it."""


def steps(folder: Path, workers: int) -> dict[str, tuple[Step, Step]]:
    """Name the steps: ours and theirs; both do the same and return the same value, which is compared."""

    def frame(found: Any) -> tuple[int, int]:
        return len(found), int(found["n"].sum())

    def loader(name: str, count: int) -> tuple[Step, Step]:
        return (
            (lambda: ours(name).to_pytorch(), lambda data: drain(data, count)),
            (lambda: theirs(folder, name).with_format("torch"), lambda data: drain(data, count)),
        )

    mine, other = (lambda: ours("scalars")), (lambda: theirs(folder, "scalars"))
    return {
        "to_pandas": ((mine, lambda ds: frame(ds.to_pandas())), (other, lambda ds: frame(ds.to_pandas()))),
        "to_polars": ((mine, lambda ds: frame(ds.to_polars())), (other, lambda ds: frame(ds.to_polars()))),
        "one column to pandas": (
            (mine, lambda ds: len(ds.to_pandas(["f"]))),
            (other, lambda ds: len(ds.select_columns(["f"]).to_pandas())),
        ),
        "DataLoader, raw 28x28": loader("raw", 0),
        f"DataLoader, raw 28x28, {workers} workers": loader("raw", workers),
        "DataLoader, raw 28x28, map-style, shuffled": (
            (lambda: ours("raw").to_pytorch(map_style=True), lambda data: drain(data, 0, shuffle=True)),
            (lambda: theirs(folder, "raw").with_format("torch"), lambda data: drain(data, 0, shuffle=True)),
        ),
        "DataLoader, PNG 28x28": loader("png", 0),
    }


def measure(step: Step, rounds: int, answers: Any) -> None:
    """Run a step some times in this process, and answer its value and the processor seconds of the first and the best other run."""
    import pandas as pd  # noqa: F401
    import polars as pl  # noqa: F401
    import torch

    import datasets  # noqa: F401 - so that no side pays for imports
    import starwhale.datasets.ecosystem.pandas_frame
    import starwhale.datasets.ecosystem.polars_frame
    import starwhale.datasets.ecosystem.torch_data  # noqa: F401

    torch.set_num_threads(1)
    ours("small").to_pandas()  # what a first call of any kind loads
    opens, does = step
    seconds: list[float] = []
    value = opened = None
    for _ in range(rounds + 1):
        before = cpu_seconds()
        opened = opened or opens()
        value = does(opened)
        seconds.append(cpu_seconds() - before)
    answers.put((value, seconds[0], min(seconds[1:])))


def cpu_seconds() -> float:
    """Return the processor seconds of this process and its ended children."""
    return sum(
        used.ru_utime + used.ru_stime
        for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def run(step: Step, rounds: int) -> tuple[object, float, float]:
    """Measure a step in a process of its own."""
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    other = context.Process(target=measure, args=(step, rounds, answers))
    other.start()
    found = answers.get()
    other.join()
    return found


def main() -> None:
    """Build, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scalars", type=int, default=100_000, help="rows of the scalar dataset")
    parser.add_argument("--images", type=int, default=20_000, help="rows of the image datasets")
    parser.add_argument("--rounds", type=int, default=3, help="runs after the first")
    parser.add_argument("--workers", type=int, default=2, help="DataLoader workers")
    parser.add_argument("-o", dest="output", choices=["json"], help="print JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="starwhale-libraries-") as made:
        folder = Path(made)
        os.environ |= {
            "SW_LOCAL_STORAGE": str(folder / "root"),
            "SW_CLI_CONFIG": str(folder / "config.yaml"),
            "HF_DATASETS_CACHE": str(folder / "cache"),
            "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_OFFLINE": "1",
        }
        builder = multiprocessing.get_context("fork").Process(
            target=build, args=(folder, options.scalars, options.images)
        )
        builder.start()
        builder.join()
        assert builder.exitcode == 0, "the datasets could not be built"
        results: list[dict[str, Any]] = []
        for name, (our_step, their_step) in steps(folder, options.workers).items():
            our_value, our_first, our_again = run(our_step, options.rounds)
            their_value, their_first, their_again = run(their_step, options.rounds)
            assert our_value == their_value, f"{name}: {our_value} differs from {their_value}"
            results.append(
                {
                    "step": name,
                    "ours_first_s": our_first,
                    "theirs_first_s": their_first,
                    "ours_again_s": our_again,
                    "theirs_again_s": their_again,
                }
            )
    if options.output == "json":
        print(json.dumps(results, indent=2))
        return
    print(
        f"{options.scalars} rows of scalars, {options.images} images of {SIDE}x{SIDE}; processor seconds, and ours ÷ Hugging Face's\n"
    )
    print("| step | first: ours | theirs | ratio | again: ours | theirs | ratio |")
    print("|---|---|---|---|---|---|---|")
    for each in results:
        cells = [each["step"]]
        for when in ("first", "again"):
            mine, other = each[f"ours_{when}_s"], each[f"theirs_{when}_s"]
            cells += [f"{mine:.4f}", f"{other:.4f}", f"{mine / max(other, 1e-6):.2f}×"]
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
