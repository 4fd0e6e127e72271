"""The instance that the SDK works on when none is named."""

from __future__ import annotations

import atexit
import builtins
import importlib.util
from typing import TYPE_CHECKING, Any

from starwhale.errors import NEEDED_BEYOND_HANDLERS, StatusError, UsageError, tell_lacking
from starwhale.settings import Settings, SettingsReader

if TYPE_CHECKING:
    from starwhale.instances import Instance

_settings = SettingsReader()


class _Opened:
    """The instances that were opened, one for each environment that this process has had."""

    def __init__(self) -> None:
        self._by_settings: dict[Settings, Instance] = {}
        self._last: tuple[Settings, Instance] | None = None

    def of(self, settings: Settings) -> Instance:
        """Return the instance of these settings; the very same ones as last time, which are mostly asked for, are not even compared."""
        last = self._last
        if last is not None and last[0] is settings:
            return last[1]
        found = self._by_settings.get(settings)
        if found is None:
            from starwhale.instances import open_instance

            for name in NEEDED_BEYOND_HANDLERS:  # most are imported later, somewhere deep
                if importlib.util.find_spec(name) is None:
                    raise tell_lacking(ModuleNotFoundError(name=name))
            found = self._by_settings[settings] = open_instance(settings)
        self._last = settings, found
        return found

    def close(self) -> None:
        """Close all of them."""
        self._last = None
        while self._by_settings:
            self._by_settings.popitem()[1].close()


_opened = _Opened()  # the front door's default instance: a named exception to "no ambient state", with `_settings`


def default_instance() -> Instance:
    """Open the Standalone instance that the environment names; the same object while the environment stays the same."""
    return _opened.of(_settings.read())


def list() -> builtins.list[dict[str, Any]]:  # Any: JSON objects
    """Return this machine's instance, and the servers that the user has logged in to."""
    return [*default_instance().list_instances()]


def info(name: str = "local") -> dict[str, Any]:  # Any: a JSON object
    """Say where an instance keeps things; a server is asked whether it answers.

    Raises:
        NotFoundError: There is none of that name.
        ServerError: It cannot be reached.
    """
    return default_instance().describe(name)


def select(name: str) -> dict[str, Any]:  # Any: a JSON object
    """Make an instance the one of URIs that name none.

    Raises:
        NotFoundError: There is none of that name.
    """
    return default_instance().select_instance(name)


def login(instance: str, alias: str = "", username: str = "", password: str = "", token: str = "") -> None:
    """Log in to a server by its address, and keep its token in a file that only the user may read.

    Args:
        instance: Its address, such as `http://host:8082`.
        alias: Name for it in URIs; the host's name by default.
        username: Servers have no users yet.
        password: As above.
        token: What lets in; from SW_TOKEN by default.

    Raises:
        StatusError: It is the local instance, which needs no login; a RuntimeError too.
        UsageError: A username is given, or the address is none; a ValueError too.
        LoginError: The token is not good.
        ServerError: The server cannot be reached.
    """
    from starwhale.instances.place import servers

    if instance == servers.LOCAL:
        message = "the local instance needs no login"
        raise StatusError(message, hint="leave the call out")
    if username or password:
        message = "servers have no users yet" if not token else "a token and a username are two ways to log in"
        raise UsageError(message, hint="give the token alone")
    settings = _settings.read()
    servers.login(settings, instance, token=token or settings.server_token, alias=alias)


def logout(instance: str) -> None:
    """Forget a server and its token; the local instance has no login.

    Raises:
        NotFoundError: Nobody logged in there.
    """
    from starwhale.instances.place import servers

    if instance != servers.LOCAL:
        servers.logout(_settings.read(), instance)


atexit.register(_opened.close)
