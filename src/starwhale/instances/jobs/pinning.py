"""From a dataset URI to an immutable version: what a job records and reads."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

from starwhale.datasets.elsewhere import find_elsewhere
from starwhale.domain.dataset_place import ServerDataset
from starwhale.domain.job import DatasetInput
from starwhale.domain.object_uri import is_object_uri, parse_object_uri
from starwhale.domain.uri import parse_uri
from starwhale.storage.stores import Stores

if TYPE_CHECKING:
    from starwhale.storage.catalog.job_records import JobRecord

StoresAt = Callable[[str], Stores]
"""Returns the stores of the instance that a URI names."""


def pin_dataset(stores: Stores, given: str, *, project: str, stores_at: StoresAt | None = None) -> DatasetInput:
    """Resolve a dataset URI to a version with all its rows; one on a server is read from there.

    Args:
        stores: Where it lies.
        given: What the user typed.
        project: Project of a URI that names none.
        stores_at: Finds the stores of a server that the URI names; None where only what lies here is read.

    Raises:
        NotFoundError: There is no such dataset or version; the nearest names are said.
    """
    there = stores_at(given) if stores_at is not None and "/project/" in given else stores
    dataset_id = ""
    if is_object_uri(given):
        found = find_elsewhere(stores.datasets, parse_object_uri(given), project=project)
    elif there.ref.server:
        uri = parse_uri(given, kind="dataset", instances=there.names)
        found = there.catalog.versions.resolve("dataset", dataclasses.replace(uri, instance="local"))
        dataset_id = ServerDataset(address=there.ref.server, dataset_id=found.bundle_id).id
    else:
        found = stores.catalog.versions.resolve("dataset", given, default_project=project)
        stores.datasets.keep(found.bundle_id)  # until the job is written down, nothing says that somebody needs it
        found = stores.catalog.versions.get(found.version)
    return DatasetInput(
        uri=found.uri.full,
        given=given,
        dataset_id=dataset_id or found.bundle_id,
        project=found.project,
        name=found.name,
        version=found.version,
        manifest_digest=found.content_digest,
        row_count=found.row_count or 0,
    )


def pin_again(stores: Stores, given: str, first: JobRecord, stores_at: StoresAt | None = None) -> DatasetInput:
    """Pin a dataset of a job that is run again: its rows keep the ids that they had, and so their seeds, in whatever project it lies now.

    Args:
        stores: Where it lies.
        given: Its URI here.
        first: The job that is run again.
        stores_at: As `pin_dataset` takes it.

    Raises:
        NotFoundError: There is no such dataset or version.
    """
    found = pin_dataset(stores, given, project=first.project, stores_at=stores_at)
    same = [each for each in first.datasets if each.manifest_digest == found.manifest_digest]
    same.sort(key=lambda each: ((each.project, each.name) != (found.project, found.name), each.name != found.name))
    return dataclasses.replace(found, project=same[0].project, name=same[0].name) if same else found
