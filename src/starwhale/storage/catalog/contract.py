"""What of the catalog others may ask over HTTP: contracts of its nouns, and the operations that they come to.

`SqlCatalog` meets them, and so does the catalog of `storage.remote`. Server and client make the bodies of requests and answers of the
annotations that stand here: a method that is added here is served, and can be asked for.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol, get_args, get_origin

from starwhale.domain.uri import Uri
from starwhale.storage.catalog.job_records import AttemptRecord, JobRecord, StepRecord
from starwhale.storage.catalog.records import BundleRecord, ProjectRecord, VersionDraft, VersionRecord
from starwhale.storage.protocols import StepProgress

Key = tuple[Any, ...]  # Any: numbers and texts that order a list


class ProjectsContract(Protocol):
    """What everything else is sorted by."""

    def ensure(self, name: str) -> ProjectRecord:
        """Return the project, made if it is not there."""
        ...

    def create(self, name: str) -> ProjectRecord:
        """Make a project."""
        ...

    def get(self, name: str) -> ProjectRecord:
        """Return the project of that name in any case."""
        ...

    def refuse_removed(self, name: str) -> None:
        """Raise where a project of that name was removed."""
        ...

    def remove(self, name: str) -> ProjectRecord:
        """Hide a project with everything in it until it is recovered."""
        ...

    def recover(self, name: str) -> ProjectRecord:
        """Bring a removed project back."""
        ...

    def list(self, *, limit: int | None = None, offset: int = 0, removed: bool = False) -> list[ProjectRecord]:
        """Return projects, the oldest first."""
        ...


class BundlesContract(Protocol):
    """Named datasets, models and runtimes."""

    def create(self, project: str, kind: str, name: str) -> BundleRecord:
        """Make a bundle without versions; the project is made with it."""
        ...

    def ensure(self, project: str, kind: str, name: str) -> BundleRecord:
        """Return the bundle, made if it is not there."""
        ...

    def find(self, project: str, kind: str, name: str) -> BundleRecord | None:
        """Return the bundle of that name in any case, or nothing."""
        ...

    def get(self, project: str, kind: str, name: str) -> BundleRecord:
        """Return the bundle of that name in any case."""
        ...

    def list(self, project: str, kind: str) -> list[BundleRecord]:
        """Return the bundles of one kind in a project, by name."""
        ...


class VersionsContract(Protocol):
    """Versions of datasets, models and runtimes."""

    def add(self, bundle: BundleRecord, draft: VersionDraft, *, expected_latest: str | None = None) -> VersionRecord:
        """Commit a version, whose content is there, and set its tags, all at once."""
        ...

    def get(self, version: str) -> VersionRecord:
        """Return a version by its whole id, removed or not."""
        ...

    def newest(self, bundle_id: str) -> VersionRecord | None:
        """Return the newest version that was not removed, or nothing."""
        ...

    def history(self, bundle_id: str, *, with_removed: bool = False) -> list[VersionRecord]:
        """Return the versions of a bundle, the newest first."""
        ...

    def list_newest(self, project: str, kind: str, *, with_removed: bool = False) -> list[VersionRecord]:
        """Return the newest version of each bundle of one kind in a project, the newest first."""
        ...

    def resolve(
        self, kind: str, uri: Uri | str, *, default_project: str = "self", removed: bool = False
    ) -> VersionRecord:
        """Find the version that a URI means."""
        ...

    def remove(self, version: str) -> VersionRecord:
        """Hide a version until it is recovered."""
        ...

    def recover(self, version: str) -> VersionRecord:
        """Bring a removed version back."""
        ...


class TagsContract(Protocol):
    """What points at versions."""

    def add(self, version: VersionRecord, tag: str) -> None:
        """Point a user's tag at a version; it moves when it pointed at another."""
        ...

    def remove(self, version: VersionRecord, tag: str) -> None:
        """Take a user's tag away from a version."""
        ...

    def list(self, bundle_id: str) -> Mapping[str, str]:
        """Return the tags of a bundle with the versions that they point at."""
        ...


