"""Locked environments: versions with their lock, files and differences."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from starwhale.domain.uri import Uri
from starwhale.server.paging import page_of
from starwhale.server.routes.datasets import base_of
from starwhale.server.routes.models import FilePath, file_answer, show_file
from starwhale.server.routes.versions import Version, add_version_routes, show_version
from starwhale.server.state import ITEMS, After, Here, Limit
from starwhale.wire import Page
from starwhale.wire.versions import FileView, RuntimeView

router = APIRouter(prefix="/projects/{project}/runtimes", tags=["runtimes"])
add_version_routes(router, "runtime", lambda here: here.instance.runtimes)


@router.get("/{name}/versions/{version}")
def show_runtime(here: Here, project: str, name: str, version: Version) -> RuntimeView:
    """Show a version with its lock."""
    verbs = here.instance.runtimes
    found = verbs.resolve(Uri(project=project, kind="runtime", name=name, version=version))
    return RuntimeView(
        version=show_version(found),
        manifest=dict(found.manifest),
        runtime_yaml=verbs.text(found, "runtime.yaml"),
        lock=verbs.lock_texts(found),
    )


@router.get("/{name}/versions/{version}/files")
def list_runtime_files(
    here: Here, project: str, name: str, version: Version, *, after: After = "", limit: Limit = ITEMS
) -> Page[FileView]:
    """List the files of a version by path."""
    verbs = here.instance.runtimes
    listing = verbs.files(verbs.resolve(Uri(project=project, kind="runtime", name=name, version=version)))
    return page_of(
        sorted(listing.entries, key=lambda each: each.path), lambda each: (each.path,), after, limit, show_file
    )


@router.get("/{name}/versions/{version}/file", response_class=Response)
def read_runtime_file(
    request: Request, here: Here, project: str, name: str, version: Version, path: FilePath
) -> Response:
    """Read the content of a file, verified."""
    verbs = here.instance.runtimes
    listing = verbs.files(verbs.resolve(Uri(project=project, kind="runtime", name=name, version=version)))
    return file_answer(request, here.instance.stores.blobs, listing, path)


@router.get("/{name}/versions/{version}/diff")
def show_runtime_diff(
    here: Here,
    project: str,
    name: str,
    version: Version,
    base: Annotated[
        str, Query(max_length=400, description="What it is compared with: a version of the same name, or a URI.")
    ],
) -> dict[str, Any]:  # Any: a JSON object
    """Say which locked packages were added, removed and changed, and how the Python and other facts differ."""
    verbs = here.instance.runtimes
    found = verbs.resolve(Uri(project=project, kind="runtime", name=name, version=version))
    return verbs.diff(base_of(found, base), found.uri).to_json()
