"""Datasets on an object store: which version an address means, and the stores that `Dataset` reads it through. No catalog knows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, Protocol, cast

from starwhale.datasets.stores import DatasetStores, Opened
from starwhale.domain.object_uri import ObjectUri
from starwhale.domain.version import SHORT_VERSION, is_reserved_tag
from starwhale.errors import AlreadyExistsError, ReadOnlyError
from starwhale.storage.catalog.records import BundleRecord, VersionRecord
from starwhale.storage.dataset_rows.object_dataset import ObjectDataset, VersionNote, auto_sorted, version_of

if TYPE_CHECKING:
    from starwhale.storage.catalog.catalog import SqlCatalog
    from starwhale.storage.dataset_rows.object_copies import Sent
    from starwhale.storage.protocols import DatasetStore
    from starwhale.storage.stores import StoresRef


class ElsewhereStore(Protocol):
    """What knows object stores."""

    def elsewhere(self, uri: ObjectUri) -> ObjectDataset:
        """Return a dataset on an object store."""
        ...

    def send(self, dataset_id: str, manifest_digest: str, target: ObjectDataset) -> Sent:
        """Send what it lacks of the files of a version."""
        ...


def find_elsewhere(store: ElsewhereStore, uri: ObjectUri, *, project: str) -> VersionRecord:
    """Find the version that an address means, with its tags.

    Args:
        store: Knows object stores.
        uri: The address.
        project: Project that its rows count as, so that they pair with those of a copy there.

    Raises:
        MissingDatasetError: There is no such dataset; the nearest names are said.
        NotFoundError: It has no such version.
        ObjectStoreError: The store cannot be reached, or refuses.
    """
    dataset = store.elsewhere(uri)
    keys = dataset.versions()
    return ElsewhereVersions(dataset, project).record(dataset.find(uri.version, keys), keys, dataset.tags())


def open_elsewhere(
    store: ElsewhereStore, uri: ObjectUri, *, project: str, ref: StoresRef
) -> tuple[DatasetStores, Opened]:
    """Open a version for reading; same arguments and errors, and what opens the same stores elsewhere."""
    dataset = store.elsewhere(uri)
    versions = ElsewhereVersions(dataset, project)
    keys = dataset.versions()
    version = versions.record(dataset.find(uri.version, keys), keys)
    bundle = BundleRecord(
        id=version.bundle_id, project=project, kind="dataset", name=uri.name, created_at=version.created_at
    )
    refuse = _Refuse(uri.dataset)
    stores = DatasetStores(
        catalog=cast(
            "SqlCatalog", _Catalog(versions=versions, bundles=refuse, tags=refuse)
        ),  # cast: `Dataset` asks no more of it
        rows=cast("DatasetStore", store),  # cast: the store of rows is what knows object stores
        make_id=refuse,
        ref=ref,
    )
    opened = Opened(project=project, name=uri.name, bundle=bundle, version=version, is_newest=False, place=uri.place)
    return stores, opened


def send_version(
    store: ElsewhereStore, source: VersionRecord, target: ObjectUri, *, ignore_tags: Sequence[str], force: bool
) -> tuple[VersionRecord, bool]:
    """Copy a version to an object store, where it keeps its id; what is there of it is not sent again.

    Args:
        store: Knows object stores, and has the rows.
        source: What is copied.
        target: Where it goes.
        ignore_tags: Tags of the user that stay behind.
        force: Move tags that point at another version there.

    Returns:
        The version there, and whether it is new.

    Raises:
        AlreadyExistsError: A tag points at another version there.
        CorruptedError: A file of the version is damaged.
        ObjectStoreError: The store cannot be reached, or refuses.
    """
    dataset = store.elsewhere(target)
    tags = [tag for tag in source.tags if not is_reserved_tag(tag) and tag not in ignore_tags]
    there = dataset.tags() if tags else {}
    for tag in tags:
        if not force and there.get(tag, source.version) != source.version:
            message = f"tag {tag!r} points at version {there[tag][:SHORT_VERSION]} of {target.dataset}"
            raise AlreadyExistsError(message, hint=f"move it with --force, or leave it behind with --ignore-tag {tag}")
    store.send(source.bundle_id, source.content_digest, dataset)
    note = VersionNote(
        version=source.version,
        created_at=source.created_at,
        content_digest=source.content_digest,
        row_count=source.row_count or 0,
        size_bytes=source.size_bytes,
        message=source.message,
        manifest=source.manifest,
    )
    is_new = dataset.add(note, tags)
    return ElsewhereVersions(dataset, source.project).get(source.version), is_new


def refuse_write(address: str) -> ReadOnlyError:
    """Say that a dataset on an object store is not changed there, and what to do instead."""
    return ReadOnlyError(
        f"{address} lies on an object store, where datasets are only read",
        hint=f"copy it here (swcli dataset copy {address} .), change the copy, and copy that back",
    )


@dataclass(frozen=True, slots=True)
class ElsewhereVersions:
    """The versions of one dataset on an object store, as records of a catalog."""

    dataset: ObjectDataset
    """The dataset."""
    project: str
    """Project that its rows count as."""

    def get(self, version: str) -> VersionRecord:
        """Return a version by its whole id, with its tags."""
        keys = self.dataset.versions()
        return self.record(self.dataset.find(version, keys), keys, self.dataset.tags())

    def history(self, _bundle_id: str = "", *, with_removed: bool = False) -> list[VersionRecord]:
        """Return the versions, the newest first; none is ever hidden."""
        del with_removed
        keys, tags = self.dataset.versions(), self.dataset.tags()
        return [self.record(self.dataset.note(key), keys, tags) for key in keys]

    def record(self, note: VersionNote, keys: Sequence[str], tags: Mapping[str, str] | None = None) -> VersionRecord:
        """Describe a version as a catalog would; `keys` are those of all versions."""
        uri = self.dataset.uri
        ids = [version_of(key) for key in keys]
        return VersionRecord(
            version=note.version,
            bundle_id=uri.dataset,
            project=self.project,
            kind="dataset",
            name=uri.name,
            sequence=len(ids) - 1 - ids.index(note.version),
            created_at=note.created_at,
            message=note.message,
            size_bytes=note.size_bytes,
            row_count=note.row_count,
            content_digest=note.content_digest,
            manifest=note.manifest,
            is_removed=False,
            tags=auto_sorted(tags or {}, note.version, ids[0]),
            place=uri.place,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Catalog:
    """What `Dataset` asks of a catalog for a version that it only reads."""

    versions: ElsewhereVersions
    """Its versions."""
    bundles: _Refuse
    """Whatever is asked of it is a change."""
    tags: _Refuse
    """The same."""


class _Refuse:
    """Stands where a catalog would be changed."""

    def __init__(self, address: str) -> None:
        self._address = address

    def __call__(self, *_arguments: object, **_options: object) -> NoReturn:
        raise refuse_write(self._address)

    def __getattr__(self, _name: str) -> _Refuse:
        return self


__all__ = ["ElsewhereStore", "ElsewhereVersions", "find_elsewhere", "open_elsewhere", "refuse_write", "send_version"]
