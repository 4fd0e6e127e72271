"""What can be done with datasets of an instance."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from starwhale.datasets.dataset import Dataset
from starwhale.datasets.diff import LIMIT, DatasetDiff, diff_versions
from starwhale.datasets.open import find_dataset
from starwhale.datasets.stores import DatasetStores
from starwhale.domain.object_uri import ObjectUri, is_object_uri, parse_object_destination, parse_object_uri
from starwhale.domain.uri import parse_project_uri
from starwhale.errors import UsageError
from starwhale.instances.dataset_stores import dataset_stores
from starwhale.instances.versions import VersionVerbs

# What copies, archives and object stores need is imported by the verbs that need it: most only open a dataset.
if TYPE_CHECKING:
    from starwhale.datasets.statistics.facts import DatasetStatistics, OnProgress
    from starwhale.datasets.verify import OnBytes, Verified
    from starwhale.domain.uri import Uri
    from starwhale.instances.dataset_handler import HandlerRows, HandlerWanted
    from starwhale.instances.environments import Say
    from starwhale.runtimes.environment import OnStage
    from starwhale.settings import Settings
    from starwhale.storage.catalog.copies import Copied
    from starwhale.storage.catalog.records import VersionRecord
    from starwhale.storage.protocols import DatasetReader
    from starwhale.storage.stores import Stores

FORMS = ("archive", "parquet", "csv")
"""What a version can be exported as."""
D = TypeVar("D", bound=Dataset)


class DatasetVerbs(VersionVerbs):
    """Verbs of datasets: those of all versioned things, and opening."""

    def __init__(self, stores: Stores, project: str, settings: Settings) -> None:
        super().__init__(stores, project, "dataset", settings)

    def folder(self, version: VersionRecord) -> str:
        """Return the folder with the rows of a dataset, or the address of the server that has it."""
        if self._stores.ref.server:
            return f"{self._stores.ref.server}/{version.bundle_id}"
        return version.bundle_id if version.place else str(self._stores.layout.datasets / version.bundle_id)

    def reader(self, version: VersionRecord) -> DatasetReader:
        """Open the rows of a version for reading.

        Raises:
            CorruptedError: They are gone or damaged.
        """
        return self._stores.datasets.open_version(version.bundle_id, version.content_digest)

    def open(self, uri: str, kind: type[D], *, create: str = "auto", readonly: bool = False) -> D:
        """Open a dataset as `kind`, which is Dataset or the SDK's; whoever opens it closes it.

        Raises:
            NotFoundError: There is no such project, or no such dataset where it may not be made.
        """
        if is_object_uri(uri):
            return self._open_elsewhere(parse_object_uri(uri), kind, create)
        stores = self._opened
        opened = find_dataset(
            stores, uri, self._check_project, create=create, readonly=readonly, default_project=self._project
        )
        return kind(stores, opened, readonly=readonly)

    def handler_rows(
        self, wanted: HandlerWanted, *, say: Say | None = None, on_stage: OnStage | None = None
    ) -> HandlerRows:
        """Return the rows of a Python handler, to be built; nothing of it is imported before the first one is read.

        Args:
            wanted: The handler, and the runtime that it runs in, whose project is a URI, or empty for the current one.
            say: Called with what the user should know of the environment.
            on_stage: Called with what is being done while the environment is made.

        Raises:
            NotFoundError: There is no such runtime; the nearest names are said.
            RestoreError: Its environment cannot be made.
        """
        from starwhale.instances.dataset_handler import open_handler

        home = parse_project_uri(wanted.project or self._project).project
        return open_handler(
            self._stores, self._settings, dataclasses.replace(wanted, project=home), say, on_stage=on_stage
        )

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
        """Copy a version: within the instance, sharing its files, or to and from an object store, sending only what is not there.

        Args:
            source: A version; a name means its newest.
            destination: `.` for the same name, a new name, the URI of a project, a whole URI without a version, or a folder of
                datasets on an object store, where the version keeps its name and id.
            project: Project of a destination that names none; empty for the current one.
            mode: `patch` merges rows into a dataset that is there, `overwrite` replaces them.
            ignore_tags: Tags of the user that stay behind.
            force: Move tags that point at another version there.

        Raises:
            NotFoundError: There is no such version or project; the nearest names are said.
            AlreadyExistsError: A tag points at another version there.
            UsageError: The destination or mode makes no sense, or the keys have another type than those that are there.
            CorruptedError: A file of the version is damaged.
            ObjectStoreError: The object store cannot be reached, or refuses; the next try goes on where this one stopped.
        """
        from starwhale.datasets.copy import copy_version
        from starwhale.storage.catalog.copies import Copied, CopyPlan

        found = self.resolve(source)
        if is_object_uri(destination):
            from starwhale.datasets.elsewhere import send_version

            if project:
                message = f"{destination!r} is no project's, and --dest-local-project {project!r} names one"
                raise UsageError(message, hint="leave it out")
            place = parse_object_destination(destination, found.name)
            rows = self._stores.datasets
            version, is_new = send_version(rows, found, place, ignore_tags=ignore_tags, force=force)
            return Copied(version=version, is_new=is_new)
        target = self._destination(destination, found, project)
        plan = CopyPlan(project=target.project, name=target.name, ignore_tags=ignore_tags, force=force)
        return copy_version(self._opened, found, plan, mode)

    def diff(
        self,
        base: str | Uri,
        compare: str | Uri,
        *,
        other: DatasetVerbs | None = None,
        show_details: bool = False,
        limit: int = LIMIT,
    ) -> DatasetDiff:
        """Say what makes the second version of the first.

        Args:
            base: A version; a name means its newest.
            compare: Another version, of the same dataset or of another.
            other: Where that one lies; None for here.
            show_details: List the changed cells too.
            limit: Keys per list and rows with details, at most.

        Raises:
            NotFoundError: There is no such version; the nearest names are said.
            CorruptedError: A file that has to be read is damaged.
        """
        first = self.resolve(base)
        second = (other or self).resolve(compare)
        found = diff_versions(
            self.reader(first),
            (other or self).reader(second),
            show_details=show_details,
            limit=limit,
        )
        found.base, found.compare = first.uri.full, second.uri.full
        return found

    def statistics(
        self, uri: str | Uri, columns: Sequence[str] | None = None, *, on_progress: OnProgress | None = None
    ) -> DatasetStatistics:
        """Say what is in each column of a version, or in some; computed once, and kept beside it.

        Args:
            uri: A version; a name means its newest.
            columns: Features, in any case; None for all.
            on_progress: Told the cells that are done, and all cells.

        Raises:
            NotFoundError: There is no such version; the nearest names are said.
            UsageError: There is no such feature; the nearest names are said.
            CorruptedError: What had to be read is damaged.
        """
        from starwhale.datasets.statistics.kept import find_statistics

        found = self.resolve(uri)
        reader = self._stores.datasets.open_version(found.bundle_id, found.content_digest)
        return find_statistics(reader, columns, on_progress)

    def export(
        self,
        uri: str | Uri,
        target: Path,
        *,
        form: str = "archive",
        force: bool = False,
        on_bytes: OnBytes | None = None,
    ) -> int:
        """Write a version to one file, and return its bytes.

        Args:
            uri: A version; a name means its newest.
            target: The file.
            form: One of `FORMS`; an archive can be imported again with everything that belongs to the version.
            force: Replace a file that is there.
            on_bytes: Told how far an archive is.

        Raises:
            NotFoundError: There is no such version; the nearest names are said.
            AlreadyExistsError: The file is there.
            UsageError: Its folder is not there, or the form is not known.
            ObjectStoreError: It lies on an object store that cannot be reached, or refuses.
            CorruptedError: A file of the version is damaged.
            NoSpaceError: The disk is full; nothing is left of the file.
        """
        if form not in FORMS:
            raise UsageError(f"format is {form!r}", hint=f"use one of {', '.join(FORMS)}")
        from starwhale.transfer.target import find_target

        found = self.resolve(uri)
        target = find_target(target, force=force)
        if form == "archive":
            from starwhale.instances.archive_place import make_place
            from starwhale.transfer.dataset_archive import fetched
            from starwhale.transfer.version_archive import export_version

            with fetched(make_place(self._stores), found) as (place, version):
                return export_version(place, version, target, on_bytes)
        from starwhale.datasets.ecosystem.files import to_csv, to_parquet

        reader = self._stores.datasets.open_version(found.bundle_id, found.content_digest)
        return (to_parquet if form == "parquet" else to_csv)(reader, target).stat().st_size

    def verify(self, uri: str | Uri, on_bytes: OnBytes | None = None) -> Verified:
        """Read a whole version and name what is damaged.

        Args:
            uri: A version; a name means its newest.
            on_bytes: Told after each file how many bytes of how many were read.

        Raises:
            NotFoundError: There is no such version; the nearest names are said.
        """
        from starwhale.datasets.verify import verify_version

        if is_object_uri(str(uri)):
            from starwhale.datasets.elsewhere import open_elsewhere

            place = parse_object_uri(str(uri))
            stores, opened = open_elsewhere(self._stores.datasets, place, project=self._project, ref=self._stores.ref)
            assert opened.version is not None  # noqa: S101  a version that is not there raises
            return verify_version(stores, opened.version, on_bytes)
        return verify_version(self._opened, self.resolve(uri), on_bytes)

    def parse(self, uri: str) -> Uri:
        """Read a URI of this kind, relative to the current project.

        Raises:
            InvalidUriError: The text is no URI of this kind.
            ReadOnlyError: It is an address on an object store, and whoever parses it means to change something.
        """
        _refuse_elsewhere(uri)
        return super().parse(uri)

    def resolve(self, uri: str | Uri) -> VersionRecord:
        """Find the version that a URI means, also on an object store.

        Raises:
            NotFoundError: Nothing fits; the nearest names are said.
            ObjectStoreError: The object store cannot be reached, or refuses.
        """
        text = str(uri)
        if is_object_uri(text):
            from starwhale.datasets.elsewhere import find_elsewhere

            return find_elsewhere(self._stores.datasets, parse_object_uri(text), project=self._project)
        return super().resolve(uri)

    def history(self, uri: str | Uri, *, with_removed: bool = False) -> Sequence[VersionRecord]:
        """Return all versions of what a URI names, the newest first."""
        text = str(uri)
        if is_object_uri(text):
            from starwhale.datasets.elsewhere import ElsewhereVersions

            dataset = self._stores.datasets.elsewhere(parse_object_uri(text))
            return ElsewhereVersions(dataset, self._project).history()
        return super().history(uri, with_removed=with_removed)

    def add_tags(self, uri: str | Uri, tags: Sequence[str]) -> VersionRecord:
        """Point tags at a version; they move when they pointed at another."""
        _refuse_elsewhere(uri)
        return super().add_tags(uri, tags)

    def remove_tags(self, uri: str | Uri, tags: Sequence[str]) -> VersionRecord:
        """Take tags away from a version."""
        _refuse_elsewhere(uri)
        return super().remove_tags(uri, tags)

    def remove(self, uri: str | Uri) -> VersionRecord:
        """Hide a version (without one in the URI: the newest) until it is recovered."""
        _refuse_elsewhere(uri)
        return super().remove(uri)

    def recover(self, uri: str | Uri) -> VersionRecord:
        """Bring a removed version (without one in the URI: the newest removed one) back."""
        _refuse_elsewhere(uri)
        return super().recover(uri)

    def _open_elsewhere(self, uri: ObjectUri, kind: type[D], create: str) -> D:
        from starwhale.datasets.elsewhere import open_elsewhere, refuse_write

        if create == "empty":
            raise refuse_write(uri.dataset)
        stores, opened = open_elsewhere(self._stores.datasets, uri, project=self._project, ref=self._stores.ref)
        return kind(stores, opened, readonly=True)

    @cached_property
    def _opened(self) -> DatasetStores:
        return dataset_stores(self._stores, self._fixed_version)


def _refuse_elsewhere(uri: str | Uri) -> None:
    if is_object_uri(str(uri)):
        from starwhale.datasets.elsewhere import refuse_write

        raise refuse_write(parse_object_uri(str(uri)).dataset)
