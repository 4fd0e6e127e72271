"""A part of a fragment is verified by reading that part and the tail alone; files of format 1, which have no tail, still read."""

from __future__ import annotations

import itertools
import random
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet as pq

from starwhale.errors import CorruptedError
from starwhale.storage.dataset_rows.column_cache import ColumnCache
from starwhale.storage.dataset_rows.dataset_store import LocalDatasetStore
from starwhale.storage.dataset_rows.fragment_file import FragmentFile, fragment_name
from starwhale.storage.dataset_rows.fragments import FragmentReader
from starwhale.storage.dataset_rows.manifest import Fragment, load_manifest
from starwhale.storage.dataset_rows.places import FileSpan, LocalImage, LocalPlaces
from starwhale.storage.dataset_rows.sums import make_tail
from starwhale.storage.protocols import Key

FORMAT_1 = Path(__file__).parent / "data" / "format-1"
FIRST = "daa5f7af15a2dcc68e5465f80e6bf52b3b1cd70492515450e84a646c9ba0cd88"
SECOND = "f2868f0a23417d31a71d5cce338550ce7b05086e42f8a0b68b35391680cde527"


class CountingPlaces(LocalPlaces):
    """A folder of which only what was asked for is seen: everything else reads as zeros."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.asked: list[FileSpan] = []

    def open(self, name: str, *, what: str) -> LocalImage:
        places, image = self, super().open(name, what=what)

        class Sparse(LocalImage):
            def __init__(self) -> None:
                self._shown = bytearray(image.show(size=0).nbytes)

            def show(self, spans: Iterable[FileSpan] | None = None, *, size: int) -> memoryview:
                for span in spans or ():
                    places.asked.append(span)
                    end = span.offset + span.size
                    self._shown[span.offset : end] = image.show(size=size)[span.offset : end]
                return memoryview(self._shown)

            def gather(self, spans: Sequence[FileSpan], *, size: int) -> memoryview:
                return self.show(spans, size=size)

            def fill(self, memory: memoryview, spans: Sequence[FileSpan]) -> None:
                self.show(spans, size=len(memory))  # it is what `gather` has given

            def read(self, span: FileSpan) -> bytes:
                places.asked.append(span)
                return image.read(span)

        return Sparse()


def build(root: Path, keys: Iterable[Key], **options: Any) -> tuple[LocalDatasetStore, str]:
    store = LocalDatasetStore(root, **options)
    writer = store.begin("d", None)
    for key in keys:
        writer.put(
            key, {"label": len(str(key)), "text": f"row {key}", "pixels": random.Random(str(key)).randbytes(800)}
        )
    return store, writer.commit().manifest_digest


def only_fragment(root: Path, digest: str) -> Fragment:
    (fragment,) = load_manifest(LocalPlaces(root / "d"), digest).fragments()
    return fragment


def test_one_column_needs_its_own_bytes_and_the_tail_alone(tmp_path: Path) -> None:
    _, digest = build(tmp_path, range(3000))
    fragment = only_fragment(tmp_path, digest)
    places = CountingPlaces(tmp_path / "d")
    reader = FragmentReader(places, fragment, ColumnCache())
    assert reader.values(0, 3000, "label", None) == [len(str(key)) for key in range(3000)]
    assert sum(span.size for span in places.asked) < fragment.size / 50


def test_one_key_among_keys_with_gaps_needs_the_keys_of_one_row_group(tmp_path: Path) -> None:
    keys = sorted(f"folder/{number * 7919 % 100_003}.png" for number in range(9_000))
    store, digest = build(tmp_path, keys)
    for fragment in store.open_version("d", digest).manifest.run:
        places = CountingPlaces(tmp_path / "d")
        reader = FragmentReader(places, fragment, ColumnCache())
        inside = [key for key in keys if str(fragment.low) <= key <= str(fragment.high)]
        assert reader.find(inside[len(inside) // 2]) == len(inside) // 2
        assert len(places.asked) == 2  # the tail, and one column of one row group
        for place in random.Random(1).sample(range(len(inside)), 50):
            assert reader.find(inside[place]) == place
            assert reader.find(f"{inside[place]}x") is None
            assert reader.lower_bound(f"{inside[place]}x") == place + 1
        assert reader.lower_bound("zzz") == len(inside)
        assert reader.find("zzz") is None
        assert reader.lower_bound("a") == 0


def test_every_byte_of_a_fragment_is_covered(tmp_path: Path) -> None:
    """Bytes are flipped one after another all over a small file: each is noticed by `check`."""
    _, digest = build(tmp_path, [3, 5, 9])
    fragment = only_fragment(tmp_path, digest)
    path = tmp_path / "d" / fragment_name(fragment)
    content = path.read_bytes()
    assert len(content) == fragment.size
    FragmentFile(LocalPlaces(tmp_path / "d"), fragment, ColumnCache()).check()
    for place in range(0, len(content), 23):
        damaged = bytearray(content)
        damaged[place] ^= 0x10
        path.write_bytes(damaged)
        with pytest.raises(CorruptedError, match=str(path)):
            FragmentFile(LocalPlaces(tmp_path / "d"), fragment, ColumnCache()).check()
    path.write_bytes(content[:-1])
    with pytest.raises(CorruptedError, match="ends at byte"):
        FragmentFile(LocalPlaces(tmp_path / "d"), fragment, ColumnCache()).check()


def test_a_fragment_is_a_parquet_file_for_others(tmp_path: Path) -> None:
    _, digest = build(tmp_path, range(20))
    table = pq.read_table(tmp_path / "d" / fragment_name(only_fragment(tmp_path, digest)))
    assert table.column("text").to_pylist() == [f"row {key}" for key in range(20)]


def test_a_version_of_format_1_reads_verifies_and_grows(tmp_path: Path) -> None:
    root = tmp_path / "datasets"
    shutil.copytree(FORMAT_1, root)
    ids = (f"new{number}" for number in itertools.count())
    store = LocalDatasetStore(root, new_id=lambda: next(ids))
    first, second = (store.open_version("d", digest) for digest in (FIRST, SECOND))
    expected = {
        "label": [key % 10 for key in range(300)],
        "text": [f"row {key}" for key in range(300)],
        "long": [bytes([key % 251]) * (5000 if key % 100 == 0 else 10) for key in range(300)],
    }
    assert first.read(0, 300).columns == expected
    assert second.read(6, 9, ["label"]).columns["label"] == [6, 77, 9]
    assert first.verify() == second.verify() == []
    writer = store.begin("d", SECOND)
    writer.put(300, {"label": 1})
    grown = store.open_version("d", writer.commit().manifest_digest)
    assert grown.get(300) == {"label": 1}
    assert grown.get(299) == {name: column[299] for name, column in expected.items()}


def test_a_flipped_byte_of_format_1_is_reported(tmp_path: Path) -> None:
    root = tmp_path / "datasets"
    shutil.copytree(FORMAT_1, root)
    path = root / "d" / "fragments" / "0000000000000001-0.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(CorruptedError, match=str(path)):
        LocalDatasetStore(root).open_version("d", FIRST).read(0, 300)


def test_sums_are_nothing_that_a_parquet_file_needs(tmp_path: Path) -> None:
    """Taking them out leaves the file that the Parquet writer made."""
    _, digest = build(tmp_path, range(50))
    fragment = only_fragment(tmp_path, digest)
    content = (tmp_path / "d" / fragment_name(fragment)).read_bytes()
    footer = int.from_bytes(content[-8:-4], "little") + 8
    bare = content[: fragment.size - fragment.tail] + content[-footer:]
    end, sums = make_tail(memoryview(bare), [])
    assert (bare[:end], sums, bare[end:]) == (content[:end], content[end : fragment.size - footer], content[-footer:])
