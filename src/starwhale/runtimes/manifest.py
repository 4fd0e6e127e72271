"""What a runtime says of itself: `_manifest.yaml`, from which its environment is made again."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from starwhale.domain.json_shape import Json, check_shape
from starwhale.domain.runtime import DependencyKind, Indexes, Interpreter, NativeFile, RuntimeSpec, arch_of
from starwhale.errors import CorruptedError, RestoreError
from starwhale.runtimes.bundle import resolve_lock
from starwhale.runtimes.environment import Recipe
from starwhale.runtimes.installer import Installer, Wanted
from starwhale.runtimes.lock import LOCK_PATH, Lock, parse_lock, without_ours
from starwhale.runtimes.requirements import read_requirements
from starwhale.runtimes.runtime_yaml import RUNTIME_YAML, without_credentials

MANIFEST = "_manifest.yaml"
"""The file's name; its text is JSON, which YAML reads."""
_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundled:
    """The files of a runtime that is kept."""

    digests: Mapping[str, str]
    """Digest of each file by its path."""
    read: Callable[[str], str]
    """Gives the text of a file by its path."""
    unpack: Callable[[Path], None]
    """Writes all files below a folder, verified."""


def make_manifest(spec: RuntimeSpec, lock: Lock | None, digests: Mapping[str, str], mode: str = "venv") -> Json:
    """Describe the files of a runtime, the manifest itself not among them.

    Args:
        spec: What is asked for.
        lock: What is pinned; None for a runtime that is not locked.
        digests: Digest of each file by its path.
        mode: `venv`, or `docker` for one that only names an image.
    """
    locked = lock or Lock(pins=())
    return {
        "format": _FORMAT,
        "name": spec.name,
        "content": _content(
            lock.digest
            if lock is not None
            else [spec.of_kind(DependencyKind.PIP_PKG), _raw_files(digests), spec.python],
            [[each.src, each.dest] for each in spec.native_files],
            spec.of_kind(DependencyKind.COMMAND),
            digests,
        ),
        "environment": {
            "mode": mode,
            "python": locked.python or spec.python,
            "arch": list(spec.arch),
            "os": spec.os,
            "cuda": spec.cuda,
            "cudnn": spec.cudnn,
            "auto_lock_dependencies": lock is not None,
            "lock": {
                "files": [LOCK_PATH] if lock is not None else [],
                "digest": lock.digest if lock is not None else "",
                "distributions": len(locked.pins),
                "platform": locked.platform,
                "starwhale_version": spec.starwhale_version,
            },
        },
        "dependencies": {
            "raw_deps": [each.to_json() for each in spec.dependencies],
            "pip_pkgs": list(spec.of_kind(DependencyKind.PIP_PKG)),
            "pip_files": list(spec.of_kind(DependencyKind.PIP_REQ_FILE)),
            "conda_pkgs": [],
            "conda_files": [],
            "commands": list(spec.of_kind(DependencyKind.COMMAND)),
            "local_packaged_env": False,
        },
        "artifacts": {
            "runtime_yaml": RUNTIME_YAML,
            **{kind: sorted(each for each in digests if each.startswith(f"{kind}/")) for kind in _FOLDERS},
        },
        "configs": {"pip": _plain(spec.indexes), "docker": {"image": spec.image}},
        "base_image": spec.image,
        "docker": {"custom_run_image": spec.image},
    }


_NATIVE = [{"src": str, "dest": str, "name": str}]
_SHAPE = {
    "name": str,
    "content": str,
    "environment": {
        **dict.fromkeys(("mode", "python", "os", "cuda", "cudnn"), str),
        "arch": [str],
        "auto_lock_dependencies": bool,
        "lock": {"digest": str, "distributions": int, "platform": str},
    },
    "dependencies": {
        "raw_deps": [({"kind": str, "deps": [str]}, {"kind": str, "deps": _NATIVE})],
        **{key: [str] for key in ("pip_pkgs", "pip_files", "commands")},
    },
    "configs": {
        "pip": {"index_url": str, "extra_index_url": [str], "trusted_host": [str]},
        "docker": {"image": str},
    },
    "base_image": str,
}
"""What is relied on when an environment is made, and shown."""
_FOLDERS = ("dependencies", "files", "wheels")


def read_manifest(bundled: Bundled) -> Json:
    """Read the manifest among the files of a runtime.

    Raises:
        CorruptedError: It is none.
    """
    try:
        found: Any = json.loads(bundled.read(MANIFEST))  # Any: JSON
        if found["format"] == _FORMAT:
            _check_content(found, bundled)
            return found
    except (ValueError, TypeError, KeyError) as error:
        message = f"the manifest of a runtime cannot be read: {error}"
        raise CorruptedError(message, hint="build the runtime again") from error
    message = f"the manifest of a runtime has the format {found['format']}, and {_FORMAT} is known"
    raise CorruptedError(message, hint="a newer program wrote it: upgrade this one")


