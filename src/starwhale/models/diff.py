"""What makes one version of another: files by content digest, links and modes, handlers, and on demand the lines of texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from starwhale.domain.job import HandlerRecord
from starwhale.domain.json_shape import Json
from starwhale.errors import CorruptedError, NotFoundError
from starwhale.models.listing import Entry, EntryKind, Listing
from starwhale.models.text_diff import MOST_BYTES, TextDiff, diff_texts
from starwhale.storage.protocols import BlobStore

LIMIT = 50
"""Files whose lines are compared when nobody says how many."""


class FileState(StrEnum):
    """What became of a file, a link or an empty folder."""

    UNCHANGED = "unchanged"
    ADDED = "added"
    UPDATED = "updated"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange:
    """One path of either version."""

    path: str
    """Below the model root."""
    state: FileState
    """What became of it."""
    old: Entry | None
    """What it was; None for what was added."""
    new: Entry | None
    """What it is now; None for what was deleted."""

    @property
    def reasons(self) -> tuple[str, ...]:
        """What differs of something updated: `content`, `mode`, `target` of a link, or `kind` alone."""
        if self.old is None or self.new is None or self.state is not FileState.UPDATED:
            return ()
        if self.old.kind is not self.new.kind:
            return ("kind",)
        differs = {
            "content": self.old.digest != self.new.digest,
            "mode": self.old.is_executable is not self.new.is_executable,
            "target": self.old.target != self.new.target,
        }
        return tuple(name for name, is_other in differs.items() if is_other)

    def to_json(self) -> Json:
        """Return it as a plain object; what does not apply is left out."""
        sides = {name: _describe(each) for name, each in (("old", self.old), ("new", self.new)) if each is not None}
        reasons = {"reasons": list(self.reasons)} if self.reasons else {}
        return {"path": self.path, "state": str(self.state), **reasons, **sides}


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerChanges:
    """What became of the handlers."""

    added: tuple[str, ...]
    """Names that only the second version has."""
    deleted: tuple[str, ...]
    """Names that only the first has."""
    updated: Mapping[str, Mapping[str, tuple[Any, Any]]]  # Any: JSON values of a record's field
    """Name → field of its record → what it was and is."""

    @property
    def is_same(self) -> bool:
        """Whether nothing differs."""
        return not (self.added or self.deleted or self.updated)

    def to_json(self) -> Json:
        """Return them as plain objects."""
        updated = {
            name: {field: {"old": old, "new": new} for field, (old, new) in fields.items()}
            for name, fields in self.updated.items()
        }
        return {"added": list(self.added), "deleted": list(self.deleted), "updated": updated}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDiff:
    """What makes the second version of the first."""

    base: str
    """URI of the first version."""
    compare: str
    """URI of the second version."""
    files: tuple[FileChange, ...]
    """Every path of either, sorted."""
    handlers: HandlerChanges
    """What became of the handlers."""
    details: tuple[TextDiff, ...] | None = None
    """Files whose content differs, with their lines where they are texts; None when nobody asked."""
    details_left: int = 0
    """Files with other content that are not in `details`, because there are too many."""

    @property
    def counts(self) -> Counter[FileState]:
        """Number of paths by what became of them."""
        return Counter(each.state for each in self.files)

    @property
    def is_same(self) -> bool:
        """Whether the versions have the same files and the same handlers."""
        return self.counts[FileState.UNCHANGED] == len(self.files) and self.handlers.is_same

    def to_json(self) -> Json:
        """Return everything as plain objects."""
        counts = self.counts
        found: Json = {
            "base": self.base,
            "compare": self.compare,
            "is_same": self.is_same,
            "counts": {str(state): counts[state] for state in FileState},
            "files": [each.to_json() for each in self.files],
            "handlers": self.handlers.to_json(),
        }
        if self.details is not None:
            found["details"] = [each.to_json() for each in self.details]
            found["details_left"] = self.details_left
        return found


def diff_files(base: Listing, compare: Listing) -> tuple[FileChange, ...]:
    """Say for every path of two listings what became of it, by path; nothing is read."""
    old = {each.path: each for each in base.entries}
    new = {each.path: each for each in compare.entries}
    return tuple(_change(path, old.get(path), new.get(path)) for path in sorted(old.keys() | new.keys()))


def diff_handlers(base: Mapping[str, HandlerRecord], compare: Mapping[str, HandlerRecord]) -> HandlerChanges:
    """Say what became of the handlers, field by field of their records."""
    updated: dict[str, dict[str, tuple[Any, Any]]] = {}  # Any: JSON
    for name in sorted(base.keys() & compare.keys()):
        old, new = base[name].to_json(), compare[name].to_json()
        fields = {field: (value, new[field]) for field, value in old.items() if value != new[field]}
        if fields:
            updated[name] = fields
    return HandlerChanges(
        added=tuple(sorted(compare.keys() - base.keys())),
        deleted=tuple(sorted(base.keys() - compare.keys())),
        updated=updated,
    )


def diff_contents(files: tuple[FileChange, ...], blobs: BlobStore, limit: int) -> tuple[tuple[TextDiff, ...], int]:
    """Compare the lines of files with other content, the first `limit` of them; also return how many are left.

    Raises:
        CorruptedError: A file's content is damaged or gone.
    """
    wanted = [each for each in files if "content" in each.reasons]
    return tuple(_texts(each, blobs) for each in wanted[:limit]), max(len(wanted) - limit, 0)


def _texts(change: FileChange, blobs: BlobStore) -> TextDiff:
    old, new = change.old, change.new
    assert old is not None and new is not None  # noqa: S101, PT018  both are there where the content differs
    if max(old.size, new.size) > MOST_BYTES:
        return TextDiff(path=change.path, skipped=f"larger than {MOST_BYTES >> 20} MiB")
    return diff_texts(change.path, _read(old, blobs), _read(new, blobs))


def _read(entry: Entry, blobs: BlobStore) -> bytes:
    try:
        return blobs.get(entry.digest)
    except (NotFoundError, CorruptedError) as error:
        message = f"the content of {entry.path!r} is damaged: {error.message}"
        hint = "build the model again from its work directory, with --verify: that brings the content back"
        raise CorruptedError(message, path=entry.path, hint=hint) from error


def _change(path: str, old: Entry | None, new: Entry | None) -> FileChange:
    if old is None:
        state = FileState.ADDED
    elif new is None:
        state = FileState.DELETED
    else:
        state = FileState.UNCHANGED if old == new else FileState.UPDATED
    return FileChange(path=path, state=state, old=old, new=new)


def _describe(entry: Entry) -> Json:
    found: Json = {"kind": str(entry.kind)}
    if entry.kind is EntryKind.FILE:
        mode = "0755" if entry.is_executable else "0644"
        found |= {"size": entry.size, "signature": entry.digest, "mode": mode, "desc": entry.desc}
    return found | ({"target": entry.target} if entry.target else {})


__all__ = ["FileChange", "FileState", "HandlerChanges", "ModelDiff", "diff_contents", "diff_files", "diff_handlers"]
