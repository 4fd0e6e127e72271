"""What a digest looks like."""

from __future__ import annotations

import re

from starwhale.errors import UsageError

_DIGEST = re.compile(r"[0-9a-f]{64}")


def check_digest(digest: str) -> str:
    """Return a digest that can safely be a file name.

    Raises:
        UsageError: It is not 64 hexadecimal digits.
    """
    if _DIGEST.fullmatch(digest) is None:
        raise UsageError(f"{digest!r} is not a digest", hint="a digest is 64 hexadecimal digits")
    return digest


__all__ = ["check_digest"]
