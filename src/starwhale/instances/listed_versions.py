"""What models and runtimes have in common: a version is a list of files, which copies share and archives carry."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from starwhale.instances.hold_blobs import hold_blobs
from starwhale.instances.versions import VersionVerbs
from starwhale.models.listing import Listing, read_listing

if TYPE_CHECKING:
    from starwhale.domain.uri import Uri
    from starwhale.storage.catalog.copies import Copied
    from starwhale.storage.catalog.records import VersionRecord
    from starwhale.transfer.archive import OnBytes


class ListedVerbs(VersionVerbs):
    """Verbs of a kind whose versions are lists of files."""

    def files(self, version: VersionRecord) -> Listing:
        """Return the files of a version.

        Raises:
            CorruptedError: The list is damaged.
        """
        return read_listing(self._stores.blobs, version.content_digest)

    def content(self, digest: str) -> bytes:
        """Return the content of a file of a version, verified.

        Args:
            digest: The file's, as `files` says it.

        Raises:
            CorruptedError: It is gone or damaged.
        """
        return self._stores.blobs.get(digest)

    def path(self, version: VersionRecord) -> str:
        """Return the file that lists the files of a version, or the address of the server that has it."""
        digest = version.content_digest
        if self._stores.ref.server:
            return f"{self._stores.ref.server}/{digest}"
        return str(self._stores.layout.blobs / digest[:2] / digest)

    def export(self, uri: str | Uri, target: Path, *, force: bool = False, on_bytes: OnBytes | None = None) -> int:
        """Write a version with all its files to one file that `import_archive` takes elsewhere, and return its bytes.

        Args:
            uri: A version; a name means its newest.
            target: The file.
            force: Replace a file that is there.
            on_bytes: Told how far it is.

        Raises:
            NotFoundError: There is no such version; the nearest names are said.
            AlreadyExistsError: The file is there.
            UsageError: Its folder is not there.
            CorruptedError: A file of the version is damaged.
            NoSpaceError: The disk is full; nothing is left of the file.
        """
        from starwhale.instances.archive_place import make_place
        from starwhale.transfer.target import find_target
        from starwhale.transfer.version_archive import export_version

        found = self.resolve(uri)
        return export_version(make_place(self._stores), found, find_target(target, force=force), on_bytes)

    def copy(
        self,
        source: str | Uri,
        destination: str,
        *,
        project: str = "",
        ignore_tags: Sequence[str] = (),
        force: bool = False,
    ) -> Copied:
        """Copy a version within the instance, sharing its files.

        Args:
            source: A version; a name means its newest.
            destination: `.` for the same name, a new name, the URI of a project, or a whole URI without a version.
            project: Project of a destination that names none; empty for the current one.
            ignore_tags: Tags of the user that stay behind.
            force: Move tags that point at another version there.

        Raises:
            NotFoundError: There is no such version or project; the nearest names are said.
            AlreadyExistsError: A tag points at another version there.
            UsageError: The destination makes no sense.
            CorruptedError: A file of the version is gone.
        """
        from starwhale.models.copy import copy_listed
        from starwhale.storage.catalog.copies import CopyPlan

        found = self.resolve(source)
        target = self._destination(destination, found, project)
        plan = CopyPlan(project=target.project, name=target.name, ignore_tags=ignore_tags, force=force)
        with hold_blobs(self._stores):
            return copy_listed(self._stores.catalog, self._stores.blobs, found, plan, self._fixed_version)


__all__ = ["ListedVerbs"]
