"""Who has what of a machine: processors, memory and accelerators that running tasks hold, and what is left for others.

An accelerator belongs to one task alone, or to those that asked to share it. One thread uses an allotment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from starwhale.domain.job import Task
from starwhale.domain.machine import Demand, Machine

NOTHING = Demand()
_ROUNDING = 1e-9
Positions = tuple[int, ...]
"""Accelerators, by their place among the machine's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What one task holds while it runs."""

    demand: Demand
    """What it asked for."""
    accelerators: Positions | None = None
    """Those that it may use; None when it sees whatever there is."""


class Allotment:
    """Gives tasks what they ask for, as long as there is enough."""

    def __init__(self, find_machine: Callable[[], Machine]) -> None:
        """Begin with everything free.

        Args:
            find_machine: Says what there is; not asked before a task asks for something.
        """
        self._find_machine = find_machine
        self._machine: Machine | None = None
        self._grants: dict[str, Grant] = {}

    @property
    def machine(self) -> Machine:
        """What there is."""
        if self._machine is None:
            self._machine = self._find_machine()
        return self._machine

    def take_first(
        self, waiting: Iterable[Task], idle: Callable[[], Sequence[Positions]] = tuple
    ) -> tuple[Task, Grant] | None:
        """Give the first task that can begin what it asks for; who asks for nothing passes those that wait for what others hold.

        Args:
            waiting: Tasks, in their order.
            idle: Accelerators of the workers that could be used again, which are given before others.

        Returns:
            The task and what it holds from now on; None when none can begin.
        """
        has_waiting = False
        for task in waiting:
            if task.demand == NOTHING:
                grant: Grant | None = Grant(demand=NOTHING)
            else:
                grant = None if has_waiting else self._grant(task.demand, idle())
            if grant is not None:
                self._grants[task.id] = grant
                return task, grant
            has_waiting = True
        return None

    def give_back(self, task_id: str) -> None:
        """Take back what a task held that has ended; one that held nothing is ignored."""
        self._grants.pop(task_id, None)

    def _grant(self, demand: Demand, idle: Sequence[Positions]) -> Grant | None:
        if not self._has_room(demand):
            return None
        if not demand.is_confined or not self.machine.accelerators:
            return Grant(demand=demand)
        unused = self._unused()
        ready = [each for each in idle if set(each) <= unused]
        if demand.accelerators:
            if len(unused) < demand.accelerators:
                return None
            fitting = next((each for each in ready if len(each) == demand.accelerators), None)
            return Grant(demand=demand, accelerators=fitting or tuple(sorted(unused)[: demand.accelerators]))
        if demand.shared_accelerators and self.machine.accelerators:
            shared = self._least_shared()[: demand.shared_accelerators]
            return Grant(demand=demand, accelerators=tuple(sorted(shared))) if shared else None
        # A worker with accelerators that nobody uses does as well, and has imported everything already.
        return Grant(demand=demand, accelerators=ready[0] if ready else ())

    def _has_room(self, demand: Demand) -> bool:
        held = [demand, *(grant.demand for grant in self._grants.values())]
        limit = self.machine.memory_bytes
        has_memory = limit is None or sum(each.memory_bytes for each in held) <= limit
        return has_memory and sum(each.cpu for each in held) <= self.machine.cores + _ROUNDING

    def _unused(self) -> set[int]:
        used = {position for _, positions in self._held() for position in positions}
        return set(range(len(self.machine.accelerators))) - used

    def _least_shared(self) -> Positions:
        """Return the accelerators that no task has for itself, those with the fewest users first."""
        users = dict.fromkeys(range(len(self.machine.accelerators)), 0)
        for demand, positions in self._held():
            for position in positions:
                if demand.accelerators:
                    users.pop(position, None)
                elif position in users:
                    users[position] += 1
        return tuple(sorted(users, key=lambda position: (users[position], position)))

    def _held(self) -> Iterator[tuple[Demand, Positions]]:
        for grant in self._grants.values():
            yield grant.demand, grant.accelerators or ()
