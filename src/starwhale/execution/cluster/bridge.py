"""A process between the driver of a job and Ray: `python -m starwhale.execution.cluster.bridge`, JSON lines in and out.

It is a process of its own, because Ray ends the process that it is in when its cluster goes, takes its signals, and may keep it waiting: the driver is
told of all that, and the job can go on later. It ends with the driver, and with it whatever it has started.
"""

# pyright: reportMissingImports=false
from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
import traceback
from dataclasses import dataclass
from typing import IO, Any

from starwhale.domain.json_shape import Json
from starwhale.errors import StarwhaleError
from starwhale.execution.cluster.joining import join
from starwhale.execution.cluster.losses import Loss, read_loss
from starwhale.execution.cluster.task_actor import TaskActor
from starwhale.storage.carriers.lifetime import die_with_parent

LOOK_S = 0.1
"""How long a look at the actors may take before commands are looked at again."""
NODES_S = 2.0
"""Time between two looks at the nodes."""
LEAVE_S = 10.0
"""How long actors may take to end when the bridge does."""
_AGAIN_S = 1.0
_THREADS = 16  # one waits for the worker, another ends it; a node that was cut off may have waits of which nobody hears any more


@dataclass(slots=True)
class _Held:
    """An actor, and what is asked of it."""

    name: str
    actor: Any  # Any: Ray's handle
    has_begun: bool = False
    is_ending: bool = False


class Bridge:
    """Does what it is told, and tells what happens."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out
        self._commands: queue.SimpleQueue[Json] = queue.SimpleQueue()
        self._held: dict[str, _Held] = {}
        self._asked: dict[Any, _Held] = {}  # Any: references of Ray's
        self._again: list[tuple[float, _Held]] = []
        self._nodes: list[Json] = []
        self._looked_at = 0.0
        self._class: Any = None  # Any: an actor class of Ray's

    def run(self) -> None:
        """Work until it is told to close; standard input that ends says the same."""
        threading.Thread(target=self._read, name="commands", daemon=True).start()
        told = self._commands.get()
        if told["op"] == "close":
            return
        try:
            joined = join(told)
        except StarwhaleError as error:
            self._say(op="error", code=error.code, message=error.message, hint=error.hint)
            return
        import ray

        self._class = ray.remote(TaskActor)
        self._look_at_nodes()
        self._say(op="ready", host=joined.host, is_ours=joined.is_ours, address=joined.address, ray=ray.__version__)
        while (command := self._next()) is None or command["op"] != "close":
            if command is not None:
                self._do(command)
            self._look()
        self._close(kill=bool(command["kill"]))

    def _read(self) -> None:
        for line in sys.stdin:
            self._commands.put(json.loads(line))
        self._commands.put({"op": "close", "kill": True})

    def _say(self, **words: Any) -> None:  # Any: JSON
        self._out.write(json.dumps(words) + "\n")
        self._out.flush()

    def _next(self) -> Json | None:
        try:
            return self._commands.get(timeout=0 if self._asked else LOOK_S)
        except queue.Empty:
            return None

    def _do(self, command: Json) -> None:
        match command["op"]:
            case "start":
                self._start(command)
            case "kill":
                self._kill(command["name"])
            case _:
                pass

    def _start(self, command: Json) -> None:
        options: Json = {
            "max_restarts": 0,
            "max_concurrency": _THREADS,
            "scheduling_strategy": "SPREAD",
            **command["options"],
        }
        actor = self._class.options(**options).remote()
        held = self._held[command["name"]] = _Held(command["name"], actor)
        self._asked[actor.begin.remote(command["told"], command["how"])] = held

    def _kill(self, name: str) -> None:
        """End an actor and its worker; whoever says so does not wait for word of it."""
        held = self._held.get(name)
        if held is None:
            return
        if held.has_begun and not held.is_ending:
            held.is_ending = True
            self._asked[held.actor.end.remote()] = held
        elif not held.has_begun:
            self._forget(held)

    def _look(self) -> None:
        import ray

        now = time.monotonic()
        for each in [each for each in self._again if each[0] <= now]:
            self._again.remove(each)
            if each[1].name in self._held:
                self._asked[each[1].actor.wait.remote()] = each[1]
        if self._asked:
            ready, _ = ray.wait(list(self._asked), timeout=LOOK_S, fetch_local=False)
            for reference in ready:
                self._take(reference, self._asked.pop(reference))
        if now - self._looked_at > NODES_S:
            self._look_at_nodes()

    def _take(self, reference: Any, held: _Held) -> None:  # Any: a reference of Ray's
        import ray

        if held.name not in self._held:
            return
        try:
            found: Json | None = ray.get(reference)
        except Exception as error:  # noqa: BLE001 - whatever Ray raises says how an actor has ended
            self._lose(held, read_loss(error, has_begun=held.has_begun))
            return
        if found is None:  # `end` has killed the worker, and `wait` says so
            return
        if "code" in found:
            self._forget(held)
            self._say(op="ended", name=held.name, code=found["code"], output=found["output"])
            return
        held.has_begun = True
        self._say(op="begun", name=held.name, host=found["host"])
        self._asked[held.actor.wait.remote()] = held

    def _lose(self, held: _Held, loss: Loss) -> None:
        if loss.kind == "away" and held.has_begun:  # its node may come back, or be given up by Ray
            self._again.append((time.monotonic() + _AGAIN_S, held))
            return
        self._forget(held)
        self._say(op="lost", name=held.name, kind=loss.kind, message=loss.message)

    def _forget(self, held: _Held) -> None:
        """Let go of an actor: what it holds is free at once, and not only when its last handle has gone."""
        import ray

        ray.kill(held.actor)
        self._held.pop(held.name, None)
        self._asked = {reference: each for reference, each in self._asked.items() if each is not held}

    def _look_at_nodes(self) -> None:
        import ray

        self._looked_at = time.monotonic()
        names = ("Alive", "NodeName", "NodeManagerAddress", "Resources", "Labels")
        found = [{name: each.get(name) for name in names} for each in ray.nodes()]
        if found != self._nodes:
            self._nodes = found
            self._say(op="nodes", nodes=found)

    def _close(self, *, kill: bool) -> None:
        import ray

        if kill:
            for name in list(self._held):
                self._kill(name)
        deadline = time.monotonic() + LEAVE_S
        while self._held and time.monotonic() < deadline:
            self._look()
            if not self._asked:  # of nodes that are away
                time.sleep(LOOK_S)
        for each in list(self._held.values()):
            self._forget(each)
        ray.shutdown()


def main() -> None:
    """Run the bridge; what Ray and others print goes to the standard error stream."""
    die_with_parent()
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        Bridge(out).run()
    except Exception as error:  # noqa: BLE001 - an entry point: the driver is told, and the log has the rest
        traceback.print_exc()
        out.write(
            json.dumps(
                {
                    "op": "error",
                    "code": "execution",
                    "message": f"Ray failed: {type(error).__name__}: {error}",
                    "hint": "",
                }
            )
            + "\n"
        )
        out.flush()


if __name__ == "__main__":
    main()
