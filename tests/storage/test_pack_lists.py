"""Many commits with a large value each: what a manifest says of packs does not grow with their number, and every version stays whole."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from starwhale.errors import CorruptedError
from starwhale.storage.dataset_rows import manifest as manifests
from starwhale.storage.dataset_rows.dataset_store import LocalDatasetStore
from starwhale.storage.dataset_rows.unused_files import unused_files
from starwhale.storage.dataset_rows.version_files import names_of

COMMITS = 22


def value(number: int) -> bytes:
    return bytes([number]) * 5000


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalDatasetStore:
    monkeypatch.setattr(manifests, "MAX_PACKS", 2)
    return LocalDatasetStore(tmp_path / "datasets")


@pytest.fixture
def versions(store: LocalDatasetStore) -> list[str]:
    made: list[str] = []
    for number in range(COMMITS):
        writer = store.begin("d", made[-1] if made else None)
        writer.put(number, {"blob": value(number)})
        made.append(writer.commit().manifest_digest)
    return made


def test_every_version_reads_and_manifests_stay_short(store: LocalDatasetStore, versions: list[str]) -> None:
    for number in (0, 3, 17, COMMITS - 1):
        reader = store.open_version("d", versions[number])
        assert reader.read(0, COMMITS).columns["blob"] == [value(each) for each in range(number + 1)]
        assert reader.verify() == []
        assert len(reader.manifest.packs) == number + 1
    last = store.open_version("d", versions[-1]).manifest
    named = len(last.packs) - sum(each.count for each in last.pack_lists)
    assert named <= 2
    assert 1 <= len(last.pack_lists) <= 2 * 4
    assert len(list((store.root / "d" / "manifests").glob("*.packs"))) < COMMITS


def test_equal_values_of_any_older_version_are_stored_once(store: LocalDatasetStore, versions: list[str]) -> None:
    writer = store.begin("d", versions[-1])
    for number in range(COMMITS):
        writer.put(COMMITS + number, {"blob": value(number)})
    assert writer.commit().increased_blobs_byte_size == 0


def test_a_damaged_list_is_reported(store: LocalDatasetStore, versions: list[str]) -> None:
    (first, *_) = store.open_version("d", versions[-1]).manifest.pack_lists
    path = store.root / "d" / first.name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(CorruptedError, match=str(path)):
        LocalDatasetStore(store.root).open_version("d", versions[-1])
    assert LocalDatasetStore(store.root).open_version("d", versions[0]).verify() == []
    path.unlink()
    with pytest.raises(CorruptedError, match="list of packs is missing"):
        LocalDatasetStore(store.root).open_version("d", versions[-1])


def test_lists_are_kept_as_long_as_a_version_needs_them(store: LocalDatasetStore, versions: list[str]) -> None:
    folder = store.root / "d"
    for path in unused_files(folder, versions[-1:], {}).orphans:
        path.unlink()
    needed = names_of(store.open_version("d", versions[-1]).manifest, versions[-1])
    assert {f"manifests/{path.name}" for path in (folder / "manifests").iterdir()} == {
        name for name in needed if name.startswith("manifests/")
    }
    assert store.open_version("d", versions[-1]).verify() == []


def test_a_copy_has_its_lists_and_grows(store: LocalDatasetStore, versions: list[str]) -> None:
    store.share("d", versions[-1], "copy")
    shutil.rmtree(store.root / "d")
    writer = store.begin("copy", versions[-1])
    for number in range(COMMITS, COMMITS + 2):
        writer.put(number, {"blob": value(number)})
    reader = store.open_version("copy", writer.commit().manifest_digest)
    assert reader.read(0, COMMITS + 2).columns["blob"] == [value(number) for number in range(COMMITS + 2)]
    writer = store.begin("copy", reader.digest)
    writer.clear()
    writer.put(0, {"blob": value(7)})
    cleared = store.open_version("copy", writer.commit().manifest_digest)
    assert len(cleared.manifest.packs) == 1
    assert cleared.verify() == []
