"""What a dataset needs of the opened stores, and the version that it was opened on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starwhale.storage.catalog.records import BundleRecord, VersionRecord
from starwhale.storage.protocols import Damage, DatasetReader, DatasetStore, Key, Rows, Value
from starwhale.storage.stores import StoresRef

if TYPE_CHECKING:
    from starwhale.media.source import Source
    from starwhale.storage.catalog.bundles import Bundles
    from starwhale.storage.catalog.catalog import SqlCatalog
    from starwhale.storage.catalog.versions_tags import Tags, Versions


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetStores:
    """The stores that datasets work on; whoever opened them closes them."""

    catalog: SqlCatalog
    """Names, versions and tags; it imports what each of them needs when it is first asked for."""
    rows: DatasetStore
    """The rows."""
    make_id: Callable[[], str]
    """Makes version ids."""
    ref: StoresRef
    """Opens the rows in other processes."""

    @property
    def bundles(self) -> Bundles:
        """Names in the catalog."""
        return self.catalog.bundles

    @property
    def versions(self) -> Versions:
        """Versions in the catalog; adding one is the commit point."""
        return self.catalog.versions

    @property
    def tags(self) -> Tags:
        """Tags in the catalog."""
        return self.catalog.tags

    def open_reader(self, version: VersionRecord | None) -> DatasetReader:
        """Open the rows of a version; None has no rows."""
        if version is None:
            return NoRows()
        return self.rows.open_version(version.bundle_id, version.content_digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What opening a dataset found."""

    project: str
    """Name of the project."""
    name: str
    """Name of the dataset."""
    bundle: BundleRecord | None
    """The dataset in the catalog; None before its first commit."""
    version: VersionRecord | None
    """The version that is read; None when there is none yet."""
    is_newest: bool
    """Whether it may be written."""
    place: str = ""
    """Address of the folder that it lies in where it is on an object store, and is read only."""


class NoRows:
    """The version before the first: no rows and no info."""

    row_count: int = 0
    key_type: str | None = None
    columns: Mapping[str, str] = {}
    info: Mapping[str, Value] = {}

    def read(self, start: int, stop: int, columns: Sequence[str] | None = None) -> Rows:
        return Rows(keys=[], columns={})

    def read_column(self, start: int, stop: int, name: str) -> list[Value]:
        return []

    def read_arrow(self, start: int, stop: int, columns: Sequence[str] | None = None, *, with_keys: bool = True) -> Any:
        from starwhale.storage.columns.encode import encode_batch

        return encode_batch({}, keys=[] if with_keys else None)

    def take(self, ranks: Sequence[int], columns: Sequence[str] | None = None) -> Rows:
        return Rows(keys=[], columns={})

    def rank(self, key: Key) -> int | None:
        return None

    def rank_range(self, start: Key | None, stop: Key | None) -> tuple[int, int]:
        return 0, 0

    def iter_batches(self, columns: Sequence[str] | None = None) -> Iterator[Rows]:
        return iter(())

    def row_digests(self, start: int, stop: int) -> list[bytes]:
        return []

    def source_of(self, ref: Mapping[str, Value]) -> Source:
        message = "there are no large values in a dataset without rows"
        raise LookupError(message)

    def verify(self, on_bytes: Callable[[int], None] | None = None) -> list[Damage]:
        return []
