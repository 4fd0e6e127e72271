"""What models and runtimes have in common: the files of a version, as a list and one by one."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from starwhale.domain.uri import Uri
from starwhale.errors import NotFoundError, UsageError, nearest
from starwhale.media.source import BytesSource
from starwhale.server.media_answers import check_path, content_answer
from starwhale.server.paging import page_of
from starwhale.server.routes.versions import Version
from starwhale.server.state import ITEMS, After, Here, Limit, Served
from starwhale.wire import Page
from starwhale.wire.versions import FileView

if TYPE_CHECKING:
    from starwhale.instances.listed_versions import ListedVerbs
    from starwhale.models.listing import Entry, Listing

MOST_BYTES = 64 << 20
"""A larger file is not given out here: `swcli model extract` or `runtime extract` writes it."""
TEXTS = frozenset({".py", ".md", ".txt", ".yaml", ".yml", ".toml", ".cfg", ".ini", ".json", ".sh", ".swignore", ""})
"""Endings of files that come as plain text: a browser shows them, and runs nothing of them."""
FilePath = Annotated[str, Query(max_length=4000, description="Below the model root, as the list of files has it.")]


def add_file_routes(router: APIRouter, kind: str, verbs: Callable[[Served], ListedVerbs]) -> None:
    """Give a router the routes to the files of a version.

    Args:
        router: Of one kind, below `/projects/{project}/<kind>s`.
        kind: `model` or `runtime`.
        verbs: What can be done with it.
    """

    def listing_of(here: Served, project: str, name: str, version: str) -> Listing:
        found = verbs(here)
        return found.files(found.resolve(Uri(project=project, kind=kind, name=name, version=version)))

    @router.get("/{name}/versions/{version}/files", name=f"list_{kind}_files")
    def list_files(
        here: Here, project: str, name: str, version: Version, *, after: After = "", limit: Limit = ITEMS
    ) -> Page[FileView]:
        """List files, links and empty folders by path."""
        entries = sorted(listing_of(here, project, name, version).entries, key=lambda each: each.path)
        return page_of(entries, lambda each: (each.path,), after, limit, _show_file)

    @router.get("/{name}/versions/{version}/file", name=f"read_{kind}_file", response_class=Response)
    def read_file(request: Request, here: Here, project: str, name: str, version: Version, path: FilePath) -> Response:
        """Read the content of a file, whole or by range, verified; code comes as plain text."""
        found = _find_file(listing_of(here, project, name, version), path, kind)
        source = BytesSource(verbs(here).content(found.digest))
        return content_answer(request, source, _kind(path), name=path)


def _show_file(entry: Entry) -> FileView:
    return FileView(
        path=entry.path,
        kind=str(entry.kind),
        size_bytes=entry.size,
        digest=entry.digest,
        is_executable=entry.is_executable,
        target=entry.target,
    )


def _find_file(listing: Listing, path: str, kind: str) -> Entry:
    """Return a file of a version that is given out.

    Raises:
        NotFoundError: There is none at that path; the nearest are said.
        UsageError: It is too large.
    """
    files = {each.path: each for each in listing.files}
    found = files.get(check_path(path))
    if found is None:
        raise NotFoundError(f"no file {path[:200]!r} in this version", hint=nearest(path, list(files)))
    if found.size > MOST_BYTES:
        raise UsageError(f"{path!r} has {found.size:,} bytes", hint=f"write it to a folder: swcli {kind} extract")
    return found


def _kind(path: str) -> str:
    if PurePosixPath(path).suffix.casefold() in TEXTS:
        return "text/plain"
    return mimetypes.guess_type(path)[0] or "application/octet-stream"
