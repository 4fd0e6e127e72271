"""Packaged models: versions with their files, handlers and differences."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from starwhale.domain.uri import Uri
from starwhale.errors import NotFoundError, UsageError, nearest
from starwhale.media.source import BytesSource
from starwhale.server.media_answers import check_path, content_answer
from starwhale.server.paging import page_of
from starwhale.server.routes.datasets import base_of
from starwhale.server.routes.versions import Version, add_version_routes, show_version
from starwhale.server.state import ITEMS, After, Here, Limit
from starwhale.wire import Page
from starwhale.wire.versions import FileView, ModelView

if TYPE_CHECKING:
    from starwhale.models.listing import Entry, Listing

router = APIRouter(prefix="/projects/{project}/models", tags=["models"])
add_version_routes(router, "model", lambda here: here.instance.models)
MOST_BYTES = 64 << 20
"""A larger file is not given out here: `swcli model extract` writes it."""
FilePath = Annotated[str, Query(max_length=4000, description="Below the model root, as the list of files has it.")]


@router.get("/{name}/versions/{version}")
def show_model(here: Here, project: str, name: str, version: Version) -> ModelView:
    """Show a version with its handlers. Nothing of it is imported."""
    from starwhale.models.describe import describe_handlers

    verbs = here.instance.models
    found = verbs.resolve(Uri(project=project, kind="model", name=name, version=version))
    listing = verbs.files(found)
    return ModelView(
        version=show_version(found),
        handlers=describe_handlers(verbs.handlers(found)),
        manifest=dict(found.manifest),
        readme=_readme(listing),
        file_count=len(listing.files),
    )


@router.get("/{name}/versions/{version}/files")
def list_model_files(
    here: Here, project: str, name: str, version: Version, *, after: After = "", limit: Limit = ITEMS
) -> Page[FileView]:
    """List files, links and empty folders by path."""
    verbs = here.instance.models
    listing = verbs.files(verbs.resolve(Uri(project=project, kind="model", name=name, version=version)))
    return page_of(
        sorted(listing.entries, key=lambda each: each.path), lambda each: (each.path,), after, limit, show_file
    )


@router.get("/{name}/versions/{version}/file", response_class=Response)
def read_model_file(
    request: Request, here: Here, project: str, name: str, version: Version, path: FilePath
) -> Response:
    """Read the content of a file, whole or by range, verified; code comes as plain text."""
    verbs = here.instance.models
    listing = verbs.files(verbs.resolve(Uri(project=project, kind="model", name=name, version=version)))
    return file_answer(request, here.instance.stores.blobs, listing, path)


@router.get("/{name}/versions/{version}/diff")
def show_model_diff(
    here: Here,
    project: str,
    name: str,
    version: Version,
    base: Annotated[
        str, Query(max_length=400, description="What it is compared with: a version of the same name, or a URI.")
    ],
    *,
    limit: Annotated[int, Query(ge=0, le=200, description="Files whose lines are compared, at most.")] = 50,
) -> dict[str, Any]:  # Any: a JSON object
    """Say what makes this version of another, as `swcli model diff --show-details -o json` does."""
    verbs = here.instance.models
    found = verbs.resolve(Uri(project=project, kind="model", name=name, version=version))
    return verbs.diff(base_of(found, base), found.uri, show_details=True, limit=limit).to_json()


def show_file(entry: Entry) -> FileView:
    """Return an entry of a listing as the API shows it."""
    return FileView(
        path=entry.path,
        kind=str(entry.kind),
        size_bytes=entry.size,
        digest=entry.digest,
        is_executable=entry.is_executable,
        target=entry.target,
    )


def file_answer(request: Request, blobs: Any, listing: Listing, path: str) -> Response:  # Any: a BlobStore
    """Answer with the content of a file of a version.

    Raises:
        NotFoundError: There is none at that path; the nearest are said.
        UsageError: It is too large.
    """
    files = {each.path: each for each in listing.files}
    found = files.get(check_path(path))
    if found is None:
        raise NotFoundError(f"no file {path[:200]!r} in this version", hint=nearest(path, list(files)))
    if found.size > MOST_BYTES:
        raise UsageError(f"{path!r} has {found.size:,} bytes", hint="write it to a folder: swcli model extract")
    return content_answer(request, BytesSource(blobs.get(found.digest)), _kind(path), name=path)


def _kind(path: str) -> str:
    import mimetypes

    suffix = PurePosixPath(path).suffix.casefold()
    if suffix in {".py", ".md", ".txt", ".yaml", ".yml", ".toml", ".cfg", ".ini", ".json", ".sh", ".swignore", ""}:
        return "text/plain"
    return mimetypes.guess_type(path)[0] or "application/octet-stream"


def _readme(listing: Listing) -> str:
    paths = [each.path for each in listing.files if "/" not in each.path and each.path.casefold().startswith("readme")]
    return min(paths, key=len, default="")
