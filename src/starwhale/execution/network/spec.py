"""What a worker elsewhere is told: one JSON object, whose secret comes apart where it would be seen. Needs the standard library alone."""

from __future__ import annotations

import dataclasses
import json
import os
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starwhale.domain.job import Task
from starwhale.domain.json_shape import Json
from starwhale.errors import UsageError, VersionMismatchError
from starwhale.settings import VERSION, TaskToken, read_task_token
from starwhale.storage.carriers.http import TASK_PROTOCOL, TaskAddress

OUTAGE_S = 300.0
"""How long a server may be away before its workers give up: a restart takes a minute, and a machine that is started anew a few."""
GAVE_UP = 75
"""With which a worker ends whose server went away and did not come back in time: no row is to blame, and the attempt may be begun anew."""
NEVER_REACHED = 69
"""With which one ends that has never reached its server: it may be away, or it is not to be reached from there."""
STDIN = "-"
"""Stands for the standard input where a file is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSpec:
    """Everything that a worker needs to run one attempt of a task."""

    server: str
    """Address of the server."""
    task: Task
    """The attempt."""
    modules: tuple[str, ...]
    """Modules that define the handlers."""
    arguments: tuple[str, ...] = ()
    """What stood after `--`."""
    workdir: str = ""
    """Folder of the user's code, where the worker has it; empty to fetch the files of the packaged model."""
    cache: str = ""
    """Folder in which fetched files are kept for other tasks; empty for a folder that goes with the worker."""
    lease_s: float = 120.0
    """How long a lease lasts that is not renewed."""
    outage_s: float = OUTAGE_S
    """How long a server may be away before the worker gives up."""
    owner: int = 0
    """Process of this machine that started the worker, and without which nobody wants anything of it; 0 for none."""
    link_auths: tuple[Json, ...] = field(default=(), repr=False)
    """Keys of object stores that links of rows lead to."""
    token: str = field(default="", repr=False)
    """Token of the attempt."""

    @property
    def address(self) -> TaskAddress:
        """Where to ask, and with which right."""
        return TaskAddress(server=self.server, token=self.token, task_id=self.task.id, attempt=self.task.attempt)

    def to_json(self, *, with_secrets: bool) -> Json:
        """Return a JSON object from which `from_json` makes an equal value.

        Args:
            with_secrets: Whether the token and the keys of object stores are in it; without, they go another way.
        """
        plain = {each.name: getattr(self, each.name) for each in dataclasses.fields(self) if each.name != "task"}
        if not with_secrets:
            plain |= {"token": "", "link_auths": ()}
        return {"protocol": TASK_PROTOCOL, "version": VERSION, **plain, "task": self.task.to_json()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> WorkerSpec:
        """Read what `to_json` wrote.

        Raises:
            VersionMismatchError: It is of another version than this program.
            UsageError: It is none.
        """
        if not isinstance(data, Mapping) or "protocol" not in data:
            raise UsageError("this is no task of a worker", hint="the driver of a job makes one for each attempt")
        if data["protocol"] != TASK_PROTOCOL:
            message = f"the task is of {data.get('version')} (protocol {data['protocol']}), and this worker of {VERSION} (protocol {TASK_PROTOCOL})"
            raise VersionMismatchError(
                message, hint="run both from the same release: the image of workers, and the server"
            )
        try:
            known = {each.name for each in dataclasses.fields(cls)}
            values: Json = {name: value for name, value in data.items() if name in known}
            values |= {name: tuple(values[name]) for name in ("modules", "arguments", "link_auths")}
            values["task"] = Task.from_json(data["task"])
            return cls(**values)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            message = f"the task cannot be read: {type(error).__name__}: {error}"
            raise UsageError(message, hint="the driver of a job makes one for each attempt") from error


def read_spec(source: str, token: TaskToken | None = None) -> WorkerSpec:
    """Read what a worker is told, with its token.

    Args:
        source: A file that nobody else may read, or `-` for the standard input.
        token: Where the token is, where it is not part of it; None asks the environment.

    Raises:
        UsageError: The file is not there, others may read it although it holds the token, or there is no token.
        VersionMismatchError: It is of another version than this program.
    """
    text, is_private = _read(source)
    try:
        data: Any = json.loads(text)  # Any: checked in from_json
    except ValueError as error:
        raise UsageError(f"the task in {source} is no JSON: {error}") from error
    spec = WorkerSpec.from_json(data)
    if spec.token and not is_private:
        message = f"{source} holds the token of the task, and others may read it"
        raise UsageError(message, hint=f"chmod 600 {source}, or give the token apart: SW_TASK_TOKEN_FILE")
    found = spec.token or (token or read_task_token()).read()
    if not found:
        raise UsageError(
            "there is no token for the task", hint="set SW_TASK_TOKEN_FILE to a file with it, or SW_TASK_TOKEN"
        )
    return dataclasses.replace(spec, token=found)


def _read(source: str) -> tuple[str, bool]:
    """Return the text, and whether nobody else may read it."""
    if source == STDIN:
        return sys.stdin.read(), True
    try:
        with Path(source).open(encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            return file.read(), not mode & (stat.S_IRWXG | stat.S_IRWXO)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the task in {source} cannot be read: {error}") from error
