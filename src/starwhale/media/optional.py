"""Packages that only some methods need: imported when used, named with their install command when missing."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from starwhale.errors import MissingDependencyError

_DISTRIBUTIONS = {"PIL": "pillow"}
_EXTRAS = {"numpy": "media", "PIL": "media", "soundfile": "audio", "av": "video"}


def require(module: str, *, purpose: str, extra: str = "") -> Any:  # Any: a missing module has no static type
    """Import an optional module.

    Args:
        module: Its name.
        purpose: What needs it, for the message.
        extra: The extra of our package that brings it; the usual one when empty.

    Raises:
        MissingDependencyError: It is not installed; the message says what needs it and how to install it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        root = module.partition(".")[0]
        extra = extra or _EXTRAS.get(root, "")
        raise MissingDependencyError(_DISTRIBUTIONS.get(root, root), extra=extra, purpose=purpose) from error


def loaded(module: str) -> Any | None:  # Any: as above
    """Return a module only when something imported it already: a value of its types cannot exist otherwise."""
    return sys.modules.get(module)
