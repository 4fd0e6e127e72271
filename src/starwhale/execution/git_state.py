"""What git says of a work directory: commit, branch, remote, and what is not committed."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path
from typing import Any

from starwhale.domain.redaction import redact_text

_GIT_S = 5.0
_LARGE = 1 << 20
"""A file of more bytes that git does not know counts with name and size alone."""
_MANY = 1000
"""So many files that git does not know count with their content."""


def describe_git(workdir: Path) -> dict[str, Any] | None:  # Any: a JSON object
    """Return commit, branch, remote and dirty state of a work directory; None where there is no git, or no repository.

    `diff_digest` is of everything below the directory that is not committed: the diff of what git knows, and the names and contents of what it
    does not. Equal digests of one commit mean equal sources.
    """
    try:
        said = _ask(workdir, "status", "--porcelain=v2", "--branch", "-z", "--", ".").split(b"\0")
        remote = _remote(workdir)
        heads = dict(line[2:].decode(errors="replace").split(" ", 1) for line in said if line.startswith(b"# branch."))
        changes = [line for line in said if line and not line.startswith(b"#")]
        commit, branch = heads.get("branch.oid", ""), heads.get("branch.head", "")
        return {
            "commit": "" if commit == "(initial)" else commit,
            "branch": "" if branch == "(detached)" else branch,
            "remote": redact_text(remote),
            "is_dirty": bool(changes),
            "diff_digest": _digest(workdir, changes, has_commit=commit != "(initial)") if changes else "",
        }
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


def _remote(workdir: Path) -> str:
    try:
        return _ask(workdir, "config", "--get", "remote.origin.url").decode(errors="replace").strip()
    except subprocess.CalledProcessError:  # it has none
        return ""


def _digest(workdir: Path, changes: list[bytes], *, has_commit: bool) -> str:
    digest = hashlib.blake2b(digest_size=32)
    if has_commit:
        digest.update(_ask(workdir, "diff", "--binary", "--no-ext-diff", "--no-textconv", "HEAD", "--", "."))
    top = Path(_ask(workdir, "rev-parse", "--show-toplevel").decode().rstrip("\n"))
    for place, name in enumerate(sorted(line[2:] for line in changes if line.startswith(b"? "))):
        digest.update(name + b"\0")
        file = top / name.decode(errors="surrogateescape")
        if not file.is_file() or file.is_symlink():
            continue
        size = file.stat().st_size
        is_read = place < _MANY and size <= _LARGE
        digest.update(hashlib.blake2b(file.read_bytes()).digest() if is_read else f"{size}\0".encode())
    return digest.hexdigest()


def _ask(workdir: Path, *arguments: str) -> bytes:
    return subprocess.run(
        ["git", "--no-optional-locks", *arguments],  # noqa: S607 - the user's git, wherever it is
        cwd=workdir,
        capture_output=True,
        check=True,
        timeout=_GIT_S,
        stdin=subprocess.DEVNULL,
    ).stdout
