"""What a user wants to run: a `.py` file, a folder, or a packaged model."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starwhale.errors import UsageError, nearest

SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where the handlers of a job are; fields have the names and meanings of those of `RunRequest`."""

    workdir: str = ""
    """Root of the modules; empty for a packaged model."""
    modules: tuple[str, ...] = ()
    """Modules to import."""
    model_name: str = ""
    """Name of the model, of the file or of the folder."""
    envs: tuple[str, ...] = ()
    """Environment variables that `model.yaml` declares."""
    model_uri: str = ""
    """A packaged model as the user named it; empty for files."""

    def fields(self) -> dict[str, Any]:  # Any: one value per field
        """Return the fields by name, for the `RunRequest` that they are part of."""
        return dataclasses.asdict(self)


def find_target(given: str, *, modules: Sequence[str] = (), model_yaml: str | None = None, handler: str = "") -> Target:
    """Say what a word means: a file or folder that is there, else a packaged model.

    Args:
        given: What the user typed.
        modules: Modules of a folder; empty for those of its `model.yaml`, then for the one file that has handlers.
        model_yaml: Another file than `model.yaml` in the folder.
        handler: The handler that is wanted; as `module:name` it says a module of the folder.

    Raises:
        UsageError: A path leads nowhere; or it is another kind of file, or a folder that says nothing of its modules and has no or several files with handlers.
    """
    path = Path(given).expanduser()
    if path.is_dir():
        return _folder(path.resolve(), modules, model_yaml, handler)
    if modules or model_yaml:
        option = "--module" if modules else "--model-yaml"
        message = f"{option} is for folders, and {given} is {'a file' if path.exists() else 'no folder'}"
        raise UsageError(message, hint=f"leave {option} out, or name the folder")
    if path.exists():
        return _file(path.resolve(), given)
    file, _, name = given.partition(":")
    if name and Path(file).is_file():
        message = f"{given} names a file and a handler at once"
        raise UsageError(message, hint=f"give the handler by itself: {file} --handler {name}")
    if given.startswith((".", "/", "~")) or path.suffix == ".py":
        message = f"there is no file or folder {given}"
        raise UsageError(message, hint=_near(path))
    return Target(model_uri=given)


def _folder(folder: Path, modules: Sequence[str], model_yaml: str | None, handler: str) -> Target:
    from starwhale.handlers.find_modules import find_evaluation_modules
    from starwhale.models.model_yaml import read_model_yaml

    said = read_model_yaml(folder, model_yaml)
    named, colon, _ = handler.partition(":")
    stem = folder / named.replace(".", "/")
    is_there = bool(colon) and (stem.with_name(f"{stem.name}.py").is_file() or stem.is_dir())
    known = (*said.modules, named) if is_there and named not in said.modules else said.modules
    chosen = tuple(modules) or known or find_evaluation_modules(folder)
    return Target(workdir=str(folder), modules=chosen, model_name=said.name or folder.name, envs=said.envs)


def _file(file: Path, given: str) -> Target:
    """Import a file by its name, or, where it is part of a package, by its path in there."""
    from starwhale.handlers.find_modules import module_name

    if file.suffix != ".py" or "." in file.stem:
        message = f"{given} is no Python module"
        hint = "name a .py file with nothing but its name before .py" if file.suffix == ".py" else "name a .py file"
        raise UsageError(message, hint=f"{hint}, a folder or a packaged model")
    root = file.parent
    while (root / "__init__.py").is_file() and root.parent != root:
        root = root.parent
    return Target(workdir=str(root), modules=(module_name(file, root),), model_name=file.stem)


def _near(path: Path) -> str:
    """Name files beside a path that is not there, and where that is."""
    folder = path.parent
    here = f"the current directory is {Path.cwd()}"
    if not folder.is_dir():
        return here
    known = [each.name for each in folder.iterdir() if each.suffix == ".py" or each.is_dir()]
    return f"{nearest(path.name, known, count=SHOWN)}; {here}" if known else here
