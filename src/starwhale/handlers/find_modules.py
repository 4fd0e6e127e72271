"""Find the one file of a folder that has handlers, by reading and without running anything."""

from __future__ import annotations

import ast
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

from starwhale.errors import UsageError

DECORATORS = frozenset({"handler", "predict", "evaluate", "finetune", "fine_tune", "ft"})
"""Last names of the decorators that make a handler, as starwhale exports them."""
PIPELINE = "PipelineHandler"
SKIPPED_FOLDERS = frozenset({"tests", "test", "venv", "env", "node_modules", "site-packages", "build", "dist"})
"""Folders, beside hidden ones and those that begin with `__`, in which nobody keeps an evaluation."""
DEEPEST = 4
"""Levels of folders that are looked into."""
MOST_FILES = 5_000
"""Files that are looked at: a folder with more of them is not one model's."""
MOST_FOLDERS = 2_000
"""Folders that are looked into, for the same reason."""
LARGEST_BYTES = 1_000_000
"""Longer files are generated ones."""
LISTED = 10


def find_evaluation_modules(workdir: Path) -> tuple[str, ...]:
    """Return the module of a folder that has handlers, as an import path relative to the folder.

    Files at the top go first; only where none of them has handlers, those one level below are looked at, and so on.

    Raises:
        UsageError: There is none, or there are several at the same level.
    """
    files = list(itertools.islice(_python_files(workdir), MOST_FILES))
    for _, level in itertools.groupby(files, key=lambda path: len(path.relative_to(workdir).parts)):
        found = _with_handlers(list(level))
        if len(found) == 1:
            return (module_name(found[0], workdir),)
        if found:
            names = [str(path.relative_to(workdir)) for path in found]
            more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
            message = f"several files of {workdir} have handlers: {', '.join(names[:LISTED])}{more}"
            hint = (
                f"name one of the files instead of the folder, or its module: --module {module_name(found[0], workdir)}"
            )
            raise UsageError(message, hint=hint)
    message = f"no file in {workdir} has handlers"
    hint = "name a .py file, another folder or a packaged model; `swcli init` writes an evaluation to begin with"
    raise UsageError(message, hint=hint)


def module_name(path: Path, root: Path) -> str:
    """Return the import path of a file below a folder."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def has_handlers(source: str | bytes) -> bool:
    """Say whether a module decorates functions as handlers or derives from PipelineHandler.

    Bytes are read as Python reads a file: with its byte order mark or what it says of its encoding.

    Raises:
        SyntaxError: It is no Python.
        ValueError: It holds a null byte.
    """
    tree = ast.parse(source)
    names = _imported(tree)
    return bool(names) and any(_is_handler(node, names) for node in ast.walk(tree))


def _python_files(workdir: Path) -> Iterator[Path]:
    """Yield Python files, those of a level together and by name."""
    level = [workdir]
    for _ in range(DEEPEST):
        below: list[Path] = []
        for folder in level[:MOST_FOLDERS]:
            entries = _entries(folder)
            yield from (Path(each.path) for each in entries if _may_be_evaluation(each))
            below += [Path(each.path) for each in entries if _is_searched(each)]
        level = below


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda each: each.name)
    except OSError:  # a folder that cannot be read has nothing for us
        return []


def _may_be_evaluation(entry: os.DirEntry[str]) -> bool:
    stem, dot, suffix = entry.name.rpartition(".")
    is_test = stem.startswith("test_") or stem.endswith("_test") or stem == "conftest"
    if not dot or suffix != "py" or "." in stem or is_test:
        return False
    try:
        return entry.is_file() and entry.stat().st_size <= LARGEST_BYTES
    except OSError:  # a link that leads nowhere, or a file that went away
        return False


def _is_searched(entry: os.DirEntry[str]) -> bool:
    name = entry.name
    if name.startswith((".", "__")) or "." in name or name in SKIPPED_FOLDERS:
        return False
    try:
        return entry.is_dir(follow_symlinks=False) and not Path(entry.path, "pyvenv.cfg").exists()
    except OSError:  # a folder that may not be read has nothing for us
        return False


def _with_handlers(paths: list[Path]) -> list[Path]:
    """Return the files with handlers; where there are none, those that may have some but are no valid Python: their error is news."""
    found: list[Path] = []
    broken: list[Path] = []
    for path in paths:
        try:
            data = path.read_bytes()
        except OSError:
            continue
        if b"starwhale" not in data:
            continue
        try:
            if has_handlers(data):
                found.append(path)
        except (SyntaxError, ValueError, RecursionError):
            if b"@" in data or PIPELINE.encode() in data:
                broken.append(path)
    return found or broken


def _imported(tree: ast.Module) -> dict[str, str]:
    """Return what names of a module stand for that come from starwhale, by the name they have there; `*` for a star import."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for each in node.names:
                if each.name.partition(".")[0] == "starwhale":
                    names[each.asname or "starwhale"] = each.name
        elif (
            isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "starwhale" and not node.level
        ):
            names.update({each.asname or each.name: each.name for each in node.names})
    return names


def _is_handler(node: ast.AST, names: dict[str, str]) -> bool:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return any(_origin(each, names) in DECORATORS for each in node.decorator_list)
    return isinstance(node, ast.ClassDef) and any(_origin(each, names) == PIPELINE for each in node.bases)


def _origin(expression: ast.expr, names: dict[str, str]) -> str:
    """Return the last name of what a decorator or a base class is in starwhale; empty where it is from elsewhere."""
    if isinstance(expression, ast.Call):
        expression = expression.func
    last = ""
    while isinstance(expression, ast.Attribute):
        last = last or expression.attr
        expression = expression.value
    if not isinstance(expression, ast.Name):
        return ""
    if expression.id in names:
        return last or names[expression.id]
    return (last or expression.id) if "*" in names else ""
