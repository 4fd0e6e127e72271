"""A range of bytes over HTTP: tried again where that may help, checked for what is missing, clear about what went wrong."""

from __future__ import annotations

import io
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException
from typing import IO, TYPE_CHECKING, NamedTuple

from starwhale.errors import LinkError, NotFoundError, StarwhaleError

if TYPE_CHECKING:
    from http.client import HTTPResponse

TIMEOUT_S = 30.0
"""How long a server may be silent."""
ATTEMPTS = 3
"""Tries of one read."""
FIRST_PAUSE_S = 0.2
"""Before the second try; doubled for the third."""
PIECE_BYTES = 1 << 20
"""Bytes that are taken from a connection at a time."""
_PASSING = frozenset({429, 500, 502, 503, 504})
_BEHIND_THE_END = 416
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


class _BrokenOffError(Exception):
    """An answer that ends early or is not what was asked for; trying again may help."""


class Extent(NamedTuple):
    """What a server says of a content."""

    size: int | None
    """Bytes, None where it does not say."""
    has_ranges: bool
    """Whether it sends parts."""


def read_range(uri: str, start: int, size: int) -> bytes:
    """Read the bytes [start, start + size) at an address; a size of -1 means up to the end.

    Fewer bytes come back only where the content ends. A server that knows no ranges sends everything, of which the part is kept.

    Raises:
        NotFoundError: There is nothing at the address.
        LinkError: The server refuses, is silent or breaks off, each time.
    """
    out = io.BytesIO()
    copy_range(uri, start, size, out)
    return out.getvalue()


def copy_range(uri: str, start: int, size: int, out: IO[bytes]) -> None:
    """Do the same as `read_range` into a file, of which it is the only content, a piece at a time."""
    for attempt in range(1, ATTEMPTS + 1):
        out.seek(0)
        out.truncate()
        try:
            with _open(uri, start, size) as response:
                for piece in _take(response, start, size):
                    out.write(piece)
            return
        except urllib.error.HTTPError as error:
            with error:  # it is the answer too, with a connection
                if error.code == _BEHIND_THE_END:
                    return
                if error.code not in _PASSING or attempt == ATTEMPTS:
                    raise _refused(uri, error) from error
        except (OSError, HTTPException, _BrokenOffError) as error:
            if attempt == ATTEMPTS:
                raise _unreachable(uri, error) from error
        time.sleep(FIRST_PAUSE_S * 2 ** (attempt - 1))


def read_extent(uri: str) -> Extent:
    """Ask how much there is at an address, and whether it can be read in parts.

    Raises:
        NotFoundError: There is nothing at the address.
        LinkError: The server refuses or is silent.
    """
    try:
        with _open(uri, 0, 1) as response:
            found = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
            if response.status == 206 and found and found[3] != "*":
                return Extent(size=int(found[3]), has_ranges=True)
            return Extent(size=response.length, has_ranges=False)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == _BEHIND_THE_END:
                return Extent(size=0, has_ranges=True)
            raise _refused(uri, error) from error
    except (OSError, HTTPException) as error:
        raise _unreachable(uri, error) from error


def _open(uri: str, start: int, size: int) -> HTTPResponse:
    try:
        request = urllib.request.Request(uri)  # noqa: S310 - the caller has checked the scheme
    except ValueError as error:
        raise LinkError(f"{uri!r} is not an address: {error}") from error
    if start or size >= 0:
        request.add_header("Range", f"bytes={start}-{start + size - 1 if size >= 0 else ''}")
    return urllib.request.urlopen(request, timeout=TIMEOUT_S)  # noqa: S310 - as above


def _take(response: HTTPResponse, start: int, size: int) -> Iterator[bytes]:
    """Yield the part of an answer that was asked for; the rest is thrown away as it comes."""
    if response.status == 206:
        found = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
        if found and int(found[1]) != start:
            raise _BrokenOffError(f"bytes from {start} were asked for, and bytes from {found[1]} came")
        start = 0
    length, seen = response.length, 0
    end = None if size < 0 else start + size
    while end is None or seen < end:
        piece = response.read(PIECE_BYTES)
        if not piece:
            if length is not None and seen < length:
                raise _BrokenOffError(f"the connection broke off after {seen} of {length} bytes")
            return
        yield piece[max(start - seen, 0) : None if end is None else end - seen]
        seen += len(piece)


def _refused(uri: str, error: urllib.error.HTTPError) -> StarwhaleError:
    said = f"cannot read {uri!r}: {error.code} {' '.join(str(error.reason).split())}"
    if error.code in {404, 410}:
        return NotFoundError(said, hint="is the address of the link right?")
    if error.code in {401, 403, 407}:
        return LinkError(
            said, hint="the server wants a login: link to a signed address, or copy the content into the dataset"
        )
    if error.code in _PASSING:
        return LinkError(f"{said} (tried {ATTEMPTS} times)", hint="try again later")
    return LinkError(said)


def _unreachable(uri: str, error: Exception) -> LinkError:
    reason = getattr(error, "reason", None) or error
    if isinstance(reason, TimeoutError):
        said = f"no answer within {TIMEOUT_S:g} s"
    elif isinstance(reason, OSError):
        said = reason.strerror or str(reason)
    else:
        said = str(reason) or type(error).__name__
    return LinkError(
        f"cannot read {uri!r}: {said} (tried {ATTEMPTS} times)", hint="is the server running and reachable?"
    )
