"""The servers that the user has logged in to, with their tokens: a file beside the configuration, which only its owner may read.

{"format": 1, "selected": "<alias>", "servers": [{"alias": …, "address": …, "token": …, "project": …}]}
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from starwhale.errors import LoginError, NotFoundError, UsageError, nearest
from starwhale.settings import Settings, read_settings
from starwhale.storage.remote.connection import ServerAccess, ServerPatience

LOCAL = "local"
"""The instance on this machine, which needs no login."""
FROM_ENVIRONMENT = "environment"
"""Alias of the server that SW_INSTANCE_URI and SW_TOKEN name."""
_ADDRESS = re.compile(r"^https?://[^/\s]+", re.IGNORECASE)
_CLOUD = re.compile(r"^cloud://([^/]+)", re.IGNORECASE)
_PLACED = re.compile(r"^([^/:]+)/project/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A server, and what lets us in. The token is never shown."""

    alias: str
    """What URIs call it."""
    address: str
    """`http://host:port`."""
    token: str
    """What lets us in."""
    project: str = "self"
    """Project of URIs that name none."""

    def __repr__(self) -> str:
        return f"Login({self.alias!r}, {self.address!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Logins:
    """All of them."""

    servers: tuple[Login, ...] = ()
    """In the order in which they were made."""
    selected: str = LOCAL
    """Instance of URIs that name none."""

    def named_by(self, text: str) -> Login | None:
        """Return the server that a URI names; None where it names the local instance, or none and the local one is selected.

        Raises:
            NotFoundError: It names a server by an alias that is not known.
            LoginError: It names a server by an address that nobody logged in to.
        """
        address, cloud, placed = _ADDRESS.match(text), _CLOUD.match(text), _PLACED.match(text)
        if address is not None:
            return self.at(address[0])
        if cloud is not None:
            return None if cloud[1] == LOCAL else self.get(cloud[1])
        if placed is not None:
            return next((each for each in self.servers if each.alias == placed[1]), None)
        if "://" in text or self.selected == LOCAL:
            return None
        return self.get(self.selected)

    def get(self, alias: str) -> Login:
        """Return a server by its alias, or its address.

        Raises:
            NotFoundError: There is none.
        """
        if _ADDRESS.match(alias):
            return self.at(alias)
        found = next((each for each in self.servers if each.alias == alias), None)
        if found is None:
            hint = nearest(alias, [LOCAL, *(each.alias for each in self.servers)])
            again = f"log in with: swcli instance login <address> --alias {alias}"
            raise NotFoundError(f"no instance {alias!r}", hint=f"{hint}; {again}" if hint else again)
        return found

    def at(self, address: str) -> Login:
        """Return a server by its address.

        Raises:
            LoginError: Nobody logged in there.
        """
        wanted = plain_address(address)
        found = next((each for each in self.servers if each.address == wanted), None)
        if found is None:
            raise LoginError(f"there is no login to {wanted}", hint=f"log in with: swcli instance login {wanted}")
        return found

    def with_login(self, login: Login) -> Logins:
        """Add a server, in the place of one of the same alias."""
        others = tuple(each for each in self.servers if each.alias != login.alias)
        return replace(self, servers=(*others, login))

    def without(self, alias: str) -> Logins:
        """Take a server away; the local instance is selected where it was."""
        left = tuple(each for each in self.servers if each.alias != alias)
        return replace(self, servers=left, selected=LOCAL if self.selected == alias else self.selected)

    def to_json(self) -> dict[str, Any]:  # Any: a JSON object
        """Return what the file holds; a server of the environment is not written down."""
        servers = [
            {"alias": each.alias, "address": each.address, "token": each.token, "project": each.project}
            for each in self.servers
            if each.alias != FROM_ENVIRONMENT
        ]
        return {"format": 1, "selected": self.selected, "servers": servers}


def logins_path(settings: Settings) -> Path:
    """Return the file."""
    return settings.config_path.with_name(f"{settings.config_path.stem}.logins.json")


def read_logins(settings: Settings) -> Logins:
    """Read the file, if there is one, and the environment.

    Raises:
        UsageError: It cannot be read.
    """
    path = logins_path(settings)
    try:
        said: Any = json.loads(path.read_text(encoding="utf-8"))  # Any: JSON, checked here
        found = Logins(
            servers=tuple(_login(each) for each in said["servers"]), selected=str(said.get("selected") or LOCAL)
        )
    except FileNotFoundError:
        found = Logins()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        message = f"the logins in {path} cannot be read: {error}"
        raise UsageError(message, hint="remove the file, and log in again with: swcli instance login") from error
    if settings.server_address and settings.server_token:
        address = plain_address(settings.server_address)
        named = next((each for each in found.servers if each.address == address), None)
        if named is not None:
            return found.with_login(replace(named, token=settings.server_token))
        return found.with_login(Login(alias=FROM_ENVIRONMENT, address=address, token=settings.server_token))
    return found


class LoginsReader:
    """Reads the logins again and again for one who asks often: unless the file has changed, at the price of a look."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._path = str(logins_path(settings))
        self._seen: tuple[int, ...] = ()
        self._logins: Logins | None = None

    def read(self) -> Logins:
        """Return what `read_logins` would; the same object while nothing changes."""
        seen = _stamp(self._path)
        if self._logins is None or seen != self._seen:
            self._logins, self._seen = read_logins(self._settings), seen  # a change in between is seen next time
        return self._logins


def _stamp(path: str) -> tuple[int, ...]:
    """Return what another file in its place would differ in; nothing where there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116  asked often, and a Path costs as much as the look
    except OSError:
        return ()
    return found.st_ino, found.st_size, found.st_mtime_ns


def access_of(address: str, settings: Settings | None = None) -> ServerAccess:
    """Return what lets us in to a server, as the user has logged in; also for a process that got nothing but its address.

    Raises:
        LoginError: Nobody logged in there.
    """
    settings = settings or read_settings()
    login = read_logins(settings).at(address)
    patience = ServerPatience(attempts=settings.server_attempts)
    return ServerAccess(address=login.address, token=login.token, patience=patience)


def plain_address(text: str) -> str:
    """Return an address as logins have it: without what follows the port, in lower case.

    Raises:
        UsageError: It is none.
    """
    found = _ADDRESS.match(text.strip())
    if found is None:
        raise UsageError(f"{text!r} is no address of a server", hint="write it like http://host:8082")
    return found[0].lower()


def _login(said: Mapping[str, Any]) -> Login:  # Any: JSON
    return Login(
        alias=str(said["alias"]),
        address=str(said["address"]),
        token=str(said["token"]),
        project=str(said.get("project") or "self"),
    )


__all__ = [
    "FROM_ENVIRONMENT",
    "LOCAL",
    "Login",
    "Logins",
    "LoginsReader",
    "access_of",
    "logins_path",
    "plain_address",
    "read_logins",
]
