"""Files that stayed as they were are not read again, and those that may have changed are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from starwhale.models.ignore import read_rules
from starwhale.models.package import Packaged, package
from starwhale.models.seen import Seen
from starwhale.storage.blobs.local import LocalBlobStore

LONG_AGO_S = 1_000_000_000


class Reads(LocalBlobStore):
    """A store that counts what it is asked to verify: each file that is read comes to one such question at least."""

    asked: int = 0

    def is_intact(self, digest: str) -> bool:
        self.asked += 1
        return super().is_intact(digest)


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A work directory whose files are settled: the clock that is compared with theirs stands in the future."""
    import starwhale.models.package as home

    later = home.now_ns() + 3_600 * 10**9
    monkeypatch.setattr(home, "now_ns", lambda: later)  # the time of files cannot be set back: only ctime is trusted
    root = tmp_path / "work"
    root.mkdir()
    (root / "a.txt").write_text("one")
    (root / "b.bin").write_bytes(b"\1" * (3 << 20))
    return root


@pytest.fixture
def blobs(tmp_path: Path) -> Reads:
    return Reads(tmp_path / "blobs")


def build(work: Path, blobs: Reads, *, trusts: bool = True) -> tuple[Packaged, int]:
    """Package, and return what came of it and how many contents were looked at, that of the list not counted."""
    blobs.asked = 0
    seen = Seen.open(work.parent / "seen", work, trusts=trusts)
    made = package(work, read_rules(work), blobs, seen=seen)
    return made, blobs.asked - 1


def test_only_what_changed_is_read(work: Path, blobs: Reads) -> None:
    first, _ = build(work, blobs)
    assert build(work, blobs) == (
        Packaged(listing=first.listing, content_digest=first.content_digest, new_bytes=0, left_out=()),
        0,
    )
    (work / "a.txt").write_text("two")
    changed, asked = build(work, blobs)
    assert (asked, changed.new_bytes) == (1, 3)
    (work / "c.txt").write_text("two")
    assert build(work, blobs)[1] == 1
    again, asked = build(work, blobs, trusts=False)
    assert (len(again.listing.entries), asked) == (3, 3)
    assert build(work, blobs)[1] == 0


@pytest.mark.parametrize("how", ["same size and time set back", "replaced", "renamed over"])
def test_a_change_behind_the_same_size_and_time_is_seen(work: Path, blobs: Reads, how: str) -> None:
    path = work / "a.txt"
    os.utime(path, (LONG_AGO_S, LONG_AGO_S))
    build(work, blobs)
    match how:
        case "same size and time set back":
            path.write_text("two")
        case "replaced":
            path.unlink()
            path.write_text("two")
        case _:
            (work.parent / "new").write_text("two")
            (work.parent / "new").replace(path)
    os.utime(path, (LONG_AGO_S, LONG_AGO_S))
    made, _ = build(work, blobs)
    (entry,) = (each for each in made.listing.entries if each.path == "a.txt")
    assert blobs.get(entry.digest) == b"two"


def test_the_mode_is_that_of_now(work: Path, blobs: Reads) -> None:
    build(work, blobs)
    (work / "b.bin").chmod(0o755)
    made, _ = build(work, blobs)
    assert [each.is_executable for each in made.listing.entries] == [False, True]


def test_a_file_that_is_too_young_is_read_again(tmp_path: Path, blobs: Reads) -> None:
    """A change within the tick of the clock in which the file was read would look like no change."""
    root = tmp_path / "work"
    root.mkdir()
    (root / "a.txt").write_text("one")
    build(root, blobs)
    assert build(root, blobs)[1] == 1


def test_a_blob_that_was_touched_is_verified_and_mended(work: Path, blobs: Reads) -> None:
    made, _ = build(work, blobs)
    places = [blobs.path(each.digest) for each in made.listing.entries]
    places[0].unlink()
    places[1].chmod(0o644)
    places[1].write_bytes(b"damaged")
    mended, _ = build(work, blobs)
    assert (mended.content_digest, mended.new_bytes) == (made.content_digest, made.listing.size_bytes)
    assert [blobs.get(each.digest) for each in made.listing.entries] == [b"one", b"\1" * (3 << 20)]


@pytest.mark.parametrize("damage", [b"", b"{}", b"\0" * 200, None])
def test_a_memory_that_is_damaged_counts_as_none(work: Path, blobs: Reads, damage: bytes | None) -> None:
    build(work, blobs)
    (file,) = (work.parent / "seen").iterdir()
    content = file.read_bytes()
    file.write_bytes(content.replace(b'"a.txt', b'"b.txt')[:-1] + b" " if damage is None else damage)
    assert build(work, blobs)[1] == 2
    assert build(work, blobs)[1] == 0


def test_a_bounded_number_of_folders_is_remembered(work: Path, blobs: Reads) -> None:
    build(work, blobs)
    for number in range(120):
        (work.parent / "seen" / f"{number}").touch()
        os.utime(work.parent / "seen" / f"{number}", (LONG_AGO_S + number, LONG_AGO_S + number))
    build(work, blobs)
    left = {path.name for path in (work.parent / "seen").iterdir()}
    assert len(left) == 100
    assert "20" not in left
    assert "21" in left
    assert build(work, blobs)[1] == 0