def check_machine(manifest: Json, python: Interpreter, name: str) -> None:
    """Refuse a runtime that is for another machine, or for none.

    Raises:
        RestoreError: What it is for, and what is here.
    """
    environment: Json = manifest["environment"]
    if environment["mode"] != "venv":
        message = f"runtime {name!r} names an image, {manifest['base_image']}, and nothing that could be made here"
        raise RestoreError(message, hint="run it in that container, or build a runtime from a runtime.yaml")
    arch = environment["arch"]
    if "noarch" not in arch and arch_of(python.machine) not in arch:
        message = f"runtime {name!r} is for {' and '.join(arch)}, and this machine is {arch_of(python.machine)}"
        raise RestoreError(message, hint="build it for this machine: environment.arch in its runtime.yaml")
    platform = environment["lock"]["platform"]
    if platform and platform != python.platform:
        message = f"runtime {name!r} was locked on {platform}, and this machine is {python.platform}"
        raise RestoreError(message, hint=f"lock it here: swcli runtime extract {name}, then swcli runtime build")


def make_recipe(manifest: Json, bundled: Bundled, installer: Installer, *, own: Indexes, runs_commands: bool) -> Recipe:
    """Say how the environment of a runtime is made.

    Args:
        manifest: What it says of itself.
        bundled: Its files.
        installer: What resolves a runtime that is not locked.
        own: Package indexes that this machine has for all runtimes.
        runs_commands: Whether its commands are run.
    """
    said: Json = manifest["configs"]["pip"]
    indexes = Indexes(
        index_url=own.index_url or said["index_url"],
        extra_index_urls=tuple(dict.fromkeys((*own.extra_index_urls, *said["extra_index_url"]))),
        trusted_hosts=tuple(dict.fromkeys((*own.trusted_hosts, *said["trusted_host"]))),
    )
    dependencies: Json = manifest["dependencies"]

    def lock(folder: Path, python: Interpreter) -> Lock:
        if manifest["environment"]["auto_lock_dependencies"]:
            return parse_lock((folder / LOCK_PATH).read_text(encoding="utf-8"))
        return resolve_lock(_raw(dependencies, folder, indexes), python, installer)

    return Recipe(
        content=manifest["content"],
        lock=lock,
        unpack=bundled.unpack,
        native=tuple(
            NativeFile(**each)
            for entry in dependencies["raw_deps"]
            if entry["kind"] == "native_file"
            for each in entry["deps"]
        ),
        commands=tuple(dependencies["commands"]) if runs_commands else (),
        indexes=indexes,
    )


def _raw(dependencies: Json, folder: Path, indexes: Indexes) -> Wanted:
    """Say what a runtime that is not locked asks for, from its unpacked files."""
    from starwhale.runtimes.bundle import wheel_requirements

    root = folder / "dependencies"
    files = read_requirements(root, dependencies["pip_files"])
    for name, text in files.files.items():
        (root / name).chmod(0o644)
        (root / name).write_text(text, encoding="utf-8")
    wheels = folder / "wheels"
    return Wanted(
        requirements=(*without_ours(dependencies["pip_pkgs"])[0], *wheel_requirements(wheels)),
        files=tuple(root / each for each in dependencies["pip_files"]),
        wheels=wheels if wheels.is_dir() else None,
        indexes=indexes,
    )


def _content(pinned: object, native: list[list[str]], commands: Sequence[str], digests: Mapping[str, str]) -> str:
    """Digest what an environment is made of; two runtimes with equal content share one."""
    files = {path: digest for path, digest in digests.items() if path.startswith(("files/", "wheels/"))}
    parts = [pinned, files, native, list(commands)]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _raw_files(digests: Mapping[str, str]) -> dict[str, str]:
    return {path: digest for path, digest in digests.items() if path.startswith("dependencies/")}


def _check_content(manifest: Json, bundled: Bundled) -> None:
    """Make sure that the digest under which an environment is found is that of the files, and that no path leads out of it.

    Whoever wrote it may be anybody: a runtime of an archive must not take the place of another one's environment.

    Raises:
        CorruptedError: It is another one.
    """
    check_shape(manifest, _SHAPE, "it")
    environment, dependencies = manifest["environment"], manifest["dependencies"]
    if not re.fullmatch(r"|\d+(\.\d+){1,2}", environment["python"]):
        raise ValueError(f"it is for Python {environment['python']!r}")
    pinned: object = [dependencies["pip_pkgs"], _raw_files(bundled.digests), environment["python"]]
    if environment["auto_lock_dependencies"]:
        pinned = parse_lock(bundled.read(LOCK_PATH)).digest
    native = [
        [each["src"], each["dest"]]
        for entry in dependencies["raw_deps"]
        if entry["kind"] == DependencyKind.NATIVE_FILE
        for each in entry["deps"]
    ]
    for path in (*dependencies["pip_files"], *(path for pair in native for path in pair)):
        parts = PurePosixPath(path).parts
        if not parts or ".." in parts or parts[0].startswith("/") or "\0" in path:
            message = f"the manifest of a runtime names a path that leads out of it: {path!r}"
            raise CorruptedError(message, hint="build the runtime again")
    if manifest["content"] != _content(pinned, native, dependencies["commands"], bundled.digests):
        message = "the manifest of a runtime is not that of its files"
        raise CorruptedError(message, hint="build the runtime again")


def _plain(indexes: Indexes) -> Json:
    said = indexes.to_json()
    return {
        key: [without_credentials(each) for each in value] if isinstance(value, list) else without_credentials(value)
        for key, value in said.items()
    }
