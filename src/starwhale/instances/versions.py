"""What datasets, models and runtimes have in common: versions, tags, removal, and how they come in from an archive."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from starwhale.domain.uri import Uri, parse_project_uri, parse_uri
from starwhale.errors import NotFoundError
from starwhale.instances.destination import check_project, parse_destination

if TYPE_CHECKING:
    from starwhale.settings import Settings
    from starwhale.storage.catalog.copies import Copied
    from starwhale.storage.catalog.records import VersionRecord
    from starwhale.storage.stores import Stores
    from starwhale.transfer.archive import OnBytes


class VersionVerbs:
    """Verbs of one kind of versioned thing."""

    def __init__(self, stores: Stores, project: str, kind: str, settings: Settings) -> None:
        self.kind = kind
        """`dataset`, `model` or `runtime`."""
        self._stores = stores
        self._project = project
        self._settings = settings
        self._fixed_version = settings.fixed_version

    def parse(self, uri: str) -> Uri:
        """Read a URI of this kind, relative to the current project.

        Raises:
            InvalidUriError: The text is no URI of this kind.
        """
        return parse_uri(uri, kind=self.kind, default_project=self._project, instances=self._stores.names)

    def resolve(self, uri: str | Uri) -> VersionRecord:
        """Find the version that a URI means.

        Raises:
            NotFoundError: Nothing fits; the nearest names are said.
        """
        return self._stores.catalog.versions.resolve(self.kind, self._parsed(uri))

    def info(self, uri: str | Uri) -> VersionRecord:
        """Return what the catalog knows of a version."""
        return self.resolve(uri)

    def list(
        self, project: str | None = None, *, name_prefix: str = "", with_removed: bool = False
    ) -> Sequence[VersionRecord]:
        """Return the newest version of each name, the newest first.

        Args:
            project: URI of the project; None for the current one.
            name_prefix: Only names that begin so, in any case.
            with_removed: Show a name whose newest version was removed by that version.

        Raises:
            NotFoundError: There is no such project.
        """
        home = self._project if project is None else parse_project_uri(project, instances=self._stores.names).project
        self._check_project(home)
        found = self._stores.catalog.versions.list_newest(home, self.kind, with_removed=with_removed)
        return [each for each in found if each.name.casefold().startswith(name_prefix.casefold())]

    def history(self, uri: str | Uri, *, with_removed: bool = False) -> Sequence[VersionRecord]:
        """Return all versions of what a URI names, the newest first."""
        found = self.resolve(uri)
        return self._stores.catalog.versions.history(found.bundle_id, with_removed=with_removed)

    def tags(self, uri: str | Uri) -> tuple[str, ...]:
        """Return the tags of a version."""
        return self.resolve(uri).tags

    def add_tags(self, uri: str | Uri, tags: Sequence[str]) -> VersionRecord:
        """Point tags at a version; they move when they pointed at another.

        Raises:
            InvalidNameError: A tag breaks the naming rule or is reserved.
        """
        found = self.resolve(uri)
        for tag in tags:
            self._stores.catalog.tags.add(found, tag)
        return self._stores.catalog.versions.get(found.version)

    def remove_tags(self, uri: str | Uri, tags: Sequence[str]) -> VersionRecord:
        """Take tags away from a version.

        Raises:
            InvalidNameError: A tag is reserved.
            NotFoundError: The version has no such tag.
        """
        found = self.resolve(uri)
        for tag in tags:
            self._stores.catalog.tags.remove(found, tag)
        return self._stores.catalog.versions.get(found.version)

    def remove(self, uri: str | Uri) -> VersionRecord:
        """Hide a version (without one in the URI: the newest) until it is recovered."""
        return self._stores.catalog.versions.remove(self.resolve(uri).version)

    def recover(self, uri: str | Uri) -> VersionRecord:
        """Bring a removed version (without one in the URI: the newest removed one) back."""
        versions = self._stores.catalog.versions
        return versions.recover(versions.resolve(self.kind, self._parsed(uri), removed=True).version)

    def import_archive(
        self,
        path: Path,
        name: str = "",
        *,
        project: str = "",
        ignore_tags: Sequence[str] = (),
        force: bool = False,
        on_bytes: OnBytes | None = None,
    ) -> Copied:
        """Make a version of an archive; one that is there already is left as it is. Nothing in it is run, imported or installed.

        Args:
            path: The archive.
            name: Name of the thing, or a URI without a version; empty for the one that it had.
            project: Project of a name that names none; empty for the current one.
            ignore_tags: Tags of the user that are left out.
            force: Move tags that point at another version, and write damaged files again.
            on_bytes: Told how far it is.

        Raises:
            UsageError: It is not there, cannot be read, or holds something else.
            CorruptedError: It is no archive, or not whole, or damaged; nothing is imported.
            AlreadyExistsError: A tag points at another version there.
            NoSpaceError: The disk is full; no version is left behind.
        """
        from starwhale.instances.archive_place import make_place, plan_import
        from starwhale.transfer.version_archive import import_version

        plan = plan_import(
            self._stores, self.kind, self._project, name, project=project, ignore_tags=ignore_tags, force=force
        )
        return import_version(make_place(self._stores, self._fixed_version), path, self.kind, plan, on_bytes)

    def find_removed(self, uri: Uri) -> VersionRecord | None:
        """Return the removed version that a whole id names; None where it is not removed, or there is none."""
        try:
            found = self._stores.catalog.versions.resolve(self.kind, uri, removed=True)
        except NotFoundError:
            return None
        return found if found.version == uri.version else None

    def _parsed(self, uri: str | Uri) -> Uri:
        return self.parse(uri) if isinstance(uri, str) else uri

    def _check_project(self, project: str) -> None:
        """Refuse a project that is not there."""
        check_project(self._stores, project, self._project)

    def _destination(self, text: str, found: VersionRecord, project: str) -> Uri:
        """Read where a copy of a version goes; the project is there."""
        target = parse_destination(
            text, self.kind, name=found.name, current=self._project, project=project, instances=self._stores.names
        )
        self._check_project(target.project)
        return target
