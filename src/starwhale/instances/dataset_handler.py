"""The rows of a Python handler: in a process of its own, with our interpreter or in the environment of a runtime."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starwhale.execution.handler_rows.rows_elsewhere import HandlerPlace, read_elsewhere
from starwhale.handlers.dataset_rows import Row
from starwhale.instances.runtime_choice import choose_runtime

if TYPE_CHECKING:
    from starwhale.instances.environments import Environment, Say
    from starwhale.runtimes.environment import OnStage
    from starwhale.settings import Settings
    from starwhale.storage.stores import Stores

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerWanted:
    """A Python handler, and where it is to run."""

    handler: str
    """`module:object`."""
    workdir: str = "."
    """Folder of its module."""
    runtime: str = ""
    """URI of a runtime; empty for the one that is active, or for our own interpreter where none is."""
    project: str = ""
    """Project in which the runtime is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerRows:
    """Rows that nobody has read yet, and what is known of where they come from."""

    rows: Iterator[Row]
    """Reads them; user code runs meanwhile."""
    build: Mapping[str, Any] = field(default_factory=dict[str, Any])  # Any: JSON
    """What the manifest of the version says of how it was built: the runtime, where there is one."""


def open_handler(
    stores: Stores, settings: Settings, wanted: HandlerWanted, say: Say | None = None, on_stage: OnStage | None = None
) -> HandlerRows:
    """Make the environment that a handler runs in, where there is one, and return its rows.

    Args:
        stores: Where runtimes lie.
        settings: What the environment says: it may name a runtime that is active.
        wanted: The handler, and where it runs.
        say: Called with what the user should know.
        on_stage: Called with what is being done while the environment is made.

    Raises:
        NotFoundError: There is no such runtime; the nearest names are said.
        RestoreError: Its environment cannot be made.
    """
    from starwhale.instances.environments import restore

    found = choose_runtime(stores, settings, wanted.runtime, project=wanted.project)
    if found is None:
        return HandlerRows(rows=read_elsewhere(HandlerPlace(handler=wanted.handler, workdir=wanted.workdir)))
    made = restore(stores, found, settings, say or logger.warning, on_stage=on_stage)
    return HandlerRows(rows=_elsewhere(made, wanted), build={"runtime": dict(made.record)})


def _elsewhere(made: Environment, wanted: HandlerWanted) -> Iterator[Row]:
    """Keep the environment from being collected until the last row was read."""
    told = f"{made.uri} (Python {made.record['python']})"
    yield from read_elsewhere(
        HandlerPlace(
            handler=wanted.handler,
            workdir=wanted.workdir,
            python=made.python,
            environment=made.variables,
            told=told,
        )
    )
