"""One page of a list, and what is asked of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

DOCUMENTED: Any = {"use_attribute_docstrings": True, "json_schema_serialization_defaults_required": True}
"""How a body is described in `openapi.json`: by the docstrings of its fields. Any: a type of a package that this room does not need."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """One page of a list. The next one begins behind the last item of this one, whatever was added in between."""

    __pydantic_config__ = DOCUMENTED
    items: list[T]
    """The items, in order."""
    next: str | None
    """What to give as `after` for the next page; null after the last."""
    total: int | None
    """Items of the whole list; null where nobody has counted them."""
