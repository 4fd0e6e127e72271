"""`starwhale.utils`: names that old scripts take from the package itself."""

from __future__ import annotations

import secrets
from pathlib import Path

from starwhale.compat import config, console, debug
from starwhale.domain.version import make_version


def gen_uniq_version() -> str:
    """Return a new version id."""
    return make_version(secrets.token_bytes(25))


def in_container() -> bool:
    """Whether this process runs in a container."""
    return Path("/.dockerenv").exists() or Path("/run/.containerenv").exists()


__all__ = ["config", "console", "debug", "gen_uniq_version", "in_container"]
