"""Where the handlers are that `Job.run` was given: functions of a notebook or script, or of a module that workers can import."""

from __future__ import annotations

import dataclasses
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from starwhale.domain.job import CALLER, THREAD, HandlerRecord, RunRequest
from starwhale.errors import HandlerError, NotFoundError, UsageError, nearest
from starwhale.handlers.discover import discover_loaded, select
from starwhale.handlers.pipeline import EVALUATES, PREDICTS, PipelineHandler, hook
from starwhale.handlers.registry import MARK, REGISTRY
from starwhale.instances.jobs.target import find_target

MAIN = "__main__"
Wanted = Any  # Any: a function, a class with predict and evaluate, a name, a position, or several of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """Where the handlers of a job are."""

    workdir: Path
    """Root of their modules."""
    modules: tuple[str, ...]
    """Where to look."""
    handler: str
    """Which one is meant."""
    name: str
    """Of the model, for the record."""
    is_here: bool = False
    """Whether only this process has them."""


def make_request(
    handler: Wanted, model: str | Path | None, executor: str | None, options: Mapping[str, Any]
) -> RunRequest:  # Any: fields of the request by name
    """Turn what `Job.run` was given into a request.

    Raises:
        StarwhaleError: There is no such model or handler.
    """
    if model is not None:
        return _model_request(str(model), _word(handler), {"executor": executor or THREAD, **options})
    code = find_code(handler)
    if code.is_here:  # for functions of a notebook `thread` means threads of its own process
        executor = CALLER if executor in {None, THREAD} else executor
    return _request(code, executor=executor or THREAD, **options)


def local_request(
    model: Any, handler: Wanted, options: Mapping[str, Any]
) -> RunRequest:  # Any: a folder or what names one
    """Turn what `Job.create_local` was given into a request: a function of the running script runs here, others in a worker."""
    if callable(handler) and getattr(handler, "__module__", "") == MAIN:
        code = find_code(handler)
        folder = Path(str(model))
        code = dataclasses.replace(code, workdir=folder.resolve() if folder.is_dir() else code.workdir)
        return _request(code, executor=CALLER, **options)
    return _model_request(str(model), _word(handler), options)


def _request(code: Code, **options: Any) -> RunRequest:  # Any: fields of the request by name
    return RunRequest(
        workdir=str(code.workdir), modules=code.modules, handler=code.handler, model_name=code.name, **options
    )


def _model_request(model: str, handler: str, options: Mapping[str, Any]) -> RunRequest:
    """Find a model by path or, where there is nothing of that name, by URI.

    Raises:
        UsageError: A path leads nowhere, or a folder says nothing of its modules and no or several of its files have handlers.
    """
    target = find_target(model, handler=handler)
    return RunRequest(**target.fields(), handler=handler, **options)


def _word(handler: Wanted) -> str:
    """Name one handler of a model; a function stands for its name."""
    if handler is None:
        return ""
    if isinstance(handler, list | tuple):
        message = "several handlers were given for a model"
        raise UsageError(message, hint="give the one that needs the others")
    return f"{handler.__module__}:{handler.__qualname__}" if callable(handler) else str(handler)


def find_code(wanted: Wanted) -> Code:
    """Say where handlers are that were given as functions or names.

    Args:
        wanted: None for the one handler of the notebook or script that no other needs.

    Raises:
        HandlerError: What was given is no handler, or there is none.
        UsageError: Several handlers could be meant, or they lie in several modules.
    """
    given = _as_list(wanted)
    if all(isinstance(each, str | int) for each in given):
        return _named_here(given)
    names = [_handler_name(each) for each in given]
    homes = list(dict.fromkeys(name.partition(":")[0] for name in names))
    root = None if MAIN in homes else _root_of(sys.modules.get(homes[0]))
    if root is None:
        return _here(names)
    if len(homes) > 1:
        message = f"the handlers lie in several modules: {', '.join(homes)}"
        raise UsageError(message, hint="give functions of one module, or Job.run(model='DIR')")
    return Code(workdir=root, modules=(homes[0],), handler=_only_root(names, _needs(names)), name=root.name)


