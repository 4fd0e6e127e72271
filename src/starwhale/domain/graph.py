"""The order of a job's steps: a directed acyclic graph made of their needs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from starwhale.errors import GraphError, nearest


@dataclass(frozen=True, slots=True)
class StepGraph:
    """Steps by name with the names that each needs; checked when it is made."""

    needs: Mapping[str, tuple[str, ...]]
    """Name → the names that must have succeeded before."""

    def __post_init__(self) -> None:
        for name, wanted in self.needs.items():
            for need in wanted:
                if need not in self.needs:
                    message = f"step {name!r} needs {need!r}, which is not a handler"
                    raise GraphError(message, hint=nearest(need, self.needs))
        cycle = self._find_cycle()
        if cycle:
            message = f"the steps need each other in a circle: {' → '.join(cycle)}"
            raise GraphError(message, hint="take one of these `needs` away")

    def ready(self, done: Collection[str], started: Collection[str]) -> list[str]:
        """Return the steps, in a stable order, whose needs are all in `done` and which have not started."""
        return [
            name
            for name in self.order()
            if name not in started and name not in done and all(need in done for need in self.needs[name])
        ]

    def order(self) -> list[str]:
        """Return all names, every one after its needs; ties in the order in which they were given."""
        placed: list[str] = []
        left = dict(self.needs)
        while left:
            now = [name for name, wanted in left.items() if all(need in placed for need in wanted)]
            placed.extend(now)
            for name in now:
                del left[name]
        return placed

    def closure(self, name: str) -> list[str]:
        """Return `name` and everything that it needs, directly or not, needs first.

        Raises:
            GraphError: No step has that name.
        """
        if name not in self.needs:
            message = f"no handler {name!r}"
            raise GraphError(message, hint=nearest(name, self.needs))
        wanted, stack = {name}, [name]
        while stack:
            for need in self.needs[stack.pop()]:
                if need not in wanted:
                    wanted.add(need)
                    stack.append(need)
        return [each for each in self.order() if each in wanted]

    def downstream(self, name: str) -> list[str]:
        """Return the steps that need `name`, directly or not."""
        found: list[str] = []
        for each in self.order():
            if each != name and any(need == name or need in found for need in self.needs[each]):
                found.append(each)
        return found

    def _find_cycle(self) -> Sequence[str]:
        state: dict[str, int] = {}
        path: list[str] = []

        def visit(name: str) -> Sequence[str]:
            state[name] = 1
            path.append(name)
            for need in self.needs[name]:
                if state.get(need) == 1:
                    return [*path[path.index(need) :], need]
                if need not in state and (found := visit(need)):
                    return found
            path.pop()
            state[name] = 2
            return ()

        for name in self.needs:
            if name not in state and (found := visit(name)):
                return found
        return ()
