"""The routes of tasks on loopback, in a thread of the test."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from types import SimpleNamespace

import uvicorn
from fastapi import FastAPI

from starwhale.execution.network.desk import TaskDesk
from starwhale.server.problems import add_problems
from starwhale.server.routes import tasks


@contextmanager
def serving(desk: TaskDesk) -> Generator[str]:
    """Answer the routes of tasks on loopback; gives the address."""
    app = FastAPI()
    app.state.served = SimpleNamespace(instance=SimpleNamespace(tasks=desk))
    add_problems(app)
    app.include_router(tasks.router, prefix="/api/v1")
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    try:
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(30)
