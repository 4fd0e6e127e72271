"""Values in packs are verified by sums that are quick; whatever is flipped, in a value, a sum or a manifest, no wrong byte is returned."""

from __future__ import annotations

import json
import logging
import random
import shutil
from io import BytesIO
from pathlib import Path

import pytest

from starwhale.errors import CorruptedError, RootError, StarwhaleError
from starwhale.media import Binary
from starwhale.storage.dataset_rows import packs as packs_module
from starwhale.storage.dataset_rows.dataset_reader import LocalDatasetReader
from starwhale.storage.dataset_rows.dataset_store import LocalDatasetStore
from starwhale.storage.dataset_rows.manifest import FORMAT

FORMAT_3 = Path(__file__).parent / "data" / "format-3"
OF_FORMAT_3 = "083d811a885609f48ac6e9ddc909f99797d8dcc09f907bfcdeb5f6820e9876b0"
ROWS = 6


def value(number: int) -> bytes:
    return random.Random(number).randbytes(5000 + number)


def build(root: Path) -> str:
    """Two packs of three values each, without an equal one in them."""
    store, digest = LocalDatasetStore(root), None
    for half in (0, 1):
        writer = store.begin("d", digest)
        for number in range(half * 3, half * 3 + 3):
            writer.put(number, {"blob": value(number), "image": Binary(value(100 + number))})
        digest = writer.commit().manifest_digest
    assert digest is not None
    return digest


def read_all(reader: LocalDatasetReader) -> list[bytes]:
    """Read every value, so often that the sums are in use after the first time."""
    found: list[bytes] = []
    for _ in range(2):
        rows = reader.read(0, reader.row_count)
        images: list[Binary] = list(rows.columns["image"])
        found += [*rows.columns["blob"], *(image.to_bytes() for image in images)]
        sources = [image.carried_source for image in images]
        found += [source.read(7, 100) for source in sources if source is not None]
    return found


def expected() -> list[bytes]:
    images = [value(100 + number) for number in range(ROWS)]
    return [*map(value, range(ROWS)), *images, *(image[7:107] for image in images)] * 2


def files(root: Path, pattern: str) -> list[Path]:
    return sorted((root / "d").glob(pattern))


def flip(path: Path, offset: int) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= 1 << random.Random(offset).randrange(8)
    path.write_bytes(content)


@pytest.mark.parametrize("pattern", ["packs/*.pack", "packs/*.idx", "manifests/*.json"])
def test_a_flipped_byte_is_reported_or_harmless(tmp_path: Path, pattern: str) -> None:
    digest = build(tmp_path)
    chance = random.Random(pattern)
    for path in files(tmp_path, pattern):
        kept = path.read_bytes()
        for _ in range(20):
            flip(path, chance.randrange(len(kept)))
            try:
                found = read_all(LocalDatasetStore(tmp_path).open_version("d", digest))
            except StarwhaleError:
                assert not path.name.endswith(".idx")
            else:
                assert found == expected()
                assert not path.name.endswith(".pack")
            path.write_bytes(kept)


def test_values_are_verified_without_a_blake3_once_the_sums_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = LocalDatasetStore(tmp_path).open_version("d", build(tmp_path))
    read_all(reader)

    def refuse(content: object) -> None:
        raise AssertionError(content)

    monkeypatch.setattr(packs_module, "blake3", refuse)  # nothing else tells with which sum a value was verified
    assert read_all(reader) == expected()


def test_a_value_that_is_damaged_while_it_is_read_again_is_reported(tmp_path: Path) -> None:
    reader = LocalDatasetStore(tmp_path).open_version("d", build(tmp_path))
    assert read_all(reader) == expected()
    for path in files(tmp_path, "packs/*.pack"):
        flip(path, 2500)
    with pytest.raises(CorruptedError, match="the value at byte 0"):
        read_all(reader)


def test_a_damaged_index_is_named_and_loses_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    digest = build(tmp_path)
    path, _ = files(tmp_path, "packs/*.idx")
    flip(path, 50)
    reader = LocalDatasetStore(tmp_path).open_version("d", digest)
    with caplog.at_level(logging.WARNING):
        assert read_all(reader) == expected()
    assert str(path) in caplog.text
    (damage,) = reader.verify()
    assert damage.path == str(path)


def test_a_wrong_sum_of_a_whole_value_is_harmless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a machine with bad memory might write it."""
    with monkeypatch.context() as patched:
        patched.setattr(packs_module, "quick_sum", lambda: lambda _content: 1)
        digest = build(tmp_path)
    reader = LocalDatasetStore(tmp_path).open_version("d", digest)
    assert read_all(reader) == expected()
    assert reader.verify() == []


def test_a_value_written_in_pieces_has_the_sum_of_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, content = LocalDatasetStore(tmp_path), random.Random(0).randbytes(3 << 20)
    path = tmp_path / "large.bin"
    path.write_bytes(content)
    writer = store.begin("d", None)
    writer.put(0, {"blob": Binary(path)})
    writer.put(1, {"blob": Binary(BytesIO(value(1)))})
    reader = store.open_version("d", writer.commit().manifest_digest)
    assert reader.read(0, 1).columns["blob"][0].to_bytes() == content
    monkeypatch.setattr(packs_module, "blake3", None)  # as above
    assert reader.read(0, 1).columns["blob"][0].to_bytes() == content
    assert reader.read(1, 2).columns["blob"][0].to_bytes() == value(1)


def test_a_version_of_format_3_reads_verifies_and_grows(tmp_path: Path) -> None:
    """Its ten packs have no sums; nine of them are named by a list."""
    root = tmp_path / "datasets"
    shutil.copytree(FORMAT_3, root)
    store = LocalDatasetStore(root)
    old = store.open_version("d", OF_FORMAT_3)
    long = [bytes([number]) * 5000 for number in range(10)]
    for _ in range(2):
        assert old.read(0, 10).columns["long"] == long
    assert old.verify() == []
    writer = store.begin("d", OF_FORMAT_3)
    writer.put(10, {"long": value(10)})
    writer.put(11, {"long": long[3]})
    new = store.open_version("d", writer.commit().manifest_digest)
    for _ in range(2):
        assert new.read(0, 12).columns["long"] == [*long, value(10), long[3]]
    assert [pack.is_summed for pack in new.manifest.packs] == [False] * 10 + [True]
    assert new.verify() == []


def test_an_older_program_would_refuse_what_it_does_not_understand(tmp_path: Path) -> None:
    digest = build(tmp_path)
    path = tmp_path / "d" / "manifests" / f"{digest}.json"
    state = json.loads(path.read_text())
    assert state["format"] == FORMAT
    state["format"] = FORMAT + 1
    content = json.dumps(state).encode()
    name = packs_module.digest_of(content)
    path.with_name(f"{name}.json").write_bytes(content)
    with pytest.raises(RootError, match="newer program"):
        LocalDatasetStore(tmp_path).open_version("d", name)


def test_equal_values_are_looked_for_in_the_newest_packs_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a commit of a large value does not read the indexes of thousands of packs."""
    monkeypatch.setattr(packs_module, "MAX_KNOWN_PACKS", 2)
    store, digest = LocalDatasetStore(tmp_path), None
    for number in range(4):
        writer = store.begin("d", digest)
        writer.put(number, {"blob": value(number)})
        digest = writer.commit().manifest_digest
    added: list[int] = []
    for number in range(4):
        writer = store.begin("d", digest)
        writer.put(9, {"blob": value(number)})
        added.append(writer.commit().increased_blobs_byte_size)
    assert added == [5000, 5001, 0, 0]
