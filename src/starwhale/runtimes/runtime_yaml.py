"""`runtime.yaml`: what a user asks a runtime to hold. Whatever is wrong is said with its line."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from starwhale.domain.redaction import holds_secret, redact_parameters
from starwhale.domain.runtime import Dependency, DependencyKind, Indexes, NativeFile, RuntimeSpec
from starwhale.errors import UsageError, nearest

RUNTIME_YAML = "runtime.yaml"
"""The file's name."""
KEYS = ("name", "mode", "api_version", "environment", "dependencies", "configs", "hooks", "python_version", "pip_req")
ENVIRONMENT_KEYS = ("arch", "os", "python", "cuda", "cudnn", "docker", "starwhale_version")
_SHAPES = ("pip", "conda", "wheels", "files", "commands")
_KNOWN = {
    "os": ("ubuntu:20.04",),
    "cuda": ("11.3", "11.4", "11.5", "11.6", "11.7"),
    "cudnn": ("8",),
    "arch": ("noarch", "amd64", "arm64"),
}
_NO_CONDA = (
    "conda environments are not supported: write mode: venv, and list the packages under pip; "
    "what only conda has, install on the machine or in an image"
)
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s\"']+@")
Path_ = tuple[str | int, ...]


@dataclass(slots=True)
class Said:
    """What was read, and what the user should know of it."""

    spec: RuntimeSpec = field(default_factory=RuntimeSpec)
    """What is asked for."""
    text: str = ""
    """The file without credentials in its addresses."""
    warnings: list[str] = field(default_factory=list[str])
    """Sentences for the user."""


