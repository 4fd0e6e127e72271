"""How this process runs a job: what is not part of the request."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starwhale.execution.fit import Notices
from starwhale.settings import ContainerSettings, KubernetesSettings, RaySettings
from starwhale.storage.task_side import CrashPoint, no_crash

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from starwhale.execution.network.launch import ServerPlace
    from starwhale.execution.run import OnProgress


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What is not part of the request: how this process runs it."""

    python: str = sys.executable
    """Interpreter of the workers."""
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    """What workers find in their environment beside what this process has."""
    container: ContainerSettings = field(default_factory=ContainerSettings)
    """How containers are run, for executors that run some."""
    image: str = ""
    """Image of those, as it was found for the request."""
    kubernetes: KubernetesSettings = field(default_factory=KubernetesSettings)
    """Which cluster, for the executor that needs one."""
    ray: RaySettings = field(default_factory=RaySettings)
    """Which cluster of Ray, for the executor that needs one."""
    address: str = ""
    """The cluster that the user named; empty leaves it to the environment."""
    argv: tuple[str, ...] = ()
    """What the user typed, for the record."""
    record: Mapping[str, Any] = field(default_factory=dict[str, Any])  # Any: JSON
    """What the record of the job says beside what is found here: of its runtime."""
    hold: object = None
    """Whatever has to be kept until the job has ended: the hold of an environment."""
    is_verbose: bool = False
    """Whether output of user code is echoed to the standard error stream."""
    on_progress: OnProgress | None = None
    """Called several times a second."""
    on_stage: Callable[[str], None] | None = None
    """Called with what is being done before the job begins: while the environment of its runtime is made."""
    on_warning: Callable[[str], None] | None = None
    """Called with what the user should know."""
    on_note: Callable[[str], None] | None = None
    """Called with what was chosen for the user, and why."""
    should_stop: Callable[[], bool] | None = None
    """Whether to stop at the next batch boundaries; None listens to Ctrl-C, where this is the main thread."""
    is_caller: bool = False
    """Whether this process has the user's functions itself, so that tasks may be its threads: a notebook or a script."""
    find_server: Callable[[], ServerPlace | None] | None = None
    """Finds the server that workers elsewhere reach, which serves the stores of this process too; asked where an executor needs one."""
    open_door: Callable[[str, Path], AbstractContextManager[ServerPlace]] | None = None
    """Serves the stores to workers elsewhere, at an address of this machine and with a file for its log, while it is entered; for executors that know at which address."""
    crash_point: CrashPoint = no_crash
    """For tests: called at each step of a commit."""

    @property
    def notices(self) -> Notices:
        """Whom to tell what was found while the job is fitted to the machine."""
        return Notices(warning=self.on_warning, note=self.on_note)
