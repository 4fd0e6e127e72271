"""A server for the tasks of one job and nothing else: `python -m starwhale.server.task_door` reads root and address from stdin, and ends when stdin does.

It is what `swcli server start` offers workers elsewhere, for a driver whose workers reach it and no server: the same route, desk and tokens, in a process
beside the driver, so that neither waits for the other.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import threading
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import uvicorn
from fastapi import FastAPI

from starwhale.errors import StarwhaleError
from starwhale.execution.network.desk import TaskDesk
from starwhale.instances import open_instance
from starwhale.server.app import ADDRESS, TASKS
from starwhale.server.guard import Guard, hosts_of
from starwhale.server.listening import TellingServer, address_of, listen
from starwhale.server.problems import add_problems
from starwhale.server.routes import tasks
from starwhale.settings import read_settings
from starwhale.storage.carriers.lifetime import die_with_parent

if TYPE_CHECKING:
    from starwhale.instances import Instance


def make_door(desk: TaskDesk, host: str, port: int) -> FastAPI:
    """Make the application: the route of tasks, behind the same guard as the whole server's.

    Args:
        desk: Who answers.
        host: Address that it listens on.
        port: Its port.
    """
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.state.served = SimpleNamespace(instance=SimpleNamespace(tasks=desk))
    add_problems(app)
    app.include_router(tasks.router, prefix=ADDRESS)
    app.add_middleware(Guard, hosts=hosts_of(host, port=port), bodies=(TASKS,), has_login=True)
    return app


def main() -> int:
    """Serve until standard input ends."""
    die_with_parent()
    told: Any = json.loads(sys.stdin.readline())  # Any: JSON
    try:
        with open_instance(dataclasses.replace(read_settings(), root=Path(told["root"]))) as instance:
            _serve(instance, str(told["host"]))
    except StarwhaleError as error:
        print(json.dumps({"error": {"code": error.code, "message": error.message, "hint": error.hint}}), flush=True)  # noqa: T201 - read by who started us
        return error.exit_code
    return 0


def _serve(instance: Instance, host: str) -> None:
    with closing(listen(host, 0, first=0)) as listening:
        port = listening.getsockname()[1]
        app = make_door(instance.tasks, host, port)
        config = uvicorn.Config(app, log_config=None, access_log=False, server_header=False, lifespan="off")
        config.timeout_graceful_shutdown = 3
        said = json.dumps({"address": address_of(host, port)})
        server = TellingServer(config, lambda: print(said, flush=True), lambda: None)  # noqa: T201 - read by who started us
        threading.Thread(target=_end_with_stdin, args=(server,), name="stdin", daemon=True).start()
        server.run(sockets=[listening])


def _end_with_stdin(server: uvicorn.Server) -> None:
    sys.stdin.read()
    server.should_exit = True


if __name__ == "__main__":
    sys.exit(main())
