"""Names of the inside of 0.6 that a few scripts import: they can be imported, and say at their first use that they are not built."""

from __future__ import annotations

from typing import Any

from starwhale.errors import NotBuiltYetError


class NotBuilt:
    """A class of the old inside (not built yet)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # Any: whatever an old script passes
        del args, kwargs
        raise _refusal(type(self).__name__)

    def __init_subclass__(cls, **kwargs: Any) -> None:  # Any: passed on
        super().__init_subclass__(**kwargs)
        cls.copy = classmethod(_refuse_call)
        cls.list = classmethod(_refuse_call)
        cls.login = classmethod(_refuse_call)


def _refusal(name: str) -> NotBuiltYetError:
    return NotBuiltYetError(
        f"{name} belongs to the inside of 0.6", hint="see docs/reference/compatibility.md for what to use"
    )


def _refuse_call(cls: type, *args: Any, **kwargs: Any) -> None:  # Any: whatever an old script passes
    del args, kwargs
    raise _refusal(cls.__name__)


class InstanceTermView(NotBuilt):
    """Instances on the terminal (not built yet)."""


class RuntimeConfig(NotBuilt):
    """A parsed runtime.yaml (not built yet)."""


class SwBaseModel(NotBuilt):
    """A base of settings classes (not built yet)."""


class TableDesc(NotBuilt):
    """A raw table (not built yet)."""


class LocalDataStore(NotBuilt):
    """The raw local tables (not built yet)."""


class RemoteDataStore(NotBuilt):
    """The raw tables of a server (not built yet)."""


class Link(NotBuilt):
    """A raw link (not built yet)."""


def _get_type(obj: object) -> None:
    """Type of a raw cell (not built yet); raises NotBuiltYetError."""
    del obj
    name = "_get_type"
    raise _refusal(name)


__all__ = [
    "InstanceTermView",
    "Link",
    "LocalDataStore",
    "RemoteDataStore",
    "RuntimeConfig",
    "SwBaseModel",
    "TableDesc",
    "_get_type",
]
