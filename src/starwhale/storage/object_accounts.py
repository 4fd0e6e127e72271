"""What the user has set about object stores, as this process knows it.

A link is a value that anybody makes anywhere, with nothing at hand that knows keys: this is what it asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from starwhale.plugins import load
from starwhale.settings import S3Access, S3Accounts, read_settings

_CONFIGURATION = {"file": "starwhale.instances.place.configuration:read_accounts"}
"""The configuration file is read by a room above this one, so that it is named here and not imported."""


class Accounts:
    """The environment, and the configuration file or what a parent passed on in its place."""

    def __init__(self) -> None:
        self._given: tuple[S3Access, ...] | None = None
        self._read: tuple[Path, float, tuple[S3Access, ...]] | None = None

    def __call__(self) -> S3Accounts:
        """Return them as they are now."""
        settings = read_settings()
        return settings.s3.with_configured(self._configured(settings.config_path))

    def pass_on(self) -> list[dict[str, Any]]:  # Any: JSON values
        """Return the accounts of the configuration file for a worker, which may have nothing that reads the file."""
        return [asdict(each) for each in self._configured(read_settings().config_path)]

    def take_over(self, given: Iterable[Mapping[str, Any]]) -> None:  # Any: as above
        """Use what a parent passed on, instead of the configuration file."""
        self._given = tuple(S3Access(**each) for each in given)

    def _configured(self, path: Path) -> tuple[S3Access, ...]:
        if self._given is not None:
            return self._given
        try:
            changed = path.stat().st_mtime
        except OSError:
            return ()
        if self._read is None or self._read[:2] != (path, changed):
            self._read = path, changed, load("accounts", "file", _CONFIGURATION)(path)
        return self._read[2]


accounts = Accounts()
"""Of this process: a named exception to "no ambient state", see docs/decisions/0020-links-to-objects.md."""
