"""Wide values lie beside the row groups: they read as they were written, block by block, and what is beside them is read without them."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet as pq

from starwhale.errors import CorruptedError
from starwhale.media import GrayscaleImage
from starwhale.storage.dataset_rows.column_cache import ColumnCache
from starwhale.storage.dataset_rows.dataset_reader import LocalDatasetReader
from starwhale.storage.dataset_rows.dataset_store import LocalDatasetStore
from starwhale.storage.dataset_rows.fragment_file import FragmentFile, fragment_name
from starwhale.storage.dataset_rows.fragments import FragmentReader
from starwhale.storage.dataset_rows.manifest import Fragment
from starwhale.storage.dataset_rows.places import LocalPlaces

FORMAT_2 = Path(__file__).parent / "data" / "format-2"
FIRST = "e74e2ec56b0023c1a814237600dc149af5ec29711b0e45f3b4152ce1140e0753"
SECOND = "29090198931d8a7bb91a89cbe50f727abf506258018b414dc1b61fe563d39d36"
ROWS = 500

Make = Callable[[random.Random, int], object]


def some_bytes(chance: random.Random, _number: int) -> bytes:
    return chance.randbytes(chance.randrange(300, 1500))


def bytes_or_none(chance: random.Random, number: int) -> bytes | None:
    return None if number % 3 == 1 else chance.randbytes(chance.choice([0, 900, 2000]))


def bytes_or_long(chance: random.Random, number: int) -> bytes | None:
    """Some of them lie in packs."""
    return None if number % 11 == 3 else chance.randbytes(9000 if number % 50 == 7 else 700)


def text(chance: random.Random, number: int) -> str:
    return f"{number} é " * chance.randrange(50, 150)


def floats(chance: random.Random, number: int) -> list[float] | None:
    return None if number % 5 == 2 else [chance.random() for _ in range(chance.randrange(40, 90))]


def integers(chance: random.Random, number: int) -> list[int]:
    return [chance.getrandbits(63) - 2**62 for _ in range(number % 120)]


def integers_or_none(chance: random.Random, _number: int) -> list[int | None]:
    return [None, *(chance.getrandbits(40) for _ in range(64))]


def picture(chance: random.Random, number: int) -> GrayscaleImage | None:
    return (
        None if number % 7 == 4 else GrayscaleImage(chance.randbytes(784), shape=(28, 28, 1), display_name=f"{number}")
    )


def variant(chance: random.Random, number: int) -> object:
    return number if number % 2 else chance.randbytes(900)


MAKERS: list[Make] = [
    some_bytes, bytes_or_none, bytes_or_long, text, floats, integers, integers_or_none, picture, variant
]  # fmt: skip


def comparable(cells: Sequence[Any]) -> list[Any]:
    return [cell.to_bytes() if isinstance(cell, GrayscaleImage) else cell for cell in cells]


def build(root: Path, columns: Mapping[str, Sequence[Any]]) -> LocalDatasetReader:
    store = LocalDatasetStore(root)
    writer = store.begin("d", None)
    for key in range(ROWS):
        writer.put(key, {name: column[key] for name, column in columns.items()})
    return store.open_version("d", writer.commit().manifest_digest)


def made_by(make: Make) -> list[Any]:
    chance = random.Random(1)
    return [make(chance, number) for number in range(ROWS)]


def only_fragment(reader: LocalDatasetReader) -> Fragment:
    (fragment,) = reader.manifest.fragments()
    return fragment


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_wide_values_read_as_they_were_written(tmp_path: Path, make: Make) -> None:
    column = made_by(make)
    reader = build(tmp_path, {"label": list(range(ROWS)), "wide": column})
    file = FragmentFile(LocalPlaces(tmp_path / "d"), only_fragment(reader), ColumnCache())
    assert (file.wide("wide") is None) == (
        make is integers_or_none
    )  # lists of which an item is absent stay where they are
    expected = comparable(column)
    assert comparable(reader.read(0, ROWS).columns["wide"]) == expected
    for start, stop in ((0, 1), (ROWS - 1, ROWS), (3, 77), (123, 124), (70, 430)):
        assert comparable(reader.read(start, stop).columns["wide"]) == expected[start:stop]
    chance = random.Random(2)
    for count in (1, 2, 64):
        ranks = chance.sample(range(ROWS), count)
        assert comparable(reader.take(ranks).columns["wide"]) == [expected[rank] for rank in ranks]
    assert reader.verify() == []


def test_rows_that_change_and_are_written_again_keep_their_wide_values(tmp_path: Path) -> None:
    column = made_by(picture)
    reader = build(tmp_path, {"label": list(range(ROWS)), "wide": column})
    store = LocalDatasetStore(tmp_path)
    writer = store.begin("d", reader.digest)
    for key in range(0, ROWS, 2):
        writer.put(key, {"label": -key})
    for key in range(ROWS, ROWS + 40):
        writer.put(key, {"label": key, "wide": column[key % ROWS]})
    changed = store.open_version("d", writer.commit().manifest_digest)
    assert comparable(changed.read(0, ROWS + 40).columns["wide"]) == comparable([*column, *column[:40]])
    assert changed.read(0, 4).columns["label"] == [0, 1, -2, 3]
    assert reader.read(0, 4).columns["label"] == [0, 1, 2, 3]


def test_labels_are_read_without_looking_at_wide_values(tmp_path: Path) -> None:
    """Every byte of the values and of their index is damaged: labels still read, and so do references to packs."""
    reader = build(tmp_path, {"label": list(range(ROWS)), "wide": made_by(picture)})
    fragment = only_fragment(reader)
    path = tmp_path / "d" / fragment_name(fragment)
    column = FragmentFile(LocalPlaces(tmp_path / "d"), fragment, ColumnCache()).wide("wide")
    assert column is not None
    assert column.size > fragment.size * 0.9
    content = bytearray(path.read_bytes())
    content[column.offset : column.stop] = bytes(column.stop - column.offset)
    path.write_bytes(content)
    damaged = LocalDatasetStore(tmp_path).open_version("d", reader.digest)
    assert damaged.read(0, ROWS, ["label"]).columns["label"] == list(range(ROWS))
    with pytest.raises(CorruptedError, match="the index of column 'wide'"):
        damaged.read(0, 1)


def test_a_flipped_byte_loses_the_values_of_its_block_alone(tmp_path: Path) -> None:
    reader = build(tmp_path, {"wide": made_by(some_bytes)})
    fragment = only_fragment(reader)
    path = tmp_path / "d" / fragment_name(fragment)
    column = FragmentFile(LocalPlaces(tmp_path / "d"), fragment, ColumnCache()).wide("wide")
    assert column is not None
    content = bytearray(path.read_bytes())
    content[column.offset + column.block_bytes * 3 + 5] ^= 1
    path.write_bytes(content)
    damaged = LocalDatasetStore(tmp_path).open_version("d", reader.digest)
    lost = 0
    for rank, expected in enumerate(made_by(some_bytes)):
        try:
            assert damaged.read(rank, rank + 1).columns["wide"] == [expected]
        except CorruptedError as error:
            lost += "block 3 of column 'wide' differs from its checksum" in error.message
    assert 0 < lost <= column.block_bytes // 300 + 2
    (found,) = damaged.verify()
    assert "block 3 of column 'wide'" in str(found)


def test_others_read_the_short_columns_as_parquet(tmp_path: Path) -> None:
    reader = build(tmp_path, {"label": list(range(ROWS)), "wide": made_by(some_bytes)})
    table = pq.read_table(tmp_path / "d" / fragment_name(only_fragment(reader)))
    assert table.column("label").to_pylist() == list(range(ROWS))


def test_few_bytes_stay_in_row_groups(tmp_path: Path) -> None:
    store = LocalDatasetStore(tmp_path)
    writer = store.begin("d", None)
    for key in range(20):
        writer.put(key, {"wide": bytes(1000)})
    reader = store.open_version("d", writer.commit().manifest_digest)
    assert FragmentReader(LocalPlaces(tmp_path / "d"), only_fragment(reader), ColumnCache()).file.wide("wide") is None


def test_a_version_of_format_2_reads_verifies_and_grows(tmp_path: Path) -> None:
    root = tmp_path / "datasets"
    shutil.copytree(FORMAT_2, root)
    store = LocalDatasetStore(root)
    first, second = (store.open_version("d", digest) for digest in (FIRST, SECOND))
    expected = {
        "label": [number % 10 for number in range(60)],
        "pixels": [random.Random(number).randbytes(700) if number % 7 else None for number in range(60)],
        "img": [bytes([number]) * 400 for number in range(60)],
        "long": [bytes([number]) * (5000 if number % 20 == 0 else 10) for number in range(60)],
    }
    assert {name: comparable(column) for name, column in first.read(0, 60).columns.items()} == expected
    assert comparable(first.take([59, 0, 7]).columns["img"]) == [expected["img"][number] for number in (59, 0, 7)]
    assert second.row_count == 59
    changed = second.get(14)
    assert changed is not None
    assert comparable(list(changed.values())) == [77, expected["img"][7], expected["long"][7]]
    assert first.verify() == second.verify() == []
    writer = store.begin("d", SECOND)
    for number in range(200):
        writer.put(1000 + number, {"pixels": random.Random(number).randbytes(700)})
    grown = store.open_version("d", writer.commit().manifest_digest)
    assert grown.get(1199) == {"pixels": random.Random(199).randbytes(700)}
    assert comparable(grown.read(0, 8).columns["img"]) == expected["img"][:8]
