"""What tasks ask for in Ray's words, and what the nodes of a cluster come to. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from starwhale.domain.json_shape import Json
from starwhale.domain.machine import Accelerator, Demand, Machine

SHARE = 0.01
"""What a task that shares an accelerator holds of it: enough that nobody gets it alone meanwhile."""


def actor_options(demand: Demand, *, has_accelerators: bool) -> Json:
    """Return what an actor is placed by.

    Args:
        demand: What its task asks for. Who says nothing of processors and accelerators takes one processor: Ray counts nothing else.
        has_accelerators: Whether any node has some.
    """
    asked: Json = {"num_cpus": demand.cpu or (0 if demand.accelerators else 1)}
    if demand.accelerators:
        asked["num_gpus"] = demand.accelerators
    elif demand.shared_accelerators and has_accelerators:
        asked["num_gpus"] = SHARE if demand.shared_accelerators == 1 else demand.shared_accelerators
    if demand.memory_bytes:
        asked["memory"] = int(demand.memory_bytes)
    if demand.custom:
        asked["resources"] = dict(demand.custom)
    if demand.labels:
        asked["label_selector"] = dict(demand.labels)
    return asked


def read_nodes(nodes: Iterable[Mapping[str, Any]]) -> Machine:
    """Return what the living nodes of a cluster have, of what Ray says of its nodes; a cluster of one node is one machine.

    A node with neither processors nor accelerators, as heads often are, takes no task and is left out.
    """
    living = (_read_node(each) for each in nodes if each.get("Alive"))
    machines = [each for each in living if each.cores or each.accelerators]
    if len(machines) == 1:
        return dataclasses.replace(machines[0], name="")
    custom: dict[str, float] = {}
    for each in machines:
        for name, amount in each.custom:
            custom[name] = custom.get(name, 0.0) + amount
    return Machine(
        cores=sum(each.cores for each in machines),
        memory_bytes=sum(each.memory_bytes or 0 for each in machines),
        accelerators=tuple(own for each in machines for own in each.accelerators),
        custom=tuple(sorted(custom.items())),
        nodes=tuple(machines),
    )


def _read_node(node: Mapping[str, Any]) -> Machine:
    has: Mapping[str, float] = node.get("Resources", {})
    labels: Mapping[str, str] = node.get("Labels", {})
    return Machine(
        name=str(node.get("NodeName") or node.get("NodeManagerAddress", "")),
        cores=float(has.get("CPU", 0)),
        memory_bytes=int(has.get("memory", 0)),
        accelerators=tuple(Accelerator(id=str(each), name=_model(has)) for each in range(int(has.get("GPU", 0)))),
        custom=tuple(sorted((name, float(amount)) for name, amount in has.items() if not _is_own(name))),
        labels=tuple(sorted((key, value) for key, value in labels.items() if not key.startswith(_OWN_LABELS))),
    )


_OWN_LABELS = "ray.io/node"
_OWN = frozenset({"CPU", "GPU", "memory", "object_store_memory"})


def _is_own(name: str) -> bool:
    """Whether a resource is one that Ray has made itself."""
    return name in _OWN or name.startswith(("node:", "accelerator_type:"))


def _model(has: Mapping[str, float]) -> str:
    return next((name.partition(":")[2] for name in has if name.startswith("accelerator_type:")), "")
