"""What the files of a work directory were when it was packaged last, so that those that stayed as they are need not be read again.

A file counts as unchanged when size, both times, inode and device are what they were. A change within the resolution of the file system's
clock shows in none of them; so a file is remembered only when its times were some seconds old as it was read, and a younger one is read
again the next time. What is remembered of the blob is as strict: one that was touched since is verified again.

All of it may be thrown away at any time. A text that is damaged does not fit its checksum, and counts as none.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blake3 import blake3

if TYPE_CHECKING:
    from starwhale.models.walk import Stamp
    from starwhale.storage.blobs.local import LocalBlobStore

_FORMAT = 1
_SETTLED_NS = 2_000_000_000
"""How old the times of a file have to be when it is read: FAT keeps them to two seconds, other file systems to milliseconds."""
_MOST_FOLDERS = 100
"""Work directories that are remembered, those packaged last."""
_DIGEST = 64


class Seen:
    """The files of one work directory at its last build, and those of this one."""

    def __init__(self, file: Path | None, before: Mapping[str, Any]) -> None:  # Any: JSON, compared as a whole
        self._file = file
        self._before = before
        self._now: dict[str, tuple[Stamp, str]] = {}

    @classmethod
    def nothing(cls) -> Seen:
        """Know nothing, and remember nothing."""
        return cls(None, {})

    @classmethod
    def open(cls, folder: Path, workdir: Path, *, trusts: bool = True) -> Seen:
        """Read what is known of a work directory.

        Args:
            folder: Where such texts are kept.
            workdir: Resolved.
            trusts: Otherwise nothing counts as known, and all is remembered anew.
        """
        file = folder / blake3(os.fsencode(workdir)).hexdigest()
        return cls(file, _read(file) if trusts else {})

    def digest_of(self, source: Path, stamp: Stamp, blobs: LocalBlobStore) -> str:
        """Return the digest of a file that is as it was, and whose blob is too; else an empty text."""
        known = self._before.get(str(source))
        if known is None:
            return ""
        stamped, digest, blob = known
        if stamped != _key(stamp) or blob != _blob_key(blobs, digest):
            return ""
        self._now[str(source)] = (stamp, digest)
        return str(digest)

    def remember(self, source: Path, stamp: Stamp, digest: str, read_at_ns: int) -> None:
        """Note what was read of a file, unless it was changed just before: it may be changed again and look the same."""
        if max(stamp.mtime_ns, stamp.ctime_ns) < read_at_ns - _SETTLED_NS:
            self._now[str(source)] = (stamp, digest)

    def save(self, blobs: LocalBlobStore) -> None:
        """Keep what was noted, for the next build; where it cannot be kept, that one reads everything."""
        if self._file is None:
            return
        found = {
            source: (_key(stamp), digest, _blob_key(blobs, digest)) for source, (stamp, digest) in self._now.items()
        }
        text = json.dumps({"format": _FORMAT, "files": found}, separators=(",", ":")).encode()
        beside = self._file.with_name(f".{secrets.token_hex(8)}")
        with contextlib.suppress(OSError):
            self._file.parent.mkdir(exist_ok=True)
            try:
                beside.write_bytes(blake3(text).hexdigest().encode() + text)
                beside.replace(self._file)
            finally:
                beside.unlink(missing_ok=True)
            _forget_oldest(self._file.parent)


def now_ns() -> int:
    """Return the time, as file systems write it."""
    return time.time_ns()


def _read(file: Path) -> Mapping[str, Any]:  # Any: JSON
    try:
        content = file.read_bytes()
    except OSError:
        return {}
    text = content[_DIGEST:]
    if blake3(text).hexdigest().encode() != content[:_DIGEST]:
        return {}
    found = json.loads(text)
    return found["files"] if found["format"] == _FORMAT else {}


def _key(stamp: Stamp) -> list[int]:
    return [stamp.size, stamp.mtime_ns, stamp.ctime_ns, stamp.inode, stamp.device]


def _blob_key(blobs: LocalBlobStore, digest: str) -> list[int] | None:
    found = blobs.state(digest)
    return None if found is None else list(found)


def _forget_oldest(folder: Path) -> None:
    with os.scandir(folder) as entries:
        files = sorted(((each.stat().st_mtime_ns, each.path) for each in entries), reverse=True)
    for _, path in files[_MOST_FOLDERS:]:
        Path(path).unlink(missing_ok=True)


__all__ = ["Seen", "now_ns"]
