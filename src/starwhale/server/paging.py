"""Pages of a list by key: the next page begins behind an item, not behind a number of items."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from starwhale.errors import UsageError
from starwhale.wire import Page

T = TypeVar("T")
V = TypeVar("V")
Key = tuple[Any, ...]  # Any: numbers and texts that order a list


def page_of(items: Iterable[T], key: Callable[[T], Key], after: str, limit: int, show: Callable[[T], V]) -> Page[V]:
    """Return the page of a list behind an item.

    Args:
        items: The whole list, in the order of its keys.
        key: What orders it; unique.
        after: `next` of the page before; empty for the first.
        limit: Items of the page.
        show: Makes of an item what is answered.

    Raises:
        UsageError: `after` is none of ours.
    """
    listed = list(items)
    start = 0
    if after:
        behind = read_cursor(after)
        try:
            start = next((place for place, each in enumerate(listed) if key(each) > behind), len(listed))
        except TypeError as error:
            raise bad_cursor(after) from error
    chosen = listed[start : start + limit]
    has_more = start + limit < len(listed)
    return Page(
        items=[show(each) for each in chosen],
        next=write_cursor(key(chosen[-1])) if chosen and has_more else None,
        total=len(listed),
    )


def write_cursor(key: Key) -> str:
    """Write a key as one word."""
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


def read_cursor(text: str) -> Key:
    """Undo `write_cursor`.

    Raises:
        UsageError: It is none of ours.
    """
    try:
        found: Any = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))  # Any: JSON, checked here
    except (ValueError, RecursionError) as error:
        raise bad_cursor(text) from error
    if not isinstance(found, list):
        raise bad_cursor(text)
    return tuple(found)


def bad_cursor(text: str) -> UsageError:
    """Say that a word is no `next` of a page."""
    return UsageError(f"{text[:80]!r} is not where a page ends", hint="give `next` of the page before, or nothing")
