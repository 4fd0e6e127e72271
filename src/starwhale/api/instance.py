"""The instance that the SDK works on when none is named."""

from __future__ import annotations

import atexit
import builtins
import importlib.util
from typing import TYPE_CHECKING, Any

from starwhale.errors import NEEDED_BEYOND_HANDLERS, StatusError, tell_lacking
from starwhale.settings import Settings, SettingsReader

if TYPE_CHECKING:
    from starwhale.instances import Instance

_open: dict[Settings, Instance] = {}  # the front door's default instance: a named exception to "no ambient state"
_settings = SettingsReader()  # belongs to it


def default_instance() -> Instance:
    """Open the Standalone instance that the environment names; the same object while the environment stays the same."""
    settings = _settings.read()
    if settings not in _open:
        from starwhale.instances import open_instance

        for name in NEEDED_BEYOND_HANDLERS:  # most are imported later, somewhere deep
            if importlib.util.find_spec(name) is None:
                raise tell_lacking(ModuleNotFoundError(name=name))
        _open[settings] = open_instance(settings)
    return _open[settings]


def list() -> builtins.list[dict[str, Any]]:  # Any: JSON objects
    """Return the instances that there are: the local one, until servers are built."""
    return [default_instance().describe()]


def info(name: str = "local") -> dict[str, Any]:  # Any: a JSON object
    """Say where an instance keeps things.

    Raises:
        NotFoundError: There is none of that name.
    """
    return default_instance().describe(name)


def select(name: str) -> dict[str, Any]:  # Any: a JSON object
    """Make an instance the one that calls work on.

    Raises:
        NotFoundError: There is none of that name.
    """
    return default_instance().describe(name)


def login(instance: str, alias: str = "", username: str = "", password: str = "", token: str = "") -> None:
    """Log in to a server.

    Raises:
        StatusError: It is the local instance, which needs no login; a RuntimeError too.
        UsageError: A token and a username are given; a ValueError too.
        NotBuiltYetError: It is a server: those are not built yet.
    """
    from starwhale.instances.place.servers import LOCAL
    from starwhale.instances.place.servers import login as log_in

    if instance == LOCAL:
        message = "the local instance needs no login"
        raise StatusError(message, hint="leave the call out")
    log_in(instance, alias=alias, username=username, password=password, token=token)


def logout(instance: str) -> None:
    """Log out of a server; the local instance has no login.

    Raises:
        NotBuiltYetError: It is a server: those are not built yet.
    """
    from starwhale.instances.place.servers import logout as log_out

    log_out(instance)


@atexit.register
def _close_all() -> None:
    while _open:
        _open.popitem()[1].close()
