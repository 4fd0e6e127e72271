"""The routes of online evaluation: ask a function of a model, say what there is, stop what goes on."""

from __future__ import annotations

import asyncio
import json
import logging
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import ClientDisconnect

from starwhale.domain.json_shape import Json
from starwhale.errors import InputError, NotFoundError, StarwhaleError, StatusError
from starwhale.instances.online_record import Tried, Verdict
from starwhale.server.online.answers import answer, refusal
from starwhale.server.online.state import Here, ModelId, Online, TrialId
from starwhale.server.online.streaming import KEPT_BYTES, Bits, stream
from starwhale.server.problems import problem

if TYPE_CHECKING:
    from starwhale.instances.online_record import OnlineRecord
    from starwhale.serving.lanes import Lane
    from starwhale.serving.lanes import Request as Waiting
    from starwhale.serving.model_host import Outcome
    from starwhale.serving.served_model import ServedModel

logger = logging.getLogger(__name__)
router = APIRouter()
EVENTS = "text/event-stream"


class VerdictBody(BaseModel):
    """What a person says of an answer."""

    model_config = ConfigDict(extra="forbid")
    verdict: Literal["good", "bad", ""] = ""
    corrected: Any = None  # Any: JSON, of whatever the function returns
    note: str = Field(default="", max_length=10_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which function of which model a request is for."""

    here: Online
    """What is served."""
    model: ServedModel
    """The model."""
    lane: Lane
    """Where it waits."""
    api: str
    """The function."""
    trial: str
    """Which requests are of one input."""

    def keep(self, waiting: Waiting, outcome: Outcome, answer: bytes) -> None:
        """Keep what became of a request, where that is wanted; one that did not fit is no trial of the model."""
        error = outcome.error or {}
        if self.here.record is None or error.get("kind") == "input":
            return
        tried = Tried(
            trial=self.trial,
            body=waiting.body,
            answer=answer,
            error=str(error.get("message", "")),
            latency_s=time.monotonic() - waiting.arrived,
            seconds=outcome.seconds,
        )
        self.here.record.keep(self.model.id, self.api, waiting.key, tried)


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
    return JSONResponse(
        {
            "title": here.title,
            "is_recorded": here.record is not None,
            "models": [_show(each, here.record) for each in here.models.values()],
        }
    )


def _show(model: ServedModel, record: OnlineRecord | None) -> Json:
    source = model.host.source
    jobs = record.jobs(model.id) if record is not None else {}
    return {
        "id": model.id,
        "name": source.name,
        "uri": source.uri,
        "version": source.version,
        "workdir": "" if source.uri else source.workdir,
        "apis": [
            {
                **each.to_json(),
                "batch_size": model.lanes[each.name].batch_size,
                "job": jobs[each.name].job_id if each.name in jobs else "",
                "kept_rows": jobs[each.name].rows if each.name in jobs else 0,
                "lost_rows": jobs[each.name].lost if each.name in jobs else 0,
            }
            for each in model.offer.endpoints
        ],
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


@router.post("/requests/{request_id}/verdict")
def judge_answer(here: Here, request_id: str, body: VerdictBody) -> JSONResponse:
    """Keep what a person says of an answer: it is written when this answers. Said again, the last word counts."""
    if here.record is None:
        raise StatusError("this server keeps nothing", hint="start it with --record")
    said = Verdict(
        verdict=body.verdict or ("bad" if "corrected" in body.model_fields_set else ""),
        corrected=body.corrected,
        has_corrected="corrected" in body.model_fields_set,
        note=body.note,
    )
    if not (said.verdict or said.note or said.has_corrected):
        raise InputError("verdict", "is missing", hint="say verdict (good or bad), corrected or note")
    return JSONResponse({"request": request_id, "job": here.record.judge(request_id, said), "verdict": said.verdict})


@router.post("/api/{name:path}")
async def ask(here: Here, request: Request, name: str, model: ModelId = "", trial: TrialId = "") -> Response:
    """Call a function with a JSON object of its arguments, or with a row; answer with what it returns."""
    key = uuid.uuid4().hex[:16]
    try:
        found = here.find(model, name)
        found.endpoint(name)
        asked = Asked(here=here, model=found, lane=found.lanes[name], api=name, trial=trial or key)
        body = await _read(request, asked.lane)
        found.check(name, _object(body))
        if EVENTS in request.headers.get("accept", ""):
            return _answer_bit_by_bit(asked, key, body)
        return await _answer(asked, request, asked.lane.put(key, body))
    except ClientDisconnect:
        return problem(413, "too_large", "the body is longer than this server takes")
    except StarwhaleError as error:
        return refusal(error, key)


async def _read(request: Request, lane: Lane) -> bytes:
    """Read a body, where an empty one stands for an object without fields. It counts as waiting already while it comes: many large ones at a time must not fill the memory.

    Raises:
        BusyError: Too much waits.
    """
    length = request.headers.get("content-length")
    pieces: list[bytes] = []
    with lane.reading(int(length or 0)) as count:
        async for piece in request.stream():
            if length is None:
                count(len(piece))
            pieces.append(piece)
    return b"".join(pieces) or b"{}"


def _object(body: bytes) -> object:
    """Read JSON.

    Raises:
        InputError: It is none.
    """
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InputError(
            "body", f"is no JSON: {error}", hint="send an object: field and value of each argument"
        ) from error


async def _answer(asked: Asked, request: Request, waiting: Waiting) -> Response:
    """Wait for an answer; a request whose client has gone is given up."""
    asked.here.under_way[waiting.key] = asked.lane, waiting
    leaving = asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait({waiting.outcome, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not waiting.outcome.done():
            asked.lane.stop(waiting)
            return Response(status_code=499)  # nobody reads it
        if waiting.outcome.cancelled():
            return problem(409, "stopped", f"request {waiting.key} was stopped")
        outcome = waiting.outcome.result()
        asked.keep(waiting, outcome, outcome.answer)
        return answer(waiting, outcome, asked.model.id)
    finally:
        leaving.cancel()
        del asked.here.under_way[waiting.key]


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _answer_bit_by_bit(asked: Asked, key: str, body: bytes) -> Response:
    bits = Bits()
    bits.keeps = asked.here.record is not None
    waiting = asked.lane.put(key, body, bits.put)
    asked.here.under_way[key] = asked.lane, waiting

    def end(outcome: Outcome | None) -> None:
        asked.here.under_way.pop(key, None)
        if outcome is not None:
            asked.keep(waiting, outcome, _answer_of(bits, outcome))

    return stream(asked.lane, waiting, bits, asked.model.id, end)


def _answer_of(bits: Bits, outcome: Outcome) -> bytes:
    """Return the JSON of an answer that is kept; empty where it is too long for that."""
    if bits.is_cut:
        logger.warning("an answer has more than %s bytes: its request is kept without it", f"{KEPT_BYTES:,}")
        return b""
    return _joined(bits.given) if bits.given else outcome.answer or b"[]"  # it was no generator


def _joined(given: list[bytes]) -> bytes:
    """Return the JSON of all that was given out: texts together, everything else as a list."""
    items = [json.loads(each) for each in given]
    return json.dumps("".join(items) if items and all(isinstance(each, str) for each in items) else items).encode()
