"""What datasets need of an instance's stores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starwhale.datasets.stores import DatasetStores

if TYPE_CHECKING:
    from starwhale.storage.stores import Stores


def dataset_stores(stores: Stores, fixed_version: str = "") -> DatasetStores:
    """Return what datasets need; `fixed_version` is the id of the next version, empty for new ones."""
    catalog = stores.catalog
    return DatasetStores(
        catalog=catalog,
        rows=stores.datasets,
        make_id=lambda: fixed_version or catalog.make_id(),
        ref=stores.ref,
    )


__all__ = ["dataset_stores"]
