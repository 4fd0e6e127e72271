"""Options of handlers."""

from starwhale.handlers.argument import argument

__all__ = ["argument"]
