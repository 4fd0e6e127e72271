"""What the import of an archive needs of an instance: where things go, and under which name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from starwhale.datasets.copy import CopyPlan
from starwhale.datasets.stores import DatasetStores
from starwhale.domain.uri import DEFAULT_PROJECT
from starwhale.instances.destination import SAME_NAME, parse_destination
from starwhale.transfer.places import Place

if TYPE_CHECKING:
    from starwhale.storage.stores import Stores


def dataset_stores(stores: Stores, fixed_version: str = "") -> DatasetStores:
    """Return what datasets need; `fixed_version` is the id of the next version, empty for new ones."""
    catalog = stores.catalog
    return DatasetStores(
        bundles=catalog.bundles,
        versions=catalog.versions,
        tags=catalog.tags,
        rows=stores.datasets,
        make_id=lambda: fixed_version or catalog.make_id(),
        ref=stores.ref,
    )


def make_place(stores: Stores, fixed_version: str = "") -> Place:
    """Say where the versions of an archive go."""
    return Place(
        stores=dataset_stores(stores, fixed_version),
        rows=stores.datasets,
        blobs=stores.blobs,
        tmp=stores.layout.tmp,
    )


def plan_import(  # noqa: PLR0913 - one parameter per option of the command
    stores: Stores,
    kind: str,
    current: str,
    name: str,
    *,
    project: str = "",
    ignore_tags: Sequence[str] = (),
    force: bool = False,
) -> CopyPlan:
    """Say where an archive goes; an empty name is the one that it had.

    Raises:
        NotFoundError: There is no such project.
        InvalidUriError: The name is none, and no URI.
    """
    target = parse_destination(name or SAME_NAME, kind, name="", current=current, project=project)
    projects = stores.catalog.projects
    if target.project in {current, DEFAULT_PROJECT}:  # those two are there from the start
        projects.refuse_removed(target.project)
    else:
        projects.get(target.project)
    return CopyPlan(project=target.project, name=target.name, ignore_tags=ignore_tags, force=force)
