"""Online evaluation (not built yet): the names that scripts import."""

from __future__ import annotations

from typing import Any

from starwhale.errors import NotBuiltYetError


def _refuse(name: str) -> NotBuiltYetError:
    return NotBuiltYetError(f"{name} is not built yet", hint="evaluate in bulk with: swcli model run")


def api(*args: Any, **kwargs: Any) -> Any:
    """Register a function as an online API (not built yet); raises NotBuiltYetError."""
    del args, kwargs
    name = "service.api"
    raise _refuse(name)


class ServiceType:
    """Kind of an online API (not built yet)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # Any: the signature is fixed when it is built
        del args, kwargs
        raise _refuse(f"service.{type(self).__name__}")


class LLMChat(ServiceType):
    """Chat with a language model (not built yet)."""


class TextToImage(ServiceType):
    """Images made from text (not built yet)."""


class Service(ServiceType):
    """A set of online APIs (not built yet)."""
