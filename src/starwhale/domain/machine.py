"""What a machine has, what a task asks of it, and how many tasks fit. Pure: who looks at the machine is `execution.machine`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from starwhale.errors import UsageError

ACCELERATOR = "nvidia.com/gpu"
"""Name of accelerators in `resources`."""
MOST_TASKS = 32
"""Tasks of a job that run at the same time on one machine, at most."""
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

    def describe(self) -> str:
        """Say what there is, as `2 cores, 23.4 GiB of memory and no accelerators`."""
        memory = "an unknown amount" if self.memory_bytes is None else f"{self.memory_bytes / _GIB:.1f} GiB"
        names = ", ".join(sorted({each.name for each in self.accelerators if each.name}))
        accelerators = _count(len(self.accelerators), "accelerator") + (f" ({names})" if names else "")
        return f"{_count(self.cores, 'core')}, {memory} of memory and {accelerators}"


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
        )


def check_demand(step: str, demand: Demand, machine: Machine) -> None:
    """Refuse what no task of a step could ever get.

    Raises:
        UsageError: Says what is asked for, and what there is.
    """
    lacks: list[str] = []
    if demand.accelerators > len(machine.accelerators):
        lacks.append(_count(demand.accelerators, "accelerator"))
    if demand.cpu > machine.cores:
        lacks.append(_count(demand.cpu, "core"))
    if machine.memory_bytes is not None and demand.memory_bytes > machine.memory_bytes:
        lacks.append(f"{demand.memory_bytes / _GIB:.1f} GiB of memory")
    if not lacks:
        return
    hint = "ask for less in the resources of the handler"
    if demand.accelerators > len(machine.accelerators):
        hint += f"; {{'{ACCELERATOR}': {{'request': 0, 'limit': {demand.accelerators}}}}} takes accelerators where there are any"
    message = f"each task of {step!r} asks for {' and '.join(lacks)}, and there are {machine.describe()}"
    raise UsageError(message, hint=hint)


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


__all__ = ["ACCELERATOR", "MOST_TASKS", "Accelerator", "Demand", "Fit", "Machine", "check_demand", "fit_tasks"]
