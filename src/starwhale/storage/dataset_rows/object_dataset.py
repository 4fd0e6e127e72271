"""One dataset on an object store: its versions and tags, as objects beside the files of rows.

<prefix>/<name>/versions/<milliseconds>-<version>.json     when the version was committed, so that a list of keys is in order
<prefix>/<name>/tags/<tag>                                 holds the id of the version that the tag names
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starwhale.domain.object_uri import ObjectUri
from starwhale.domain.version import SHORT_VERSION, SHORTEST_PREFIX
from starwhale.errors import ConflictError, MissingDatasetError, NotFoundError, RootError, nearest
from starwhale.storage.columns.files import damaged, digest_of

if TYPE_CHECKING:
    from starwhale.storage.objects import Bucket

FORMAT = 1
"""Number of the format of the version objects; a higher one belongs to a newer program."""
LATEST = "latest"
"""The tag of the newest version."""
_KEY = re.compile(r"^(\d{15})-([a-z2-7]{40})\.json$")


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionNote:
    """What is kept of a version: what a catalog says of it."""

    version: str
    """Whole id."""
    created_at: float
    """When it was committed, in seconds since the epoch."""
    content_digest: str
    """Digest of its manifest."""
    row_count: int
    """Its rows."""
    size_bytes: int
    """Bytes that it occupies."""
    message: str = ""
    """What the user said about it."""
    manifest: Mapping[str, Any]
    """What `info` shows."""

    @property
    def key(self) -> str:
        """Key of its object below the dataset's folder."""
        return f"versions/{int(self.created_at * 1000):015d}-{self.version}.json"

    def to_json(self) -> bytes:
        """Write it with a digest of its own."""
        content = {name: getattr(self, name) for name in self.__slots__}
        content["manifest"] = dict(self.manifest)
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return json.dumps({"format": FORMAT, "content": text, "digest": digest_of(text.encode())}).encode()

    @classmethod
    def from_json(cls, text: bytes) -> VersionNote:
        """Read what `to_json` wrote.

        Raises:
            ValueError: It differs from its digest.
            RootError: A newer program wrote it.
        """
        try:
            said: dict[str, Any] = json.loads(text)
            if said["format"] > FORMAT:
                raise RootError("this version was written by a newer program", hint="upgrade starwhale-evaluation")
            if digest_of(said["content"].encode()) != said["digest"]:
                raise ValueError("it differs from its checksum")
            return cls(**json.loads(said["content"]))
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"it describes no version ({error})") from error


class ObjectDataset:
    """A dataset on an object store.

    Args:
        bucket: Where.
        uri: Which.
    """

    def __init__(self, bucket: Bucket, uri: ObjectUri) -> None:
        self.bucket = bucket
        """Where it is."""
        self.uri = uri
        """Its address; the version in it is not looked at."""

    def versions(self) -> list[str]:
        """List the keys of the version objects below the dataset's folder, the newest version first."""
        prefix = f"{self.uri.folder}/versions/"
        names = (each.key.removeprefix(prefix) for each in self.bucket.list(prefix))
        return [f"versions/{name}" for name in sorted(filter(_KEY.match, names), reverse=True)]

    def note(self, key: str) -> VersionNote:
        """Read a version object.

        Raises:
            CorruptedError: It is not what was written.
        """
        whole = f"{self.uri.folder}/{key}"
        try:
            return VersionNote.from_json(self.bucket.read(whole))
        except ValueError as error:
            raise damaged(self.bucket.uri(whole), f"a version object cannot be read: {error}") from error

    def tags(self) -> dict[str, str]:
        """Return the user's tags with the versions that they name."""
        prefix = f"{self.uri.folder}/tags/"
        keys = [each.key for each in self.bucket.list(prefix)]
        return {key.removeprefix(prefix): self.bucket.read(key).decode("ascii", "replace").strip() for key in keys}

    def find(self, word: str, keys: Sequence[str]) -> VersionNote:
        """Find a version by its id, its beginning or a tag; without a word the newest.

        Args:
            word: What the user wrote.
            keys: What `versions` has listed.

        Raises:
            MissingDatasetError: There is no such dataset; the nearest names are said.
            NotFoundError: It has no such version.
            ConflictError: Several versions begin so.
        """
        if not keys:
            raise self._missing()
        if word in {"", LATEST}:
            return self.note(keys[0])
        ids = {version_of(key): key for key in keys}
        tagged = self._tagged(word) if word not in ids else ""
        if tagged in ids:
            return self.note(ids[tagged])
        found = [each for each in ids if each.startswith(word.lower())] if len(word) >= SHORTEST_PREFIX else []
        if len(found) > 1:
            shown = ", ".join(each[:SHORT_VERSION] for each in found[:5])
            message = f"{word!r} means several versions of {self.uri.dataset}: {shown}"
            raise ConflictError(message, hint="write more characters of the version")
        if found:
            return self.note(ids[found[0]])
        hint = nearest(word, [LATEST, *self.tags(), *(each[:SHORT_VERSION] for each in ids)])
        raise NotFoundError(f"no version {word!r} of {self.uri.dataset}", hint=hint)

    def add(self, note: VersionNote, tags: Iterable[str] = ()) -> bool:
        """Make a version exist, whose files are there, and point tags at it; False when it existed.

        Raises:
            ConflictError: There is another version with its id.
        """
        key = f"{self.uri.folder}/{note.key}"  # looked for before: some stores do not know the condition
        is_new = not self.bucket.has(key) and self.bucket.put(key, note.to_json(), if_absent=True)
        if not is_new and self.note(note.key).content_digest != note.content_digest:
            message = f"{self.uri.dataset} has another version with the id {note.version[:SHORT_VERSION]}"
            raise ConflictError(message, hint="copy to another folder")
        for tag in tags:
            self.bucket.put(f"{self.uri.folder}/tags/{tag}", note.version.encode())
        return is_new

    def _tagged(self, tag: str) -> str:
        try:
            return self.bucket.read(f"{self.uri.folder}/tags/{tag}").decode("ascii", "replace").strip()
        except NotFoundError:
            return ""

    def _missing(self) -> MissingDatasetError:
        prefix = f"{self.uri.prefix}/" if self.uri.prefix else ""
        hint = nearest(self.uri.name, self.bucket.folders(prefix))
        hint = hint or f"copy one there with: swcli dataset copy <name> {self.uri.place}"
        return MissingDatasetError(
            f"no dataset {self.uri.name!r} in {self.uri.place} at {self.bucket.address}", hint=hint
        )


def version_of(key: str) -> str:
    """Return the version id in the key of a version object."""
    return key.removesuffix(".json").rpartition("-")[2]


def auto_sorted(tags: Mapping[str, str], version: str, newest: str) -> tuple[str, ...]:
    """Return the tags of a version as a catalog shows them: the user's, sorted, then `latest`."""
    own: Sequence[str] = sorted(tag for tag, at in tags.items() if at == version)
    return (*own, *((LATEST,) if version == newest else ()))


__all__ = ["LATEST", "ObjectDataset", "VersionNote", "auto_sorted", "version_of"]
