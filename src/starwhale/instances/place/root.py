"""May this directory be used, and whose is it? A root carries a marker; a directory that is not empty and has none is never written."""

from __future__ import annotations

import os
import re
from pathlib import Path

from starwhale.errors import NoSpaceError, RootError, UsageError
from starwhale.instances.place.configuration import Configuration
from starwhale.instances.place.file_system import check_local
from starwhale.settings import VERSION, Settings
from starwhale.storage.layout import ROOT_FORMAT, Layout

STALE_S = 24 * 3600.0
"""Age from which a file under `tmp/` belongs to nobody any more."""

_OTHER = "choose another directory with SW_LOCAL_STORAGE"
_FORMAT = re.compile(r"^format: (\d+)$", re.MULTILINE)


def choose_root(settings: Settings, configuration: Configuration) -> Path:
    """Return the root that the environment names, else the configuration file, else the default.

    Raises:
        UsageError: SW_LOCAL_STORAGE is there and empty; whoever set it did not mean the default.
    """
    if settings.is_root_blank:
        default = configuration.storage_root or settings.default_root
        message = "SW_LOCAL_STORAGE is set and names no directory"
        raise UsageError(message, hint=f"give it a path, or use {default} after: unset SW_LOCAL_STORAGE")
    return settings.root or configuration.storage_root or settings.default_root


def prepare_root(root: Path, *, now: float, allow_network: bool = False) -> Layout:
    """Check a root, or make one in an empty or missing directory, and sweep what crashed writers left.

    Args:
        root: Absolute path.
        now: Seconds since the epoch.
        allow_network: Whether a network file system will do.

    Raises:
        RootError: The directory is somebody else's, belongs to a newer program, lies on a network, or cannot be written.
    """
    layout = Layout(root)
    try:
        if not allow_network:
            check_local(root)
        if not layout.marker.exists():
            _check_empty(root)
            root.mkdir(parents=True, exist_ok=True, mode=0o700)
            _write_marker(layout)
        _check_marker(layout)
        _check_writable(root)
        for directory in (layout.datasets, layout.blobs, layout.tmp):
            directory.mkdir(exist_ok=True, mode=0o700)
        _sweep(layout.tmp, now)
    except OSError as error:
        if isinstance(error, NoSpaceError):
            raise
        message = f"the storage root {root} cannot be used: {error.strerror or error}"
        raise RootError(message, hint=_OTHER) from error
    return layout


def check_root(root: Path) -> None:
    """Say why a directory cannot be the root, as far as looking tells; nothing is written.

    Raises:
        RootError: The directory is somebody else's, belongs to a newer program, or cannot be read.
    """
    layout = Layout(root)
    try:
        if layout.marker.exists():
            _check_marker(layout)
        else:
            _check_empty(root)
    except OSError as error:
        message = f"the storage root {root} cannot be used: {error.strerror or error}"
        raise RootError(message, hint=_OTHER) from error


def _check_empty(root: Path) -> None:
    """Refuse a directory that has anything in it but what another process of ours is about to put there."""
    if not root.exists():
        return
    if not root.is_dir():
        message = f"the storage root {root} is not a directory"
        raise RootError(message, hint=_OTHER)
    marker = Layout(root).marker
    found = sorted(each.name for each in root.iterdir() if not each.name.startswith((f".{marker.name}", ".lock")))
    if found and not marker.exists():
        whose = " (it looks like one of the original Starwhale)" if "self" in found else ""
        message = f"the storage root {root} is not empty and not one of ours{whose}: it holds {', '.join(found[:3])}"
        raise RootError(message, hint=f"nothing was written there; {_OTHER}")


def _write_marker(layout: Layout) -> None:
    draft = layout.root / f".{layout.marker.name}.{os.getpid()}"
    draft.write_text(
        f"The storage root of starwhale-evaluation; swcli reads and writes what lies here.\nformat: {ROOT_FORMAT}\n",
        encoding="utf-8",
    )
    with draft.open("rb") as file:
        os.fsync(file.fileno())
    draft.replace(layout.marker)


def _check_marker(layout: Layout) -> None:
    match = _FORMAT.search(layout.marker.read_text(encoding="utf-8", errors="replace"))
    if match is None:
        message = f"the marker {layout.marker} does not say which format the root has"
        raise RootError(message, hint=f"restore it (it holds the line 'format: {ROOT_FORMAT}'), or {_OTHER}")
    if int(match[1]) > ROOT_FORMAT:
        message = f"the storage root {layout.root} has format {match[1]}, and this program ({VERSION}) knows format {ROOT_FORMAT}"
        raise RootError(message, hint=f"use a newer starwhale-evaluation, or {_OTHER}")


def _check_writable(root: Path) -> None:
    """Refuse a root that nothing can be written to: even reading needs the catalog's write-ahead log."""
    if os.access(root, os.R_OK | os.W_OK | os.X_OK):
        return
    is_read_only = bool(os.statvfs(root).f_flag & os.ST_RDONLY)
    why = "its file system is mounted read-only" if is_read_only else "this user may not write there"
    message = f"the storage root {root} is read-only: {why}"
    raise RootError(message, hint=f"make it writable (to look at a backup, copy it first), or {_OTHER}")


def _sweep(tmp: Path, now: float) -> None:
    for each in tmp.iterdir():
        try:
            if now - each.stat().st_mtime > STALE_S and not each.is_dir():
                each.unlink()
        except FileNotFoundError:  # another process sweeps too
            continue
