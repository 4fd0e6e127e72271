"""What a job ran on: versions, machine, and the state of the source. Kept beside the job so that a figure can be traced."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from starwhale.settings import VERSION

_GIT_S = 5.0


def describe_machine(argv: Sequence[str]) -> dict[str, Any]:  # Any: a JSON object
    """Say what runs: our version, Python, the machine, and what the user typed."""
    return {
        "argv": list(argv),
        "starwhale_version": VERSION,
        "python_version": platform.python_version(),
        "python": sys.executable,
        "platform": platform.platform(),
        "host": platform.node(),
        "cpu_count": os.cpu_count(),
    }


def describe_source(workdir: Path, modules: Sequence[str]) -> dict[str, Any]:  # Any: a JSON object
    """Say which source runs: its digest, and the commit where it is under git; functions of a notebook are kept word for word."""
    said: dict[str, Any] = {"source_digest": source_digest(workdir, modules), "git": _git(workdir)}
    functions = _functions(modules)
    return {**said, "functions": functions} if functions else said


def source_digest(workdir: Path, modules: Sequence[str]) -> str:
    """Return a digest of the files of the modules; of a package, of all its Python files."""
    digest = hashlib.blake2b(digest_size=32)
    for path in _files(workdir, modules):
        digest.update(f"{path.relative_to(workdir)}\0".encode())
        digest.update(hashlib.blake2b(path.read_bytes()).digest())
    for name, source in _functions(modules).items():
        digest.update(f"{name}\0{source}\0".encode())
    return digest.hexdigest()


def _functions(modules: Sequence[str]) -> dict[str, str]:
    """Return the source of handlers that a notebook or script of this process has, with what they need, by name."""
    import inspect

    from starwhale.handlers.registry import REGISTRY

    entries = REGISTRY.entries()
    names = [each for each in modules if each.startswith("__main__:") and each in entries]
    for name in names:  # grows meanwhile
        names += [need for need in entries[name].record.needs if need in entries and need not in names]
    found: dict[str, str] = {}
    for name in sorted(names):
        with contextlib.suppress(OSError, TypeError):  # typed at a prompt: no file and no cell holds it
            found[name] = inspect.getsource(entries[name].function)
    return found


def _files(workdir: Path, modules: Sequence[str]) -> list[Path]:
    found: set[Path] = set()
    for module in modules:
        path = workdir.joinpath(*module.partition(":")[0].split("."))
        if path.with_suffix(".py").is_file():
            found.add(path.with_suffix(".py"))
        elif path.is_dir():
            found.update(path.rglob("*.py"))
    return sorted(found)


def _git(workdir: Path) -> dict[str, Any] | None:  # Any: a JSON object
    """Return commit and dirty state of the work directory; None where there is no git, or no repository."""
    try:
        commit = _ask_git(workdir, "rev-parse", "HEAD")
        return {"commit": commit, "is_dirty": bool(_ask_git(workdir, "status", "--porcelain", "--", "."))}
    except (OSError, subprocess.SubprocessError):
        return None


def _ask_git(workdir: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "--no-optional-locks", *arguments],  # noqa: S607 - the user's git, wherever it is
        cwd=workdir,
        capture_output=True,
        text=True,
        check=True,
        timeout=_GIT_S,
        stdin=subprocess.DEVNULL,
    )
    return done.stdout.strip()
