"""The application: the routes of `/api/v1`, the console's files, and what stands around both."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute

from starwhale.server.console import add_console
from starwhale.server.door import LOGIN, LOGOUT, Door
from starwhale.server.guard import Bodies, Guard, Hosts
from starwhale.server.problems import add_problems
from starwhale.server.routes import (
    comparison,
    datasets,
    instance,
    job_control,
    jobs,
    logs,
    models,
    runtimes,
    store_blobs,
    store_catalog,
    store_datasets,
    store_jobs,
    store_results,
    submissions,
    tables,
    tasks,
)
from starwhale.settings import VERSION
from starwhale.storage.carriers.frames import FRAMES_TYPE
from starwhale.wire.instance import Change
from starwhale.wire.problem import PROBLEM_TYPE, Problem

if TYPE_CHECKING:
    from starwhale.server.door import Lock
    from starwhale.server.state import Served

ADDRESS = "/api/v1"
"""Where the API begins."""
_FORM = frozenset({"application/x-www-form-urlencoded"})
BODIES = (
    Bodies(prefix=LOGIN, kinds=_FORM, most_bytes=4096),
    Bodies(prefix=LOGOUT, kinds=_FORM, most_bytes=4096),
    Bodies(
        prefix=f"{ADDRESS}/stores/",
        kinds=frozenset({"application/json", store_blobs.BYTES_TYPE}),
        most_bytes=store_blobs.PIECE_BYTES,
    ),
)
"""Addresses that take other bodies than JSON, where there is a login."""
PAGES = (instance, datasets, models, runtimes, jobs, job_control, submissions, tables, logs, comparison)
"""What pages of the console and people's programs ask."""
STORES = (store_catalog, store_blobs, store_datasets, store_jobs, store_results)
"""What other instances ask."""
TASKS = Bodies(prefix=f"{ADDRESS}/tasks/", kinds=frozenset({FRAMES_TYPE}), most_bytes=tasks.MOST_BYTES)
"""What workers elsewhere send."""
_DESCRIPTION = """What the console and programs ask an instance. Errors are `application/problem+json` with a stable `code`; lists are paged
by key: give `next` of a page as `after`. What a cell may be is said in docs/reference/http-api.md."""


def make_app(served: Served | None, hosts: Hosts | None = None, lock: Lock | None = None) -> FastAPI:
    """Make the application.

    Args:
        served: What is served, for as long as the application runs; None for describing the API alone.
        hosts: Names under which it may be asked for.
        lock: What lets people and programs in; None lets in everybody, for a server of one user on loopback.
    """
    app = FastAPI(
        title="Starwhale Model Evaluation",
        version=VERSION,
        description=_DESCRIPTION,
        openapi_url=f"{ADDRESS}/openapi.json",
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
        lifespan=_lifespan,
        generate_unique_id_function=_operation_id,
        responses={
            "4XX": {"model": Problem, "content": {PROBLEM_TYPE: {}}, "description": "What is wrong with the request."},
        },
    )
    app.state.served = served
    add_problems(app)
    api = APIRouter(prefix=ADDRESS)
    is_shared = (
        lock is not None or served is None
    )  # without a door, nobody but the console and programs of this machine asks
    for each in (*PAGES, tasks, *(STORES if is_shared else ())):
        api.include_router(each.router)
    app.include_router(api)
    add_console(app, ADDRESS)
    if lock is not None:
        app.add_middleware(Door, lock=lock)
    app.add_middleware(
        Guard, hosts=hosts or Hosts(), bodies=(TASKS, *(BODIES if lock else ())), has_login=lock is not None
    )
    _describe(app)
    return app


def _operation_id(route: APIRoute) -> str:
    return route.name.replace(" ", "_").lower()


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncGenerator[None]:
    served: Served | None = app.state.served
    if served is None:
        yield
        return
    async with served.changes.watching():
        yield


def _describe(app: FastAPI) -> None:
    """Add to the description what no route returns: the body of an event; and say of problems only what they are."""
    made = app.openapi

    def openapi() -> dict[str, Any]:  # Any: JSON
        if app.openapi_schema:
            return app.openapi_schema
        found = made()
        from pydantic import TypeAdapter

        schema = TypeAdapter(Change).json_schema()
        found["components"]["schemas"]["Change"] = schema
        for path in found["paths"].values():
            for operation in path.values():
                content = operation["responses"].get("4XX", {}).get("content", {})
                content.pop("application/json", None)
                content[PROBLEM_TYPE] = {"schema": {"$ref": "#/components/schemas/Problem"}}
                operation["responses"].pop("422", None)  # it is a problem too
        for name in ("HTTPValidationError", "ValidationError"):
            found["components"]["schemas"].pop(name, None)
        app.openapi_schema = found
        return found

    app.openapi = openapi
