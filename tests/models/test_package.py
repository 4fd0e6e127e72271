"""Packaging a work directory and writing it out again."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from starwhale.errors import AlreadyExistsError, CorruptedError, ModelSourceError
from starwhale.models.ignore import read_rules
from starwhale.models.listing import Listing, digests_of, read_listing
from starwhale.models.package import Packaged, package
from starwhale.models.unpack import unpack
from starwhale.storage.blobs.local import LocalBlobStore

BIG = 3 << 20


@pytest.fixture
def blobs(tmp_path: Path) -> LocalBlobStore:
    return LocalBlobStore(tmp_path / "blobs")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A work directory with everything that may be in one."""
    root = tmp_path / "work"
    for folder in ("src/deep", "empty/below", "données"):
        (root / folder).mkdir(parents=True)
    (root / "evaluation.py").write_text("print('ü')\n")
    (root / "données" / "ü 数.txt").write_text("unicode")
    (root / "src/deep/weights.bin").write_bytes(bytes(range(256)) * (BIG // 256))
    (root / "src/deep/nothing").touch()
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o750)
    (root / "near.txt").symlink_to("données/ü 数.txt")
    (root / "src/up").symlink_to("../données")
    (root / "absolute").symlink_to(root / "src" / "deep")
    return root


def packed(root: Path, blobs: LocalBlobStore) -> Packaged:
    return package(root, read_rules(root), blobs)


def stored(blobs: LocalBlobStore) -> set[str]:
    return set(blobs.digests())


def content(root: Path) -> dict[str, object]:
    """Everything below a folder, by path: text of links, bytes and executability of files, empty folders."""
    found: dict[str, object] = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_symlink():
            found[name] = path.resolve().relative_to(root.resolve())
        elif path.is_file():
            found[name] = (path.read_bytes(), bool(path.stat().st_mode & 0o111))
        elif not any(path.iterdir()):
            found[name] = None
    return found


def test_a_directory_comes_back_as_it_was(work: Path, blobs: LocalBlobStore, tmp_path: Path) -> None:
    made = packed(work, blobs)
    unpack(read_listing(blobs, made.content_digest), blobs, tmp_path / "out")
    assert content(tmp_path / "out") == content(work)
    assert content(work)["empty/below"] is None
    links = {each.path: each.target for each in made.listing.entries if each.target}
    assert links == {"absolute": "src/deep", "near.txt": "données/ü 数.txt", "src/up": "../données"}
    desc = {each.path: each.desc for each in made.listing.files}
    assert (desc["src/deep/weights.bin"], desc["evaluation.py"]) == ("MODEL", "SRC")
    assert made.listing.size_bytes == made.new_bytes == sum(each.size for each in made.listing.files)


def test_packaging_again_writes_nothing_and_is_the_same_content(work: Path, blobs: LocalBlobStore) -> None:
    first = packed(work, blobs)
    before = stored(blobs)
    assert digests_of(blobs, first.content_digest) == before
    os.utime(work / "evaluation.py", (1, 1))
    (work / "evaluation.py").chmod(0o600)  # who may read it is the machine's affair
    again = packed(work, blobs)
    assert (again.content_digest, again.new_bytes, stored(blobs)) == (first.content_digest, 0, before)
    (work / "evaluation.py").write_text("pass\n")
    changed = packed(work, blobs)
    assert (changed.content_digest != first.content_digest, changed.new_bytes) == (True, 5)


def test_what_is_written_out_does_not_reach_the_store(work: Path, blobs: LocalBlobStore, tmp_path: Path) -> None:
    made = packed(work, blobs)
    unpack(made.listing, blobs, tmp_path / "out")
    for path in ("src/deep/weights.bin", "evaluation.py"):
        target = tmp_path / "out" / path
        assert not target.stat().st_mode & 0o222
        target.chmod(0o644)
        target.write_bytes(b"damaged by user code")
    unpack(made.listing, blobs, tmp_path / "again")
    assert content(tmp_path / "again") == content(work)
    unpack(made.listing, blobs, tmp_path / "writable", is_writable=True)
    assert (tmp_path / "writable/run.sh").stat().st_mode & 0o777 == 0o755


def flip(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)


def test_a_flipped_bit_is_noticed_and_packaging_again_mends_it(
    work: Path, blobs: LocalBlobStore, tmp_path: Path
) -> None:
    made = packed(work, blobs)
    weights = next(each for each in made.listing.files if each.path.endswith("weights.bin"))
    flip(blobs.path(weights.digest), BIG // 2)
    with pytest.raises(CorruptedError, match=r"src/deep/weights\.bin"):
        unpack(made.listing, blobs, tmp_path / "out")
    assert list(tmp_path.glob("*out*")) == []  # whole or not at all
    flip(blobs.path(made.content_digest), 30)
    with pytest.raises(CorruptedError):
        read_listing(blobs, made.content_digest)
    assert packed(work, blobs).content_digest == made.content_digest
    unpack(read_listing(blobs, made.content_digest), blobs, tmp_path / "out")
    blobs.path(weights.digest).unlink()
    with pytest.raises(CorruptedError, match=r"src/deep/weights\.bin"):
        unpack(made.listing, blobs, tmp_path / "other")


def test_a_folder_that_holds_something_is_not_written_into(work: Path, blobs: LocalBlobStore, tmp_path: Path) -> None:
    made = packed(work, blobs)
    (tmp_path / "out").mkdir()
    unpack(made.listing, blobs, tmp_path / "out")
    with pytest.raises(AlreadyExistsError, match="not empty"):
        unpack(made.listing, blobs, tmp_path / "out")


@pytest.mark.parametrize(
    "entry",
    [
        {"path": "../x", "kind": "file", "digest": "0" * 64},
        {"path": "/x", "kind": "file", "digest": "0" * 64},
        {"path": "a/../../x", "kind": "folder"},
        {"path": "a/x", "kind": "link", "target": "../../x"},
        {"path": "x", "kind": "link", "target": "/etc"},
        {"path": "x", "kind": "socket"},
    ],
)
def test_a_listing_that_leads_out_is_refused(entry: dict[str, str]) -> None:
    import json

    with pytest.raises(CorruptedError):
        Listing.from_bytes(json.dumps({"format": 1, "entries": [entry]}).encode())


def test_links_that_leave_the_directory(work: Path, blobs: LocalBlobStore, tmp_path: Path) -> None:
    """To a file: its content is packaged. To a folder, or to nothing: refused by name."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "big.bin").write_bytes(b"weights from elsewhere")
    (work / "big.bin").symlink_to(tmp_path / "elsewhere" / "big.bin")
    unpack(packed(work, blobs).listing, blobs, tmp_path / "out")
    assert (tmp_path / "out" / "big.bin").read_bytes() == b"weights from elsewhere"
    assert not (tmp_path / "out" / "big.bin").is_symlink()
    for target in (tmp_path / "elsewhere", tmp_path / "nowhere", work / "circle"):
        (work / "circle").symlink_to(target)
        with pytest.raises(ModelSourceError, match="'circle' is a link"):
            packed(work, blobs)
        assert package(work, read_rules(work, excludes=["/circle"]), blobs).listing.files
        (work / "circle").unlink()


def test_a_link_to_what_is_left_out_becomes_a_file(work: Path, blobs: LocalBlobStore, tmp_path: Path) -> None:
    (work / "src/up").unlink()
    made = package(work, read_rules(work, excludes=["données/"]), blobs)
    unpack(made.listing, blobs, tmp_path / "out")
    assert (tmp_path / "out" / "near.txt").read_text() == "unicode"
    assert not (tmp_path / "out" / "near.txt").is_symlink()


def test_what_is_no_file_is_refused_by_name(work: Path, blobs: LocalBlobStore) -> None:
    os.mkfifo(work / "pipe")
    with pytest.raises(ModelSourceError, match="'pipe' is a socket, a pipe or a device"):
        packed(work, blobs)
    (work / "pipe").unlink()
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(os.path.relpath(work / "s"))
        with pytest.raises(ModelSourceError, match="'s' is a socket"):
            packed(work, blobs)
    (work / "s").unlink()
    os.close(os.open(os.fsencode(work) + b"/\xff", os.O_CREAT | os.O_WRONLY))
    with pytest.raises(ModelSourceError, match="not UTF-8"):
        packed(work, blobs)


def test_a_file_that_changes_meanwhile_is_refused(work: Path, tmp_path: Path) -> None:
    path = work / "src/deep/weights.bin"

    class Store(LocalBlobStore):
        """A store during whose writing the user's training goes on."""

        def is_intact(self, digest: str) -> bool:
            with path.open("ab") as file:
                file.write(b"one more")
            return super().is_intact(digest)

    with pytest.raises(ModelSourceError, match=r"'src/deep/weights\.bin' changed while it was packaged"):
        packed(work, Store(tmp_path / "blobs"))
    assert Store(tmp_path / "blobs").drafts() == []


def test_a_file_that_vanishes_meanwhile_is_refused(work: Path, tmp_path: Path) -> None:
    class Store(LocalBlobStore):
        """A store during whose writing files are replaced, as an editor does when it saves."""

        def is_intact(self, digest: str) -> bool:
            (work / "evaluation.py").unlink(missing_ok=True)
            return super().is_intact(digest)

    with pytest.raises(ModelSourceError, match=r"'evaluation\.py' vanished while it was packaged"):
        packed(work, Store(tmp_path / "blobs"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_named(work: Path, blobs: LocalBlobStore) -> None:
    (work / "evaluation.py").chmod(0)
    with pytest.raises(ModelSourceError, match=r"'evaluation\.py' cannot be read"):
        packed(work, blobs)


def test_an_empty_directory_is_refused(tmp_path: Path, blobs: LocalBlobStore) -> None:
    (tmp_path / "none").mkdir()
    with pytest.raises(ModelSourceError, match="nothing to package"):
        packed(tmp_path / "none", blobs)
