"""The routes of online evaluation: ask a function of a model, say what there is, stop what goes on."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from starlette.requests import ClientDisconnect

from starwhale.domain.json_shape import Json
from starwhale.errors import InputError, NotFoundError, StarwhaleError
from starwhale.server.online.answers import answer, refusal
from starwhale.server.online.state import Here, ModelId, Online
from starwhale.server.online.streaming import Bits, stream
from starwhale.server.problems import problem

if TYPE_CHECKING:
    from starwhale.serving.lanes import Lane
    from starwhale.serving.lanes import Request as Waiting
    from starwhale.serving.model_host import Outcome
    from starwhale.serving.served_model import ServedModel

logger = logging.getLogger(__name__)
router = APIRouter()
EVENTS = "text/event-stream"


@router.get("/health")
def health(here: Here) -> JSONResponse:
    """Say whether every model takes requests: 200, else 503."""
    models = [
        {
            "id": each.id,
            "is_ready": each.host.is_ready,
            "waiting": each.load.waiting,
            "under_way": each.load.under_way,
            "restarts": each.host.restarts,
        }
        for each in here.models.values()
    ]
    is_ready = all(each["is_ready"] for each in models)
    return JSONResponse({"status": "ok" if is_ready else "starting", "models": models}, 200 if is_ready else 503)


@router.get("/api/spec")
def show_spec(here: Here, model: ModelId = "") -> JSONResponse:
    """Return the specification of a model, in the shape of version 0.0.2."""
    found = here.find(model)
    return JSONResponse({**found.offer.spec, "title": here.title if not model else found.id})


@router.get("/models")
def list_models(here: Here) -> JSONResponse:
    """Say which models are served side by side, and what each of their functions takes and gives."""
    return JSONResponse({"title": here.title, "models": [_show(each) for each in here.models.values()]})


def _show(model: ServedModel) -> Json:
    source = model.host.source
    return {
        "id": model.id,
        "name": source.name,
        "uri": source.uri,
        "version": source.version,
        "workdir": "" if source.uri else source.workdir,
        "apis": [{**each.to_json(), "batch_size": model.lanes[each.name].batch_size} for each in model.offer.endpoints],
    }


@router.post("/requests/{request_id}/stop")
def stop_request(here: Here, request_id: str) -> JSONResponse:
    """Stop a request that is not answered yet: one that waits is dropped, one that gives its answer out bit by bit stops after the present bit."""
    found = here.under_way.get(request_id)
    if found is None:
        raise NotFoundError(f"no request {request_id[:60]!r} is under way", hint="it may have been answered already")
    lane, waiting = found
    lane.stop(waiting)
    return JSONResponse({"request": request_id, "is_stopped": True})


@router.post("/api/{name:path}")
async def ask(here: Here, request: Request, name: str, model: ModelId = "") -> Response:
    """Call a function with a JSON object of its arguments, or with a row; answer with what it returns."""
    key = uuid.uuid4().hex[:16]
    try:
        found = here.find(model, name)
        found.endpoint(name)
        body = await request.body()
        found.check(name, _object(body))
        lane = found.lanes[name]
        if EVENTS in request.headers.get("accept", ""):
            return _answer_bit_by_bit(here, found, lane, key, body)
        waiting = lane.put(key, body)
        return await _answer(here, request, found, lane, waiting)
    except ClientDisconnect:
        return problem(413, "too_large", "the body is longer than this server takes")
    except StarwhaleError as error:
        return refusal(error, key)


def _object(body: bytes) -> object:
    """Read a body; an empty one is an object without fields.

    Raises:
        InputError: It is no JSON.
    """
    if not body:
        return {}
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InputError(
            "body", f"is no JSON: {error}", hint="send an object: field and value of each argument"
        ) from error


async def _answer(here: Online, request: Request, model: ServedModel, lane: Lane, waiting: Waiting) -> Response:
    """Wait for an answer; a request whose client has gone is given up."""
    here.under_way[waiting.key] = lane, waiting
    leaving = asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait({waiting.outcome, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not waiting.outcome.done():
            lane.stop(waiting)
            return Response(status_code=499)  # nobody reads it
        if waiting.outcome.cancelled():
            return problem(409, "stopped", f"request {waiting.key} was stopped")
        return answer(waiting, waiting.outcome.result(), model.id)
    finally:
        leaving.cancel()
        del here.under_way[waiting.key]


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _answer_bit_by_bit(here: Online, model: ServedModel, lane: Lane, key: str, body: bytes) -> Response:
    bits = Bits()
    waiting = lane.put(key, body, bits.put)
    here.under_way[key] = lane, waiting

    def end(_outcome: Outcome | None, _given: list[bytes]) -> None:
        here.under_way.pop(key, None)

    return stream(lane, waiting, bits, model.id, end)
