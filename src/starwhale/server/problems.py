"""Errors as `application/problem+json`: the words that the command line says, and never a traceback."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from starwhale.errors import StarwhaleError
from starwhale.wire.problem import PROBLEM_TYPE, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

logger = logging.getLogger(__name__)
_SHOWN = 2000
"""Characters of a message, at most: it may name what was asked for."""


def problem(
    status: int, code: str, message: str, hint: str = "", *, field: str = "", headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Answer that something is wrong."""
    said = Problem(
        status=status,
        code=code,
        title=HTTPStatus(status).phrase,
        message=message[:_SHOWN],
        hint=hint[:_SHOWN],
        field=field[:200],
    )
    body = {name: getattr(said, name) for name in ("type", "status", "code", "title", "message", "hint", "field")}
    return JSONResponse(body, status, headers, media_type=PROBLEM_TYPE)


def add_problems(app: FastAPI, described: str = "/api/v1/openapi.json") -> None:
    """Let an application answer every error as a problem.

    Args:
        app: The application.
        described: Address of its description, which hints name.
    """

    @app.exception_handler(StarwhaleError)
    def expected(_request: Request, error: StarwhaleError) -> JSONResponse:
        return problem(error.http_status, error.code, error.message, error.hint)

    @app.exception_handler(RequestValidationError)
    def unfitting(_request: Request, error: RequestValidationError) -> JSONResponse:
        found: Sequence[Any] = error.errors()  # Any: what pydantic says
        first = found[0]
        where = ".".join(str(each) for each in first["loc"])
        more = f" ({len(found) - 1} more of this request do not fit)" if len(found) > 1 else ""
        return problem(
            422, "unfitting", f"{where or 'the request'}: {first['msg']}{more}", f"see {described}", field=where
        )

    @app.exception_handler(HTTPException)
    def refused(request: Request, error: HTTPException) -> JSONResponse:
        if error.status_code == HTTPStatus.NOT_FOUND:
            return problem(404, "no_route", f"there is nothing at {request.url.path}", f"see {described}")
        code = "method" if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED else "request"
        return problem(error.status_code, code, str(error.detail), headers=error.headers)

    @app.exception_handler(Exception)
    def unexpected(request: Request, error: Exception) -> JSONResponse:
        logger.error("a mistake of ours: %s %s", request.method, request.url.path, exc_info=error)
        return problem(
            500,
            "bug",
            "this is a mistake of the program, not yours",
            "the log of the server says more; please report it",
        )
