"""What can be done with datasets of an instance."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from starwhale.datasets.dataset import Dataset
from starwhale.datasets.open import find_dataset
from starwhale.datasets.stores import DatasetStores
from starwhale.domain.uri import DEFAULT_PROJECT
from starwhale.instances.versions import VersionVerbs

if TYPE_CHECKING:
    from starwhale.storage.catalog.records import VersionRecord
    from starwhale.storage.stores import Stores

D = TypeVar("D", bound=Dataset)


class DatasetVerbs(VersionVerbs):
    """Verbs of datasets: those of all versioned things, and opening."""

    def __init__(self, stores: Stores, project: str, fixed_version: str = "") -> None:
        super().__init__(stores, project, "dataset")
        self._fixed_version = fixed_version

    def folder(self, version: VersionRecord) -> str:
        """Return the folder with the rows of a dataset."""
        return str(self._stores.layout.datasets / version.bundle_id)

    def open(self, uri: str, kind: type[D], *, create: str = "auto", readonly: bool = False) -> D:
        """Open a dataset as `kind`, which is Dataset or the SDK's; whoever opens it closes it.

        Raises:
            NotFoundError: There is no such project, or no such dataset where it may not be made.
        """
        catalog = self._stores.catalog
        home = self.parse(uri).project
        if home in {self._project, DEFAULT_PROJECT}:  # those two are there from the start
            catalog.projects.refuse_removed(home)
        else:
            catalog.projects.get(home)
        stores = DatasetStores(
            bundles=catalog.bundles,
            versions=catalog.versions,
            tags=catalog.tags,
            rows=self._stores.datasets,
            make_id=lambda: self._fixed_version or catalog.make_id(),
        )
        opened = find_dataset(stores, uri, create=create, readonly=readonly, default_project=self._project)
        return kind(stores, opened, readonly=readonly)
