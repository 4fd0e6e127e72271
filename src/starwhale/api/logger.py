"""`init_logger`: how much the library says on stderr."""

from __future__ import annotations

import logging

_LEVELS = (logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG)


def init_logger(verbose: int = 0) -> None:
    """Show the library's log on stderr.

    Args:
        verbose: 0 errors, 1 warnings, 2 information, 3 and more everything.
    """
    logger = logging.getLogger("starwhale")
    logger.setLevel(_LEVELS[min(max(verbose, 0), 3)])
    if not logger.handlers:
        shown = logging.StreamHandler()
        shown.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        logger.addHandler(shown)