class JobsContract(Protocol):
    """Jobs with their steps and attempts, to be looked at: what begins, stops and changes them are routes of their own."""

    def get(self, text: str, *, project: str = "self", removed: bool = False) -> JobRecord:
        """Return the job that a word means: an id, a name, `latest`, `latest~N`, or a unique beginning of an id."""
        ...

    def find(self, job_id: str) -> JobRecord:
        """Return the job with a whole id, also a removed one."""
        ...

    def list(
        self, project: str | None = None, *, limit: int = 100, offset: int = 0, removed: bool = False
    ) -> Sequence[JobRecord]:
        """Return jobs, the newest first; 1,000 at a time, at most."""
        ...

    def is_driven(self, job: JobRecord) -> bool:
        """Whether a living process works on a job."""
        ...

    def steps(self, job_id: str) -> Sequence[StepRecord]:
        """Return the steps of a job, needs first."""
        ...

    def attempts(self, job_id: str) -> Sequence[AttemptRecord]:
        """Return the attempts of all tasks of a job, in the order in which they started."""
        ...


class LedgerContract(Protocol):
    """How far jobs are."""

    def progress(self, job_id: str) -> Sequence[StepProgress]:
        """Return how far the steps of a job are that consume rows."""
        ...


PARTS: Mapping[str, type] = {
    "projects": ProjectsContract,
    "bundles": BundlesContract,
    "versions": VersionsContract,
    "tags": TagsContract,
    "jobs": JobsContract,
    "ledger": LedgerContract,
}
"""Nouns of the catalog by the name that they have there."""
READS = frozenset(
    {"get", "refuse_removed", "list", "find", "newest", "history", "list_newest", "resolve"}
    | {"is_driven", "steps", "attempts", "progress"}
)
"""Methods that change nothing, and may be asked twice."""
MOST_JOBS = 1000
"""Jobs of an answer, at most."""
_ORDERS: Mapping[str, Callable[[Any], Key]] = {  # Any: records
    "projects.list": lambda each: (each.id,),
    "bundles.list": lambda each: (each.name.casefold(),),
    "versions.history": lambda each: (-each.sequence,),
    "versions.list_newest": lambda each: (-each.created_at, each.version),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A method of a contract, as both sides need it."""

    part: str
    """Noun of the catalog."""
    name: str
    """Method of it."""
    parameters: Mapping[str, inspect.Parameter]
    """Its parameters, their annotations resolved."""
    returns: Any  # Any: an annotation
    """What it returns; of a list an item of it."""
    text: str
    """What it does."""
    order: Callable[[Any], Key] | None = None
    """What orders the items of a list, which is asked for page by page; None where it is none."""

    @property
    def changes(self) -> bool:
        """Whether it changes something."""
        return self.name not in READS

    def bind(self, arguments: Sequence[Any], named: Mapping[str, Any]) -> dict[str, Any]:  # Any: values of parameters
        """Return what a call gives for each parameter, by name."""
        return dict(inspect.Signature(list(self.parameters.values())).bind(*arguments, **named).arguments)


@cache
def operations() -> Mapping[tuple[str, str], Operation]:
    """Return every operation by part and name."""
    found = [
        _operation(part, name, method)
        for part, contract in PARTS.items()
        for name, method in vars(contract).items()
        if inspect.isfunction(method) and not name.startswith("_")
    ]
    return {(each.part, each.name): each for each in found}


def _operation(part: str, name: str, method: Callable[..., Any]) -> Operation:
    signature = inspect.signature(method, eval_str=True)
    order = _ORDERS.get(f"{part}.{name}")
    returns = signature.return_annotation
    if order is not None:
        assert get_origin(returns) is list, f"{part}.{name} is no list"  # noqa: S101 - a mistake in this file
        returns = get_args(returns)[0]
    return Operation(
        part=part,
        name=name,
        parameters={key: each for key, each in signature.parameters.items() if key != "self"},
        returns=returns,
        text=inspect.getdoc(method) or "",
        order=order,
    )


__all__ = [
    "MOST_JOBS",
    "BundlesContract",
    "JobsContract",
    "LedgerContract",
    "Operation",
    "ProjectsContract",
    "TagsContract",
    "VersionsContract",
    "operations",
]
