"""Which columns of a row a predict function reads, as far as its source says: `row["image"]`, `row.image`, `row.get("image")`."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from typing import Any

_OF_DICTS = frozenset(dir(dict))


def row_columns(function: Callable[..., Any]) -> dict[str, bool]:  # Any: what users write
    """Return the columns that the function itself reads of its first parameter, and whether it reads them in any case: `get` does not.

    Nothing is known of a function without source, or of one that passes the row on; the answer is a help for forms and no promise.
    """
    inner: Any = inspect.unwrap(
        function.__func__ if inspect.ismethod(function) else function
    )  # Any: what decorators wrapped
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(inner)))
    except (OSError, TypeError, SyntaxError, ValueError):
        return {}
    definition = tree.body[0] if tree.body else None
    if not isinstance(definition, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return {}
    names = [each.arg for each in (*definition.args.posonlyargs, *definition.args.args)]
    if inspect.ismethod(function):
        names = names[1:]
    if not names:
        return {}
    return _reads(definition, names[0])


def _reads(definition: ast.AST, row: str) -> dict[str, bool]:
    """Return what is read of `row`, and of each item of it where it is gone through: a batch is."""
    names, found = {row}, dict[str, bool]()
    for node in ast.walk(definition):
        is_loop = isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension))
        if is_loop and isinstance(node.target, ast.Name) and _is(node.iter, names):
            names.add(node.target.id)
    for node in ast.walk(definition):
        if isinstance(node, ast.Subscript) and _is(node.value, names) and isinstance(node.slice, ast.Constant):
            if isinstance(node.slice.value, str):
                found[node.slice.value] = True
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _is(node.func.value, names):
            if node.func.attr == "get" and node.args and isinstance(node.args[0], ast.Constant):
                found.setdefault(str(node.args[0].value), False)
        elif isinstance(node, ast.Attribute) and _is(node.value, names) and node.attr not in _OF_DICTS:
            found[node.attr] = True
    return found


def _is(node: ast.expr, names: set[str]) -> bool:
    return isinstance(node, ast.Name) and node.id in names
