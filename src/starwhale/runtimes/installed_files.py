"""The files of an environment: listed, summed, compared with what packages say of them, and shared between environments."""

from __future__ import annotations

import base64
import csv
import hashlib
import os
import secrets
import stat
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from starwhale.runtimes.ours import PTH

_SHARED_BYTES = 1024
"""A smaller file costs about as much as its name."""
_PIECE = 1 << 20
_LEFT_OUT = frozenset({PTH, ".lock"})


@dataclass(frozen=True, slots=True)
class File:
    """A file of an environment, or a link."""

    path: str
    """Below the environment, with slashes."""
    size: int
    """Bytes."""
    changed_ns: int
    """Time of the last change, in nanoseconds since the epoch; 0 for a link."""


def list_files(root: Path, *, skip: str = "") -> list[File]:
    """Return the files below a folder; what Python compiles by itself is left out, and what may be written in a use."""
    return [each for each in _walk(str(root), "") if each.path != skip]


def _walk(folder: str, prefix: str) -> Iterator[File]:
    with os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name
            if name == "__pycache__" or name in _LEFT_OUT or name.endswith(".pyc"):
                continue
            if entry.is_symlink():
                yield File(f"{prefix}{name}", 0, 0)
            elif entry.is_dir():
                yield from _walk(entry.path, f"{prefix}{name}/")
            else:
                state = entry.stat()
                yield File(f"{prefix}{name}", state.st_size, state.st_mtime_ns)


def sum_files(root: Path, files: Sequence[File]) -> dict[str, str]:
    """Return the SHA-256 of each file by its path; of a link, of where it leads."""
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        sums = pool.map(lambda each: _sum(root / each.path), files, chunksize=64)
        return dict(zip((each.path for each in files), sums, strict=True))


def _sum(path: Path) -> str:
    if path.is_symlink():
        return hashlib.sha256(str(path.readlink()).encode()).hexdigest()
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def differing_packages(site_packages: Path, sums: Mapping[str, str]) -> list[str]:
    """Name the distributions of which a file differs from their RECORD, or is missing."""
    root = site_packages.parent.parent.parent
    found: list[str] = []
    for record in sorted(site_packages.glob("*.dist-info/RECORD")):
        name = record.parent.name.removesuffix(".dist-info").rpartition("-")[0]
        if any(sums.get(path) != digest for path, digest in _recorded(record, site_packages, root)):
            found.append(name)
    return found


def _recorded(record: Path, site_packages: Path, root: Path) -> Iterator[tuple[str, str]]:
    """Yield path and SHA-256 of what a RECORD has one for; scripts of the environment are made by the installer."""
    base = os.path.relpath(site_packages, root)
    with record.open(newline="", encoding="utf-8") as lines:
        for row in csv.reader(lines):
            if len(row) < 2 or not row[1].startswith("sha256=") or row[0].endswith(".pyc"):
                continue
            path = os.path.normpath(os.path.join(base, row[0]))  # noqa: PTH118 - text, as fast as it gets
            if not path.startswith(("..", "bin" + os.sep)):
                encoded = row[1].removeprefix("sha256=")
                yield path, base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).hex()


def share_files(root: Path, files: Sequence[File], sums: Mapping[str, str], store: Path) -> None:
    """Let equal files of all environments be one file on the disk; where links are not to be had they stay copies."""
    large = [each.path for each in files if each.size >= _SHARED_BYTES and not each.path.startswith("bin/")]
    first = {sums[path]: path for path in reversed(large)}
    again = [path for path in large if first[sums[path]] != path]

    def share(path: str) -> None:
        file = root / path
        with suppress(OSError):
            mode = file.lstat().st_mode
            if not stat.S_ISLNK(mode):
                _share(file, store / sums[path][:2] / f"{sums[path]}-{mode & 0o777:o}", sums[path])

    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        list(pool.map(share, first.values()))
    for path in again:  # beside none of the same content: each finds the one that is shared
        share(path)


def _share(path: Path, shared: Path, digest: str) -> None:
    shared.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{secrets.token_hex(8)}")
    if shared.is_file() and _sum(shared) == digest:
        os.link(shared, beside)
        beside.replace(path)
        return
    os.link(path, beside)
    shared.parent.mkdir(parents=True, exist_ok=True)
    beside.replace(shared)
