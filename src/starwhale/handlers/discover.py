"""Import the user's modules and say which handlers they have."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from starwhale.domain.graph import StepGraph
from starwhale.domain.job import HandlerRecord
from starwhale.domain.wanted_metrics import METRICS_STEP
from starwhale.errors import HandlerError, NotFoundError, UsageError, nearest
from starwhale.handlers.argument import declared_arguments
from starwhale.handlers.calls.in_flight import with_concurrency
from starwhale.handlers.context import Context, find_runtime_context, set_runtime_context
from starwhale.handlers.decorators import first_line
from starwhale.handlers.failures import is_user_file, user_code_error, user_frames
from starwhale.handlers.metrics_mark import with_metrics
from starwhale.handlers.pipeline import EVALUATES, PREDICTS, RUN_MARK, PipelineHandler, hook, read_settings
from starwhale.handlers.registry import REGISTRY, Registered
from starwhale.handlers.service import SERVICES, serving_handler

_LISTED = 10
"""Handlers that an error names."""


def discover(workdir: str | Path, modules: Sequence[str], *, arguments: Sequence[str] = ()) -> dict[str, HandlerRecord]:
    """Import modules of a work directory and return their handlers by name, sorted.

    Args:
        workdir: The model root; it goes to the front of `sys.path`.
        modules: Import paths relative to it; a `:suffix` names something that the module has, and all handlers of the module count.
        arguments: What stood after `--`, for constructors that look at options.

    Raises:
        UserCodeError: A module raised while it was imported.
        UsageError: The name of a module is none.
        HandlerError: A module is missing or has not what is named, there are no handlers, or their needs are unknown or go in a circle.
    """
    root = str(Path(workdir).resolve())
    if root in sys.path:
        sys.path.remove(root)
    sys.path.insert(0, root)
    importlib.invalidate_caches()
    before, offered = REGISTRY.entries(), SERVICES.apis()
    imported: list[ModuleType] = []
    for given in modules:
        name, _, path = (each.strip() for each in given.partition(":"))
        if name and name != "__main__":
            imported.append(_import(name, Path(root)))
            _check_object(imported[-1], path)
    outer = find_runtime_context()
    set_runtime_context(Context(workdir=root, arguments=tuple(arguments)))
    try:
        for module in imported:
            _register_pipelines(module)
    finally:
        set_runtime_context(outer)
    found = {
        name: _with_arguments(entry)
        for name, entry in sorted(REGISTRY.entries().items())
        if before.get(name) is not entry or _lies_in(entry, root)
    }
    found |= serving_handler(offered, root)
    if not found:
        message = f"not found any handlers in {', '.join(modules)}"
        raise HandlerError(
            message, hint="decorate a function with @evaluation.predict, @evaluation.evaluate or @handler"
        )
    StepGraph({name: record.needs for name, record in found.items()})
    return found


def discover_loaded(modules: Sequence[str], *, arguments: Sequence[str] = ()) -> dict[str, HandlerRecord]:
    """Return the handlers of modules that this process has loaded, by name, sorted; `__main__` is a notebook's or a script's.

    Args:
        modules: Names of modules, all of whose handlers count as long as the module still has them; or `module:handler` for that one
            alone. What they need comes with them, wherever it is.
        arguments: What stood after `--`, for constructors that look at options.

    Raises:
        HandlerError: There are no handlers, or their needs are unknown or go in a circle.
    """
    outer = find_runtime_context()
    set_runtime_context(Context(arguments=tuple(arguments)))
    try:
        for name in dict.fromkeys(each.partition(":")[0] for each in modules):
            if (module := sys.modules.get(name)) is not None:
                _register_pipelines(module)
    finally:
        set_runtime_context(outer)
    entries = REGISTRY.entries()
    wanted = [
        name
        for name, entry in entries.items()
        if name in modules or (entry.record.module_name in modules and _is_defined(entry))
    ]
    for name in wanted:  # grows meanwhile
        wanted += [need for need in entries[name].record.needs if need in entries and need not in wanted]
    wanted += [f"{name}{METRICS_STEP}" for name in wanted if f"{name}{METRICS_STEP}" in set(entries) - set(wanted)]
    if not wanted:
        message = f"not found any handlers in {', '.join(modules)}"
        raise HandlerError(
            message, hint="decorate a function with @evaluation.predict, @evaluation.evaluate or @handler"
        )
    found = {name: _with_arguments(entries[name]) for name in sorted(wanted)}
    StepGraph({name: record.needs for name, record in found.items()})
    return found


def select(handlers: Mapping[str, HandlerRecord], wanted: str) -> str:
    """Return the name of the handler that a user means.

    Args:
        handlers: What discovery found.
        wanted: Its whole name or that of the function alone, in any case; its position in the sorted list; empty for the one that no
            other needs.

    Raises:
        NotFoundError: There is none.
        UsageError: Several could be meant, or it is what the model offers online.
    """
    found = _select(handlers, wanted)
    if handlers[found].virtual:
        message = f"the handler {found!r} is what the model offers online, and no job"
        raise UsageError(message, hint="it is served with: swcli model serve")
    return found


def _select(handlers: Mapping[str, HandlerRecord], wanted: str) -> str:
    if wanted in handlers:
        return wanted
    names = sorted(handlers)
    if wanted.isdecimal():
        if int(wanted) < len(names):
            return names[int(wanted)]
        message = f"no handler at position {wanted}"
        raise NotFoundError(message, hint=f"there is {_listed(names)}")
    if wanted:
        found = _called(names, wanted)
    else:
        # the user's own metrics go with their predict, and are meant by nobody
        own = [name for name in names if not name.endswith(METRICS_STEP)]
        needed = {need for name in own for need in handlers[name].needs}
        found = [name for name in own if name not in needed and not handlers[name].virtual] or own
    if len(found) == 1:
        return found[0]
    if found:
        message = f"several handlers could be meant: {', '.join(found[:_LISTED])}"
        raise UsageError(message, hint=f"name one of them: --handler {found[0]}")
    message = f"no handler {wanted!r}"
    close = nearest(wanted, [*names, *(_short(name) for name in names)])
    listed = f"there is {_listed(names)}"
    raise NotFoundError(message, hint=f"{close} {listed}" if close.startswith("did you mean") else listed)


def _called(names: Sequence[str], wanted: str) -> list[str]:
    """Return the handlers of a name: as a whole, else that of the function or `Class.method`, else that of the method alone."""
    folded = wanted.casefold()
    for cut in (str, _short, lambda name: _short(name).rpartition(".")[2]):
        if found := [name for name in names if cut(name).casefold() == folded]:
            return found
    return []


def _short(name: str) -> str:
    return name.partition(":")[2]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(f"{position}: {name}" for position, name in enumerate(names[:_LISTED])) + more


def _import(name: str, root: Path) -> ModuleType:
    if "/" in name or not all(name.split(".")):
        message = f"{name!r} is not the name of a module"
        raise UsageError(message, hint=f"write it as package.module, as seen from {root}")
    for each in [name, *(loaded for loaded in sys.modules if loaded.startswith(name + "."))]:
        sys.modules.pop(each, None)
        REGISTRY.forget(each)
        SERVICES.forget(each)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (error.name == name or name.startswith(error.name + ".")):
            message = f"no module {name!r} in {root}"
            raise HandlerError(message, hint=nearest(name, _module_names(root))) from error
        raise user_code_error(f"importing module {name!r}", error) from error
    except (Exception, SystemExit) as error:
        if isinstance(error, SyntaxError) and error.filename is None:
            _locate(error, name)
        raise user_code_error(f"importing module {name!r}", error) from error


def _locate(error: SyntaxError, name: str) -> None:
    """Say where the null byte is that no source may hold; before 3.12 Python does not, unless another module imported it."""
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None or any(is_user_file(each.filename) for each in user_frames(error)):
        return
    before, null, _ = Path(found.origin).read_bytes().partition(b"\0")
    error.filename, error.lineno = found.origin, before.count(b"\n") + 1 if null else 1


def _check_object(module: ModuleType, path: str) -> None:
    """Refuse `module:object` where the module has no such object.

    Raises:
        HandlerError: Names the closest that there are.
    """
    found: object = module
    for part in filter(None, path.split(".")):
        if not hasattr(found, part):
            known = [name for name in vars(found) if not name.startswith("_")] if hasattr(found, "__dict__") else []
            message = f"module {module.__name__!r} has no {path!r}"
            raise HandlerError(message, hint=nearest(part, known) or "leave out what follows the colon")
        found = getattr(found, part)


def _module_names(root: Path) -> list[str]:
    paths = [*root.glob("*.py"), *root.glob("*/*.py"), *root.glob("*/*/*.py")]
    return [".".join(path.relative_to(root).with_suffix("").parts) for path in paths]


def _lies_in(entry: Registered, root: str) -> bool:
    file = getattr(sys.modules.get(entry.record.module_name), "__file__", None)
    return isinstance(file, str) and file.startswith(root + "/")


def _is_defined(entry: Registered) -> bool:
    """Whether a module still has what it registered: a notebook may have deleted it. What a function made is taken to be there."""
    record = entry.record
    if "<locals>" in record.name:
        return True
    if record.name.endswith(METRICS_STEP):  # it is found by name alone, and goes with the predict that it measures
        measured = REGISTRY.get(record.needs[0])
        return measured is not None and _is_defined(measured)
    holder: object = sys.modules.get(record.module_name)
    if record.cls_name:
        holder = getattr(holder, record.cls_name, None)
    return hasattr(holder, record.func_name)


def _register_pipelines(module: ModuleType) -> None:
    for value in list(vars(module).values()):
        if isinstance(value, type) and issubclass(value, PipelineHandler) and value is not PipelineHandler:
            _register_pipeline(value, module)


def _register_pipeline(cls: type[PipelineHandler], module: ModuleType) -> None:
    predict, evaluate = hook(cls, PREDICTS), hook(cls, EVALUATES)
    if not predict and not evaluate:
        if cls.__module__ == module.__name__ and not cls.__subclasses__():
            message = f"{cls.__module__}:{cls.__qualname__} is a PipelineHandler without predict and evaluate"
            raise HandlerError(message, hint="give it a method predict or evaluate")
        return
    settings = read_settings(cls)
    prefix = f"{cls.__module__}:{cls.__qualname__}"
    if predict:
        features = settings.get("predict_log_dataset_features")
        options: dict[str, Any] = {
            "kind": "predict",
            "require_dataset": True,
            "datasets": settings.get("dataset_uris", ()),
            "batch_size": settings.get("predict_batch_size", 1),
            "fail_on_error": not settings.get("ignore_error", False),
            "auto_log": settings.get("predict_auto_log", True),
            "log_mode": settings.get("predict_log_mode", "pickle"),
            "log_features": None if features is None else tuple(features),
        }
        _register_method(cls, predict, options)
    if evaluate:
        options = {"kind": "evaluate", "auto_log": settings.get("predict_auto_log", True)}
        _register_method(cls, evaluate, {**options, "needs": (f"{prefix}.{predict}",) if predict else ()})


def _register_method(cls: type, name: str, options: dict[str, Any]) -> None:
    method = getattr(cls, name)
    said: dict[str, Any] = dict(getattr(method, RUN_MARK, {}))  # Any: fields of the record
    wanted = said.pop("concurrency", None)
    record = HandlerRecord(
        name=f"{cls.__module__}:{cls.__qualname__}.{name}",
        module_name=cls.__module__,
        cls_name=cls.__qualname__,
        func_name=name,
        doc=first_line(method),
        **options,
        **said,
    )
    record = with_metrics(with_concurrency(record, method, wanted), method)
    REGISTRY.add(Registered(record=record, function=method))


def _with_arguments(entry: Registered) -> HandlerRecord:
    """Add the options that decorators around the function declare; they lie on what the module calls by its name."""
    record = entry.record
    holder: object = sys.modules.get(record.module_name)
    if record.cls_name:
        holder = getattr(holder, record.cls_name, None)
    function = getattr(holder, record.func_name, entry.function)
    schema = declared_arguments(function)
    return dataclasses.replace(record, arguments=schema) if schema else record
