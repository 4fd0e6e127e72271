"""`predict`, `evaluate` and `handler`: they register a function and give it back unchanged but for a mark."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar, cast, overload

from starwhale.domain.job import HandlerRecord, env_names
from starwhale.domain.resources import parse_resources
from starwhale.domain.wanted_metrics import METRICS_STEP
from starwhale.errors import HandlerError, NotBuiltYetError, UsageError, nearest
from starwhale.handlers.calls.in_flight import with_concurrency
from starwhale.handlers.metrics_mark import with_metrics
from starwhale.handlers.registry import MARK, REGISTRY, Registered, UserFunction

F = TypeVar("F", bound=UserFunction)
LOG_MODES = ("pickle", "plain")


class _Decorator:
    """A decorator with its options, waiting for the function."""

    def __init__(self, record: HandlerRecord, concurrency: int | None = None) -> None:
        self._record = record
        self._concurrency = concurrency

    def __call__(self, function: F) -> F:
        return register(function, self._record, concurrency=self._concurrency)


@overload
def predict(func: F, /) -> F: ...
@overload
def predict(
    *,
    datasets: Sequence[object] | None = None,
    resources: Mapping[str, object] | None = None,
    needs: Sequence[UserFunction | str] | None = None,
    replicas: int = 1,
    concurrency: int | None = None,
    batch_size: int = 1,
    fail_on_error: bool = True,
    retries: int = 0,
    retry_on: type[BaseException] | Sequence[type[BaseException]] = (),
    backoff_s: float = 1.0,
    timeout_s: float | None = None,
    auto_log: bool = True,
    log_mode: str = "pickle",
    log_dataset_features: Sequence[str] | None = None,
    seed_globals: bool = False,
    env: Sequence[str] | str = (),
) -> _Decorator: ...
def predict(
    func: UserFunction | None = None,
    /,
    *,
    datasets: Sequence[object] | None = None,
    resources: Mapping[str, object] | None = None,
    needs: Sequence[UserFunction | str] | None = None,
    replicas: int = 1,
    concurrency: int | None = None,
    batch_size: int = 1,
    fail_on_error: bool = True,
    retries: int = 0,
    retry_on: type[BaseException] | Sequence[type[BaseException]] = (),
    backoff_s: float = 1.0,
    timeout_s: float | None = None,
    auto_log: bool = True,
    log_mode: str = "pickle",
    log_dataset_features: Sequence[str] | None = None,
    seed_globals: bool = False,
    env: Sequence[str] | str = (),
) -> Any:  # Any: the function, or a decorator; the overloads say which
    """Register a function that is called for every row, or batch of rows, of the datasets.

    Args:
        func: The function, when the decorator stands bare.
        datasets: Datasets to use when the user names none.
        resources: What each task asks for: `cpu`, `memory`, `nvidia.com/gpu`.
        needs: Handlers that must have succeeded before.
        replicas: Tasks that share the rows.
        concurrency: Calls of an `async def` that each task has in flight at most, 32 when left out; fewer as long as a service is busy.
        batch_size: Rows per call; above 1 the function gets a list.
        fail_on_error: Whether an error ends the task; otherwise the row is recorded in the table `errors`.
        retries: How often the function is called again for a row, or a batch, after an error of `retry_on`.
        retry_on: Classes of exceptions that may pass by themselves: `(TimeoutError, ConnectionError)`. Other errors are not retried. One that
            says that a service is busy (HTTP 429 and 503, `Retry-After`) is waited out, and is not counted; so is `evaluation.RetryLaterError`.
        backoff_s: Seconds before the first retry, about; they double with each, up to a minute.
        timeout_s: Seconds that one call may take; a row, or batch, that takes longer has failed, and is not retried. `process` ends the worker then
            and goes on in a new one; `thread` can only wait for the call to return.
        auto_log: Whether outputs are logged to the table `results`.
        log_mode: `pickle` keeps any object, `plain` keeps values and flattens dicts.
        log_dataset_features: Features to show beside the output; None means all, an empty list none.
        seed_globals: Whether the global random generators are seeded before each call.
        env: Environment variables that the function depends on: the record of a job keeps their values, and of no others. Of one whose name
            says that it is a secret, the record keeps that it was set.

    Raises:
        UsageError: An option has a value that it cannot have.
        HandlerError: The function cannot be a handler, or `resources` are wrong.
    """
    record = HandlerRecord(
        name="",
        kind="predict",
        require_dataset=True,
        datasets=tuple(str(each) for each in datasets or ()),
        resources=resource_records(resources),
        needs=need_names(needs),
        replicas=check_count("replicas", replicas),
        batch_size=check_count("batch_size", batch_size),
        fail_on_error=bool(fail_on_error),
        **check_retries(retries, retry_on, backoff_s),
        timeout_s=check_timeout(timeout_s),
        auto_log=bool(auto_log),
        log_mode=check_log_mode(log_mode),
        log_features=None if log_dataset_features is None else tuple(log_dataset_features),
        seed_globals=bool(seed_globals),
        envs=check_envs(env),
    )
    wanted = None if concurrency is None else check_count("concurrency", concurrency)
    return _finish(func, record, concurrency=wanted)


def evaluate(
    func: UserFunction | None = None,
    /,
    *,
    needs: Sequence[UserFunction | str] | None = None,
    resources: Mapping[str, object] | None = None,
    use_predict_auto_log: bool = True,
    env: Sequence[str] | str = (),
) -> Any:  # Any: the function, or a decorator for it
    """Register a function that is called once with an iterator over the results of the handlers that it needs.

    Args:
        func: The function, when the decorator stands bare; an error, because `needs` is missing then.
        needs: Handlers whose results are evaluated; at least one.
        resources: What the task asks for.
        use_predict_auto_log: Whether the function receives the logged results; otherwise it is called without arguments.
        env: Environment variables that the function depends on; see `predict`.

    Raises:
        UsageError: `needs` is missing; it is a ValueError too.
        HandlerError: The function cannot be a handler, or `resources` are wrong.
    """
    if not needs:
        message = "needs is required for evaluate"
        raise UsageError(message, hint="name the predict functions: @evaluation.evaluate(needs=[predict])")
    record = HandlerRecord(
        name="",
        kind="evaluate",
        needs=need_names(needs),
        resources=resource_records(resources),
        auto_log=bool(use_predict_auto_log),
        envs=check_envs(env),
    )
    return _finish(func, record)


def handler(  # noqa: PLR0917 - a signature that scripts rely on
    resources: Mapping[str, object] | UserFunction | None = None,
    replicas: int = 1,
    needs: Sequence[UserFunction | str] | None = None,
    extra_args: Sequence[Any] | None = None,  # Any: passed on to the function
    extra_kwargs: Mapping[str, Any] | None = None,  # Any: passed on to the function
    name: str = "",
    expose: int = 0,
    require_dataset: bool = False,
    fine_tune: object = None,
    env: Sequence[str] | str = (),
) -> Any:  # Any: the function, or a decorator for it
    """Register a function that is called once per task; bare or with options.

    Args:
        resources: What each task asks for; or the function, when the decorator stands bare.
        replicas: Tasks that call the function.
        needs: Handlers that must have succeeded before.
        extra_args: Positional arguments for the function.
        extra_kwargs: Keyword arguments for the function.
        name: For people; the handler is addressed as `module:function`.
        expose: Port for serving.
        require_dataset: Whether the user has to name a dataset.
        fine_tune: Not built yet.
        env: Environment variables that the function depends on; see `predict`.

    Raises:
        UsageError: An option has a value that it cannot have.
        HandlerError: The function cannot be a handler, or `resources` are wrong.
    """
    if fine_tune is not None:
        message = "fine-tuning is not built yet"
        raise NotBuiltYetError(message, hint="leave fine_tune out")
    function = resources if callable(resources) and not isinstance(resources, Mapping) else None
    record = HandlerRecord(
        name="",
        kind="handler",
        show_name=name,
        resources=() if function else resource_records(resources),  # pyright: ignore[reportArgumentType] - callables went into `function`
        replicas=check_count("replicas", replicas),
        needs=need_names(needs),
        extra_args=tuple(extra_args or ()),
        extra_kwargs=dict(extra_kwargs or {}),
        expose=expose,
        require_dataset=bool(require_dataset),
        envs=check_envs(env),
    )
    return _finish(function, record)


class Handler:
    """The old spelling of `handler`."""

    register = staticmethod(handler)
    """`Handler.register(…)` is `handler(…)`."""


def register(function: F, options: HandlerRecord, *, concurrency: int | None = None) -> F:
    """Complete a record with what the function says of itself, keep it, and mark the function.

    Args:
        function: The function.
        options: What is known of it otherwise.
        concurrency: Calls in flight that the decorator asks for.

    Raises:
        UsageError: `concurrency` does not fit the function.
        HandlerError: Something other than a function, or a method of a nested class.
    """
    if not inspect.isfunction(function) and not inspect.ismethod(function):
        message = f"a handler is a function or a method of a class, not {_describe(function)}"
        raise HandlerError(message, hint="decorate the function itself")
    cls_name, func_name = split_qualname(function.__qualname__)
    record = dataclasses.replace(
        options,
        name=qualified_name(function),
        module_name=function.__module__,
        cls_name=cls_name,
        func_name=func_name,
        doc=first_line(function),
    )
    record = with_concurrency(record, function, concurrency)
    record = with_metrics(record, function)
    if not (record.metrics or {}).get("functions"):  # a cell that is run again may have had some before
        REGISTRY.discard(f"{record.name}{METRICS_STEP}")
    REGISTRY.add(Registered(record=record, function=function))
    setattr(function, MARK, record)
    return cast("F", function)  # cast: the checks above narrow it, and it is what came in


def qualified_name(function: UserFunction) -> str:
    """Return `module:qualname`, by which a handler is known."""
    return f"{function.__module__}:{function.__qualname__}"


def split_qualname(qualname: str) -> tuple[str, str]:
    """Split into class and function.

    Raises:
        HandlerError: The class is nested, so that nobody could find and build it by name.
    """
    local, _, rest = qualname.rpartition("<locals>.")
    parts = rest.split(".")
    if len(parts) > 2 or (len(parts) == 2 and local):
        message = f"handler {qualname!r} is a method of a nested class"
        raise HandlerError(message, hint="move the class to the top level of its module")
    if len(parts) == 2:
        return parts[0], parts[1]
    return "", qualname


def first_line(function: UserFunction) -> str:
    """Return the first line of the docstring, or nothing."""
    return (inspect.getdoc(function) or "").partition("\n")[0]


def resource_records(resources: Mapping[str, object] | None) -> tuple[dict[str, Any], ...]:
    """Check `resources` and turn them into JSON."""
    return tuple(dataclasses.asdict(each) for each in parse_resources(resources))


def need_names(needs: Iterable[UserFunction | str] | UserFunction | str | None) -> tuple[str, ...]:
    """Turn needed functions into names; whether they are handlers is known when all modules are imported.

    Raises:
        HandlerError: A need is not a function.
    """
    if needs is None:
        return ()
    wanted: Iterable[object] = [needs] if isinstance(needs, str) or callable(needs) else needs
    names: list[str] = []
    for need in wanted:
        if isinstance(need, str):
            names.append(need)
        elif callable(need) and not isinstance(need, type) and hasattr(need, "__qualname__"):
            names.append(qualified_name(need))
        else:
            message = f"a need is a function that is a handler itself, not {_describe(need)}"
            raise HandlerError(message, hint="write needs=[predict], or needs=[Model.predict] for a method")
    return tuple(dict.fromkeys(names))


def check_count(option: str, count: object) -> int:
    """Return a whole number of at least 1.

    Raises:
        UsageError: It is something else.
    """
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        message = f"{option} is {count!r}"
        raise UsageError(message, hint="give a whole number of at least 1")
    return count


def check_envs(names: Sequence[str] | str) -> tuple[str, ...]:
    """Return names of environment variables.

    Raises:
        UsageError: One of them is no name.
    """
    try:
        return env_names([names] if isinstance(names, str) else names)
    except ValueError as error:
        message = f"env: {error}"
        raise UsageError(message, hint="write env=['NAME', …], and set the values in the environment") from error


def check_retries(
    retries: object, retry_on: type[BaseException] | Sequence[type[BaseException]], backoff_s: object
) -> dict[str, Any]:  # Any: fields of the record by name
    """Check what a handler says of retries, and turn the classes into names.

    Raises:
        UsageError: A number is below its least, something is no class of exceptions, or one is there without the other.
    """
    if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
        message = f"retries is {retries!r}"
        raise UsageError(message, hint="give a whole number of at least 0")
    if isinstance(backoff_s, bool) or not isinstance(backoff_s, int | float) or not 0 <= backoff_s < float("inf"):
        message = f"backoff_s is {backoff_s!r}"
        raise UsageError(message, hint="give seconds, at least 0")
    classes: Sequence[object] = [retry_on] if isinstance(retry_on, type) else list(retry_on)
    for each in classes:
        if not isinstance(each, type) or not issubclass(each, BaseException):
            message = f"retry_on has {each!r}, which is no class of exceptions"
            raise UsageError(message, hint="write retry_on=(TimeoutError, ConnectionError)")
    if bool(retries) != bool(classes):
        message = "retries and retry_on belong together"
        raise UsageError(message, hint="write predict(retries=3, retry_on=(TimeoutError, ConnectionError))")
    names = tuple(f"{each.__module__}.{each.__qualname__}" for each in classes if isinstance(each, type))
    return {"retries": retries, "retry_on": names, "backoff_s": float(backoff_s)}


def check_timeout(timeout_s: object) -> float:
    """Return the limit of a call, 0 for none.

    Raises:
        UsageError: It is no number of seconds above 0.
    """
    if timeout_s is None:
        return 0.0
    if isinstance(timeout_s, bool) or not isinstance(timeout_s, int | float) or not 0 < timeout_s < float("inf"):
        message = f"timeout_s is {timeout_s!r}"
        raise UsageError(message, hint="give seconds above 0, or leave it out")
    return float(timeout_s)


def check_log_mode(mode: str) -> str:
    """Return `pickle` or `plain`.

    Raises:
        UsageError: It is something else.
    """
    text = str(getattr(mode, "value", mode))
    if text not in LOG_MODES:
        message = f"log_mode is {text!r}"
        raise UsageError(message, hint=nearest(text, LOG_MODES))
    return text


def _finish(
    function: UserFunction | None, record: HandlerRecord, *, concurrency: int | None = None
) -> Any:  # Any: a function, or a decorator for it
    if function is None:
        return _Decorator(record, concurrency)
    return register(function, record, concurrency=concurrency)


def _describe(thing: object) -> str:
    return f"the class {thing.__name__}" if isinstance(thing, type) else f"{thing!r}"
