"""Which environments nobody needs: those whose content no version of a runtime or model has, and what killed processes began."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from starwhale.instances.garbage.collect_files import children

if TYPE_CHECKING:
    from starwhale.storage.catalog.references import References


def unused_environments(
    references: References, home: Path, dead: set[str], *, is_old: Callable[[Path], bool]
) -> list[Path]:
    """Return folders that may go; with the last environment the cache of packages goes too.

    Args:
        references: Of the catalog.
        home: Where environments and their cache lie.
        dead: Versions that go.
        is_old: Whether nothing was written in a folder since the time that counts.
    """
    from starwhale.runtimes.environment import read_marker
    from starwhale.storage.in_use import LOCK_NAME

    needed = _needed(references, dead)
    there = [each for each in children(home / "environments") if each.name != LOCK_NAME]
    gone: list[Path] = []
    for each in there:
        marker = None if each.name.startswith(".") else read_marker(each)
        is_needed = marker is not None and marker["content"] in needed
        if not is_needed and (marker is not None or is_old(each)):
            gone.append(each)
    if len(gone) == len(there) and not needed:
        gone += [each for each in (home / "cache", home / "tools") if each.exists() and is_old(each)]
    return gone


def _needed(references: References, dead: set[str]) -> set[str]:
    runtimes = references.manifests("runtime")
    carried = {
        version: packaged
        for version, manifest in references.manifests("model").items()
        if (packaged := manifest.get("packaged_runtime"))
    }
    return {each["content"] for version, each in {**runtimes, **carried}.items() if version not in dead}
