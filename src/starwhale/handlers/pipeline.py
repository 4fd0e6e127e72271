"""`PipelineHandler`: predict and evaluate as methods of one class."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Self, TypeVar

from starwhale.errors import NotBuiltYetError, UsageError
from starwhale.handlers.context import Context, get_runtime_context
from starwhale.handlers.decorators import check_count, check_log_mode, resource_records
from starwhale.handlers.registry import UserFunction

F = TypeVar("F", bound=UserFunction)
RUN_MARK = "__starwhale_run__"
"""Attribute of a method that `PipelineHandler.run` decorated."""
PREDICTS, EVALUATES = ("predict", "ppl"), ("evaluate", "cmp")


class SettingsRead(BaseException):
    """Carries the settings of a constructor to discovery, past whatever comes after `super().__init__`."""

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__()
        self.settings = settings


READING: ContextVar[bool] = ContextVar("starwhale_reading_settings", default=False)
"""Whether a class is built only to learn its settings."""


class PipelineHandler:
    """Subclasses have `predict` (or `ppl`) and `evaluate` (or `cmp`); they are built without arguments, once per task."""

    def __init__(
        self,
        predict_batch_size: int = 1,
        ignore_error: bool = False,
        predict_auto_log: bool = True,
        predict_log_mode: str = "pickle",
        predict_log_dataset_features: Sequence[str] | None = None,
        dataset_uris: Sequence[str] | None = None,
        **kwargs: Any,  # Any: kept for the subclass, not used
    ) -> None:
        self.predict_batch_size = check_count("predict_batch_size", predict_batch_size)
        self.ignore_error = ignore_error
        self.predict_auto_log = predict_auto_log
        self.predict_log_mode = check_log_mode(predict_log_mode)
        self.predict_log_dataset_features = predict_log_dataset_features
        self.kwargs = kwargs
        if READING.get():
            raise SettingsRead({**vars(self), "dataset_uris": tuple(str(each) for each in dataset_uris or ())})
        self.context: Context = get_runtime_context()
        self.dataset_uris = self.context.dataset_uris or [str(each) for each in dataset_uris or ()]
        self.dataset_head = self.context.dataset_head

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        """Nothing to close; subclasses may have."""

    @property
    def evaluation_store(self) -> Any:  # Any: the public Evaluation lives above this room
        """The task's Evaluation, as the front door gives it to users."""
        return importlib.import_module("starwhale").Evaluation.from_context()

    @property
    def svc(self) -> Any:  # Any: not built yet
        """The online service of the handler (not built yet).

        Raises:
            NotBuiltYetError: Always; `swcli model serve` offers predict online.
        """
        message = "PipelineHandler.svc is not built yet"
        raise NotBuiltYetError(message, hint="swcli model serve offers predict online without it")

    @property
    def status_dir(self) -> Path:
        """Where old scripts looked for status files; nothing is written there."""
        return Path(self.context.workdir) / ".starwhale" / "status"

    @staticmethod
    def run(
        resources: Mapping[str, object] | None = None, replicas: int = 1, *, concurrency: int | None = None
    ) -> Callable[[F], F]:
        """Say what the tasks of a method ask for, how many there are, and how many calls of an `async def predict` each has in flight.

        Raises:
            UsageError: Another method than predict, ppl, evaluate or cmp; replicas or concurrency on evaluate; concurrency on a method
                that is not async.
        """
        checked: dict[str, Any] = {  # Any: fields of the record
            "resources": resource_records(resources),
            "replicas": check_count("replicas", replicas),
            "concurrency": None if concurrency is None else check_count("concurrency", concurrency),
        }

        def mark(method: F) -> F:
            name, qualname = getattr(method, "__name__", ""), getattr(method, "__qualname__", "")
            if name not in PREDICTS + EVALUATES or "." not in qualname.rpartition("<locals>.")[2]:
                message = f"PipelineHandler.run does not go on {qualname or method!r}"
                raise UsageError(message, hint="it goes on the methods predict, ppl, evaluate and cmp of a class")
            if name in EVALUATES and replicas != 1:
                message = f"{qualname} has replicas={replicas}; an evaluation runs in one task"
                raise UsageError(message, hint="leave replicas out")
            if concurrency is not None and (name in EVALUATES or not inspect.iscoroutinefunction(method)):
                message = f"{qualname} has concurrency={concurrency}, which is for an async def predict"
                raise UsageError(message, hint="leave concurrency out, or write async def predict")
            setattr(method, RUN_MARK, checked)
            return method

        return mark


def hook(cls: type, names: Sequence[str]) -> str:
    """Return which of two spellings of a hook a class has, or nothing.

    Raises:
        UsageError: It has both.
    """
    found = [name for name in names if callable(getattr(cls, name, None))]
    if len(found) > 1:
        message = f"{cls.__qualname__} has both {found[0]} and {found[1]}"
        raise UsageError(message, hint="keep one of them")
    return found[0] if found else ""


def read_settings(cls: type[PipelineHandler]) -> dict[str, Any]:  # Any: settings as the constructor takes them
    """Return what a subclass passes to the constructor, without running what its own constructor does after that."""
    token = READING.set(True)
    try:
        cls()
    except SettingsRead as read:
        return read.settings
    except Exception:  # noqa: BLE001 - the user's constructor raised first; it will again in the task, and be reported there
        return {}
    finally:
        READING.reset(token)
    return {}
