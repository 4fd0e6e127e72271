"""Which of the user's tags go with a copy of a version."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from starwhale.domain.version import SHORT_VERSION, is_reserved_tag
from starwhale.errors import AlreadyExistsError

if TYPE_CHECKING:
    from starwhale.storage.catalog.records import BundleRecord
    from starwhale.storage.catalog.versions_tags import Tags, Versions


def tags_to_copy(
    catalog: tuple[Versions, Tags],
    tags: Sequence[str],
    content_digest: str,
    bundle: BundleRecord,
    *,
    ignore_tags: Sequence[str] = (),
    force: bool = False,
) -> tuple[str, ...]:
    """Return the tags that a copy gets: those of the user without the ones that are to stay behind.

    Args:
        catalog: Versions and tags of the catalog.
        tags: Tags of the original.
        content_digest: Its content; a tag that points at the same there is no obstacle.
        bundle: What the copy becomes a version of.
        ignore_tags: Tags that stay behind.
        force: Whether a tag that points at other content there moves.

    Raises:
        AlreadyExistsError: A tag points at other content there.
    """
    versions, known = catalog
    own = tuple(tag for tag in tags if not is_reserved_tag(tag) and tag not in ignore_tags)
    there = known.list(bundle.id)
    for tag in own:
        at = there.get(tag)
        if at is None or force or versions.get(at).content_digest == content_digest:
            continue
        message = f"tag {tag!r} points at version {at[:SHORT_VERSION]} of {bundle.kind} {bundle.name!r} in project {bundle.project!r}"
        raise AlreadyExistsError(message, hint=f"move it with --force, or leave it behind with --ignore-tag {tag}")
    return own


__all__ = ["tags_to_copy"]
