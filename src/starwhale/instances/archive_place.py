"""What the import of an archive needs of an instance: where things go, and under which name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from starwhale.instances.dataset_stores import dataset_stores
from starwhale.instances.destination import SAME_NAME, check_project, parse_destination
from starwhale.storage.catalog.copies import CopyPlan
from starwhale.transfer.places import ArchivePlace

if TYPE_CHECKING:
    from starwhale.storage.stores import Stores


def make_place(stores: Stores, fixed_version: str = "") -> ArchivePlace:
    """Say where the versions of an archive go."""
    return ArchivePlace(
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

    Args:
        stores: What there is.
        kind: `dataset`, `model`, `runtime` or `job`.
        current: The current project.
        name: Name or URI that it gets.
        project: Project of a name that names none.
        ignore_tags: Tags of the user that are left out.
        force: Move tags, and mend files.

    Raises:
        NotFoundError: There is no such project.
        InvalidUriError: The name is none, and no URI.
    """
    target = parse_destination(name or SAME_NAME, kind, name="", current=current, project=project)
    check_project(stores, target.project, current)
    return CopyPlan(project=target.project, name=target.name, ignore_tags=ignore_tags, force=force)
