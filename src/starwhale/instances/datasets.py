"""What can be done with datasets of an instance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from starwhale.datasets.copy import Copied, CopyPlan, copy_version
from starwhale.datasets.dataset import Dataset
from starwhale.datasets.diff import LIMIT, DatasetDiff, diff_versions
from starwhale.datasets.open import find_dataset
from starwhale.datasets.stores import DatasetStores
from starwhale.datasets.verify import OnBytes, Verified, verify_version
from starwhale.domain.uri import DEFAULT_PROJECT
from starwhale.instances.destination import parse_destination
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
        self._check_project(self.parse(uri).project)
        stores = self._opened()
        opened = find_dataset(stores, uri, create=create, readonly=readonly, default_project=self._project)
        return kind(stores, opened, readonly=readonly)

    def copy(
        self,
        source: str | Uri,
        destination: str,
        *,
        project: str = "",
        mode: str = "patch",
        ignore_tags: Sequence[str] = (),
        force: bool = False,
    ) -> Copied:
        """Copy a version within the instance, sharing its files.

        Args:
            source: A version; a name means its newest.
            destination: `.` for the same name, a new name, the URI of a project, or a whole URI without a version.
            project: Project of a destination that names none; empty for the current one.
            mode: `patch` merges rows into a dataset that is there, `overwrite` replaces them.
            ignore_tags: Tags of the user that stay behind.
            force: Move tags that point at another version there.

        Raises:
            NotFoundError: There is no such version or project; the nearest names are said.
            AlreadyExistsError: A tag points at another version there.
            UsageError: The destination or mode makes no sense, or the keys have another type than those that are there.
            CorruptedError: A file of the version is damaged.
        """
        found = self.resolve(source)
        target = parse_destination(destination, self.kind, name=found.name, current=self._project, project=project)
        self._check_project(target.project)
        plan = CopyPlan(project=target.project, name=target.name, mode=mode, ignore_tags=ignore_tags, force=force)
        return copy_version(self._opened(), found, plan)

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

    def verify(self, uri: str | Uri, on_bytes: OnBytes | None = None) -> Verified:
        """Read a whole version and name what is damaged.

        Args:
            uri: A version; a name means its newest.
            on_bytes: Told after each file how many bytes of how many were read.

        Raises:
            NotFoundError: There is no such version; the nearest names are said.
        """
        return verify_version(self._opened(), self.resolve(uri), on_bytes)

    def _check_project(self, project: str) -> None:
        projects = self._stores.catalog.projects
        if project in {self._project, DEFAULT_PROJECT}:  # those two are there from the start
            projects.refuse_removed(project)
        else:
            projects.get(project)

    def _opened(self) -> DatasetStores:
        catalog = self._stores.catalog
        return DatasetStores(
            bundles=catalog.bundles,
            versions=catalog.versions,
            tags=catalog.tags,
            rows=self._stores.datasets,
            make_id=lambda: self._fixed_version or catalog.make_id(),
            ref=self._stores.ref,
        )
