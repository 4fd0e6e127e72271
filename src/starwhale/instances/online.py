"""What `swcli model serve` serves: targets become models that can be started, each with its files and its environment."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starwhale.domain.job import RunRequest
from starwhale.domain.uri import parse_project_uri
from starwhale.domain.version import SHORT_VERSION
from starwhale.errors import UsageError
from starwhale.instances.jobs.job_runtime import enter_runtime
from starwhale.instances.jobs.snapshots import drop_snapshot, take_snapshot
from starwhale.instances.jobs.target import find_target
from starwhale.serving.lanes import Bounds
from starwhale.serving.model_host import ModelSource

if TYPE_CHECKING:
    from starwhale.instances.instance import Instance

BODY_BYTES = 32 << 20
"""Bytes of a request's body, when nobody says otherwise."""
DRAIN_S = 30.0
"""What has begun is waited for so long when the server is stopped, when nobody says otherwise."""
MOST_MODELS = 16
"""Models that are served side by side, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnlineRequest:
    """What a user wants to serve; fields have the names and meanings of those of `RunRequest`."""

    targets: tuple[str, ...] = (".",)
    """Files, folders and packaged models, served side by side."""
    modules: tuple[str, ...] = ()
    """Modules of a folder."""
    model_yaml: str = ""
    """Another file than `model.yaml` in the folder."""
    runtime_uri: str = ""
    """Runtime in whose environment the models live."""
    forbids_packaged_runtime: bool = False
    """Whether the runtime that a packaged model carries is left alone."""
    handler: str = ""
    """Name of the one function to serve; empty for all."""
    arguments: tuple[str, ...] = ()
    """What stood after `--`."""
    concurrency: int | None = None
    """Calls at a time of functions that are not async."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnlineOptions:
    """What is served, where and how: all that the program which serves it is given."""

    request: OnlineRequest = field(default_factory=OnlineRequest)
    """The models."""
    bounds: Bounds = field(default_factory=Bounds)
    """How much at a time."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int | None = None
    """The port; None for the first free one from 8080 on."""
    title: str = ""
    """What the page is called; empty for the names of the models."""
    body_bytes: int = BODY_BYTES
    """Bytes of a request's body, at most."""
    drain_s: float = DRAIN_S
    """How long what has begun is waited for when the server is stopped."""
    record: bool = False
    """Whether requests and answers are kept, as jobs."""
    socket: int | None = None
    """Inherited socket of a process that serves functions of its own; None for models that are started."""

    @classmethod
    def from_json(cls, text: str) -> OnlineOptions:
        """Read what `to_json` wrote."""
        said: dict[str, Any] = json.loads(text)  # Any: JSON of our own making
        request: dict[str, Any] = {
            name: tuple(each) if isinstance(each, list) else each for name, each in said.pop("request").items()
        }
        return cls(request=OnlineRequest(**request), bounds=Bounds(**said.pop("bounds")), **said)

    def to_json(self) -> str:
        """Return it as JSON."""
        return json.dumps(dataclasses.asdict(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A model that can be started."""

    source: ModelSource
    """How it is started."""
    request: RunRequest
    """What a job of it would be asked for: model, runtime, arguments."""
    record: dict[str, object]
    """What a job's record says of its runtime."""
    hold: object = None
    """Keeps its environment from being collected, as long as somebody refers to this."""


@contextmanager
def prepare_models(
    instance: Instance, wanted: OnlineRequest, on_stage: Callable[[str], None] | None = None
) -> Generator[Sequence[Prepared]]:
    """Unpack what is packaged and make the environments; copies of packaged models go when the block ends.

    Args:
        instance: Where models and runtimes lie.
        wanted: What is to be served.
        on_stage: Called with what is being done while an environment is made.

    Raises:
        NotFoundError: There is no such model or runtime; the nearest names are said.
        UsageError: A path leads nowhere, or there are too many targets.
        RestoreError: An environment cannot be made.
    """
    if len(wanted.targets) > MOST_MODELS:
        message = f"{len(wanted.targets)} models are too many to serve side by side"
        raise UsageError(message, hint=f"name {MOST_MODELS} at most")
    prepared: list[Prepared] = []
    try:
        for target in wanted.targets:
            prepared.append(_prepare(instance, wanted, target, on_stage))  # noqa: PERF401 - one that fails leaves the others to the end
        ids = tell_apart([(each.request.model_name, each.request.model_version) for each in prepared])
        yield [
            dataclasses.replace(each, source=dataclasses.replace(each.source, id=model))
            for each, model in zip(prepared, ids, strict=True)
        ]
    finally:
        for each in prepared:
            if each.request.model_uri:
                drop_snapshot(instance.stores, each.request.job_id)


def _prepare(instance: Instance, wanted: OnlineRequest, given: str, on_stage: Callable[[str], None] | None) -> Prepared:
    from starwhale.execution.start import RunOptions

    is_folder = Path(given).expanduser().is_dir()
    target = find_target(
        given,
        modules=wanted.modules if is_folder or len(wanted.targets) == 1 else (),
        model_yaml=wanted.model_yaml or None if is_folder or len(wanted.targets) == 1 else None,
    )
    request = RunRequest(
        workdir=target.workdir,
        modules=target.modules,
        model_uri=target.model_uri,
        model_name=target.model_name,
        envs=target.envs,
        runtime_uri=wanted.runtime_uri,
        forbids_packaged_runtime=wanted.forbids_packaged_runtime,
        arguments=wanted.arguments,
        project=parse_project_uri(instance.project).project,
    )
    if request.model_uri:
        request = take_snapshot(instance.stores, request)
    try:
        request, options = enter_runtime(instance.stores, instance.settings, request, RunOptions(on_stage=on_stage))
    except BaseException:
        if request.model_uri:
            drop_snapshot(instance.stores, request.job_id)
        raise
    source = ModelSource(
        id=request.model_name,
        workdir=request.workdir,
        modules=request.modules,
        python=options.python,
        environment=options.environment,
        arguments=request.arguments,
        name=request.model_name,
        uri=request.model_uri,
        version=request.model_version,
        endpoint=wanted.handler,
        threads=wanted.concurrency or 1,
    )
    return Prepared(source=source, request=request, record=dict(options.record), hold=options.hold)


def tell_apart(models: Sequence[tuple[str, str]]) -> list[str]:
    """Return an id for each model: its name; of versions of one name all with their version, and with a number where that is not enough.

    Args:
        models: Name and version of each; the version is empty for a work directory.

    Example:
        >>> tell_apart([("a", ""), ("b", "x" * 40), ("b", "y" * 40), ("a", "")])
        ['a', 'b@xxxxxxxxxxxx', 'b@yyyyyyyyyyyy', 'a-2']
    """
    named = Counter(name for name, _ in models)
    found: list[str] = []
    for name, version in models:
        spelled = f"{name}@{version[:SHORT_VERSION]}" if version and named[name] > 1 else name
        numbered = (f"{spelled}-{number}" for number in itertools.count(2))
        found.append(next(each for each in itertools.chain([spelled], numbered) if each not in found))
    return found
