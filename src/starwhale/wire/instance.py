"""The instance and its projects, as the HTTP API shows them."""

from __future__ import annotations

from dataclasses import dataclass

from starwhale.wire.page import DOCUMENTED


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceView:
    """The instance that answers."""

    __pydantic_config__ = DOCUMENTED
    name: str
    """`local`."""
    type: str
    """`standalone`."""
    root: str
    """Where it keeps things."""
    version: str
    """Version of the program."""
    current_project: str
    """Project of commands that name none."""
    has_driver: bool
    """Whether it can go on with jobs by itself: `POST …/resume`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectView:
    """A project."""

    __pydantic_config__ = DOCUMENTED
    name: str
    """Name as it was given."""
    created_at: float
    """Seconds since the epoch."""
    is_current: bool
    """Whether commands that name none mean it."""
    is_removed: bool
    """Whether it was removed, and may be recovered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewProject:
    """A project to be made."""

    __pydantic_config__ = DOCUMENTED
    name: str
    """Its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Something has changed: what it is, and nothing of what it holds."""

    __pydantic_config__ = DOCUMENTED
    kind: str
    """`job`, `results` (rows were committed), `dataset`, `model`, `runtime`, `project`; `all` where changes may have been missed."""
    id: str
    """Id of the job, `<project>/<name>` of a version's bundle, name of the project; empty for `all`."""
