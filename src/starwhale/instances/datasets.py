"""What can be done with datasets of an instance."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from starwhale.datasets.dataset import Dataset
from starwhale.datasets.diff import LIMIT, DatasetDiff, diff_versions
from starwhale.datasets.open import find_dataset
from starwhale.datasets.stores import DatasetStores
from starwhale.domain.uri import DEFAULT_PROJECT
from starwhale.instances.versions import VersionVerbs

if TYPE_CHECKING:
    from starwhale.domain.uri import Uri
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
            ref=self._stores.ref,
        )
        opened = find_dataset(stores, uri, create=create, readonly=readonly, default_project=self._project)
        return kind(stores, opened, readonly=readonly)

    def diff(
        self, base: str | Uri, compare: str | Uri, *, show_details: bool = False, limit: int = LIMIT
    ) -> DatasetDiff:
        """Say what makes the second version of the first.

        Args:
            base: A version; a name means its newest.
            compare: Another version, of the same dataset or of another.
            show_details: List the changed cells too.
            limit: Keys per list and rows with details, at most.

        Raises:
            NotFoundError: There is no such version; the nearest names are said.
            CorruptedError: A file that has to be read is damaged.
        """
        first, second = self.resolve(base), self.resolve(compare)
        rows = self._stores.datasets
        found = diff_versions(
            rows.open_version(first.bundle_id, first.content_digest),
            rows.open_version(second.bundle_id, second.content_digest),
            show_details=show_details,
            limit=limit,
        )
        found.base, found.compare = first.uri.full, second.uri.full
        return found
