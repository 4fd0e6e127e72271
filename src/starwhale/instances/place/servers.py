"""Logging in to servers: until they are built, what can be said of each call."""

from __future__ import annotations

from starwhale.errors import NotBuiltYetError, UsageError

LOCAL = "local"
"""The instance on this machine."""


def login(name: str, *, alias: str = "", username: str = "", password: str = "", token: str = "") -> None:
    """Do nothing for the local instance, which needs no login.

    Raises:
        UsageError: Credentials contradict each other.
        NotBuiltYetError: It is a server.
    """
    if token and (username or password):
        message = "a token and a username with a password are two ways to log in"
        raise UsageError(message, hint="give one of them")
    if name != LOCAL:
        place = f"{name!r} as {alias!r}" if alias else repr(name)
        message = f"cannot log in to {place}: servers are not built yet"
        raise NotBuiltYetError(message, hint="everything works on the local instance without a login")


def logout(name: str) -> None:
    """Do nothing for the local instance, which has no login.

    Raises:
        NotBuiltYetError: It is a server.
    """
    if name != LOCAL:
        message = f"cannot log out of {name!r}: servers are not built yet"
        raise NotBuiltYetError(message, hint="the local instance has no login")
