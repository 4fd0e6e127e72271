"""`model.yaml`: what a work directory says of its model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starwhale.domain.job import env_names
from starwhale.errors import UsageError

MODEL_YAML = "model.yaml"
"""The file's name, at the top of the work directory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelYaml:
    """What `model.yaml` says; all of it is optional."""

    name: str = ""
    """Name of the model."""
    modules: tuple[str, ...] = ()
    """`run.modules`, and the legacy `run.handler`: import paths relative to the work directory."""
    desc: str = ""
    """What the user says about the model."""
    envs: tuple[str, ...] = ()
    """`run.envs`: environment variables that the model depends on, by name; a job's record keeps their values."""
    text: str = ""
    """The file as it was written; empty when there is none."""


def read_model_yaml(workdir: Path, path: str | Path | None = None) -> ModelYaml:
    """Read `model.yaml`; without a path, one that is not there is no error.

    Args:
        workdir: The model root.
        path: Another file, relative to the current directory; None for `model.yaml` in the work directory.

    Raises:
        UsageError: The file is missing or malformed.
    """
    file = Path(path) if path else workdir / MODEL_YAML
    if not file.exists():
        if path:
            message = f"no model.yaml at {file}"
            raise UsageError(message, hint="leave --model-yaml out, or name a file that exists")
        return ModelYaml()
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"cannot read {file}: it is not UTF-8", hint="mend the file") from error
    except OSError as error:
        message = f"cannot read {file}: {error.strerror}"
        raise UsageError(message, hint="mend the file") from error
    return parse_model_yaml(text, str(file))


def parse_model_yaml(text: str, file: str) -> ModelYaml:
    """Read the text of a `model.yaml`; `file` names it in messages.

    Raises:
        UsageError: It is malformed.
    """
    import yaml

    try:
        data: Any = yaml.safe_load(text) or {}  # Any: whatever the user wrote
    except yaml.YAMLError as error:
        message = f"cannot read {file}: {' '.join(str(error).split())}"
        raise UsageError(message, hint="mend the file") from error
    section = data.get("run") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(section or {}, dict):
        message = f"{file} is not a model.yaml: it should hold `name` and `run: {{modules: [...]}}`"
        raise UsageError(message, hint="mend the file")
    modules = (section or {}).get("modules") or []
    modules = [modules] if isinstance(modules, str) else modules
    if not isinstance(modules, list) or not all(isinstance(each, str) and each for each in modules):
        message = f"{file} is not a model.yaml: run.modules is no list of texts"
        raise UsageError(message, hint="list import paths: run: {modules: [evaluation]}")
    envs = (section or {}).get("envs") or []
    try:
        names = env_names([envs] if isinstance(envs, str) else envs if isinstance(envs, list) else [envs])
    except ValueError as error:
        message = f"{file} is not a model.yaml: run.envs: {error}"
        raise UsageError(
            message, hint="list names, and set the values in the environment: run: {envs: [NAME]}"
        ) from error
    legacy = _text(section or {}, "handler", file)
    return ModelYaml(
        name=_text(data, "name", file),
        modules=(*modules, *([legacy] if legacy else [])),
        desc=_text(data, "desc", file),
        envs=names,
        text=text,
    )


def _text(section: Mapping[str, Any], key: str, file: str) -> str:  # Any: whatever the user wrote
    """Return a text of the file; a list of lists of lists may be endless when it is written out."""
    value = section.get(key)
    if isinstance(value, dict | list):
        message = f"{file} is not a model.yaml: {key} is a {'mapping' if isinstance(value, dict) else 'list'}"
        raise UsageError(message, hint=f"write a text: {key}: TEXT")
    return "" if value is None else str(value)


def write_model_yaml(model: ModelYaml) -> str:
    """Return the text of a `model.yaml` that says the same, with nothing left out."""
    import yaml

    run = {"modules": list(model.modules), **({"envs": list(model.envs)} if model.envs else {})}
    data = {"name": model.name, "desc": model.desc, "version": "1.0", "run": run}
    return str(yaml.safe_dump(data, sort_keys=False, allow_unicode=True))
