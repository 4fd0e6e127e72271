"""The content of a cell or file as an answer: by range, as a type that no browser executes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from fastapi import Request
from fastapi.responses import Response, StreamingResponse

from starwhale.errors import NotFoundError, UsageError
from starwhale.media.artifact import BaseArtifact
from starwhale.media.image import Image
from starwhale.media.mime import MIMEType
from starwhale.media.source import BytesSource
from starwhale.server.cells import find_within
from starwhale.server.png import write_png
from starwhale.server.problems import problem

if TYPE_CHECKING:
    from starwhale.media.source import Source

PIECE_BYTES = 1 << 18
"""Read at a time."""
SHOWN_TYPES = frozenset(
    {
        "image/png", "image/jpeg", "image/webp", "image/gif", "image/apng", "image/avif", "image/svg+xml",
        "audio/mpeg", "audio/wav", "audio/x-wav", "audio/ogg", "audio/flac", "audio/mp4", "audio/aac", "audio/webm",
        "video/mp4", "video/webm", "video/ogg", "video/quicktime",
    }
)  # fmt: skip
"""What a browser may show by itself; everything else is text or a download."""
SANDBOX = "sandbox; default-src 'none'; style-src 'unsafe-inline'"
"""Policy of content of users: nothing in it runs or loads anything, also when it is opened by itself."""
_RANGE = re.compile(r"^bytes=(\d*)-(\d*)$")


def cell_answer(request: Request, value: Any, at: str) -> Response:  # Any: a cell of a user's
    """Answer with the content of a cell, or of what lies in it.

    Raises:
        NotFoundError: There is nothing, or it has no content.
    """
    try:
        found = find_within(value, at)
    except LookupError as error:
        raise NotFoundError(f"there is nothing at {at!r} within the cell") from error
    if isinstance(found, BaseArtifact):
        return _media_answer(request, found)
    if isinstance(found, bytes):
        return content_answer(request, BytesSource(found), "application/octet-stream")
    if isinstance(found, str):
        return content_answer(request, BytesSource(found.encode("utf-8", "backslashreplace")), "text/plain")
    raise NotFoundError("the cell has no content beside what its row shows")


def content_answer(request: Request, source: Source, mime_type: str, *, name: str = "") -> Response:
    """Answer with bytes, whole or the range that is asked for.

    Args:
        request: What may ask for a range.
        source: Where they are read.
        mime_type: What they are said to be.
        name: File name of a download.
    """
    size = source.size
    if size is None:
        content = source.read()
        source, size = BytesSource(content), len(content)
    headers = _headers(mime_type, name)
    asked = request.headers.get("range", "")
    if not asked:
        return StreamingResponse(_pieces(source, 0, size), 200, {**headers, "content-length": str(size)})
    bounds = _bounds(asked, size)
    if bounds is None:
        return problem(
            416, "range", f"{asked[:80]!r} is no range of {size} bytes", headers={"content-range": f"bytes */{size}"}
        )
    start, stop = bounds
    told = {"content-range": f"bytes {start}-{stop - 1}/{size}", "content-length": str(stop - start)}
    return StreamingResponse(_pieces(source, start, stop), 206, {**headers, **told})


def _media_answer(request: Request, value: BaseArtifact) -> Response:
    source = value.carried_source
    if source is None:
        where = "" if value.link is None else f": it lies at {value.link.uri}"
        raise NotFoundError(
            f"the value carries no content{where}", hint="nothing is fetched from elsewhere for the console"
        )
    if isinstance(value, Image) and value.mime_type in {MIMEType.GRAYSCALE, MIMEType.UNDEFINED}:
        content = value.to_bytes()
        png = write_png(content, value.shape)
        return content_answer(request, BytesSource(png or content), "image/png" if png else _sniffed(content))
    return content_answer(request, source, value.mime_type.value, name=value.display_name)


def _sniffed(content: bytes) -> str:
    """Say what bytes are that nobody named, of the few kinds that a browser shows."""
    for start, kind in ((b"\x89PNG", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif")):
        if content.startswith(start):
            return kind
    return "image/webp" if content[:4] == b"RIFF" and content[8:12] == b"WEBP" else "application/octet-stream"


def _headers(mime_type: str, name: str) -> dict[str, str]:
    kind = mime_type.partition(";")[0].strip().casefold()
    if kind in SHOWN_TYPES:
        shown, how = kind, "inline"
    elif kind.startswith("text/") or kind in {"application/json", "application/xml", "application/javascript"}:
        shown, how = "text/plain; charset=utf-8", "inline"
    else:
        shown, how = "application/octet-stream", "attachment"
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", name.rpartition("/")[2])[-100:]
    return {
        "content-type": shown,
        "content-disposition": f'{how}; filename="{plain}"' if plain else how,
        "content-security-policy": SANDBOX,
        "accept-ranges": "bytes",
        "cache-control": "private, max-age=3600",
    }


def _bounds(asked: str, size: int) -> tuple[int, int] | None:
    """Return the first byte and the one behind the last; None where no such bytes are there. Of several ranges none is given."""
    found = _RANGE.match(asked.strip())
    if found is None or not (found[1] or found[2]) or len(asked) > 60:
        return None
    if not found[1]:
        start, stop = max(size - int(found[2]), 0), size
    else:
        start, stop = int(found[1]), min(int(found[2]) + 1, size) if found[2] else size
    return (start, stop) if start < stop else None


def _pieces(source: Source, start: int, stop: int) -> Iterator[bytes]:
    while start < stop:
        piece = source.read(start, min(PIECE_BYTES, stop - start))
        if not piece:
            return
        yield piece
        start += len(piece)


def check_path(path: str) -> str:
    """Refuse a path that leads out of what it is in, before anything is looked up.

    Raises:
        UsageError: It does.
    """
    if path.startswith("/") or "\\" in path or "\0" in path or ".." in path.split("/"):
        raise UsageError(f"{path[:200]!r} is no path below the root", hint="give one as the list of files has it")
    return path
