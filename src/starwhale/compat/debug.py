"""`starwhale.utils.debug`."""

from starwhale.api.logger import init_logger
from starwhale.compat import console

__all__ = ["console", "init_logger"]
