"""What makes one locked environment of another: the packages of the locks, and the facts of the manifests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starwhale.runtimes.lock import parse_pins

_FACTS = ("python", "arch", "cuda", "cudnn", "mode")


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeDiff:
    """What makes the second version of the first."""

    base: str
    """URI of the first version."""
    compare: str
    """URI of the second version."""
    added: Mapping[str, str]
    """Package → version, of those that only the second pins."""
    removed: Mapping[str, str]
    """Package → version, of those that only the first pins."""
    changed: Mapping[str, tuple[str, str]]
    """Package → version in the first and in the second, where they differ."""
    facts: Mapping[str, tuple[Any, Any]]  # Any: JSON values of the manifests
    """What else differs: Python, processors, CUDA, the image."""

    @property
    def is_same(self) -> bool:
        """Whether nothing differs."""
        return not (self.added or self.removed or self.changed or self.facts)

    def to_json(self) -> dict[str, Any]:  # Any: a JSON object
        """Return everything as plain objects."""
        return {
            "base": self.base,
            "compare": self.compare,
            "same": self.is_same,
            "packages": {
                "added": dict(self.added),
                "removed": dict(self.removed),
                "changed": {name: {"old": old, "new": new} for name, (old, new) in self.changed.items()},
            },
            "facts": {name: {"old": old, "new": new} for name, (old, new) in self.facts.items()},
        }


def diff_runtimes(
    base: tuple[str, str, Mapping[str, Any]], compare: tuple[str, str, Mapping[str, Any]]
) -> RuntimeDiff:  # Any: manifests
    """Compare two versions, each given as URI, text of its lock, and manifest."""
    before, after = ({each.name: each.version for each in parse_pins(text)} for _, text, _ in (base, compare))
    facts = {name: (_fact(base[2], name), _fact(compare[2], name)) for name in (*_FACTS, "base_image")}
    return RuntimeDiff(
        base=base[0],
        compare=compare[0],
        added={name: after[name] for name in sorted(after.keys() - before.keys())},
        removed={name: before[name] for name in sorted(before.keys() - after.keys())},
        changed={
            name: (before[name], after[name])
            for name in sorted(before.keys() & after.keys())
            if before[name] != after[name]
        },
        facts={name: pair for name, pair in facts.items() if pair[0] != pair[1]},
    )


def _fact(manifest: Mapping[str, Any], name: str) -> Any:  # Any: a JSON value
    return manifest.get("base_image") if name == "base_image" else (manifest.get("environment") or {}).get(name)
