"""The application of online evaluation: its routes, its page, and what stands around both."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.responses import FileResponse, JSONResponse, RedirectResponse, Response

from starwhale.server.guard import Guard, Hosts
from starwhale.server.online import rows
from starwhale.server.online.openapi import describe
from starwhale.server.online.routes import router
from starwhale.server.problems import add_problems, problem
from starwhale.settings import VERSION

if TYPE_CHECKING:
    from starwhale.server.online.state import Online

PAGE = Path(__file__).parent / "page"
"""The files of the page."""
_TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


def make_app(online: Online, hosts: Hosts, *, body_bytes: int) -> FastAPI:
    """Make the application of models that are ready.

    Args:
        online: What is served, for as long as the application runs.
        hosts: Names under which it may be asked for.
        body_bytes: Bytes of a request's body, at most.
    """
    app = FastAPI(title=online.title, version=VERSION, openapi_url=None, docs_url=None, redoc_url=None)
    app.state.online = online
    add_problems(app, "/openapi.json")
    app.include_router(rows.router)
    app.include_router(router)

    @app.get("/openapi.json")
    def openapi() -> JSONResponse:
        return JSONResponse(describe(online.title, online.models))

    @app.get("/{path:path}", response_model=None)
    def page(path: str) -> Response:
        gradio = next(iter(online.models.values())).host.gradio if len(online.models) == 1 else ""
        if gradio and not path:
            return RedirectResponse(gradio)
        file = PAGE / (path or "index.html")
        if path.count("/") or file.suffix not in _TYPES or not file.is_file():
            return problem(404, "no_route", f"there is nothing at /{path[:200]}", "see /openapi.json")
        return FileResponse(file, media_type=_TYPES[file.suffix], headers={"cache-control": "no-cache"})

    # a form that takes a sound records one; browsers allow that on this machine alone, or over https
    may_listen = not hosts.allows_addresses
    app.add_middleware(Guard, hosts=hosts, body_bytes=body_bytes, page="the page itself", may_listen=may_listen)
    return app
