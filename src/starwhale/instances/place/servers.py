"""Logging in to servers and out of them, and which instance is in use."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import secrets
from typing import TYPE_CHECKING, Any

from starwhale.errors import LoginError, ServerError, UsageError
from starwhale.instances.place.configuration import not_writable
from starwhale.storage.remote.connection import ServerAccess, ServerConnection, ServerPatience
from starwhale.storage.remote.logins import (
    FROM_ENVIRONMENT,
    LOCAL,
    Login,
    Logins,
    logins_path,
    plain_address,
    read_logins,
)

if TYPE_CHECKING:
    from starwhale.settings import Settings

_ALIAS = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")


def login(settings: Settings, address: str, *, token: str, alias: str = "") -> Login:
    """Log in to a server, and keep the token; the server is asked whether it is good.

    Args:
        settings: Say where logins are kept.
        address: Of the server.
        token: What lets us in.
        alias: What URIs call it; empty for the name of its host.

    Raises:
        UsageError: The address or the alias is none.
        LoginError: The token is not good.
        ServerError: The server cannot be reached, or is none of this program.
    """
    where = plain_address(address)
    name = alias or re.sub(r"^https?://|:\d+$", "", where)
    if name in {LOCAL, FROM_ENVIRONMENT} or not _ALIAS.match(name):
        raise UsageError(f"{name!r} cannot be the alias of a server", hint="give another one: --alias NAME")
    if not token:
        hint = "give it with --token, or in SW_TOKEN; on the server's machine, swcli server token makes a new one"
        raise LoginError(f"no token for {where}", hint=hint)
    ask_server(settings, where, token)
    made = Login(alias=name, address=where, token=token)
    write_logins(settings, _stored(settings).with_login(made))
    return made


def ask_server(settings: Settings, address: str, token: str) -> dict[str, Any]:  # Any: a JSON object
    """Return what a server says of itself.

    Raises:
        LoginError: The token is not good.
        ServerError: It cannot be reached, or is none of this program.
    """
    patience = ServerPatience(attempts=min(2, settings.server_attempts), read_timeout_s=10.0)
    connection = ServerConnection(ServerAccess(address=address, token=token, patience=patience))
    try:
        said = connection.ask("GET", "/instance")
    finally:
        connection.close()
    if not isinstance(said, dict) or "version" not in said:
        message = f"what answers at {address} is no server of this program"
        raise ServerError(message, address=address, hint="check the address")
    return said


def logout(settings: Settings, name: str) -> Login:
    """Forget a server and its token.

    Raises:
        NotFoundError: Nobody logged in there.
    """
    kept = _stored(settings)
    found = kept.get(name)
    write_logins(settings, kept.without(found.alias))
    return found


def select(settings: Settings, name: str) -> str:
    """Make an instance the one that URIs mean which name none, and return its alias.

    Raises:
        NotFoundError: There is none of that name.
    """
    kept = _stored(settings)
    alias = LOCAL if name.casefold() == LOCAL else kept.get(name).alias
    write_logins(settings, dataclasses.replace(kept, selected=alias))
    return alias


def select_project(settings: Settings, alias: str, project: str) -> None:
    """Make a project the one of URIs that name a server and no project."""
    kept = _stored(settings)
    changed = [dataclasses.replace(each, project=project) if each.alias == alias else each for each in kept.servers]
    write_logins(settings, dataclasses.replace(kept, servers=tuple(changed)))


def describe_login(login: Login, logins: Logins) -> dict[str, Any]:  # Any: a JSON object
    """Return what `swcli instance list` says of a server; never its token."""
    return {
        "name": login.alias,
        "type": "server",
        "uri": login.address,
        "current_project": login.project,
        "in_use": logins.selected == login.alias,
    }


def write_logins(settings: Settings, logins: Logins) -> None:
    """Write the file, whole or not at all; only its owner may read it.

    Raises:
        UsageError: It cannot be written.
    """
    path = logins_path(settings)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(logins.to_json(), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise not_writable(path, error) from error


def _stored(settings: Settings) -> Logins:
    """Return what the file says, without the environment."""
    return read_logins(dataclasses.replace(settings, server_address="", server_token=""))


__all__ = [
    "LOCAL",
    "ask_server",
    "describe_login",
    "login",
    "logout",
    "plain_address",
    "select",
    "select_project",
    "write_logins",
]
