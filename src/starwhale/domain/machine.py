"""What a machine has, what a task asks of it, and how many tasks fit. Pure: who looks at the machine is `execution.machine`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from starwhale.errors import UsageError

ACCELERATOR = "nvidia.com/gpu"
"""Name of accelerators in `resources`."""
CUSTOM = "custom/"
"""What names of resources begin with that the operator of a cluster has made up."""
LABEL = "label/"
"""What names of resources begin with that are labels of nodes."""
MOST_TASKS = 32
"""Tasks of a job that run at the same time on one machine, at most."""
MOST_TASKS_OF_CLUSTER = 1024
"""The same for a cluster."""
_SHOWN_NODES = 5
_GIB = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator:
    """One accelerator that a process may be given."""

    id: str
    """What CUDA_VISIBLE_DEVICES calls it: a position, or a UUID."""
    name: str = ""
    """What its maker calls it, or empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What there is for tasks: this process's share of a machine."""

    cores: float
    """Processors that may be used."""
    memory_bytes: int | None = None
    """Main memory that may be used; None where nobody knows."""
    accelerators: tuple[Accelerator, ...] = ()
    """Accelerators that this process sees, in its order."""
    custom: tuple[tuple[str, float], ...] = ()
    """Amounts of what the operator of a cluster has given names to, by name."""
    labels: tuple[tuple[str, str], ...] = ()
    """What a node of a cluster says of itself."""
    name: str = ""
    """Name of a node; empty for this machine, and for a whole cluster."""
    nodes: tuple[Machine, ...] = ()
    """The machines of a cluster, whose sum this is; a task has to fit one of them. Empty for one machine."""

    def describe(self) -> str:
        """Say what there is, as `2 cores, 23.4 GiB of memory and no accelerators`; of a cluster, node by node."""
        if self.nodes:
            shown = "; ".join(f"{each.name}: {each.describe()}" for each in self.nodes[:_SHOWN_NODES])
            more = len(self.nodes) - _SHOWN_NODES
            return f"{_count(len(self.nodes), 'node')} ({shown}{f'; and {more} more' if more > 0 else ''})"
        others = [f"{amount:g} {CUSTOM}{name}" for name, amount in self.custom]
        others += [f"{LABEL}{key}={value}" for key, value in self.labels]
        memory = "an unknown amount" if self.memory_bytes is None else f"{self.memory_bytes / _GIB:.1f} GiB"
        names = ", ".join(sorted({each.name for each in self.accelerators if each.name}))
        accelerators = _count(len(self.accelerators), "accelerator") + (f" ({names})" if names else "")
        more = f", with {', '.join(others)}" if others else ""
        return f"{_count(self.cores, 'core')}, {memory} of memory and {accelerators}{more}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What one task asks for; each figure is held for it alone while it runs."""

    cpu: float = 0.0
    """Processors; 0 asks for none in particular."""
    memory_bytes: float = 0.0
    """Main memory; 0 asks for none in particular."""
    accelerators: int = 0
    """Accelerators that no other task may use meanwhile."""
    shared_accelerators: int = 0
    """Accelerators that it uses together with other tasks, where there are any; only without `accelerators`."""
    is_confined: bool = False
    """Whether it sees its own accelerators only: a step of its job has asked for some. Otherwise it sees all that there are."""
    custom: tuple[tuple[str, float], ...] = ()
    """Amounts of what the operator of a cluster has given names to."""
    labels: tuple[tuple[str, str], ...] = ()
    """What the node has to say of itself."""

    @classmethod
    def of(cls, resources: Iterable[Mapping[str, Any]], *, is_confined: bool = False) -> Demand:
        """Read the `resources` of a handler's record: `request` is held for a task; an accelerator of `limit` alone is shared."""
        asked = {str(each["type"]): each for each in resources}

        def amount(name: str, part: str = "request") -> float:
            return float(asked[name][part]) if name in asked else 0.0

        own = int(amount(ACCELERATOR))
        return cls(
            cpu=amount("cpu"),
            memory_bytes=amount("memory"),
            accelerators=own,
            shared_accelerators=0 if own else int(amount(ACCELERATOR, "limit")),
            is_confined=is_confined,
            custom=tuple((name.removeprefix(CUSTOM), amount(name)) for name in asked if name.startswith(CUSTOM)),
            labels=tuple(_label(name) for name in asked if name.startswith(LABEL)),
        )

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Demand:
        """Read its fields as JSON has them, pairs as lists."""
        pairs: dict[str, Any] = {
            name: tuple((one, other) for one, other in data[name]) for name in ("custom", "labels")
        }
        return cls(**{**data, **pairs})


