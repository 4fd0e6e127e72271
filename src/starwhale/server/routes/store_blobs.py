"""Contents for other programs, by their digest: read whole or by range, and sent whole or in pieces that may be gone on with."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse
from starlette.requests import ClientDisconnect

from starwhale.errors import UsageError
from starwhale.server.state import Here
from starwhale.storage.columns.files import write_pieces
from starwhale.wire.stores import Digests, Size

BYTES_TYPE = "application/octet-stream"
MOST_DIGESTS = 1000
"""Digests of a question, at most."""
WHOLE_BYTES = 8 << 20
"""A content with more bytes comes in pieces."""
PIECE_BYTES = 64 << 20
"""Bytes of a piece, at most."""
_GATHERED = 1 << 20
"""Bytes that are gathered before they are written."""

router = APIRouter(prefix="/stores", tags=["stores"])
Digest = Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="BLAKE3 of the content.")]
CONTENT: dict[str, Any] = {
    "requestBody": {"required": True, "content": {BYTES_TYPE: {"schema": {"type": "string", "format": "binary"}}}}
}
"""Says of a route that its body is a content."""
GIVEN: dict[int | str, dict[str, Any]] = {
    200: {"content": {BYTES_TYPE: {}}, "description": "The content."},
    206: {"content": {BYTES_TYPE: {}}, "description": "A range of it."},
}
"""Says of a route that its answer is a content."""


class ContentResponse(FileResponse):
    """A file, whole or by range, in large pieces: each costs a turn of the loop and one of a thread."""

    chunk_size = 1 << 20


@router.post("/blobs/lacking")
def lacking_blobs(here: Here, body: Digests) -> Digests:
    """Say which contents are not here; those that are here are read and verified, and not collected for a day."""
    if len(body.digests) > MOST_DIGESTS:
        raise UsageError(f"{len(body.digests)} digests are asked for", hint=f"ask for {MOST_DIGESTS} at most")
    return Digests(digests=here.stores.lacking(body.digests))


@router.get("/blobs/{digest}", response_class=ContentResponse, responses=GIVEN)
def read_blob(here: Here, digest: Digest) -> ContentResponse:
    """Read a content, whole or by range. Who reads it verifies it: its name is its digest."""
    return ContentResponse(here.stores.blob_path(digest), media_type=BYTES_TYPE)


@router.get("/blobs/{digest}/size")
def size_of_blob(here: Here, digest: Digest) -> Size:
    """Say how large a content is, and whether it is here at all."""
    return Size(size=here.stores.blob_size(digest))


@router.put("/blobs/{digest}", openapi_extra=CONTENT)
async def put_blob(here: Here, digest: Digest, request: Request) -> Size:
    """Send a content of 8 MiB at most whole; nothing is kept of one with another digest, or that is cut off."""
    content = await whole_body(request)
    await run_in_threadpool(here.stores.put_blob, digest, content)
    return Size(size=len(content))


@router.post("/blobs/{digest}/finish")
def finish_blob(here: Here, digest: Digest) -> Size:
    """Keep a content that was uploaded, once it is verified; one that is here already is left as it is."""
    here.stores.finish_blob(digest)
    return Size(size=here.stores.blob_size(digest))


@router.get("/uploads/{digest}")
def size_of_upload(here: Here, digest: Digest) -> Size:
    """Say how many bytes of a content were sent so far."""
    return Size(size=here.stores.uploads.size(digest))


@router.patch("/uploads/{digest}", openapi_extra=CONTENT)
async def append_upload(
    here: Here,
    digest: Digest,
    request: Request,
    offset: Annotated[int, Query(ge=0, description="Where the piece begins: as many bytes as are here.")],
    total: Annotated[int, Query(ge=0, description="Bytes of the whole content.")],
) -> Size:
    """Send a piece of a content. What is cut off stays as far as it came; nothing is kept twice.

    Raises:
        UsageError: More bytes come than the whole has.
    """
    with here.stores.uploads.appending(digest, offset) as file:
        size = offset
        gathered = bytearray()
        async for piece in _pieces(request):
            size += len(piece)
            if size > total:
                raise UsageError(f"{size} bytes came, and the whole has {total}", hint="send the rest of it, no more")
            gathered += piece
            if len(gathered) >= _GATHERED:
                await run_in_threadpool(write_pieces, file, [bytes(gathered)])
                gathered.clear()
        await run_in_threadpool(write_pieces, file, [bytes(gathered)])
    return Size(size=size)


async def whole_body(request: Request, most_bytes: int = WHOLE_BYTES) -> bytes:
    """Read a body.

    Raises:
        UsageError: It has more bytes than come whole, or was cut off.
    """
    content = bytearray()
    async for piece in _pieces(request):
        content += piece
        if len(content) > most_bytes:
            raise UsageError(
                f"a whole content has {most_bytes} bytes at most here", hint="send it in pieces: PATCH /stores/uploads"
            )
    said = request.headers.get("content-length", "")
    if said.isdecimal() and int(said) != len(content):
        raise UsageError(f"{len(content)} of {said} bytes came", hint="send it again")
    return bytes(content)


async def _pieces(request: Request) -> AsyncGenerator[bytes]:
    """Give a body as it comes; one that is cut off ends."""
    try:
        async for piece in request.stream():
            yield piece
    except ClientDisconnect:
        return
