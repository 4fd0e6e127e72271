"""Packaging of models (not built yet); `swcli model run --workdir` evaluates a work directory without it."""

from __future__ import annotations

from typing import Any

from starwhale.errors import NotBuiltYetError


def build(*args: Any, **kwargs: Any) -> None:  # Any: the signature is fixed when it is built
    """Package a model (not built yet).

    Raises:
        NotBuiltYetError: Always.
    """
    del args, kwargs
    message = "model.build is not built yet"
    raise NotBuiltYetError(message, hint="evaluate the directory itself: swcli model run --workdir DIR")
