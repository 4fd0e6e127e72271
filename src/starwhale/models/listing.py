"""The files of one version: a canonical JSON text, kept as a blob whose digest is the version's content digest."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from starwhale.errors import CorruptedError, NotFoundError
from starwhale.models.inside import check_inside
from starwhale.storage.protocols import BlobStore

SOURCE_BYTES = 10 * 1024
"""A larger file counts as a part of the model, not of its source."""
_FORMAT = 1


class EntryKind(StrEnum):
    """What an entry is."""

    FILE = "file"
    LINK = "link"
    FOLDER = "folder"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file, a symbolic link, or an empty folder. Folders with something in them need no entry."""

    path: str
    """Below the model root, with slashes."""
    kind: EntryKind
    """What it is."""
    digest: str = ""
    """Of a file: BLAKE3 digest of its content, under which the blob store has it."""
    size: int = 0
    """Of a file: bytes."""
    is_executable: bool = False
    """Of a file: whether it may be run. Other bits of the mode depend on the machine, and are not kept."""
    target: str = ""
    """Of a link: where it leads, relative to its folder."""

    @property
    def desc(self) -> str:
        """`MODEL` for a large file, else `SRC`."""
        return "MODEL" if self.size > SOURCE_BYTES else "SRC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Everything in one version, by path."""

    entries: tuple[Entry, ...]
    """Sorted by path."""

    @property
    def files(self) -> tuple[Entry, ...]:
        """The files among the entries."""
        return tuple(each for each in self.entries if each.kind is EntryKind.FILE)

    @property
    def size_bytes(self) -> int:
        """Bytes of all files."""
        return sum(each.size for each in self.files)

    def to_bytes(self) -> bytes:
        """Return the text that is kept; equal listings have equal texts."""
        entries = [{key: value for key, value in asdict(each).items() if value} for each in self.entries]
        text = json.dumps({"format": _FORMAT, "entries": entries}, sort_keys=True, separators=(",", ":"))
        return text.encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> Listing:
        """Read what `to_bytes` wrote.

        Raises:
            CorruptedError: It is no listing, or a path in it leads out of the model root.
        """
        try:
            data: Any = json.loads(content)  # Any: JSON, checked here
            entries = tuple(_read_entry(each) for each in data["entries"])
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            message = f"the list of a model's files cannot be read: {error}"
            raise CorruptedError(message, hint="a newer program may have written it") from error
        check_inside(entries)
        return cls(entries=entries)


def read_listing(blobs: BlobStore, content_digest: str) -> Listing:
    """Read the files of a version by its content digest.

    Raises:
        CorruptedError: The list is damaged or gone.
    """
    try:
        content = blobs.get(content_digest)
    except NotFoundError as error:
        message = f"the list of a model's files is gone: {error.message}"
        raise CorruptedError(message, hint="build the model again from its work directory") from error
    return Listing.from_bytes(content)


def digests_of(blobs: BlobStore, content_digest: str) -> frozenset[str]:
    """Return the digests of all blobs that a version needs, the list of its files among them: what may not be swept."""
    return frozenset({content_digest, *(each.digest for each in read_listing(blobs, content_digest).files)})


def _read_entry(data: dict[str, Any]) -> Entry:  # Any: JSON
    values: dict[str, Any] = {**data, "kind": EntryKind(data["kind"])}
    return Entry(**values)
