"""What datasets, models and runtimes have in common: lists, versions, tags, removal."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path, Query

from starwhale.domain.uri import Uri
from starwhale.errors import NotFoundError, UsageError
from starwhale.server.paging import page_of
from starwhale.server.state import ITEMS, After, Here, Limit, Served
from starwhale.wire import Page
from starwhale.wire.versions import TagChanges, VersionView

if TYPE_CHECKING:
    from starwhale.instances.versions import VersionVerbs
    from starwhale.storage.catalog.records import VersionRecord

Version = Annotated[str, Path(description="Whole id, the beginning of one, or a tag such as `latest`.", max_length=200)]
"""Parameter of a route: which version."""
Base = Annotated[
    str, Query(max_length=400, description="What it is compared with: a version of the same name, or a URI.")
]
"""Parameter of a route that compares two versions."""
Prefix = Annotated[str, Query(max_length=200, description="Only names that begin so, in any case.")]
Verbs = Callable[[Served], "VersionVerbs"]


def show_version(version: VersionRecord) -> VersionView:
    """Return a version as the API shows it."""
    manifest = version.manifest
    carried = manifest.get("packaged_runtime") or (manifest.get("build") or {}).get("runtime") or {}
    return VersionView(
        kind=version.kind,
        project=version.project,
        name=version.name,
        version=version.version,
        uri=version.uri.full,
        tags=list(version.tags),
        created_at=version.created_at,
        message=version.message,
        size_bytes=version.size_bytes,
        row_count=version.row_count,
        python=str((manifest.get("environment") or {}).get("python") or "") if version.kind == "runtime" else "",
        runtime=str(carried.get("uri") or ""),
        is_removed=version.is_removed,
    )


def base_of(found: VersionRecord, base: str) -> Uri | str:
    """Return what a version is compared with: a version of the same name, or what a URI names.

    Raises:
        UsageError: It is an address on an object store.
    """
    if "/" in base:
        if base.startswith("s3:"):
            raise UsageError(f"{base[:80]!r} is an address on an object store", hint="name a version that lies here")
        return base
    return Uri(project=found.project, kind=found.kind, name=found.name, version=base)


def add_version_routes(router: APIRouter, kind: str, verbs: Verbs) -> None:
    """Give a router the routes that all versioned things have.

    Args:
        router: Of one kind, below `/projects/{project}/<kind>s`.
        kind: `dataset`, `model` or `runtime`.
        verbs: What can be done with it.
    """
    _add_lists(router, kind, verbs)
    _add_changes(router, kind, verbs)


def _add_lists(router: APIRouter, kind: str, verbs: Verbs) -> None:
    @router.get("", operation_id=f"list_{kind}s", name=f"List {kind}s")
    def list_newest(
        here: Here,
        project: str,
        *,
        prefix: Prefix = "",
        removed: bool = False,
        after: After = "",
        limit: Limit = ITEMS,
    ) -> Page[VersionView]:
        """List the newest version of each name, the newest first; with `removed` also of names that were removed by it."""
        found = verbs(here).list(project, name_prefix=prefix, with_removed=removed)
        return page_of(found, _newest_first, after, limit, show_version)

    @router.get("/{name}/versions", operation_id=f"list_{kind}_versions", name=f"List versions of a {kind}")
    def list_versions(
        here: Here, project: str, name: str, *, removed: bool = False, after: After = "", limit: Limit = ITEMS
    ) -> Page[VersionView]:
        """List the versions of a name, the newest first; with `removed` the removed ones too."""
        uri = Uri(project=project, kind=kind, name=name)
        found = verbs(here).history(uri, with_removed=removed)
        return page_of(found, _last_first, after, limit, show_version)


def _add_changes(router: APIRouter, kind: str, verbs: Verbs) -> None:
    @router.post("/{name}/versions/{version}/tags", operation_id=f"tag_{kind}", name=f"Tag a {kind}")
    def tag(here: Here, project: str, name: str, version: Version, body: TagChanges) -> VersionView:
        """Add tags and take tags away; what is so already is left as it is."""
        found = verbs(here).resolve(Uri(project=project, kind=kind, name=name, version=version))
        added = [each for each in body.add if each not in found.tags]
        gone = [each for each in body.remove if each in found.tags]
        found = verbs(here).add_tags(found.uri, added) if added else found
        return show_version(verbs(here).remove_tags(found.uri, gone) if gone else found)

    @router.post("/{name}/versions/{version}/remove", operation_id=f"remove_{kind}", name=f"Remove a {kind}")
    def remove(here: Here, project: str, name: str, version: Version) -> VersionView:
        """Hide a version until it is recovered; one that is hidden already is left as it is."""
        uri = Uri(project=project, kind=kind, name=name, version=version)
        gone = verbs(here).find_removed(uri)
        return show_version(gone or verbs(here).remove(uri))

    @router.post("/{name}/versions/{version}/recover", operation_id=f"recover_{kind}", name=f"Recover a {kind}")
    def recover(here: Here, project: str, name: str, version: Version) -> VersionView:
        """Bring a removed version back; one that is there already is left as it is."""
        uri = Uri(project=project, kind=kind, name=name, version=version)
        try:
            return show_version(verbs(here).recover(uri))
        except NotFoundError as error:
            try:
                return show_version(verbs(here).resolve(uri))
            except NotFoundError:
                raise error from None


def _newest_first(version: VersionRecord) -> tuple[float, str]:
    return -version.created_at, version.version


def _last_first(version: VersionRecord) -> tuple[int]:
    return (-version.sequence,)
