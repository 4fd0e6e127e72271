"""Copy a version of a model or runtime within an instance: to another name or project. The files are blobs, which both versions share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starwhale.domain.version import SHORT_VERSION
from starwhale.errors import CorruptedError
from starwhale.models.listing import read_listing
from starwhale.storage.catalog.copies import Copied, CopyPlan, tags_to_copy
from starwhale.storage.catalog.records import VersionDraft, VersionRecord

if TYPE_CHECKING:
    from starwhale.storage.blobs.local import LocalBlobStore
    from starwhale.storage.catalog.catalog import SqlCatalog


def copy_listed(
    catalog: SqlCatalog, blobs: LocalBlobStore, source: VersionRecord, plan: CopyPlan, version: str = ""
) -> Copied:
    """Copy a version; whatever fails leaves no version behind. Whoever calls keeps blobs from being collected meanwhile.

    Args:
        catalog: What exists.
        blobs: Where the files are.
        source: What is copied.
        plan: Where it goes.
        version: Id of the copy; empty for a new one.

    Raises:
        AlreadyExistsError: A tag points at another version there, or the name differs from one that is there only in case.
        CorruptedError: A file of the version is gone or has lost a piece.
    """
    source = catalog.versions.get(source.version)  # it may have been deleted for good since it was found
    _check_whole(blobs, source)
    bundle = catalog.bundles.ensure(plan.project, source.kind, plan.name)
    base = catalog.versions.newest(bundle.id)
    own = () if bundle.id == source.bundle_id else source.tags  # there a tag points at the original
    found = catalog.versions, catalog.tags
    tags = tags_to_copy(found, own, source.content_digest, bundle, plan)
    if base is not None and _is_same(base, source):
        for tag in tags:
            catalog.tags.add(base, tag)
        return Copied(version=catalog.versions.get(base.version), is_new=False)
    draft = VersionDraft(
        version=version,
        content_digest=source.content_digest,
        manifest={**source.manifest, "copied_from": source.uri.full},
        message=source.message,
        size_bytes=source.size_bytes,
        tags=tags,
    )
    return Copied(version=catalog.versions.add(bundle, draft), is_new=True)


def _is_same(base: VersionRecord, source: VersionRecord) -> bool:
    """Whether both have the same files and say the same of them: handlers may differ where files do not, by another `--module`."""
    told = ("modules", "handlers")
    return base.content_digest == source.content_digest and all(
        base.manifest.get(name) == source.manifest.get(name) for name in told
    )


def _check_whole(blobs: LocalBlobStore, source: VersionRecord) -> None:
    """Refuse a version of which a file is gone or short; every byte is verified when it is extracted or run."""
    for entry in read_listing(blobs, source.content_digest).files:
        if blobs.size_of(entry.digest) != entry.size:
            message = f"the content of {entry.path!r} in {source.name}/version/{source.version[:SHORT_VERSION]} is gone or damaged"
            hint = f"build the {source.kind} again from what it was built from: that brings the content back"
            raise CorruptedError(message, path=entry.path, hint=hint)


__all__ = ["copy_listed"]
