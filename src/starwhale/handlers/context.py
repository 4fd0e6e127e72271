"""The context of a task: who is running, over what, and where what it logs goes."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar

from starwhale.domain.job import DatasetInput
from starwhale.domain.row_id import is_row_id, make_row_id
from starwhale.errors import HandlerError
from starwhale.handlers.log_buffer import LogBuffer
from starwhale.storage.protocols import Key, Value
from starwhale.storage.task_contract import TaskStores

R = TypeVar("R")


@dataclass(slots=True, kw_only=True, eq=False)
class Context:
    """What a task knows of itself; one per task, held in a context variable."""

    workdir: str = ""
    """The model root."""
    step: str = ""
    """Name of the step."""
    total: int = 1
    """Tasks of the step."""
    index: int = 0
    """Position of this task, from 0."""
    dataset_uris: list[str] = field(default_factory=list[str])
    """Datasets as the user typed them."""
    version: str = ""
    """Id of the job."""
    run_project: str = ""
    """Project that keeps the job."""
    log_project: str = ""
    """Project that keeps the results."""
    dataset_head: int = 0
    """First rows of each dataset; 0 means all."""
    finetune_val_dataset_uris: list[str] = field(default_factory=list[str])
    """Validation datasets of a fine-tuning."""
    model_name: str = ""
    """Name of the model."""
    accelerators: tuple[int, ...] = ()
    """Positions of the task's own accelerators among those that its process sees: `cuda:0` is 0. Empty where its step asks for none."""
    arguments: tuple[str, ...] = field(default=(), repr=False)
    """What stood after `--`."""
    base_seed: int = field(default=0, repr=False)
    """The job's seed."""
    stores: TaskStores | None = field(default=None, repr=False)
    """All that the task knows of storage; None in tests and outside jobs."""
    log_buffer: LogBuffer = field(default_factory=LogBuffer, repr=False)
    """What was logged and not committed yet."""
    inputs: tuple[DatasetInput, ...] = field(default=(), repr=False)
    """Datasets of the job, pinned, with the rows that it consumes."""
    dataset: DatasetInput | None = field(default=None, repr=False)
    """Dataset of the rows that are being predicted."""
    dataset_info: Mapping[str, Mapping[str, Value]] = field(default_factory=dict[str, Mapping[str, Value]], repr=False)
    """Full URI of a dataset → what its owner keeps beside the rows."""
    parsed: dict[type, Any] = field(default_factory=dict[type, Any], repr=False)  # Any: instances of users' dataclasses
    """Options that were parsed already, by dataclass."""

    @property
    def project(self) -> str:
        """Project that keeps the job."""
        return self.run_project

    def seed(self, row: Key) -> int:
        """Return the seed of a row: 32 bits made of the job's seed and the row's identity, the same in every run.

        Args:
            row: The row's `index`, or its `index_with_dataset`.
        """
        if self.dataset is not None and not is_row_id(row):
            row = make_row_id(self.dataset, row)
        digest = hashlib.blake2b(f"{self.base_seed}:{row}".encode(), digest_size=4).digest()
        return int.from_bytes(digest, "big")

    @staticmethod
    def get_runtime_context() -> Context:
        """Return the context of the running task.

        Raises:
            HandlerError: No task is running here; it is a RuntimeError too.
        """
        return get_runtime_context()

    @staticmethod
    def set_runtime_context(ctx: Context | None) -> None:
        """Make `ctx` the context of what runs in this thread or coroutine."""
        set_runtime_context(ctx)


_CURRENT: ContextVar[Context | None] = ContextVar("starwhale_context", default=None)


def find_runtime_context() -> Context | None:
    """Return the context of the running task, or None outside one."""
    return _CURRENT.get()


def get_runtime_context() -> Context:
    """Return the context of the running task.

    Raises:
        HandlerError: No task is running here; it is a RuntimeError too.
    """
    context = _CURRENT.get()
    if context is None:
        message = "there is no context here: no task is running in this thread"
        raise HandlerError(
            message, hint="run the code with swcli model run; threads of your own get it by Context.set_runtime_context"
        )
    return context


def set_runtime_context(context: Context | None) -> None:
    """Make `context` the context of what runs in this thread or coroutine; None takes it away.

    Raises:
        HandlerError: It is no context.
    """
    if context is not None and not isinstance(context, Context):
        message = f"a context is needed, not {context!r}"
        raise HandlerError(message, hint="pass a starwhale.Context")
    _CURRENT.set(context)


def pass_context(func: Callable[..., R]) -> Callable[..., R]:
    """Give the function the context of its task as keyword `context`."""

    @functools.wraps(func)
    def with_context(*args: Any, **kwargs: Any) -> R:  # Any: passed on as it came
        return func(*args, context=get_runtime_context(), **kwargs)

    return with_context
