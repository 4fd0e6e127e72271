from __future__ import annotations

import io
from pathlib import Path

import pytest

from starwhale.errors import CorruptedError, NotFoundError
from starwhale.storage.blobs.local import LocalBlobStore


def test_equal_bytes_are_kept_once_and_read_back(tmp_path: Path) -> None:
    store = LocalBlobStore(tmp_path / "blobs")
    digest = store.put(b"some bytes")
    assert store.put(io.BytesIO(b"some bytes")) == digest
    assert (store.get(digest), store.has(digest), store.has("0" * 64)) == (b"some bytes", True, False)
    assert (list(store.digests()), store.drafts()) == ([digest], [])
    with pytest.raises(NotFoundError):
        store.get("0" * 64)


def test_a_flipped_bit_is_found(tmp_path: Path) -> None:
    store = LocalBlobStore(tmp_path)
    digest = store.put(b"\x00" * 10)
    (tmp_path / digest[:2] / digest).write_bytes(b"\x00" * 9 + b"\x01")
    with pytest.raises(CorruptedError, match=digest):
        store.get(digest)


def test_a_damaged_file_of_the_right_size_is_written_again(tmp_path: Path) -> None:
    store = LocalBlobStore(tmp_path)
    digest = store.put(b"some bytes")
    for content in (b"some bytes", io.BytesIO(b"some bytes")):
        path = store.path(digest)
        path.chmod(0o644)
        path.write_bytes(b"same bytes")
        assert store.put(content) == digest
        assert store.get(digest) == b"some bytes"


def test_what_is_kept_and_what_was_only_begun_are_told_apart(tmp_path: Path) -> None:
    store = LocalBlobStore(tmp_path / "blobs")
    assert (list(store.digests()), store.drafts()) == ([], [])
    digest = store.put(b"some bytes")
    begun = store.root / ".1.killed"
    begun.write_bytes(b"some")
    assert (list(store.digests()), store.drafts()) == ([digest], [begun])
