"""Packaged models: versions with their files, handlers and differences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query

from starwhale.domain.uri import Uri
from starwhale.server.routes.listed_files import add_file_routes
from starwhale.server.routes.versions import Base, Version, add_version_routes, base_of, show_version
from starwhale.server.state import Here
from starwhale.wire.versions import ModelView

if TYPE_CHECKING:
    from starwhale.models.listing import Listing

router = APIRouter(prefix="/projects/{project}/models", tags=["models"])
add_version_routes(router, "model", lambda here: here.instance.models)


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


add_file_routes(router, "model", lambda here: here.instance.models)


@router.get("/{name}/versions/{version}/diff")
def show_model_diff(
    here: Here,
    project: str,
    name: str,
    version: Version,
    base: Base,
    *,
    limit: Annotated[int, Query(ge=0, le=200, description="Files whose lines are compared, at most.")] = 50,
) -> dict[str, Any]:  # Any: a JSON object
    """Say what makes this version of another, as `swcli model diff --show-details -o json` does."""
    verbs = here.instance.models
    found = verbs.resolve(Uri(project=project, kind="model", name=name, version=version))
    return verbs.diff(base_of(found, base), found.uri, show_details=True, limit=limit).to_json()


def _readme(listing: Listing) -> str:
    paths = [each.path for each in listing.files if "/" not in each.path and each.path.casefold().startswith("readme")]
    return min(paths, key=len, default="")
