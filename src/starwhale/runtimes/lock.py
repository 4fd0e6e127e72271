"""The lock of a runtime: a requirement file that pins every distribution with hashes, and names no host."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from starwhale.domain.runtime import Interpreter
from starwhale.errors import CorruptedError

LOCK_PATH = "dependencies/.starwhale/lock/requirements-sw-lock.txt"
"""Where a runtime has its lock."""
OURS = frozenset({"starwhale", "starwhale-evaluation"})
"""Distributions whose import name is ours: the program itself stands in for them."""
_HEADER = "# lock of a runtime: install it with pip or uv; --require-hashes holds"
_HASH_LINE = " \\\n    --hash={}"
_ENTRY = re.compile(r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==(?P<version>[^\s;\\]+)(?P<rest>.*)$")
_HASH = re.compile(r"--hash=(sha256:[0-9a-f]{64})")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Pin:
    """One distribution of a lock."""

    name: str
    """Normalised name."""
    version: str
    """Its only version."""
    hashes: tuple[str, ...]
    """`sha256:<hex>` of every file that may be installed, sorted; at least one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """Every distribution of an environment, and the Python and platform that they were chosen for."""

    pins: tuple[Pin, ...]
    """Sorted by name."""
    python: str = ""
    """`3.12.1`."""
    platform: str = ""
    """`linux-x86_64`."""

    @property
    def digest(self) -> str:
        """SHA-256 of what is pinned; equal locks have equal digests, whatever their comments."""
        pins = [[each.name, each.version, list(each.hashes)] for each in self.pins]
        return hashlib.sha256(json.dumps([pins, self.python, self.platform]).encode()).hexdigest()

    def to_text(self) -> str:
        """Return the requirement file."""
        lines = [_HEADER, f"# python: {self.python}", f"# platform: {self.platform}"]
        lines += [f"{each.name}=={each.version}{''.join(map(_HASH_LINE.format, each.hashes))}" for each in self.pins]
        return "\n".join(lines) + "\n"


def make_lock(pins: Iterable[Pin], python: Interpreter) -> Lock:
    """Sort pins into a lock; what stands for this program is left out."""
    kept = sorted(each for each in pins if each.name not in OURS)
    return Lock(pins=tuple(kept), python=python.version, platform=python.platform)


def parse_pins(text: str) -> list[Pin]:
    """Read the pins of a requirement file that a resolver wrote; lines of another shape are left out."""
    joined = re.sub(r"\\\r?\n", " ", text)
    found = (_ENTRY.match(line.strip()) for line in joined.splitlines())
    return [
        Pin(
            name=normalise(each["name"]),
            version=each["version"],
            hashes=tuple(sorted(set(_HASH.findall(each["rest"])))),
        )
        for each in found
        if each is not None
    ]


def parse_lock(text: str) -> Lock:
    """Read what `Lock.to_text` wrote.

    Raises:
        CorruptedError: It is no lock.
    """
    pins = parse_pins(text)
    if not text.startswith(_HEADER) or not all(each.hashes for each in pins):
        raise CorruptedError("the lock of a runtime cannot be read", hint="build the runtime again")
    facts = dict(re.findall(r"^# (python|platform): (.*)$", text, flags=re.MULTILINE))
    return Lock(pins=tuple(sorted(pins)), python=facts.get("python", ""), platform=facts.get("platform", ""))


def normalise(name: str) -> str:
    """Return a distribution's name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def requirement_name(line: str) -> str:
    """Return the normalised name that a requirement begins with, or empty for an option, path or address."""
    match = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[|[<>=!~;@,(#]|$|\s)", line)
    return normalise(match[1]) if match else ""


def without_ours(lines: Sequence[str]) -> tuple[list[str], list[str]]:
    """Take requirements of distributions with our import name out; return what is left, and what was taken."""
    ours = [each.strip() for each in lines if requirement_name(each) in OURS]
    return [each for each in lines if requirement_name(each) not in OURS], ours
