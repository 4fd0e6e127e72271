"""Packages that only some methods need: imported when used, named with their install command when missing."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from starwhale.errors import MissingDependencyError

_DISTRIBUTIONS = {"PIL": "pillow"}
_IN_MEDIA_EXTRA = frozenset({"numpy", "PIL"})


def require(module: str, *, purpose: str) -> Any:  # Any: a module that may be missing has no static type here
    """Import an optional module.

    Raises:
        MissingDependencyError: It is not installed; the message says what needs it and how to install it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        root = module.partition(".")[0]
        extra = "media" if root in _IN_MEDIA_EXTRA else ""
        raise MissingDependencyError(_DISTRIBUTIONS.get(root, root), extra=extra, purpose=purpose) from error


def loaded(module: str) -> Any | None:  # Any: as above
    """Return a module only when something imported it already: a value of its types cannot exist otherwise."""
    return sys.modules.get(module)
