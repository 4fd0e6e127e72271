"""Fine-tuning handlers (not built yet)."""

from __future__ import annotations

from typing import Any

from starwhale.errors import NotBuiltYetError


def finetune(*args: Any, **kwargs: Any) -> Any:
    """Register a fine-tuning handler (not built yet).

    Raises:
        NotBuiltYetError: Always.
    """
    del args, kwargs
    message = "the decorator finetune is not built yet"
    raise NotBuiltYetError(message, hint="use @handler for a step that trains")
