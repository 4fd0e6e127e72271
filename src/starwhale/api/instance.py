"""The instance that the SDK works on when none is named."""

from __future__ import annotations

import atexit
from typing import TYPE_CHECKING

from starwhale.errors import NotBuiltYetError
from starwhale.settings import Settings, read_settings

if TYPE_CHECKING:
    from starwhale.instances import Instance

_open: dict[Settings, Instance] = {}  # the front door's default instance: a named exception to "no ambient state"


def default_instance() -> Instance:
    """Open the Standalone instance that the environment names; the same object while the environment stays the same."""
    settings = read_settings()
    if settings not in _open:
        from starwhale.instances import open_instance

        _open[settings] = open_instance(settings)
    return _open[settings]


def login(instance: str, alias: str = "", username: str = "", password: str = "", token: str = "") -> None:
    """Log in to a server (not built yet).

    Raises:
        NotBuiltYetError: Always.
    """
    del alias, username, password, token
    message = f"cannot log in to {instance!r}: servers are not built yet"
    raise NotBuiltYetError(message, hint="everything works on the local instance without a login")


def logout(instance: str) -> None:
    """Log out of a server (not built yet).

    Raises:
        NotBuiltYetError: Always.
    """
    message = f"cannot log out of {instance!r}: servers are not built yet"
    raise NotBuiltYetError(message, hint="the local instance has no login")


@atexit.register
def _close_all() -> None:
    while _open:
        _open.popitem()[1].close()
