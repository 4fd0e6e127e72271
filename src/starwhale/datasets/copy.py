"""Copy a version within an instance: to another name or project, over what is there, or merged into it."""

from __future__ import annotations

from starwhale.datasets.build import MODES
from starwhale.datasets.commit import CommitNote, commit_changes
from starwhale.datasets.compare import compare_rows
from starwhale.datasets.diff import is_same_cell
from starwhale.datasets.stores import DatasetStores
from starwhale.errors import UsageError
from starwhale.storage.catalog.copies import Copied, CopyPlan, tags_to_copy
from starwhale.storage.catalog.records import BundleRecord, VersionDraft, VersionRecord
from starwhale.storage.protocols import DatasetReader, DatasetWriter


def copy_version(stores: DatasetStores, source: VersionRecord, plan: CopyPlan, mode: str = "patch") -> Copied:
    """Copy a version; whatever fails leaves no version behind.

    A copy has an id of its own, because ids are unique within an instance; its content digest is the original's where nothing was merged.

    Args:
        stores: Opened stores.
        source: What is copied.
        plan: Where it goes.
        mode: `patch` merges rows into what is there, `overwrite` replaces it; the same where nothing is there.

    Raises:
        AlreadyExistsError: A tag points at another version there, or the name differs from one that is there only in case.
        UsageError: The mode has another value, or the keys have another type than those that are there.
        CorruptedError: A file of the version is damaged.
        NoSpaceError: The disk is full.
    """
    if mode not in MODES:
        raise UsageError(f"mode is {mode!r}", hint="use 'patch' or 'overwrite'")
    kept = stores.open_reader(source)  # nothing of it is collected meanwhile
    if not source.place:  # what lies on an object store is in no catalog
        source = stores.versions.get(source.version)
    bundle = stores.bundles.ensure(plan.project, "dataset", plan.name)
    base = stores.versions.newest(bundle.id)
    own = (
        () if bundle.id == source.bundle_id else source.tags
    )  # a tag points at one version, and there that is the original
    tags = tags_to_copy((stores.versions, stores.tags), own, source.content_digest, bundle, plan)
    if base is not None and base.content_digest == source.content_digest:
        for tag in tags:
            stores.tags.add(base, tag)
        return Copied(version=stores.versions.get(base.version), is_new=False)
    if base is None or mode == "overwrite":
        return Copied(version=_share(stores, source, bundle, base, tags), is_new=True)
    return _merge(stores, source, kept, bundle, base, tags)


def _share(
    stores: DatasetStores,
    source: VersionRecord,
    bundle: BundleRecord,
    base: VersionRecord | None,
    tags: tuple[str, ...],
) -> VersionRecord:
    shared = stores.rows.share(source.bundle_id, source.content_digest, bundle.id)
    draft = VersionDraft(
        version=stores.make_id(),
        content_digest=source.content_digest,
        manifest={**source.manifest, "copied_from": source.uri.full},
        message=source.message,
        size_bytes=source.size_bytes,
        row_count=source.row_count,
        tags=tags,
    )
    made = stores.versions.add(bundle, draft, expected_latest=base.version if base else "")
    del shared  # it held the files until the catalog named them
    return made


def _merge(
    stores: DatasetStores,
    source: VersionRecord,
    rows: DatasetReader,
    bundle: BundleRecord,
    base: VersionRecord,
    tags: tuple[str, ...],
) -> Copied:
    there = stores.open_reader(base)
    writer = stores.rows.begin(bundle.id, base.content_digest)
    try:
        _write_rows(writer, there, rows)
        info = dict(there.info)
        if rows.info and {**info, **rows.info} != info:
            writer.set_info({**info, **rows.info})
        if not writer.is_changed:
            writer.abort()
            for tag in tags:
                stores.tags.add(base, tag)
            return Copied(version=stores.versions.get(base.version), is_new=False)
        note = CommitNote(version=stores.make_id(), message=source.message, tags=tags)
        return Copied(version=commit_changes(stores, bundle, base, writer.commit(), note), is_new=True)
    except BaseException:
        writer.abort()
        raise


def _write_rows(writer: DatasetWriter, there: DatasetReader, rows: DatasetReader) -> None:
    """Write what the rows that are there do not hold already; features that only they have stay."""
    for change in compare_rows(there, rows):
        if change.after is None:
            continue
        features = change.after.features
        if change.before is not None:
            old = change.before.features
            features = {name: value for name, value in features.items() if not is_same_cell(old.get(name), value)}
            if not features:
                continue
        writer.put(change.key, features)


__all__ = ["copy_version"]
