"""The built console as files, and a plain page where it is not built."""

from __future__ import annotations

import mimetypes
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, HTMLResponse, Response

from starwhale.server.problems import problem

STATIC = Path(__file__).parent / "static"
"""Where `make ui` puts the console, and a wheel carries it."""
_TYPES = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
"""What the machine's own table may say otherwise."""
_NOT_BUILT = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Starwhale Model Evaluation</title>
<meta name="viewport" content="width=device-width"><style>body{font:16px/1.5 system-ui;max-width:44rem;margin:4rem auto;padding:0 1rem;
color-scheme:light dark}code{font-size:.95em}</style><h1>The console is not built</h1>
<p>The server runs, and its API answers at <a href="/api/v1/openapi.json"><code>/api/v1</code></a>. The pages are missing: this is a clone,
in which they are built first.</p><p>In the clone, run <code>make ui</code>, and open this page again. What is installed from a wheel has them.</p></html>
"""


def add_console(app: FastAPI, api: str, folder: Path = STATIC) -> None:
    """Answer with the files of the console; an address that is no file is one of its pages.

    Args:
        app: Where the routes of the API are already.
        api: Where these begin; nothing there is a page.
        folder: Where the built console lies.
    """

    @app.get("/{path:path}", include_in_schema=False, response_model=None)
    def page(request: Request, path: str) -> Response:
        if f"/{path}".startswith(f"{api.rpartition('/')[0]}/") or f"/{path}" == api.rpartition("/")[0]:
            return problem(404, "no_route", f"there is nothing at {request.url.path}", f"see {api}/openapi.json")
        index = folder / "index.html"
        if not index.is_file():
            return HTMLResponse(_NOT_BUILT)
        found = find_file(folder, path)
        if found is None and "." in path.rpartition("/")[2] and "assets/" in path:
            return problem(
                404, "no_file", f"there is no file {path[:200]!r}", "the console was built anew: load the page again"
            )
        is_lasting = found is not None and path.startswith("assets/")  # their names change with their content
        headers = {"cache-control": "public, max-age=31536000, immutable" if is_lasting else "no-cache"}
        file = found or index
        kind = _TYPES.get(file.suffix) or mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        return FileResponse(file, media_type=kind, headers=headers)


def find_file(folder: Path, path: str) -> Path | None:
    """Return a file below a folder; None where there is none, or the path or a link leads out of it."""
    if not path or "\0" in path or "\\" in path:
        return None
    root = folder.resolve()
    try:
        found = (root / path).resolve()
        return found if found.is_relative_to(root) and found.is_file() else None
    except (OSError, ValueError):
        return None
