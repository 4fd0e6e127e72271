"""HTTP BODIES THAT ARE NOT DOMAIN TYPES: frozen dataclasses of what the HTTP API takes and gives, one file per noun.

`Page` of `page` (one page of a list and the key of the next) and `Problem` of `problem` (an error as JSON) are of all nouns; `jobs`, `rows`, `comparison`, `versions`,
`instance` and `stores` are of one. `openapi.json` is made of these classes and of the docstrings of their fields, and a client that has no FastAPI reads the same classes.

Who may enter: storage and everything above it. What it may import: `domain`, `media`, `errors`, the standard library.
"""

from __future__ import annotations

from starwhale.wire.page import Page
from starwhale.wire.problem import Problem

__all__ = ["Page", "Problem"]
