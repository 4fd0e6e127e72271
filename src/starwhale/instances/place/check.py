"""Look at this machine: what is there, what is missing, and what must be mended before the program works."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from starwhale.errors import RootError, StarwhaleError
from starwhale.instances.place.configuration import Configuration, read_configuration
from starwhale.instances.place.file_system import check_local, find_mount
from starwhale.instances.place.root import check_root, choose_root
from starwhale.settings import VERSION, Settings
from starwhale.storage.layout import Layout

TOO_FULL = 100_000_000
"""Bytes below which a disk is too full to work on."""
NEARLY_FULL = 2_000_000_000
"""Bytes below which it is said that the disk fills up."""
TESTED = ((3, 11), (3, 13))
"""First and last version of Python that the tests run on."""
EXTRAS = {"numpy": "media", "pillow": "media", "scikit-learn": "demo", "pandas": "", "ray": "ray"}
"""Optional distributions → the extra that brings them, or empty."""
PROGRAMS = (
    ("docker", ("docker", "--version"), (19, 3), "containers"),
    ("docker compose", ("docker", "compose", "version"), (2, 0), "containers"),
    ("uv", ("uv", "--version"), (0, 1), "fast virtual environments"),
    ("conda", ("conda", "--version"), (4, 0), "conda environments"),
)
"""Programs that may be there: name, what tells the version, the oldest version that will do, and what it is for."""
_VERSION = re.compile(r"(\d+)\.(\d+)(?:\.\d+)*")


class CheckOutcome(StrEnum):
    """How a check came out."""

    OK = "ok"
    NOTE = "note"
    """Something is lacking that the program works without."""
    WRONG = "wrong"
    """The program does not work, or not well, until it is mended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at."""

    name: str
    """What was looked at."""
    verdict: CheckOutcome
    """How it came out."""
    found: str
    """What is there."""
    hint: str = ""
    """What to do, or empty."""

    def to_json(self) -> dict[str, str]:
        """Return a JSON object."""
        return asdict(self)


def check_machine(settings: Settings) -> tuple[Check, ...]:
    """Look at Python, the packages, the storage root and the programs beside. Nothing is written or made.

    Args:
        settings: What the environment says.
    """
    found = [_python(), _ours()]
    try:
        configuration = read_configuration(settings.config_path)
        found.append(_configuration(configuration))
        found.extend(_check_root(choose_root(settings, configuration), allow_network=settings.allow_network_root))
    except StarwhaleError as error:  # without the one, the other cannot be looked at
        found.append(_failed("configuration", error))
    except OSError as error:
        found.append(Check(name="root", verdict=CheckOutcome.WRONG, found=f"cannot be looked at: {error}"))
    found.extend(map(_extra, EXTRAS))
    found.extend(_program(*each) for each in PROGRAMS)
    return tuple(found)


def _python() -> Check:
    version = sys.version_info[:2]
    is_tested = TESTED[0] <= version <= TESTED[1]
    first, last = (".".join(map(str, each)) for each in TESTED)
    return Check(
        name="python",
        verdict=CheckOutcome.OK if is_tested else CheckOutcome.NOTE,
        found=f"{platform.python_version()} ({sys.executable})",
        hint="" if is_tested else f"{first} to {last} are tested",
    )


def _ours() -> Check:
    return Check(
        name="starwhale-evaluation", verdict=CheckOutcome.OK, found=f"{VERSION} ({Path(__file__).parent.parent})"
    )


def _configuration(configuration: Configuration) -> Check:
    where = (
        str(configuration.path) if configuration.path.exists() else f"{configuration.path} (not there; none is needed)"
    )
    return Check(name="configuration", verdict=CheckOutcome.OK, found=where)


def _check_root(root: Path, *, allow_network: bool) -> Iterator[Check]:
    there = next(each for each in (root, *root.parents) if each.exists())
    try:
        check_root(root)
    except StarwhaleError as error:
        yield _failed("root", error)
    else:
        is_made = Layout(root).marker.exists()
        yield Check(
            name="root", verdict=CheckOutcome.OK, found=f"{root}" if is_made else f"{root} (made when first used)"
        )
    is_writable = os.access(there, os.W_OK | os.X_OK)
    yield Check(
        name="root writable",
        verdict=CheckOutcome.OK if is_writable else CheckOutcome.WRONG,
        found="yes" if is_writable else f"{there} cannot be written",
        hint="" if is_writable else "mend its permissions, or choose another directory with SW_LOCAL_STORAGE",
    )
    yield _file_system(root, allow_network=allow_network)
    yield _space(there)
    yield _catalog(Layout(root).catalog)


def _file_system(root: Path, *, allow_network: bool) -> Check:
    mount = find_mount(root)
    found = "unknown" if mount is None else f"{mount.kind} ({mount.source} on {mount.point})"
    try:
        check_local(root)
    except RootError as error:
        verdict = CheckOutcome.NOTE if allow_network else CheckOutcome.WRONG
        return Check(name="file system", verdict=verdict, found=found, hint=error.hint)
    return Check(name="file system", verdict=CheckOutcome.OK, found=found)


def _space(folder: Path) -> Check:
    free = shutil.disk_usage(folder).free
    verdict = CheckOutcome.WRONG if free < TOO_FULL else CheckOutcome.NOTE if free < NEARLY_FULL else CheckOutcome.OK
    hint = "" if verdict is CheckOutcome.OK else "free some: swcli gc --dry-run shows what can go"
    return Check(name="free space", verdict=verdict, found=f"{free / 1e9:.1f} GB", hint=hint)


def _catalog(path: Path) -> Check:
    from starwhale.storage.catalog.migrations.apply import OURS

    newest = OURS.revisions[-1]
    if not path.exists():
        return Check(name="catalog", verdict=CheckOutcome.OK, found=f"made when first used, with schema {newest}")
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error as error:
        hint = f"look with: sqlite3 {path} 'PRAGMA integrity_check'"
        return Check(name="catalog", verdict=CheckOutcome.WRONG, found=f"cannot be read: {error}", hint=hint)
    schema = str(row[0]) if row else "none"
    if schema not in OURS.revisions:
        hint = "use a newer starwhale-evaluation, or another root with SW_LOCAL_STORAGE"
        found = f"schema {schema}, and this program knows up to {newest}"
        return Check(name="catalog", verdict=CheckOutcome.WRONG, found=found, hint=hint)
    behind = "" if schema == newest else f", brought to {newest} when next used, after a backup"
    return Check(name="catalog", verdict=CheckOutcome.OK, found=f"schema {schema}{behind}")


def _extra(name: str) -> Check:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return Check(name=name, verdict=CheckOutcome.OK, found=version(name))
    except PackageNotFoundError:
        install = f"starwhale-evaluation[{EXTRAS[name]}]" if EXTRAS[name] else name
        hint = f"if you need it: pip install '{install}'"
        return Check(name=name, verdict=CheckOutcome.NOTE, found="not installed", hint=hint)


def _program(name: str, command: tuple[str, ...], oldest: tuple[int, int], purpose: str) -> Check:
    if shutil.which(command[0]) is None:
        return Check(name=name, verdict=CheckOutcome.NOTE, found="not installed", hint=f"only for {purpose}")
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=20, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Check(
            name=name, verdict=CheckOutcome.NOTE, found=f"does not answer: {error}", hint=f"only for {purpose}"
        )
    version = _VERSION.search(done.stdout)
    if done.returncode or version is None:
        return Check(name=name, verdict=CheckOutcome.NOTE, found="not usable", hint=f"only for {purpose}")
    if (int(version[1]), int(version[2])) < oldest:
        hint = f"{oldest[0]}.{oldest[1]} or newer is needed for {purpose}"
        return Check(name=name, verdict=CheckOutcome.NOTE, found=version[0], hint=hint)
    return Check(name=name, verdict=CheckOutcome.OK, found=version[0])


def _failed(name: str, error: StarwhaleError) -> Check:
    return Check(name=name, verdict=CheckOutcome.WRONG, found=error.message, hint=error.hint)


__all__ = ["Check", "CheckOutcome", "check_machine"]
