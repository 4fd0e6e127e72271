"""Locked environments: versions with their lock, files and differences."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from starwhale.domain.uri import Uri
from starwhale.server.routes.listed_files import add_file_routes
from starwhale.server.routes.versions import Base, Version, add_version_routes, base_of, show_version
from starwhale.server.state import Here
from starwhale.wire.versions import RuntimeView

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


add_file_routes(router, "runtime", lambda here: here.instance.runtimes)


@router.get("/{name}/versions/{version}/diff")
def show_runtime_diff(
    here: Here,
    project: str,
    name: str,
    version: Version,
    base: Base,
) -> dict[str, Any]:  # Any: a JSON object
    """Say which locked packages were added, removed and changed, and how the Python and other facts differ."""
    verbs = here.instance.runtimes
    found = verbs.resolve(Uri(project=project, kind="runtime", name=name, version=version))
    return verbs.diff(base_of(found, base), found.uri).to_json()
