"""From a dataset URI to an immutable version: what a job records and reads."""

from __future__ import annotations

from starwhale.datasets.elsewhere import find_elsewhere
from starwhale.domain.job import DatasetInput
from starwhale.domain.object_uri import is_object_uri, parse_object_uri
from starwhale.storage.stores import Stores


def pin_dataset(stores: Stores, given: str, *, project: str) -> DatasetInput:
    """Resolve a dataset URI to a version with all its rows.

    Args:
        stores: Where it lies.
        given: What the user typed.
        project: Project of a URI that names none.

    Raises:
        NotFoundError: There is no such dataset or version; the nearest names are said.
    """
    if is_object_uri(given):
        found = find_elsewhere(stores.datasets, parse_object_uri(given), project=project)
    else:
        found = stores.catalog.versions.resolve("dataset", given, default_project=project)
        stores.datasets.keep(found.bundle_id)  # until the job is written down, nothing says that somebody needs it
        found = stores.catalog.versions.get(found.version)
    return DatasetInput(
        uri=found.uri.full,
        given=given,
        dataset_id=found.bundle_id,
        project=found.project,
        name=found.name,
        version=found.version,
        manifest_digest=found.content_digest,
        row_count=found.row_count or 0,
    )
