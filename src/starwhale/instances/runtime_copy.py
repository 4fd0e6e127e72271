"""A runtime under another name or in another project: its files are shared, its version id is new (docs/decisions/0018)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starwhale.domain.uri import DEFAULT_PROJECT, Uri
from starwhale.domain.version import SHORT_VERSION, is_reserved_tag
from starwhale.errors import AlreadyExistsError
from starwhale.instances.snapshots import hold_blobs
from starwhale.models.listing import digests_of
from starwhale.storage.catalog.records import VersionDraft

if TYPE_CHECKING:
    from starwhale.storage.catalog.records import BundleRecord, VersionRecord
    from starwhale.storage.stores import Stores


def copy_runtime(
    stores: Stores, found: VersionRecord, target: Uri, *, ignore_tags: tuple[str, ...], force: bool
) -> tuple[VersionRecord, bool]:
    """Copy a version; return it, and whether it is new: equal content that is there already is not copied again.

    Raises:
        AlreadyExistsError: A tag points at another version there, and `force` is not given.
        CorruptedError: The list of its files is damaged or gone.
    """
    catalog = stores.catalog
    project = (
        catalog.projects.ensure(target.project)
        if target.project == DEFAULT_PROJECT
        else catalog.projects.get(target.project)
    )
    with hold_blobs(stores):
        missing = [each for each in digests_of(stores.blobs, found.content_digest) if not stores.blobs.has(each)]
        if missing:
            stores.blobs.path(missing[0])  # says which
        bundle = catalog.bundles.ensure(project.name, "runtime", target.name)
        there = catalog.versions.history(bundle.id)
        same = next((each for each in there if each.content_digest == found.content_digest), None)
        if same is not None:
            return same, False
        tags = tuple(each for each in found.tags if not is_reserved_tag(each) and each not in ignore_tags)
        _check_tags(stores, bundle, tags, force=force)
        draft = VersionDraft(
            content_digest=found.content_digest,
            manifest={**found.manifest, "copied_from": found.uri.full},
            message=found.message,
            size_bytes=found.size_bytes,
            tags=tags,
        )
        return catalog.versions.add(bundle, draft), True


def _check_tags(stores: Stores, bundle: BundleRecord, tags: tuple[str, ...], *, force: bool) -> None:
    pointing = stores.catalog.tags.list(bundle.id)
    taken = [each for each in tags if each in pointing]
    if taken and not force:
        message = f"tag {taken[0]!r} of runtime {bundle.name!r} points at {pointing[taken[0]][:SHORT_VERSION]} there"
        raise AlreadyExistsError(message, hint="move it with --force, or leave it behind with --ignore-tag")
