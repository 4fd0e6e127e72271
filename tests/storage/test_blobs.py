"""Both blob stores keep one promise; the local one survives damage and kills."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from starwhale.errors import CorruptedError, NotFoundError, UsageError
from starwhale.storage.blobs.local import LocalBlobStore
from starwhale.storage.blobs.memory import MemoryBlobStore
from starwhale.storage.in_use import LOCK_NAME
from starwhale.storage.protocols import BlobStore


@pytest.fixture(params=["local", "memory"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    return LocalBlobStore(tmp_path / "blobs") if request.param == "local" else MemoryBlobStore()


@pytest.mark.parametrize("content", [b"", b"x", os.urandom(3_000_000)])
def test_what_is_put_comes_back(blobs: BlobStore, content: bytes) -> None:
    digest = blobs.put(content)
    assert blobs.put(io.BytesIO(content)) == digest
    assert blobs.get(digest) == content
    assert blobs.has(digest)


def test_an_unknown_digest_is_named(blobs: BlobStore) -> None:
    assert not blobs.has("0" * 64)
    with pytest.raises(NotFoundError, match="000000000000"):
        blobs.get("0" * 64)


@pytest.mark.parametrize("digest", ["", "../../etc/passwd", "A" * 64, "0" * 63])
def test_only_a_digest_names_a_blob(blobs: BlobStore, digest: str) -> None:
    with pytest.raises(UsageError):
        blobs.get(digest)


def test_equal_content_costs_no_space(tmp_path: Path) -> None:
    blobs = LocalBlobStore(tmp_path)
    blobs.put(b"x" * 1000)
    blobs.put(io.BytesIO(b"x" * 1000))
    assert [path.name for path in tmp_path.rglob("*") if path.is_file() and path.name != LOCK_NAME] == list(
        blobs.digests()
    )


def test_a_flipped_byte_is_never_returned(tmp_path: Path) -> None:
    blobs = LocalBlobStore(tmp_path / "blobs")
    digest = blobs.put(b"x" * 100)
    path = blobs.path(digest)
    path.chmod(0o644)
    for offset in range(0, 100, 9):
        content = bytearray(b"x" * 100)
        content[offset] ^= 4
        path.write_bytes(content)
        with pytest.raises(CorruptedError, match=digest):
            blobs.get(digest)
        with pytest.raises(CorruptedError, match=digest):
            blobs.copy_to(digest, tmp_path / "copy")
        assert not (tmp_path / "copy").exists()


def test_a_torn_blob_is_written_again(tmp_path: Path) -> None:
    blobs = LocalBlobStore(tmp_path)
    path = blobs.path(blobs.put(b"x" * 100))
    path.chmod(0o644)
    path.write_bytes(b"x" * 10)
    assert blobs.get(blobs.put(b"x" * 100)) == b"x" * 100


def test_a_copy_is_verified(tmp_path: Path) -> None:
    blobs = LocalBlobStore(tmp_path / "blobs")
    blobs.copy_to(blobs.put(b"content"), tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"content"


def test_a_killed_writer_leaves_no_blob(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from starwhale.storage.blobs.local import LocalBlobStore\n"
        "class Endless:\n"
        "    def read(self, size):\n"
        "        print('x', flush=True); return b'x' * size\n"
        "LocalBlobStore(Path(sys.argv[1])).put(Endless())\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        for _ in range(3):
            child.stdout.readline()
        child.send_signal(signal.SIGKILL)
    assert [path.name[0] for path in tmp_path.rglob("*") if path.is_file()] == ["."]
