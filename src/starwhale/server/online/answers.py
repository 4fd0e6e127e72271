"""What is answered: the function's own value, and beside it, in headers, which request it was and how long it took."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from fastapi.responses import Response

from starwhale.errors import BusyError, InputError, ModelGoneError, StarwhaleError
from starwhale.server.problems import problem

if TYPE_CHECKING:
    from starlette.responses import JSONResponse

    from starwhale.serving.lanes import Request
    from starwhale.serving.model_host import Outcome

logger = logging.getLogger(__name__)
REQUEST_ID = "x-request-id"
"""Header: by which a verdict on an answer is given, and a stream is stopped."""
_AGAIN_S = "1"


def answer(request: Request, outcome: Outcome, model: str) -> Response:
    """Answer with what became of a request."""
    headers = {REQUEST_ID: request.key, "x-model": model, **_timing(request, outcome)}
    if outcome.error is None:
        return Response(outcome.answer, 200, headers, media_type="application/json")
    return failure(outcome, request.key, model, headers)


def failure(outcome: Outcome, key: str, model: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """Answer that the input does not fit, or that the user's code raised; its traceback is in the log and nowhere else."""
    said = outcome.error or {}
    if said["kind"] == "input":
        return problem(422, "unfitting", said["message"], said["hint"], field=said["field"], headers=headers)
    logger.error(
        "error=%s request=%s model=%s: %s\n%s", said["id"], key, model, said["message"], said["details"].rstrip()
    )
    message = f"the model could not answer: its code failed (error {said['id']})"
    return problem(500, "model_error", message, f"the log of the server says more under {said['id']}", headers=headers)


def refusal(error: StarwhaleError, key: str = "") -> JSONResponse:
    """Answer that a request was not, or not wholly, carried out."""
    headers = {REQUEST_ID: key} if key else {}
    if isinstance(error, BusyError):
        headers["retry-after"] = str(error.retry_after_s)
    if isinstance(error, ModelGoneError):
        headers["retry-after"] = _AGAIN_S
    field = error.field if isinstance(error, InputError) else ""
    return problem(error.http_status, error.code, error.message, error.hint, field=field, headers=headers)


def _timing(request: Request, outcome: Outcome) -> dict[str, str]:
    waited = max(request.began - request.arrived, 0.0)
    return {
        "server-timing": f"queue;dur={waited * 1000:.2f}, model;dur={outcome.seconds * 1000:.2f}",
        "x-batch-size": str(outcome.batch),
    }
