"""Disk space: refused before anything is written, and holes stay holes."""

from __future__ import annotations

from pathlib import Path

import pytest

from starwhale.errors import NoSpaceError
from starwhale.models.ignore import read_rules
from starwhale.models.package import package
from starwhale.models.space import MARGIN
from starwhale.models.unpack import unpack
from starwhale.storage.blobs.local import LocalBlobStore

SIZE = 2 << 20


class NarrowStore(LocalBlobStore):
    """A store on a disk with so much left."""

    free: int = 0

    def free_bytes(self) -> int:
        return self.free


@pytest.fixture
def work(tmp_path: Path) -> Path:
    root = tmp_path / "work"
    root.mkdir()
    for number in range(3):
        (root / f"{number}.bin").write_bytes(bytes([number]) * SIZE)
    (root / "same.bin").write_bytes(b"\0" * SIZE)
    return root


def test_what_does_not_fit_is_refused_before_anything_is_written(work: Path, tmp_path: Path) -> None:
    blobs = NarrowStore(tmp_path / "blobs")
    blobs.free = 2 * SIZE + MARGIN
    with pytest.raises(NoSpaceError, match=r"new content of the model needs 6\.0 MiB in .*, where 68\.0 MiB are free"):
        package(work, read_rules(work), blobs)
    assert [*blobs.digests(), *blobs.drafts()] == []


def test_what_is_stored_already_needs_no_space(work: Path, tmp_path: Path) -> None:
    """Two files with the same content need it once, and a model that is there needs nothing."""
    blobs = NarrowStore(tmp_path / "blobs")
    blobs.free = 3 * SIZE + MARGIN
    first = package(work, read_rules(work), blobs)
    blobs.free = MARGIN
    again = package(work, read_rules(work), blobs)
    assert (again.content_digest, again.new_bytes) == (first.content_digest, 0)


def test_holes_take_no_space(tmp_path: Path) -> None:
    root = tmp_path / "work"
    root.mkdir()
    size = 256 << 20
    with (root / "sparse.bin").open("wb") as out:
        out.seek(100 << 20)
        out.write(b"in the middle")
        out.truncate(size)
    blobs = NarrowStore(tmp_path / "blobs")
    blobs.free = SIZE + MARGIN
    made = package(root, read_rules(root), blobs)
    unpack(made.listing, blobs, tmp_path / "out")
    for path in (blobs.path(made.listing.files[0].digest), tmp_path / "out" / "sparse.bin"):
        state = path.stat()
        assert (state.st_size, state.st_blocks * 512 < SIZE) == (size, True)
        with path.open("rb") as file:
            file.seek((100 << 20) - 1)
            assert file.read(15) == b"\0in the middle\0"
