"""What a step asks of the machine: processors, memory in bytes, accelerators."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from starwhale.domain.machine import CUSTOM, LABEL
from starwhale.errors import HandlerError, nearest

_UNITS = {"": 1, **{p: 1000**n for n, p in enumerate("kmg", 1)}, **{p + "i": 1024**n for n, p in enumerate("kmg", 1)}}
_AMOUNT = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*([kmg]i?)?b?\s*$", re.IGNORECASE)
_TYPES = ("cpu", "memory", "nvidia.com/gpu")
_OF_CLUSTER = re.compile(rf"(?:{CUSTOM}|{LABEL})[A-Za-z0-9][A-Za-z0-9._/-]*")
_LABEL_VALUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceRequest:
    """One kind of resource that each task of a step asks for."""

    type: str
    """`cpu`, `memory` (bytes), `nvidia.com/gpu`, `custom/NAME`, or `label/KEY=VALUE`, of which there is one."""
    request: float
    """How much a task needs."""
    limit: float
    """The most that a task may take; at least `request`."""


def parse_memory(text: str) -> float:
    """Turn an amount such as "500M" (1000-based) or "1.5Gi" (1024-based) into bytes.

    Raises:
        HandlerError: The text is not an amount.
    """
    match = _AMOUNT.match(text)
    if match is None:
        message = f"{text!r} is not an amount of memory"
        raise HandlerError(message, hint="write for example 512Mi, 2G or a number of bytes")
    return float(match[1]) * _UNITS[(match[2] or "").lower()]


def parse_resources(resources: Mapping[str, object] | None) -> tuple[ResourceRequest, ...]:
    """Check the `resources` of a handler.

    Args:
        resources: `{"cpu": 1, "memory": "2G", "nvidia.com/gpu": {"request": 1, "limit": 2}}`; a scalar is both request and
            limit, and a mapping with one of the two gives the other the same value. On a Ray cluster also
            `{"custom/tpu": 1, "label/zone": "west"}`: an amount of what its operator has given a name, and a label that the node has.

    Raises:
        HandlerError: An unknown resource or attribute, a wrong type or a negative amount.
    """
    return tuple(_parse_one(name, value) for name, value in (resources or {}).items())


def _parse_one(name: str, value: object) -> ResourceRequest:
    if name.startswith(LABEL) and _OF_CLUSTER.fullmatch(name):
        if not isinstance(value, str) or not _LABEL_VALUE.fullmatch(value):
            message = f"resource {name!r} cannot be {value!r}"
            raise HandlerError(message, hint="give the text that the label of the node has")
        return ResourceRequest(type=f"{name}={value}", request=1.0, limit=1.0)
    if name not in _TYPES and not _OF_CLUSTER.fullmatch(name):
        message = f"unknown resource {name!r}"
        raise HandlerError(message, hint=nearest(name, _TYPES))
    if isinstance(value, Mapping):
        unknown = {str(key) for key in value} - {"request", "limit"}
        if unknown or not value:
            message = f"resource {name!r} has {sorted(unknown) or 'nothing'}"
            raise HandlerError(message, hint="give 'request', 'limit' or both")
        request = _amount(name, value.get("request", value.get("limit")))
        limit = _amount(name, value.get("limit", value.get("request")))
    else:
        request = limit = _amount(name, value)
    if limit < request:
        message = f"resource {name!r} has a limit ({limit:g}) below its request ({request:g})"
        raise HandlerError(message, hint="make the limit at least the request")
    return ResourceRequest(type=name, request=request, limit=limit)


def _amount(name: str, value: object) -> float:
    if name == "memory" and isinstance(value, str):
        return parse_memory(value)
    accepted = int if name == "nvidia.com/gpu" else (int, float)
    if isinstance(value, bool) or not isinstance(value, accepted):
        message = f"resource {name!r} cannot be {value!r}"
        raise HandlerError(message, hint="give a number" + (" or text such as '2Gi'" if name == "memory" else ""))
    if value < 0:
        message = f"resource {name!r} is negative: {value}"
        raise HandlerError(message, hint="give 0 or more")
    return float(value)
