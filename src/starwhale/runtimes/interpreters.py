"""Interpreters of this machine: which there are, and what each is."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from starwhale.domain.runtime import OLDEST_PYTHON, Interpreter
from starwhale.errors import RestoreError, UsageError

_ASK_S = 30.0
_NEWEST_MINOR = 20
_QUESTION = (
    "import json, platform, sys, sysconfig; print(json.dumps({"
    "'path': sys.executable, 'version': '%d.%d.%d' % sys.version_info[:3], "
    "'abi': sysconfig.get_config_var('SOABI') or sys.implementation.cache_tag, "
    "'system': sys.platform, 'machine': platform.machine()}))"
)
_OLDEST = ".".join(map(str, OLDEST_PYTHON))


def probe(path: str | Path) -> Interpreter | None:
    """Ask an executable what it is; None when it does not run as a Python."""
    try:
        done = subprocess.run(
            [str(path), "-I", "-S", "-c", _QUESTION],
            capture_output=True,
            text=True,
            timeout=_ASK_S,
            stdin=subprocess.DEVNULL,
            check=True,
        )
        facts: dict[str, str] = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return Interpreter(**{**facts, "path": str(path)})


def find_interpreter(wanted: str = "", *, folders: Sequence[Path] = ()) -> Interpreter:
    """Find a Python of this machine.

    Args:
        wanted: `3.12` or `3.12.1`; empty for the one that runs this program.
        folders: Where version managers keep theirs, a folder for each.

    Raises:
        UsageError: A Python that workers do not run on.
        RestoreError: There is none on this machine; those that are there are named.
    """
    if wanted and tuple(int(each) for each in wanted.split(".")[:2]) < OLDEST_PYTHON:
        message = f"Python {wanted} is asked for, and workers need {_OLDEST} or newer"
        raise UsageError(message, hint=f"ask for {_OLDEST} or newer in environment.python")
    seen: dict[str, Interpreter] = {}
    for path in _candidates(wanted, folders):
        found = probe(path)
        if found is None:
            continue
        if not wanted or f"{found.version}.".startswith(f"{wanted}."):
            return found
        seen.setdefault(found.version, found)
    there = sorted(seen | {each.version: each for each in _others(folders)})
    message = f"there is no Python {wanted} on this machine"
    raise RestoreError(message, hint=f"install it, or ask for one that is here: {', '.join(there) or 'none was found'}")


def _candidates(wanted: str, folders: Sequence[Path]) -> Iterator[str]:
    if not wanted or f"{sys.version.split()[0]}.".startswith(f"{wanted}."):
        yield sys.executable
    if not wanted:
        return
    name = f"python{'.'.join(wanted.split('.')[:2])}"
    for folder in folders:
        yield from (str(path) for path in sorted(folder.glob(f"*{wanted}*/bin/{name}"), reverse=True))
    if on_path := shutil.which(name):
        yield on_path
    for place in ("/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"):
        if Path(place, name).exists():
            yield f"{place}/{name}"


def _others(folders: Sequence[Path]) -> Iterator[Interpreter]:
    """Yield those that a user could ask for instead."""
    for minor in range(OLDEST_PYTHON[1], _NEWEST_MINOR):
        found = next(filter(None, map(probe, _candidates(f"3.{minor}", folders))), None)
        if found is not None:
            yield found