def read_runtime_yaml(path: Path) -> Said:
    """Read a `runtime.yaml`.

    Raises:
        UsageError: It is missing, malformed, or asks for what there is not, conda among it.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        message = f"there is no {path}"
        raise UsageError(
            message, hint="write one, or name another source: a file, an environment, or the shell (see --help)"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        message = f"cannot read {path}: {' '.join(str(error).split())}"
        raise UsageError(message, hint="mend the file") from error
    return parse_runtime_yaml(text, str(path))


def parse_runtime_yaml(text: str, file: str) -> Said:
    """Read the text of a `runtime.yaml`; `file` names it in messages.

    Raises:
        UsageError: It is malformed, or asks for what there is not.
    """
    reader = _Reader(text, file)
    said = Said(text=without_credentials(text))
    if said.text != text:
        said.warnings.append(f"{file}: credentials in addresses are not kept; the installer has to know them")
    said.spec = _read(reader, said.warnings)
    return said


def without_credentials(text: str) -> str:
    """Take users, passwords and secret parameters out of every address in a text."""
    return redact_parameters(_CREDENTIALS.sub("", text))


class _Reader:
    """The values of a YAML file, each with its line."""

    def __init__(self, text: str, file: str) -> None:
        import yaml

        self.file = file
        try:
            node = yaml.compose(text, Loader=yaml.SafeLoader)
            self.data: Any = yaml.safe_load(text)  # Any: whatever the user wrote
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            message = f"{file}:{line}: {error.problem or 'this is no YAML'}"
            raise UsageError(message, hint="mend that line") from error
        except yaml.YAMLError as error:
            message = f"cannot read {file}: {' '.join(str(error).split())}"
            raise UsageError(message, hint="mend the file") from error
        self._lines: dict[Path_, int] = {}
        self._noted: set[int] = set()
        self._note(node, ())

    def _note(self, node: Any, path: Path_) -> None:  # Any: a node of PyYAML, which has no types for them
        if id(node) in self._noted:  # an alias: it may even stand for something that it is in
            return
        self._noted.add(id(node))
        children: list[tuple[str | int, Any]] = []
        if isinstance(getattr(node, "value", None), list):
            for position, each in enumerate(node.value):
                pair = each if isinstance(each, tuple) else (None, each)
                key: str | int = position if pair[0] is None else str(pair[0].value)
                self._lines[(*path, key)] = (pair[0] or pair[1]).start_mark.line + 1
                children.append((key, pair[1]))
        for key, child in children:
            self._note(child, (*path, key))

    def wrong(self, path: Path_, what: str, hint: str) -> UsageError:
        line = next((self._lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self._lines), 1)
        return UsageError(f"{self.file}:{line}: {what}", hint=hint)

    def text(self, path: Path_, value: Any) -> str:  # Any: a value of the file
        if value is None:
            return ""
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise self.wrong(path, f"{_spell(path)} is {_shown(value)}", "write a text")
        return str(value)

    def texts(self, path: Path_, value: Any) -> tuple[str, ...]:  # Any: a value of the file
        given: Sequence[Any] = value if isinstance(value, list) else [] if value is None else [value]
        found = tuple(self.text((*path, position), each) for position, each in enumerate(given))
        if not all(found):
            raise self.wrong(path, f"{_spell(path)} has an empty entry", "take it out")
        return found

    def section(self, path: Path_, value: Any) -> dict[str, Any]:  # Any: a value of the file
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self.wrong(path, f"{_spell(path)} is {_shown(value)}", "write it as key: value lines")
        return {str(key): each for key, each in value.items()}


def _shown(value: Any) -> str:  # Any: whatever the user wrote
    """Write a value for a message: of lists in lists, which aliases can make endless, only the beginning."""
    short = reprlib.Repr()
    short.maxlevel, short.maxstring, short.maxother = 2, 60, 60
    return short.repr(value)


def _spell(path: Path_) -> str:
    return ".".join(str(each) for each in path) or "the file"


def _read(reader: _Reader, warnings: list[str]) -> RuntimeSpec:
    data = reader.section((), reader.data)
    for key in data:
        if key not in KEYS:
            close = nearest(key, KEYS)
            warnings.append(
                f"{reader.wrong((key,), f'{key!r} is no key of a runtime.yaml and is left out', '').message}; {close}"
            )
    mode = reader.text(("mode",), data.get("mode")) or "venv"
    if mode == "conda":
        raise reader.wrong(("mode",), "mode is conda", _NO_CONDA)
    if mode != "venv":
        raise reader.wrong(("mode",), f"mode is {mode!r}", "write mode: venv")
    version = reader.text(("api_version",), data.get("api_version"))
    if version not in {"", "1.1"}:
        raise reader.wrong(("api_version",), f"api_version is {version}, and only 1.1 is known", "write '1.1'")
    configs = reader.section(("configs",), data.get("configs"))
    said = _environment(reader, reader.section(("environment",), data.get("environment")), warnings)
    image = reader.section(("configs", "docker"), configs.get("docker")).get("image")
    dependencies = [*_legacy(reader, data), *_dependencies(reader, data.get("dependencies"))]
    if configs.get("conda"):
        warnings.append(reader.wrong(("configs", "conda"), "configs.conda is left out: conda is not used", "").message)
    if data.get("hooks"):
        warnings.append(reader.wrong(("hooks",), "hooks are left out: nothing has ever run them", "").message)
    python = said.pop("python") or reader.text(("python_version",), data.get("python_version"))
    return RuntimeSpec(
        name=reader.text(("name",), data.get("name")),
        python=_python(reader, python),
        image=without_credentials(said.pop("image") or reader.text(("configs", "docker", "image"), image)),
        dependencies=tuple(dependencies),
        indexes=_indexes(reader, reader.section(("configs", "pip"), configs.get("pip"))),
        **said,
    )


def _environment(reader: _Reader, data: dict[str, Any], warnings: list[str]) -> dict[str, Any]:
    for key in data:
        if key not in ENVIRONMENT_KEYS:
            what = f"environment.{key} is no key of a runtime.yaml and is left out"
            warnings.append(f"{reader.wrong(('environment', key), what, '').message}; {nearest(key, ENVIRONMENT_KEYS)}")
    texts = {
        key: reader.text(("environment", key), data.get(key))
        for key in ("os", "python", "cuda", "cudnn", "starwhale_version")
    }
    arch = reader.texts(("environment", "arch"), data.get("arch")) or ("noarch",)
    for key, values in (*((key, (texts[key],)) for key in ("os", "cuda", "cudnn")), ("arch", arch)):
        for value in values:
            if value and value not in _KNOWN[key]:
                what = f"environment.{key} is {value!r}, which 0.6 did not know; it is kept as it is"
                warnings.append(reader.wrong(("environment", key), what, "").message)
    docker = reader.section(("environment", "docker"), data.get("docker"))
    image = reader.text(("environment", "docker", "image"), docker.get("image"))
    return {**texts, "arch": arch, "image": image}


def _python(reader: _Reader, version: str) -> str:
    if version and not re.fullmatch(r"\d+(\.\d+){1,2}", version):
        hint = "write it in quotes, like '3.12'"
        raise reader.wrong(("environment", "python"), f"environment.python is {version!r}", hint)
    return version


def _indexes(reader: _Reader, data: dict[str, Any]) -> Indexes:
    at = ("configs", "pip")
    urls = reader.texts((*at, "index_url"), data.get("index_url"))
    extra = reader.texts((*at, "extra_index_url"), data.get("extra_index_url"))
    return Indexes(
        index_url=urls[0] if urls else "",
        extra_index_urls=(*urls[1:], *extra),
        trusted_hosts=reader.texts((*at, "trusted_host"), data.get("trusted_host")),
    )


def _legacy(reader: _Reader, data: dict[str, Any]) -> list[Dependency]:
    files = reader.texts(("pip_req",), data.get("pip_req"))
    return [Dependency(kind=DependencyKind.PIP_REQ_FILE, values=files)] if files else []


def _dependencies(reader: _Reader, value: Any) -> list[Dependency]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise reader.wrong(("dependencies",), f"dependencies is {_shown(value)}", "write a list: - pip: [numpy]")
    entries: Sequence[Any] = value
    return [each for position, entry in enumerate(entries) for each in _dependency(reader, position, entry)]


def _dependency(reader: _Reader, position: int, entry: Any) -> list[Dependency]:
    at = ("dependencies", position)
    if isinstance(entry, str):
        return [_file(reader, at, entry)]
    if not isinstance(entry, dict) or not entry:
        hint = "write a path *.txt, or one of pip, wheels, files and commands with a list"
        raise reader.wrong(at, f"{_shown(entry)} is no dependency", hint)
    return [_shaped(reader, (*at, str(key)), str(key), each) for key, each in entry.items()]


def _file(reader: _Reader, at: Path_, entry: str) -> Dependency:
    suffix = PurePosixPath(entry).suffix
    if suffix in {".yaml", ".yml"}:
        raise reader.wrong(at, f"{entry!r} is a file of conda", _NO_CONDA)
    if suffix not in {".txt", ".in"}:
        raise reader.wrong(at, f"{entry!r} is no dependency", "name a requirement file (*.txt or *.in)")
    return Dependency(kind=DependencyKind.PIP_REQ_FILE, values=(entry,))


def _shaped(reader: _Reader, at: Path_, key: str, value: Any) -> Dependency:
    match key:
        case "pip":
            return Dependency(kind=DependencyKind.PIP_PKG, values=reader.texts(at, value))
        case "conda":
            raise reader.wrong(at, "a dependency of conda", _NO_CONDA)
        case "wheels":
            return Dependency(kind=DependencyKind.WHEEL, values=reader.texts(at, value))
        case "commands":
            return Dependency(kind=DependencyKind.COMMAND, values=_commands(reader, at, value))
        case "files":
            given: Sequence[Any] = value if isinstance(value, list) else [value]
            files = tuple(_native(reader, (*at, n), each) for n, each in enumerate(given))
            return Dependency(kind=DependencyKind.NATIVE_FILE, files=files)
        case _:
            raise reader.wrong(at, f"{key!r} is no kind of dependency", nearest(key, _SHAPES))


def _commands(reader: _Reader, at: Path_, value: Any) -> tuple[str, ...]:  # Any: a value of the file
    """Read commands; one with a secret in it is refused, because whoever gets the runtime gets the command."""
    found = reader.texts(at, value)
    for number, command in enumerate(found):
        if holds_secret(command):
            what = "a command with a secret in it, which whoever gets the runtime could read"
            raise reader.wrong((*at, number), what, "take it from the environment: $NAME")
    return found


def _native(reader: _Reader, at: Path_, value: Any) -> NativeFile:
    said = reader.section(at, value)
    src, dest = reader.text((*at, "src"), said.get("src")), reader.text((*at, "dest"), said.get("dest"))
    name = reader.text((*at, "name"), said.get("name"))
    if not src or not dest:
        raise reader.wrong(at, "an entry of files needs src and dest", "write - {src: a.txt, dest: etc/a.txt}")
    parts = PurePosixPath(dest).parts
    if PurePosixPath(dest).is_absolute() or ".." in parts or not parts:
        raise reader.wrong(at, f"dest {dest!r} lies outside of the environment", "give a path below it, without ..")
    return NativeFile(src=src, dest=dest, name=name)
