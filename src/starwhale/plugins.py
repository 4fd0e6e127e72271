"""Names to implementations: the built-in table of a room first, installed entry points second."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from starwhale.errors import UsageError, nearest

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint


def load(group: str, name: str, builtin: Mapping[str, str]) -> Any:
    """Import the implementation that a name stands for.

    Args:
        group: What is chosen, in the singular: `executor`, `importer`, ….  Entry points are looked up in `starwhale.<group>`.
        name: What the user asked for.
        builtin: Name → `module:attribute`.

    Raises:
        UsageError: Nothing has that name.
    """
    target = builtin.get(name)
    if target is None:
        found = _installed(group)
        if name in found:
            return found[name].load()
        message = f"no {group} {name!r}"
        raise UsageError(message, hint=nearest(name, [*builtin, *found]))
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)


def names(group: str, builtin: Mapping[str, str]) -> list[str]:
    """Return what `load` can find: the built-in names, then those of installed packages, each sorted."""
    return [*sorted(builtin), *sorted(_installed(group).keys() - builtin.keys())]


def _installed(group: str) -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points

    return {each.name: each for each in entry_points(group=f"starwhale.{group}")}
