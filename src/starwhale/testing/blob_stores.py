"""The rules of `BlobStore` as tests, for whatever keeps contents: subclass `BlobStoreContract`, and open the store in `opened`."""

from __future__ import annotations

import io
import os
from contextlib import AbstractContextManager
from pathlib import Path

from starwhale.errors import NotFoundError, UsageError
from starwhale.storage.protocols import BlobStore

CONTENTS = (b"", b"x", bytes(range(256)) * 40, os.urandom(3_000_000))


class BlobStoreContract:
    """What every store of contents must do; one test per rule."""

    def opened(self, folder: Path) -> AbstractContextManager[BlobStore]:
        """Open an empty store; subclasses do."""
        raise NotImplementedError

    def test_what_is_put_comes_back(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as blobs:
            for content in CONTENTS:
                digest = blobs.put(content)
                assert blobs.get(digest) == content
                assert blobs.has(digest)

    def test_equal_content_has_one_digest_however_it_is_given(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as blobs:
            for content in CONTENTS:
                assert blobs.put(content) == blobs.put(io.BytesIO(content)) == blobs.put(content)

    def test_different_contents_have_different_digests(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as blobs:
            assert len({blobs.put(content) for content in CONTENTS}) == len(CONTENTS)

    def test_an_unknown_digest_is_named(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as blobs:
            assert not blobs.has("0" * 64)
            assert "000000000000" in str(_error_of(lambda: blobs.get("0" * 64), NotFoundError))

    def test_only_a_digest_names_a_content(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as blobs:
            for name in ("", "../../etc/passwd", "A" * 64, "0" * 63, "0" * 65):
                _error_of(lambda name=name: blobs.get(name), UsageError)
                _error_of(lambda name=name: blobs.has(name), UsageError)


def _error_of(call: object, kind: type[Exception]) -> Exception:
    try:
        call()  # type: ignore[operator]  # it is a function
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__} was raised")


__all__ = ["BlobStoreContract"]
