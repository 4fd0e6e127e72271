"""One flipped byte anywhere in a root: whoever reads a dataset is told, or reads what was stored."""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.datasets.killed_builder import change, open_at

from starwhale.datasets.dataset import Dataset
from starwhale.errors import StarwhaleError
from starwhale.instances import Instance
from starwhale.media import Image
from starwhale.storage.part import Form, RangeLease
from starwhale.storage.task_codec import WorkerCodec
from starwhale.storage.task_side import LocalTaskStores

VERSIONS = 3


def build(root: Path) -> None:
    """Two datasets; the versions of one have runs, layers, packs, tags and messages."""
    with open_at(root) as instance:
        for version in range(VERSIONS):
            with instance.datasets.open("ds", Dataset) as dataset:
                change(dataset, version)
                dataset.info["note"] = f"of version {version}"
                dataset.commit(tags=[f"tag-{version}"], message=f"message {version}")
        with instance.datasets.open("other", Dataset) as dataset:
            dataset.append({"nested": [Image(b"n" * 5000), {"text": "é" * 3000}], "x": 1.5})
            dataset.commit()
    with sqlite3.connect(root / "root" / "catalog.db") as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def plain(value: Any) -> Any:
    if isinstance(value, Image):
        return value.to_bytes(), value.display_name
    if isinstance(value, list):
        return [plain(each) for each in value]
    return {name: plain(each) for name, each in value.items()} if isinstance(value, dict) else value


def rows_of(dataset: Dataset) -> Any:
    return [(row.index, plain(dict(row.features))) for row in dataset]


# Each way of reading gives facts that have to be the same as before, or fails in our words.


def by_iteration(dataset: Dataset) -> Any:
    return rows_of(dataset)


def by_key(dataset: Dataset) -> Any:
    keys = (0, 3, 5, 29, 40, 89)
    return [(key, (row := dataset[key]) and plain(dict(row.features))) for key in keys]


def by_slice(dataset: Dataset) -> Any:
    return [(row.index, plain(dict(row.features))) for row in dataset[2:77:5]]


def by_rank(dataset: Dataset) -> Any:
    found = dataset._view().take([len(dataset) - 1, 0, len(dataset) // 2])
    return found.keys, plain(dict(found.columns))


def one_column(dataset: Dataset) -> Any:
    return [plain(batch.columns) for batch in dataset._view().iter_batches(["x"])]


def by_pieces(dataset: Dataset) -> Any:
    """Read large media piece by piece, after labels were read alone."""
    found: list[bytes] = []
    for row in dataset.head(12):
        image = row.features.get("image")
        if image is not None:
            source = image.carried_source
            found += [source.read(4000, 100), source.read(0, 10), source.read(4900)]
    return found


def by_worker(dataset: Dataset) -> Any:
    """Read what crosses the pipe to a worker, in both forms."""
    reader: Any = dataset._view()
    found: list[Any] = []

    def fetch(ref: Any, offset: int, size: int) -> bytes:
        return reader.source_of(ref).read(offset, size)

    forms: tuple[Form, ...] = ("arrow", "msgpack")
    for form in forms:
        content, folder = encoded(reader, form)
        rows = WorkerCodec(form).decode_rows(memoryview(content), folder, fetch)
        found.append((rows.keys, plain(dict(rows.columns))))
    return found


def encoded(reader: Any, form: Form) -> tuple[bytes | memoryview, str]:
    side = SimpleNamespace(weigh=lambda *_: None)
    parent: Any = SimpleNamespace(
        _reader=lambda _position: reader, _side=side
    )  # what the parent's end of the pipe reads with
    lease = RangeLease(job_id="", step="", dataset_position=0, start=0, stop=reader.row_count, epoch=0, batch=1)
    return LocalTaskStores.read_rows_encoded(parent, lease, form)


def what_is_known(dataset: Dataset) -> Any:
    return dataset.loading_version, dataset.history(), dict(dataset.info), sorted(dataset.tags), dataset.summary()


WAYS = (by_iteration, by_key, by_slice, by_rank, one_column, by_pieces, by_worker, what_is_known)
URIS = ("ds", *(f"ds/version/v{number}" for number in range(VERSIONS)), "ds/version/tag-1", "other")


def outcomes(root: Path) -> dict[tuple[str, str], Any]:
    """Read every version in every way, as a program does that starts now; what fails in our words is None."""
    found: dict[tuple[str, str], Any] = {}
    try:
        with open_at(root) as instance:
            for uri in URIS:
                for way in WAYS:
                    found[uri, way.__name__] = outcome(instance, uri, way)
    except StarwhaleError as error:
        return {(uri, way.__name__): str(error) and None for uri in URIS for way in WAYS}
    return found


def outcome(instance: Instance, uri: str, way: Callable[[Dataset], Any]) -> Any:
    try:
        return way(instance.datasets.open(uri, Dataset, readonly=True))
    except StarwhaleError as error:
        return str(error) and None


def all_files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file() and path.stat().st_size)


def places(files: list[Path], count: int) -> Iterator[tuple[Path, int]]:
    """Choose bytes: every file alike, and the catalog for a third of them."""
    chance = random.Random(count)
    catalog = next(path for path in files if path.name == "catalog.db")
    for number in range(count):
        path = catalog if number % 3 == 0 else chance.choice(files)
        yield path, chance.randrange(path.stat().st_size)


@pytest.mark.parametrize(
    "count",
    [
        pytest.param(9, id="few"),
        pytest.param(60, id="more", marks=pytest.mark.needs_time),
        pytest.param(2400, id="all", marks=pytest.mark.soak),
    ],
)
def test_a_flipped_byte_is_reported_or_harmless_in_every_way_of_reading(
    tmp_path: Path, count: int, record_property: Callable[[str, object], None]
) -> None:
    build(tmp_path)
    files = all_files(tmp_path / "root")
    kept = {path: path.read_bytes() for path in files}
    expected = outcomes(tmp_path)
    assert None not in expected.values()
    counts: Counter[tuple[str, str]] = Counter()
    for path, offset in places(files, count):
        content = bytearray(kept[path])
        content[offset] ^= 1 << (offset % 8)
        path.write_bytes(content)
        found = outcomes(tmp_path)
        wrong = {key for key, value in found.items() if value is not None and value != expected[key]}
        assert wrong == set(), f"byte {offset} of {path}"
        counts[path.suffix, "reported" if None in found.values() else "harmless"] += 1
        for each, original in kept.items():  # reading the catalog may write to it
            if each.read_bytes() != original:
                each.write_bytes(original)
        for suffix in ("-wal", "-shm"):
            Path(f"{tmp_path / 'root' / 'catalog.db'}{suffix}").unlink(missing_ok=True)
    record_property("outcomes of flipped bytes by kind of file", dict(counts))
    if count >= 60:  # of a few places all may be free space of the catalog
        assert sum(number for (_, what), number in counts.items() if what == "reported") > count // 4
