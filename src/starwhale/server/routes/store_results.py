"""Results for other programs: which parts there are, their files by range, and parts of evaluations that run elsewhere."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool

from starwhale.server.routes.store_blobs import BYTES_TYPE, CONTENT, GIVEN, ContentResponse, whole_body
from starwhale.server.routes.store_catalog import Key
from starwhale.server.state import Here
from starwhale.wire.stores import PART_BYTES, AppendedPart, PartsWanted, StoredParts

router = APIRouter(prefix="/stores/results", tags=["stores"])
Owner = Annotated[
    str,
    Query(min_length=1, max_length=400, description="Id of a job, or `<project>/<id>` of an evaluation that is none."),
]
"""Parameter of a route: whose results."""


@router.post("/parts")
def list_result_parts(here: Here, body: PartsWanted) -> StoredParts:
    """List parts that readers see, in the order of their commits; where their tables lie, and the digests of these."""
    return here.stores.results.parts(body)


@router.get("/file", response_class=ContentResponse, responses=GIVEN)
def read_result_file(
    here: Here, owner: Owner, name: Annotated[str, Query(max_length=400, description="`file` of a table of a part.")]
) -> ContentResponse:
    """Read a file of results, whole or by range. Who reads it verifies it: parts say the digests of their stretches."""
    return ContentResponse(here.stores.results.path(owner, name), media_type=BYTES_TYPE)


@router.post("/append", openapi_extra=CONTENT)
async def append_results(
    here: Here,
    request: Request,
    owner: Owner,
    holder: Annotated[str, Query(min_length=1, max_length=400, description="Who writes.")],
    key: Key = "",
) -> AppendedPart:
    """Commit rows of tables, all of them or none."""
    content = await whole_body(request, PART_BYTES)
    return AppendedPart(id=await run_in_threadpool(here.stores.append_results, owner, holder, content, key))
