"""The rows of a Python handler: in this process, or in the environment of a runtime, in a process of its own."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starwhale.handlers.dataset_rows import Row, rows_of
from starwhale.instances.job_runtime import choose_runtime

if TYPE_CHECKING:
    from starwhale.instances.environments import Environment, Say
    from starwhale.settings import Settings
    from starwhale.storage.stores import Stores

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerRows:
    """Rows that nobody has read yet, and what is known of where they come from."""

    rows: Iterator[Row]
    """Reads them; user code runs meanwhile."""
    build: Mapping[str, Any] = field(default_factory=dict[str, Any])  # Any: JSON
    """What the manifest of the version says of how it was built: the runtime, where there is one."""


def open_handler(
    stores: Stores, settings: Settings, handler: str, workdir: str, runtime: tuple[str, str], say: Say | None = None
) -> HandlerRows:
    """Make the environment that a handler runs in, where there is one, and return its rows.

    Args:
        stores: Where runtimes lie.
        settings: What the environment says: it may name a runtime that is active.
        handler: `module:object`.
        workdir: Folder of its module.
        runtime: URI of a runtime, and the project that it is looked for in; an empty URI leaves it to what is active.
        say: Called with what the user should know.

    Raises:
        NotFoundError: There is no such runtime; the nearest names are said.
        RestoreError: Its environment cannot be made.
    """
    from starwhale.instances.environments import restore

    found = choose_runtime(stores, settings, runtime[0], project=runtime[1])
    if found is None:
        return HandlerRows(rows=rows_of(handler, workdir))
    made = restore(stores, found, settings, say or logger.warning)
    return HandlerRows(rows=_elsewhere(made, handler, workdir), build={"runtime": dict(made.record)})


def _elsewhere(made: Environment, handler: str, workdir: str) -> Iterator[Row]:
    """Keep the environment from being collected until the last row was read."""
    from starwhale.execution.rows_elsewhere import HandlerPlace, read_elsewhere

    told = f"{made.uri} (Python {made.record['python']})"
    yield from read_elsewhere(
        HandlerPlace(handler=handler, workdir=workdir, python=made.python, environment=made.variables, told=told)
    )