def check_demand(step: str, demand: Demand, machine: Machine) -> None:
    """Refuse what no task of a step could ever get.

    Raises:
        UsageError: Says what is asked for, and what there is.
    """
    lacks = _lacks(demand, machine)
    if not lacks or any(not _lacks(demand, each) for each in machine.nodes):
        return
    hint = "ask for less in the resources of the handler"
    if demand.accelerators > len(machine.accelerators):
        hint += f"; {{'{ACCELERATOR}': {{'request': 0, 'limit': {demand.accelerators}}}}} takes accelerators where there are any"
    if (demand.custom or demand.labels) and not machine.nodes:
        hint += f"; {CUSTOM}… and {LABEL}… are of nodes of a Ray cluster that were started with them"
    there = "no one node has that" if machine.nodes else "there are"
    message = f"each task of {step!r} asks for {' and '.join(lacks)}, and {there}{':' if machine.nodes else ''} {machine.describe()}"
    raise UsageError(message, hint=hint)


def _lacks(demand: Demand, machine: Machine) -> list[str]:
    """Say what a task asks for that a machine does not have; of a cluster, what its nodes lack that lack the least."""
    if machine.nodes:
        return min((_lacks(demand, each) for each in machine.nodes), key=len)
    lacks: list[str] = []
    if demand.accelerators > len(machine.accelerators):
        lacks.append(_count(demand.accelerators, "accelerator"))
    if demand.cpu > machine.cores:
        lacks.append(_count(demand.cpu, "core"))
    if machine.memory_bytes is not None and demand.memory_bytes > machine.memory_bytes:
        lacks.append(f"{demand.memory_bytes / _GIB:.1f} GiB of memory")
    has = dict(machine.custom)
    lacks += [f"{amount:g} {CUSTOM}{name}" for name, amount in demand.custom if amount > has.get(name, 0.0)]
    lacks += [f"{LABEL}{key}={value}" for key, value in demand.labels if (key, value) not in machine.labels]
    return lacks


def _label(name: str) -> tuple[str, str]:
    key, _, value = name.removeprefix(LABEL).partition("=")
    return key, value


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """How many tasks fit, and what stands in the way of more."""

    count: int
    """Tasks; at least 1."""
    reason: str
    """What allows that many, as `2 cores`."""


def fit_tasks(demand: Demand, machine: Machine, *, worker_bytes: int = 0, batches: int = MOST_TASKS) -> Fit:
    """Say how many tasks of a step a machine can run at the same time.

    Args:
        demand: What each asks for.
        machine: What there is.
        worker_bytes: Main memory that each task takes by itself, as far as is known, where it does not say; 0 for unknown.
        batches: What there is to do; more tasks would have nothing.

    Returns:
        The smallest of what each resource allows. Who asks for accelerators and says nothing of processors is not limited by those.
    """
    if machine.nodes:
        fits = [
            fit_tasks(demand, each, worker_bytes=worker_bytes) for each in machine.nodes if not _lacks(demand, each)
        ]
        count = min(sum(each.count for each in fits), MOST_TASKS_OF_CLUSTER)
        found = [Fit(count=count, reason=_count(len(machine.nodes), "node")), _fit_batches(batches)]
        least = min(found, key=lambda fit: fit.count)
        return Fit(count=max(least.count, 1), reason=least.reason)
    found = [Fit(count=MOST_TASKS, reason=f"at most {MOST_TASKS} run at a time"), _fit_batches(batches)]
    if demand.accelerators:
        many = len(machine.accelerators) // demand.accelerators
        found.append(
            Fit(count=many, reason=_each(_count(len(machine.accelerators), "accelerator"), demand.accelerators))
        )
    if demand.cpu or not demand.accelerators:
        each = demand.cpu or 1
        found.append(Fit(count=int(machine.cores / each), reason=_each(_count(machine.cores, "core"), each)))
    if machine.memory_bytes is not None and (size := demand.memory_bytes or worker_bytes):
        shown = f"{machine.memory_bytes / _GIB:.1f} GiB of memory, {size / _GIB:.2f} GiB each"
        found.append(Fit(count=int(machine.memory_bytes / size), reason=shown))
    least = min(found, key=lambda fit: fit.count)
    return Fit(count=max(least.count, 1), reason=least.reason)


def _fit_batches(batches: int) -> Fit:
    return Fit(count=max(batches, 1), reason=f"{batches} batch{'' if batches == 1 else 'es'} of rows")


def _each(total: str, each: float) -> str:
    return total if each == 1 else f"{total}, {each:g} each"


def _count(number: float, noun: str) -> str:
    return f"{f'{number:g}' if number else 'no'} {noun}" + ("" if number == 1 else "s")


__all__ = [
    "ACCELERATOR",
    "CUSTOM",
    "LABEL",
    "MOST_TASKS",
    "MOST_TASKS_OF_CLUSTER",
    "Accelerator",
    "Demand",
    "Fit",
    "Machine",
    "check_demand",
    "fit_tasks",
]
