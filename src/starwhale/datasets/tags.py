"""The tags of one version."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from starwhale.datasets.stores import DatasetStores
from starwhale.errors import NothingToCommitError, StarwhaleError
from starwhale.storage.catalog.records import VersionRecord


class VersionTags:
    """The tags of the version that a dataset shows; iterates over them."""

    def __init__(self, stores: DatasetStores, version: Callable[[], VersionRecord | None]) -> None:
        self._stores = stores
        self._version = version

    def add(self, tags: str | Iterable[str], ignore_errors: bool = False, force: bool = False) -> None:
        """Point tags at the version.

        Args:
            tags: One or several.
            ignore_errors: Leave out those that cannot be added.
            force: Move a tag that points at another version; without it a tag moves too, as it always did locally.

        Raises:
            InvalidNameError: A tag breaks the naming rule or is reserved.
        """
        del force
        self._each(tags, lambda tag: self._stores.tags.add(self._shown(), tag), ignore_errors=ignore_errors)

    def remove(self, tags: str | Iterable[str], ignore_errors: bool = False) -> None:
        """Take tags away from the version.

        Raises:
            NotFoundError: The version has no such tag.
        """
        self._each(tags, lambda tag: self._stores.tags.remove(self._shown(), tag), ignore_errors=ignore_errors)

    def __iter__(self) -> Iterator[str]:
        version = self._version()
        return iter(self._stores.versions.get(version.version).tags if version else ())

    def __repr__(self) -> str:
        return repr(list(self))

    def __contains__(self, tag: object) -> bool:
        return tag in list(self)

    def _shown(self) -> VersionRecord:
        version = self._version()
        if version is None:
            message = "there is no version to tag yet"
            raise NothingToCommitError(message, hint="commit first")
        return version

    @staticmethod
    def _each(tags: str | Iterable[str], act: Callable[[str], None], *, ignore_errors: bool) -> None:
        for tag in [tags] if isinstance(tags, str) else tags:
            try:
                act(tag)
            except StarwhaleError:
                if not ignore_errors:
                    raise
