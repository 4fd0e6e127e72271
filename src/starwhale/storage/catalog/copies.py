"""Copies and imports of versions, of any kind: where one goes, what it came to, and which of the user's tags go along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starwhale.domain.version import SHORT_VERSION, is_reserved_tag
from starwhale.errors import AlreadyExistsError

if TYPE_CHECKING:
    from starwhale.storage.catalog.records import BundleRecord, VersionRecord
    from starwhale.storage.catalog.versions_tags import Tags, Versions


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyPlan:
    """Where a version goes."""

    project: str
    """Project of the copy."""
    name: str
    """Its name; of an import empty for the one that the archive says."""
    ignore_tags: Sequence[str] = ()
    """Tags of the user that stay behind."""
    force: bool = False
    """Move tags that point at another version there; of an import also write damaged files again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """What a copy or an import came to."""

    version: VersionRecord
    """The version that has the content now."""
    is_new: bool
    """Whether it was made; it was not when the same content was there already."""


def tags_to_copy(
    catalog: tuple[Versions, Tags], tags: Sequence[str], content_digest: str, bundle: BundleRecord, plan: CopyPlan
) -> tuple[str, ...]:
    """Return the tags that a copy gets: those of the user without the ones that are to stay behind.

    Args:
        catalog: Versions and tags of the catalog.
        tags: Tags of the original.
        content_digest: Its content; a tag that points at the same there is no obstacle.
        bundle: What the copy becomes a version of.
        plan: Which tags stay behind, and whether one that points at other content there moves.

    Raises:
        AlreadyExistsError: A tag points at other content there.
    """
    versions, known = catalog
    own = tuple(tag for tag in tags if not is_reserved_tag(tag) and tag not in plan.ignore_tags)
    there = known.list(bundle.id)
    for tag in own:
        at = there.get(tag)
        if at is None or plan.force or versions.get(at).content_digest == content_digest:
            continue
        message = f"tag {tag!r} points at version {at[:SHORT_VERSION]} of {bundle.kind} {bundle.name!r} in project {bundle.project!r}"
        raise AlreadyExistsError(message, hint=f"move it with --force, or leave it behind with --ignore-tag {tag}")
    return own


__all__ = ["Copied", "CopyPlan", "tags_to_copy"]
