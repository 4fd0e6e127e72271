"""`starwhale.utils.fs`: two small helpers of old scripts."""

from __future__ import annotations

from pathlib import Path


def ensure_dir(path: str | Path, mode: int = 0o755, *, recursion: bool = True) -> None:
    """Make a directory unless it is there."""
    Path(path).mkdir(mode=mode, parents=recursion, exist_ok=True)


def ensure_file(path: str | Path, content: str | bytes, mode: int = 0o644, *, parents: bool = False) -> None:
    """Write a file unless it has that content already."""
    target = Path(path)
    data = content.encode() if isinstance(content, str) else content
    if parents:
        target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists() or target.read_bytes() != data:
        target.write_bytes(data)
    target.chmod(mode)


__all__ = ["ensure_dir", "ensure_file"]
