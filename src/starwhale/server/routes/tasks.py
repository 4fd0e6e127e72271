"""What workers elsewhere ask for the attempt that they run: one route, whose bodies are messages and not JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from starwhale.errors import LoginError, StarwhaleError, VersionMismatchError
from starwhale.server.problems import problem
from starwhale.server.state import Here
from starwhale.settings import VERSION
from starwhale.storage.carriers.frames import FRAMES_TYPE, error_to_json, from_bytes, to_pieces
from starwhale.storage.carriers.http import PROTOCOL_HEADER, STOP_HEADER, TASK_PROTOCOL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from starwhale.execution.network.desk import TaskDesk
    from starwhale.storage.catalog.task_access import AttemptAccess

router = APIRouter(prefix="/tasks", tags=["tasks"])
MOST_BYTES = 256 << 20
"""Bytes of a request, at most: parts are committed at 32 MiB, and a row may be longer."""
TaskPart = Annotated[str, Path(max_length=80)]


_MESSAGE: dict[str, Any] = {"content": {FRAMES_TYPE: {"schema": {"type": "string", "format": "binary"}}}}
"""Says that a body is a message."""


@router.post(
    "/{job}/{step}/{index}/{attempt}/{operation}",
    response_class=Response,
    responses={200: {**_MESSAGE, "description": "The answer, as a message."}},
    openapi_extra={"requestBody": {**_MESSAGE, "required": True}},
)
async def ask_for_task(
    here: Here, request: Request, job: TaskPart, step: TaskPart, index: TaskPart, attempt: int, operation: TaskPart
) -> Response:
    """Do one operation of the task-side contract for the attempt whose token is given; 401 with any other."""
    check_version(request.headers.get(PROTOCOL_HEADER, ""))
    desk = here.instance.tasks
    access = await run_in_threadpool(_admit, desk, request, f"{job}/{step}/{index}", attempt)
    body = await request.body()
    try:
        header, blobs = from_bytes(body)
    except (ValueError, RecursionError) as error:
        return problem(400, "message", f"the body is no message: {error}", f"send one of {FRAMES_TYPE}")
    return await run_in_threadpool(_answer, desk, access, {**header, "op": operation}, blobs)


def check_version(said: str) -> None:
    """Refuse a worker that speaks otherwise.

    Raises:
        VersionMismatchError: It is of another version; both are named.
    """
    protocol, _, version = said.partition(" ")
    if protocol != str(TASK_PROTOCOL):
        worker = f"{version[:40] or 'an unknown version'} (protocol {protocol[:10] or 'none'})"
        message = f"the worker is of {worker}, and this server of {VERSION} (protocol {TASK_PROTOCOL})"
        raise VersionMismatchError(message, hint="run both from the same release: the image of workers, and the server")


def _admit(desk: TaskDesk, request: Request, task_id: str, attempt: int) -> AttemptAccess:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    access = desk.admit(token.strip() if scheme.casefold() == "bearer" else "")
    if (access.task_id, access.attempt) != (task_id, attempt):
        message = f"this token is for attempt {access.attempt} of task {access.task_id}, and not for another"
        raise LoginError(message, hint="the driver of the job makes one for each attempt")
    return access


def _answer(
    desk: TaskDesk, access: AttemptAccess, header: dict[str, Any], blobs: list[memoryview]
) -> Response:  # Any: JSON
    found: Sequence[bytes | memoryview] = []
    status = 200
    try:
        value, found = desk.answer(access, header, blobs)
        said = {"value": value}
    except StarwhaleError as error:
        said, status = {"error": error_to_json(error)}, error.http_status
    pieces = to_pieces(json.loads(json.dumps(said, default=repr)), found)
    headers = {"content-length": str(sum(map(len, pieces)))}
    if access.wants_stop:
        headers[STOP_HEADER] = "1"
    return StreamingResponse(_stream(pieces), status, headers, media_type=FRAMES_TYPE)


async def _stream(pieces: Sequence[bytes | memoryview]) -> AsyncIterator[bytes | memoryview]:
    for each in pieces:
        yield each
