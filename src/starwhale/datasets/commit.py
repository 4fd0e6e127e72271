"""Commit changes as a new version; rebase them when another writer committed other rows in between."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starwhale.datasets.compare import compare_rows
from starwhale.datasets.names import FeatureNames
from starwhale.datasets.rows import iterate_rows
from starwhale.datasets.stores import DatasetStores
from starwhale.errors import ConflictError
from starwhale.settings import VERSION
from starwhale.storage.catalog.records import BundleRecord, VersionDraft, VersionRecord
from starwhale.storage.protocols import DatasetCommit, DatasetReader, DatasetWriter, Key

TRIES = 20
"""Other writers that may come first before a commit gives up."""
COMPARED_ROWS = 8192
"""Rows that are compared at a time."""
SUMMARY_KEYS = ("rows", "updated_rows", "deleted_rows", "blobs_byte_size", "increased_blobs_byte_size")
"""What the summary of a version counts."""
NAMED_KEYS = 10
"""Keys that a conflict lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitNote:
    """What the user says about a commit."""

    version: str
    """Id of the new version."""
    message: str = ""
    """Why."""
    tags: Sequence[str] = ()
    """Tags of the new version."""
    build: Mapping[str, Any] = field(default_factory=dict[str, Any])  # Any: JSON
    """How the rows were made, beside our version."""


def commit_changes(
    stores: DatasetStores, bundle: BundleRecord, base: VersionRecord | None, written: DatasetCommit, note: CommitNote
) -> VersionRecord:
    """Name a commit in the catalog, which makes it a version.

    Args:
        stores: Opened stores.
        bundle: The dataset.
        base: Version that the changes were made on.
        written: What the writer wrote.
        note: What the user says.

    Raises:
        ConflictError: Another writer changed the same rows, which are listed.
    """
    parent = base
    for _ in range(TRIES):
        draft = VersionDraft(
            content_digest=written.manifest_digest,
            manifest=make_manifest(written, note.message, note.build),
            version=note.version,
            message=note.message,
            size_bytes=written.size_bytes,
            row_count=written.row_count,
            tags=tuple(note.tags),
        )
        try:
            return stores.versions.add(bundle, draft, expected_latest=parent.version if parent else "")
        except ConflictError:
            newest = stores.versions.newest(bundle.id)
            if newest is None or (parent is not None and newest.version == parent.version):
                raise
            written = _rebase(stores, bundle, parent, newest, written)
            parent = newest
    message = f"dataset {bundle.name!r} got {TRIES} versions of other writers while this one tried to commit"
    raise ConflictError(message, hint="open the newest version and make the changes again")


def make_manifest(written: DatasetCommit, message: str, build: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Describe a version for `info`; the catalog adds its id and time."""
    return {
        "message": message,
        "build": {"os": os.uname().sysname, "sw_version": VERSION, **(build or {})},
        "size": written.size_bytes,
        "dataset_summary": {
            "rows": written.row_count,
            "updated_rows": written.updated_rows,
            "deleted_rows": written.deleted_rows,
            "blobs_byte_size": written.blobs_byte_size,
            "increased_blobs_byte_size": written.increased_blobs_byte_size,
        },
        "manifest_digest": written.manifest_digest,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Difference:
    """What one version changed of another."""

    ranks: Mapping[Key, int]
    """New and changed rows: key → rank in the newer version."""
    deleted: frozenset[Key]
    """Keys that are gone."""

    @property
    def keys(self) -> set[Key]:
        """All keys that were touched."""
        return {*self.ranks, *self.deleted}


def _rebase(
    stores: DatasetStores,
    bundle: BundleRecord,
    base: VersionRecord | None,
    newest: VersionRecord,
    written: DatasetCommit,
) -> DatasetCommit:
    """Make the changes again on the newest version."""
    before = stores.open_reader(base)
    ours = stores.rows.open_version(bundle.id, written.manifest_digest)
    theirs = stores.open_reader(newest)
    changed, others = _compare(before, ours), _compare(before, theirs)
    _refuse_overlap(bundle, changed, others)
    writer = stores.rows.begin(bundle.id, newest.content_digest)
    try:
        _replay(writer, ours, changed, theirs)
        if dict(ours.info) != dict(before.info):
            if dict(theirs.info) not in (dict(before.info), dict(ours.info)):
                message = f"another writer changed the info of dataset {bundle.name!r} as well"
                raise ConflictError(message, hint="open the newest version and make the changes again")
            writer.set_info(ours.info)
        again = writer.commit()
    except BaseException:
        writer.abort()
        raise
    return dataclasses.replace(again, updated_rows=written.updated_rows, deleted_rows=written.deleted_rows)


def _replay(writer: DatasetWriter, ours: DatasetReader, changed: _Difference, onto: DatasetReader) -> None:
    """Make our changes on the other writer's version, whose spelling of names counts now."""
    for key in changed.deleted:
        writer.delete(key)
    ranks = list(changed.ranks.values())
    names = FeatureNames(onto.columns)
    for start in range(0, len(ranks), COMPARED_ROWS):
        for key, features in iterate_rows(ours.take(ranks[start : start + COMPARED_ROWS])):
            writer.delete(key)  # what we had hidden of the row stays hidden
            writer.put(key, {names.own(name): value for name, value in features.items()})


def _refuse_overlap(bundle: BundleRecord, changed: _Difference, others: _Difference) -> None:
    both = sorted(changed.keys & others.keys, key=lambda key: (str(type(key)), key))
    if both:
        shown = ", ".join(map(repr, both[:NAMED_KEYS])) + (", …" if len(both) > NAMED_KEYS else "")
        message = f"another writer changed {len(both)} of the same rows of dataset {bundle.name!r}: {shown}"
        raise ConflictError(message, hint="open the newest version and make the changes again")
    types = {type(key).__name__ for key in (*changed.ranks, *others.ranks)}
    if len(types) > 1:
        message = f"another writer gave dataset {bundle.name!r} keys of another type: {' and '.join(sorted(types))}"
        raise ConflictError(message, hint="open the newest version and make the changes again")


def _compare(older: DatasetReader, newer: DatasetReader) -> _Difference:
    ranks: dict[Key, int] = {}
    deleted: set[Key] = set()
    for change in compare_rows(older, newer):
        if change.after is None:
            deleted.add(change.key)
        else:
            ranks[change.key] = change.after.rank
    return _Difference(ranks=ranks, deleted=frozenset(deleted))