def _as_list(wanted: Wanted) -> list[Any]:
    if wanted is None:
        return []
    return list(wanted) if isinstance(wanted, list | tuple | set) else [wanted]


def _named_here(given: Sequence[str | int]) -> Code:
    try:
        found = discover_loaded([MAIN])
    except HandlerError as error:
        if "not found any handlers" not in error.message:
            raise
        message = "nothing to run: this notebook or script has no handlers"
        hint = "decorate a function with @evaluation.predict in a cell, or name a model: Job.run(model='DIR')"
        raise HandlerError(message, hint=hint) from error
    if not given:
        return _here([_only_root(list(found), found)])
    return _here([_by_name(str(each), found) for each in given])


def _by_name(word: str, found: dict[str, HandlerRecord]) -> str:
    """Find a handler by its whole name, by that of its function alone, or by its position.

    Raises:
        NotFoundError: There is none.
    """
    short = {name.partition(":")[2]: name for name in found}
    if word in short:
        return short[word]
    if word in found or word.isdecimal():
        return select(found, word)
    raise NotFoundError(f"no handler {word!r} in this notebook or script", hint=nearest(word, short))


def _here(names: list[str]) -> Code:
    found = discover_loaded(names)
    unknown = [name for name in names if name not in found]
    if unknown:
        message = f"{unknown[0]} is not a handler"
        raise HandlerError(message, hint="decorate it with @evaluation.predict, @evaluation.evaluate or @handler")
    file = getattr(sys.modules.get(MAIN), "__file__", None)
    chosen = _only_root(names, found)
    modules = tuple(dict.fromkeys([*names, chosen]))
    return Code(
        workdir=Path.cwd(), modules=modules, handler=chosen, name=Path(file).stem if file else "notebook", is_here=True
    )


def _only_root(names: list[str], records: dict[str, HandlerRecord]) -> str:
    """Return the one handler that none of the others needs.

    Raises:
        UsageError: There are several.
    """
    needed = {need for record in records.values() for need in record.needs}
    roots = [name for name in names if name not in needed]
    if len(roots) == 1:
        return roots[0]
    shown = ", ".join(name.rpartition(":")[2] for name in roots or names)
    message = f"several handlers could be meant: {shown}"
    raise UsageError(message, hint=f"name one: Job.run({(roots or names)[0].rpartition(':')[2]}, …)")


def _needs(names: list[str]) -> dict[str, HandlerRecord]:
    entries = REGISTRY.entries()
    return {name: entries[name].record for name in names if name in entries}


def _handler_name(given: Wanted) -> str:
    """Return the name under which a function, a method or the class of a pipeline is a handler.

    Raises:
        HandlerError: It is something else, or was not decorated.
    """
    if isinstance(given, type) and issubclass(given, PipelineHandler):
        return f"{given.__module__}:{given.__qualname__}.{hook(given, EVALUATES) or hook(given, PREDICTS)}"
    if isinstance(given, str):
        return given if ":" in given else f"{MAIN}:{given}"
    name = getattr(given, "__qualname__", "")
    if not callable(given) or isinstance(given, type) or not name:
        message = f"a handler is a decorated function, or its name, not {given!r}"
        raise HandlerError(message, hint="write Job.run(predict, datasets='NAME')")
    record: HandlerRecord | None = getattr(given, MARK, None)
    if record is None and not _is_pipeline_method(given):
        message = f"the function {name!r} is not a handler"
        raise HandlerError(
            message, hint="decorate it with @evaluation.predict, @evaluation.evaluate or @handler, and run its cell"
        )
    return f"{given.__module__}:{name}" if record is None else record.name


def _is_pipeline_method(function: Callable[..., Any]) -> bool:
    cls = getattr(sys.modules.get(function.__module__), function.__qualname__.rpartition(".")[0], None)
    return isinstance(cls, type) and issubclass(cls, PipelineHandler)


def _root_of(module: ModuleType | None) -> Path | None:
    """Return the folder from which a worker can import a module; None where it was made otherwise."""
    file = None if module is None else inspect.getsourcefile(module)
    if module is None or file is None or not Path(file).is_file():
        return None
    path = Path(file).resolve()
    depth = module.__name__.count(".") + (1 if path.name == "__init__.py" else 0)
    return path.parents[depth]
