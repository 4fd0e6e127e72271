"""What the import of an archive needs of an instance: where things go, and under which name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from starwhale.datasets.copy import CopyPlan
from starwhale.domain.uri import DEFAULT_PROJECT
from starwhale.instances.dataset_stores import dataset_stores
from starwhale.instances.destination import SAME_NAME, parse_destination
from starwhale.transfer.places import Place

if TYPE_CHECKING:
    from starwhale.storage.stores import Stores


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
