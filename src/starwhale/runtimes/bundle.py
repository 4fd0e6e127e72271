"""The files of a runtime, gathered in a folder before they are kept: from a `runtime.yaml`, or from an environment that exists."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from starwhale.domain.runtime import Dependency, DependencyKind, Indexes, Interpreter, RuntimeSpec
from starwhale.errors import RestoreError, UsageError
from starwhale.runtimes.installed import Installed, read_installed, split_local
from starwhale.runtimes.installer import Installer, Wanted
from starwhale.runtimes.lock import LOCK_PATH, Lock, Pin, make_lock, normalise, without_ours
from starwhale.runtimes.requirements import check_requirements, read_requirements
from starwhale.runtimes.runtime_yaml import RUNTIME_YAML

_WHEEL = re.compile(r"^(?P<name>[^-]+)-(?P<version>[^-]+)(-\d[^-]*)?-[^-]+-[^-]+-[^-]+\.whl$")


@dataclass(frozen=True, slots=True, kw_only=True)
class LockOptions:
    """How a lock is made."""

    includes_editable: bool = False
    """Whether sources that are installed as they stand are packed as wheels."""
    includes_local: bool = False
    """Whether what was installed from files of this machine is packed as wheels."""
    uses_cache: bool = True
    """Whether what was fetched before may be used."""
    keeps_packages: bool = False
    """Whether a wheel of everything that is pinned is kept in the runtime, so that an environment is made without a network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What was gathered into a folder."""

    spec: RuntimeSpec
    """What is asked for, by whichever way."""
    wanted: Wanted
    """What the lock is made of."""
    ours: tuple[str, ...]
    """Requirements that this program stands in for."""


def gather_yaml(spec: RuntimeSpec, text: str, root: Path, folder: Path) -> Gathered:
    """Copy what a `runtime.yaml` names into a folder.

    Args:
        spec: What it says.
        text: The file as it is kept.
        root: Where its paths begin.
        folder: An empty folder.

    Raises:
        UsageError: A file is missing, lies outside, or asks for what no lock can pin.
    """
    files = read_requirements(root, spec.of_kind(DependencyKind.PIP_REQ_FILE))
    listed = spec.of_kind(DependencyKind.PIP_PKG)
    left, ours = without_ours(check_requirements(listed, "dependencies.pip")), without_ours(listed)[1]
    wheels = [_take_wheel(root, each, folder) for each in spec.of_kind(DependencyKind.WHEEL)]
    for each in spec.native_files:
        _take_native(root, each.src, folder / "files")
    (folder / RUNTIME_YAML).write_text(text, encoding="utf-8")
    for name, kept in files.kept.items():
        _write(folder / "dependencies" / name, kept)
    resolved = folder.with_name(f"{folder.name}-resolved")
    for name, kept in files.files.items():
        _write(resolved / name, kept)
    named = [(root / each).resolve().relative_to(root.resolve()) for each in spec.of_kind(DependencyKind.PIP_REQ_FILE)]
    indexes = _joined(spec.indexes, files.indexes)
    wanted = Wanted(
        requirements=(*left[0], *wheels),
        files=tuple(resolved / each for each in named),
        wheels=folder / "wheels" if wheels else None,
        indexes=indexes,
    )
    return Gathered(
        spec=dataclasses.replace(spec, indexes=indexes), wanted=wanted, ours=tuple(dict.fromkeys((*ours, *files.ours)))
    )


def gather_environment(
    python: Interpreter, spec: RuntimeSpec, folder: Path, installer: Installer, options: LockOptions
) -> Gathered:
    """Say what an environment has installed, and pack what comes from this machine, where that is wanted.

    Raises:
        UsageError: Something was installed from elsewhere than an index, and is not to be packed; it is named.
        RestoreError: A wheel cannot be built.
    """
    plain, local, ours = split_local(read_installed(python))
    _refuse_local(local, options)
    wheels = [_pack(each, python, folder, installer) for each in local]
    pins = [f"{each.name}=={each.version}" for each in plain]
    spec = dataclasses.replace(
        spec,
        python=python.minor,
        dependencies=tuple(
            Dependency(kind=kind, values=tuple(values))
            for kind, values in (
                (DependencyKind.PIP_PKG, pins),
                (DependencyKind.WHEEL, [f"wheels/{each.name}" for each in sorted((folder / "wheels").glob("*.whl"))]),
            )
            if values
        ),
    )
    (folder / RUNTIME_YAML).write_text(write_runtime_yaml(spec), encoding="utf-8")
    wanted = Wanted(
        requirements=(*pins, *wheels),
        wheels=folder / "wheels" if wheels else None,
        indexes=spec.indexes,
        is_whole=True,
        uses_cache=options.uses_cache,
    )
    return Gathered(spec=spec, wanted=wanted, ours=tuple(f"{each.name}=={each.version}" for each in ours))


def resolve_lock(wanted: Wanted, python: Interpreter, installer: Installer) -> Lock:
    """Pin everything, the wheels of the runtime by their own digests.

    Raises:
        RestoreError: The resolver's reason; or something has no digest.
    """
    own = {each.name: each for each in _local_pins(wanted.wheels)}
    pins = [own.get(each.name, each) for each in installer.resolve(wanted, python)]
    bare = [each.name for each in pins if not each.hashes]
    if bare:
        message = f"the index gives no digest for {', '.join(bare)}, and a lock needs one"
        raise RestoreError(message, hint="build a wheel of it, and list that under wheels in the runtime.yaml")
    return make_lock(pins, python)


def write_lock(folder: Path, lock: Lock) -> None:
    """Put the lock where a runtime has it."""
    _write(folder / LOCK_PATH, lock.to_text())


def write_runtime_yaml(spec: RuntimeSpec) -> str:
    """Return a `runtime.yaml` that asks for the same."""
    import yaml

    shapes = {DependencyKind.PIP_PKG: "pip", DependencyKind.WHEEL: "wheels"}
    data = {
        "name": spec.name,
        "mode": "venv",
        "environment": {"python": spec.python, "arch": list(spec.arch)}
        | {key: value for key, value in (("cuda", spec.cuda), ("cudnn", spec.cudnn)) if value}
        | ({"docker": {"image": spec.image}} if spec.image else {}),
        "dependencies": [{shapes[each.kind]: list(each.values)} for each in spec.dependencies],
    }
    return str(yaml.safe_dump(data, sort_keys=False))


def _refuse_local(local: Sequence[Installed], options: LockOptions) -> None:
    far = [each for each in local if each.source is None]
    if far:
        message = f"{_listed(far)} came from an address, of which no lock can say what it will be"
        raise UsageError(message, hint="install it from an index or a wheel")
    editable = [each for each in local if each.is_editable]
    rest = [each for each in local if not each.is_editable]
    for found, is_wanted, option in (
        (editable, options.includes_editable, "--include-editable"),
        (rest, options.includes_local, "--include-local-wheel"),
    ):
        if found and not is_wanted:
            how = "is installed as editable" if option.endswith("editable") else "was installed from a local file"
            message = f"{_listed(found)} {how}, which no other machine has"
            raise UsageError(message, hint=f"pack it as a wheel with {option}, or uninstall it")


def _listed(found: Sequence[Installed]) -> str:
    return ", ".join(f"{each.name} {each.version}" for each in found)


def _pack(found: Installed, python: Interpreter, folder: Path, installer: Installer) -> str:
    """Put a wheel of a local distribution beside the others and return the requirement that it meets."""
    source, target = found.source, folder / "wheels"
    if source is None or not source.exists():
        message = f"{found.name} {found.version} was installed from {source}, which is gone"
        raise UsageError(message, hint="bring it back, or uninstall it")
    target.mkdir(parents=True, exist_ok=True)
    if source.suffix == ".whl":
        shutil.copy2(source, target / source.name)
        return _requirement(source.name)
    before = set(target.glob("*.whl"))
    _build_wheel(source, target, python, installer)
    for each in target.iterdir():
        if each.suffix != ".whl":
            each.unlink()
    made = set(target.glob("*.whl")) - before
    if len(made) != 1:
        raise RestoreError(f"building {source} gave {len(made)} wheels", hint="build one and install that")
    return _requirement(made.pop().name)


def _build_wheel(source: Path, target: Path, python: Interpreter, installer: Installer) -> None:
    """Build a wheel of a copy: a build writes beside the source, and nothing is written into a folder of the user."""
    if not source.is_dir():
        installer.build_wheel(source, target, python)
        return
    with tempfile.TemporaryDirectory(prefix="starwhale-wheel-") as name:
        copy = Path(name) / source.name
        shutil.copytree(source, copy, symlinks=True, ignore=_no_part_of_source)
        if (source / ".git").exists():
            (copy / ".git").symlink_to((source / ".git").resolve())  # the version may come from there
        try:
            installer.build_wheel(copy, target, python)
        except RestoreError as error:
            error.message = error.message.replace(str(copy), str(source))
            error.details = error.details.replace(str(copy), str(source))
            raise


def _no_part_of_source(folder: str, names: list[str]) -> list[str]:
    """Name what no build reads, and may be large: caches and environments."""
    caches = {"__pycache__", ".git", "node_modules", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".tox", ".nox"}
    return [each for each in names if each in caches or Path(folder, each, "pyvenv.cfg").is_file()]


def _take_wheel(root: Path, name: str, folder: Path) -> str:
    path = root / name
    if not path.is_file():
        raise UsageError(f"there is no wheel {path}", hint="mend its path in the runtime.yaml")
    (folder / "wheels").mkdir(exist_ok=True)
    shutil.copy2(path, folder / "wheels" / path.name)
    return _requirement(path.name)


def _take_native(root: Path, name: str, target: Path) -> None:
    path = root / name
    parts = PurePosixPath(name).parts
    if PurePosixPath(name).is_absolute() or ".." in parts:
        raise UsageError(f"the file {name} lies outside of {root}", hint="put it beside the runtime.yaml")
    if not path.exists():
        raise UsageError(f"there is no file {path}", hint="mend its src in the runtime.yaml")
    try:
        for each in _files_of(path):
            place = target / name / each.relative_to(path)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(each, place)
    except OSError as error:
        message = f"the file {error.filename or path} cannot be taken along: {error.strerror or error}"
        raise UsageError(message, hint="mend it, or take it out of the folder") from error


def _files_of(path: Path) -> Iterator[Path]:
    """Yield a file, or all files below a folder; a link to a file counts as the file.

    Raises:
        UsageError: Something is neither file nor folder, or a link to a folder.
    """
    if not path.is_dir():
        yield _checked(path)
        return
    for folder, folders, files in os.walk(path):
        yield from (_checked(Path(folder, each)) for each in files)
        for each in folders:
            if Path(folder, each).is_symlink():
                _checked(Path(folder, each))


def _checked(path: Path) -> Path:
    if path.is_file():
        return path
    what = "a link to a folder, or to nothing" if path.is_symlink() else "a socket, a pipe or a device"
    raise UsageError(f"the file {path} is {what}, which a runtime cannot hold", hint="take it out of the folder")


def _requirement(wheel: str) -> str:
    match = _WHEEL.match(wheel)
    if match is None:
        raise UsageError(f"{wheel} is not named like a wheel", hint="<name>-<version>-<python>-<abi>-<platform>.whl")
    return f"{normalise(match['name'])}=={match['version'].replace('_', '+')}"


def _local_pins(wheels: Path | None) -> list[Pin]:
    found: list[Pin] = []
    for path in sorted(wheels.glob("*.whl")) if wheels is not None else ():
        name, _, version = _requirement(path.name).partition("==")
        with path.open("rb") as source:
            digest = hashlib.file_digest(source, "sha256").hexdigest()
        found.append(Pin(name=name, version=version, hashes=(f"sha256:{digest}",)))
    return found


def _joined(first: Indexes, second: Indexes) -> Indexes:
    return Indexes(
        index_url=first.index_url or second.index_url,
        extra_index_urls=tuple(dict.fromkeys((*first.extra_index_urls, *second.extra_index_urls))),
        trusted_hosts=tuple(dict.fromkeys((*first.trusted_hosts, *second.trusted_hosts))),
    )


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def wheel_requirements(wheels: Path) -> list[str]:
    """Return the requirements that the wheels of a folder meet."""
    return [_requirement(path.name) for path in sorted(wheels.glob("*.whl"))] if wheels.is_dir() else []
