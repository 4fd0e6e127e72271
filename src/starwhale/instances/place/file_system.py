"""On which file system does a directory lie? SQLite's write-ahead log needs memory shared by all who write, which no network gives."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from starwhale.errors import RootError

_NETWORK = frozenset({
    "9p", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs3", "nfs4", "orangefs",
    "panfs", "pvfs2", "smb2", "smb3", "smbfs", "wekafs",
})  # fmt: skip
_NETWORK_FUSE = frozenset({
    "beegfs", "ceph", "gcsfuse", "glusterfs", "goofys", "juicefs", "mount.s3", "mountpoint-s3", "nfs", "rclone", "s3fs", "seaweedfs",
    "smbnetfs", "sshfs", "weed",
})  # fmt: skip
"""Kinds of file systems, as the kernel names them, that other machines may write to at the same time."""
_MOUNTS = Path("/proc/self/mountinfo")
_ESCAPE = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """One mounted file system."""

    point: str
    """Directory where it is mounted."""
    kind: str
    """Its kind, as the kernel names it."""
    source: str
    """Device or `server:/path`."""

    @property
    def is_network(self) -> bool:
        """Whether other machines may write to it; a sandbox whose own `/` is 9p is one machine."""
        if self.kind.startswith("fuse."):
            return self.kind.removeprefix("fuse.") in _NETWORK_FUSE
        return self.kind in _NETWORK and (self.kind, self.point) != ("9p", "/")


def mount_of(mounts: str, path: str) -> Mount | None:
    r"""Return the mount that holds a path, or None where the text names none.

    Args:
        mounts: Text of `/proc/self/mountinfo`.
        path: Absolute path without links.

    Example:
        >>> text = r"27 1 0:9 / /my\040data rw,relatime shared:1 - nfs4 box:/export rw"
        >>> mount_of(text, "/my data/root").kind
        'nfs4'

    Source: proc_pid_mountinfo(5).
    """
    found: Mount | None = None
    for line in mounts.splitlines():
        place, dash, rest = line.partition(" - ")
        fields, kinds = place.split(" "), rest.split(" ")
        if not dash or len(fields) < 5 or len(kinds) < 2:
            continue
        point = _plain(fields[4])
        is_longer = found is None or len(point) >= len(found.point)  # of two at one place, the later hides the earlier
        if is_longer and (path == point or path.startswith(point.rstrip("/") + "/")):
            found = Mount(point=point, kind=_plain(kinds[0]), source=_plain(kinds[1]))
    return found


def find_mount(path: Path, mounts: Path = _MOUNTS) -> Mount | None:
    """Return the mount that holds a path or will hold it; None where the system does not tell."""
    try:
        return mount_of(mounts.read_text(encoding="utf-8", errors="surrogateescape"), str(path.resolve()))
    except OSError:  # macOS has no such file
        return None


def check_local(root: Path, mounts: Path = _MOUNTS) -> None:
    """Refuse a root on a network file system. Costs one `stat` where the root lies on a disk of its own.

    Args:
        root: Absolute path; it need not exist.
        mounts: Where the system lists what is mounted.

    Raises:
        RootError: Other machines may write there.
    """
    if _is_on_device(root):
        return
    mount = find_mount(root, mounts)
    if mount is not None and mount.is_network:
        message = (
            f"the storage root {root} lies on a network file system ({mount.kind}, {mount.source} on {mount.point}), "
            "where SQLite can lose what several processes write"
        )
        hint = (
            "name a directory on a local disk with SW_LOCAL_STORAGE; SW_ALLOW_NETWORK_ROOT=1 uses this one at your own risk, "
            "safe only while one machine at a time does"
        )
        raise RootError(message, hint=hint)


def _is_on_device(path: Path) -> bool:
    """Whether a path lies on a block device of this machine; network file systems have no device, and the major number 0."""
    for each in (path, *path.parents):
        try:
            return os.major(each.stat().st_dev) != 0
        except OSError:
            continue
    return False


def _plain(field: str) -> str:
    r"""Undo the kernel's escapes: `\040` is a space."""
    if "\\" not in field:
        return field
    return _ESCAPE.sub(lambda found: chr(int(found[1], 8)), field)
