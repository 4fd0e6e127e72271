"""Why an actor has ended, of what Ray raises for its calls."""

# pyright: reportMissingImports=false
from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

NODE_WORDS = (
    "node was terminated",
    "node died",
    "node has died",
    "node failure",
    "node is dead",
    "NODE_DIED",
    "health check",
    "preempted",
)
"""What Ray says when a node has gone."""
MEMORY_WORDS = ("running low on memory", "OutOfMemory", "out of memory", "OOM")
"""What Ray says when it has killed a worker to save a node."""
Kind = Literal["node", "memory", "killed", "refused", "away"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """Why nothing is heard of an actor any more."""

    kind: Kind
    """Its node has gone; it was killed for its memory, or otherwise; it could not begin; or it cannot be reached for a while."""
    message: str
    """What Ray says, on one line."""


def read_loss(error: BaseException, *, has_begun: bool) -> Loss:
    """Tell why a call of an actor has failed.

    Args:
        error: What Ray raised.
        has_begun: Whether its worker was started.
    """
    from ray import exceptions

    text = _last_words(error)
    if isinstance(error, exceptions.ActorUnavailableError):
        return Loss(kind="away", message=text)
    if isinstance(
        error, exceptions.ActorUnschedulableError | exceptions.RuntimeEnvSetupError | exceptions.RayTaskError
    ):
        return Loss(kind="refused", message=text)
    whole = str(error)
    if any(each in whole for each in MEMORY_WORDS):
        return Loss(kind="memory", message=text)
    if isinstance(error, exceptions.NodeDiedError) or any(each in whole for each in NODE_WORDS):
        return Loss(kind="node", message=text)
    if isinstance(error, exceptions.RayActorError) and (has_begun or "creation task" not in whole):
        return Loss(kind="killed", message=text)
    return Loss(kind="refused", message=text)


def _last_words(error: BaseException) -> str:
    """Return the line of a long text that says the most: the last that is no frame of a traceback."""
    lines = [each.strip() for each in str(error).splitlines() if each.strip()]
    said = [
        each
        for each in lines
        if not each.startswith(("File ", "ray::", "class_name:", "actor_id:", "pid:", "namespace:", "ip:"))
    ]
    reason = next(
        (each for each in said if "died unexpectedly" in each or "was killed" in each or "terminated" in each), ""
    )
    return (reason or (said[-1] if said else type(error).__name__))[:500]
