"""Raw pixels as a PNG file, which is what a browser can show."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from math import prod

_COLOR_TYPE = {1: 0, 2: 4, 3: 2, 4: 6}
"""Bands → how PNG calls them."""


def write_png(pixels: bytes, shape: Sequence[int | None]) -> bytes | None:
    r"""Return a PNG file of 8-bit pixels; None where they do not fit the shape.

    Args:
        pixels: Row by row, the bands of a pixel together.
        shape: Height, width, and bands where there is not one.

    Example:
        >>> (write_png(bytes(6), [2, 3]) or b"")[:8]
        b'\x89PNG\r\n\x1a\n'
    """
    known = [each for each in shape if each is not None]
    if len(known) != len(shape) or len(known) not in {2, 3} or not pixels or prod(known) != len(pixels):
        return None
    height, width, bands = *known[:2], known[2] if len(known) == 3 else 1
    if bands not in _COLOR_TYPE:
        return None
    stride = width * bands
    rows = b"".join(b"\0" + pixels[at : at + stride] for at in range(0, len(pixels), stride))
    head = struct.pack(">IIBBBBB", width, height, 8, _COLOR_TYPE[bands], 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(rows, 1)) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
