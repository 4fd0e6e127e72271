"""The content digest of a row: equal content has equal digests, however and wherever it is stored."""

from __future__ import annotations

from typing import Any

import msgpack
from blake3 import blake3

from starwhale.media import codec
from starwhale.media.artifact import BaseArtifact
from starwhale.storage.columns.cells import LONG_BYTES
from starwhale.storage.dataset_rows.packs import PackSource
from starwhale.storage.protocols import Rows

_PLAIN = frozenset({bool, int, float, str, bytes, type(None)})


def digest_rows(rows: Rows) -> list[bytes]:
    """Digest the content of each row: its features by name, without those that are absent, and without the key."""
    names = sorted(rows.columns)
    columns = [rows.columns[name] for name in names]
    packer = msgpack.Packer(strict_types=True, unicode_errors="surrogatepass")
    digests: list[bytes] = []
    for row in zip(*columns, strict=True) if columns else [()] * len(rows):
        cells: list[Any] = []
        for name, value in zip(names, row, strict=True):
            if value is None:
                continue
            cells.append(name)
            if type(value) in _PLAIN and (type(value) is not int or -(2**63) <= value < 2**63):
                cells.append(value)
            else:
                cells.append(msgpack.ExtType(1, pack_cell(value)))
        digests.append(blake3(packer.pack(cells)).digest())
    return digests


def pack_cell(value: object) -> bytes:
    """Return bytes that are equal for equal content; large content is in them as its digest."""
    return codec.pack(value, place=_content_digest)


def content_of(media: BaseArtifact) -> tuple[bytes, int]:
    """Return digest and size of the content of a media value; what lies in a pack need not be read."""
    source = media.carried_source
    if isinstance(source, PackSource):
        return source.ref["digest"], source.size
    content = media.stored_bytes()
    return blake3(content).digest(), len(content)


def _content_digest(media: BaseArtifact) -> dict[str, Any] | None:
    """Stand for large content by its digest."""
    digest, size = content_of(media)
    return {"digest": digest, "size": size} if size > LONG_BYTES else None


__all__ = ["content_of", "digest_rows", "pack_cell"]
