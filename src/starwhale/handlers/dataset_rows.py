"""What a Python handler of a dataset yields, as rows: found by its name, called, and each item checked.

It runs beside user code, in an environment of the user's, and so needs the standard library alone.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from starwhale.errors import DatasetSourceError, HandlerError, StarwhaleError, UsageError, nearest
from starwhale.handlers.failures import has_quit, user_code_error

Row = tuple[int | str, dict[str, object]]
"""A key and the features."""


def rows_of(handler: str, workdir: str) -> Iterator[Row]:
    """Import a handler, and yield its rows.

    Args:
        handler: `module:object`.
        workdir: Folder that the module is looked for in first.

    Raises:
        UsageError: The name is none of a handler.
        HandlerError: There is no such module or object; the nearest names are said.
        UserCodeError: The user's code raised; with its line.
        DatasetSourceError: An item is no row; with its position.
    """
    module, _, path = handler.partition(":")
    if not path:
        message = f"{handler!r} is not a handler"
        raise UsageError(message, hint="write it as module:object")
    sys.path.insert(0, str(Path(workdir).absolute()))
    try:
        yield from read_handler(_find_handler(module, path, workdir))
    except StarwhaleError:
        raise
    except GeneratorExit:  # whoever reads has enough
        raise
    except BaseException as error:  # whatever user code raises
        told = user_code_error(f"handler {handler!r}", error)
        if has_quit(error) or isinstance(error, EOFError):
            told.hint = f"nothing can be typed during a build; to try it: python -ic 'from {module} import {path.partition('.')[0]}'"
        raise told from error


def read_handler(handler: object) -> Iterator[Row]:
    """Yield the rows of a handler: a function or class to call, or what calling it gave.

    Each item is a row with `.index` and `.features`, a pair `(index, features)`, or a dict or a tuple of one dict, whose key is its
    position in the iteration.

    Raises:
        DatasetSourceError: The handler gives nothing to iterate, or an item is none of these; with its position.
    """
    name = str(getattr(handler, "__qualname__", type(handler).__name__))
    items = handler() if callable(handler) else handler
    if not isinstance(items, Iterable) or isinstance(items, str | bytes | Mapping):
        raise DatasetSourceError(
            f"handler {name} gives a value of type {type(cast('object', items)).__name__!r}, not rows",
            path=name,
            hint="let it yield dicts or (index, dict) pairs",
        )
    for position, item in enumerate(cast("Iterable[object]", items)):
        yield _row(item, position, name)


def _row(item: Any, position: int, name: str) -> Row:  # Any: whatever the user's code gives
    if isinstance(item, Mapping):
        key, features = position, cast("object", item)
    elif hasattr(item, "index") and hasattr(item, "features"):
        key, features = item.index, item.features
    elif (
        isinstance(item, Sequence) and not isinstance(item, str | bytes) and 1 <= len(cast("Sequence[Any]", item)) <= 2
    ):
        key, features = (position, item[0]) if len(cast("Sequence[Any]", item)) == 1 else item
    else:
        raise DatasetSourceError(
            f"handler {name}: item {position} is of type {type(item).__name__!r}, not a row",
            path=name,
            hint="yield dicts or (index, dict) pairs",
        )
    return _key(key, position, name), _features(features, position, name)


def _key(key: Any, position: int, name: str) -> int | str:  # Any: as above
    if hasattr(key, "item"):  # a NumPy number
        key = key.item()
    if isinstance(key, bool) or not isinstance(key, int | str):
        raise DatasetSourceError(
            f"handler {name}: the index of item {position} is of type {type(key).__name__!r}",
            path=name,
            hint="an index is an int or a str",
        )
    return key


def _features(features: object, position: int, name: str) -> dict[str, object]:
    if not isinstance(features, Mapping):
        raise DatasetSourceError(
            f"handler {name}: the features of item {position} are of type {type(features).__name__!r}, not a dict",
            path=name,
        )
    made = dict(cast("Mapping[Any, object]", features))
    for feature in made:
        if not isinstance(feature, str):
            raise DatasetSourceError(
                f"handler {name}: item {position} has a feature named {feature!r}, of type {type(feature).__name__!r}",
                path=name,
                hint="names of features are text",
            )
    return made


def _find_handler(module: str, path: str, workdir: str) -> Any:  # Any: whatever the user wrote
    try:
        found: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        message = f"no module {module!r} in {Path(workdir).absolute()}"
        known = [file.stem for file in Path(workdir).glob("*.py")]
        raise HandlerError(message, hint=nearest(module, known) or "name its folder with --workdir") from error
    for part in path.split("."):
        if not hasattr(found, part):
            message = f"{module!r} has no {path!r}"
            known = [name for name in vars(found) if not name.startswith("_")]
            raise HandlerError(message, hint=nearest(part, known) or "write it as module:object")
        found = getattr(found, part)
    return found
