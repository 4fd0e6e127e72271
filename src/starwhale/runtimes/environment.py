"""An environment: made beside its place and renamed, so that it is whole or not there, with a marker that lists every file.

A use compares sizes and times with the marker (`find_damage`), `verify` reads every byte. What is damaged is made anew by `ensure`.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starwhale.domain.runtime import Indexes, Interpreter, NativeFile
from starwhale.errors import NoSpaceError, RestoreError
from starwhale.runtimes.installed_files import File, differing_packages, list_files, share_files, sum_files
from starwhale.runtimes.installer import Installer, run_tool
from starwhale.runtimes.lock import Lock
from starwhale.settings import child_environment

MARKER = "starwhale-environment.json"
"""The file of an environment that says what it holds; without it there is none."""
_FORMAT = 1
_KEY_LENGTH = 32
_SCRIPT_BYTES = 1 << 16
Say = Callable[[str], None]
OnStage = Callable[[str], None]
"""Called with what is being done, and with nothing when it is done."""


def _nothing(text: str) -> None:
    del text


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Who is told while an environment is made."""

    say: Say
    """Called with what the user should know."""
    stage: OnStage = _nothing
    """Called with what is being done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What an environment is made of."""

    content: str
    """Digest of all of it but the interpreter."""
    lock: Callable[[Path, Interpreter], Lock]
    """Gives the lock, with the folder of what was unpacked: the one of the runtime, or one that is resolved now."""
    unpack: Callable[[Path], None]
    """Writes `wheels/` and `files/` of the runtime into a folder."""
    native: tuple[NativeFile, ...] = ()
    """Files to put into the environment; `src` is below `files/`."""
    commands: tuple[str, ...] = ()
    """Commands to run in it."""
    indexes: Indexes = field(default_factory=Indexes)
    """Where packages come from."""


def environment_key(recipe: Recipe, python: Interpreter) -> str:
    """Return the name of an environment's folder: equal content, Python and platform have one environment."""
    import hashlib

    parts = [_FORMAT, recipe.content, python.version, python.abi, python.platform, list(recipe.commands)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:_KEY_LENGTH]


def ensure(place: Path, recipe: Recipe, python: Interpreter, installer: Installer, told: Listener) -> bool:
    """Make the environment when it is not there or damaged; return whether it was made.

    Raises:
        RestoreError: It cannot be made; the installer's reason.
        NoSpaceError: The disk is full.
    """
    if place.exists():
        damage = find_damage(place)
        if not damage:
            return False
        more = f" and {len(damage) - 1} more" if len(damage) > 1 else ""
        told.say(f"the environment of this runtime is damaged ({damage[0]}{more}); it is made anew")
    try:
        _make(place, recipe, python, installer, told)
    except OSError as error:
        if isinstance(error, RestoreError | NoSpaceError):
            raise
        import errno

        if error.errno == errno.ENOSPC:
            raise NoSpaceError(f"no space left for an environment below {place.parent}", hint="free some") from error
        raise RestoreError(f"the environment cannot be made: {error}", hint="see the rights of the folder") from error
    finally:
        told.stage("")
    return True


def find_damage(place: Path) -> list[str]:
    """Name what differs from the marker, by existence, size and time."""
    marker = read_marker(place)
    if marker is None:
        return [f"{MARKER} is missing or unreadable"]
    found = {each.path: each for each in list_files(place, skip=MARKER)}
    wrong: list[str] = []
    for path, (size, changed, _) in marker["files"].items():
        file = found.pop(path, None)
        if file is None:
            wrong.append(f"{path} is missing")
        elif (file.size, file.changed_ns) != (size, changed):
            wrong.append(f"{path} has changed")
    if not (place / "bin" / "python").exists():
        wrong.append("its interpreter is gone")
    added = {path.rpartition(".dist-info/")[0] for path in found if path.endswith(".dist-info/METADATA")}
    return [*wrong, *(f"{each}.dist-info was added" for each in sorted(added))]


def verify(place: Path) -> list[str]:
    """Name what differs from the marker, every byte read."""
    wrong = find_damage(place)
    marker = read_marker(place)
    if marker is None:
        return wrong
    sums = sum_files(place, [each for each in list_files(place, skip=MARKER) if each.path in marker["files"]])
    known = set(wrong)
    differing = (f"{path} has changed" for path, digest in sums.items() if marker["files"][path][2] != digest)
    return [*wrong, *(each for each in differing if each not in known)]


def read_marker(place: Path) -> dict[str, Any] | None:  # Any: JSON
    """Return what an environment says of itself; None when it is no environment, or not a whole one."""
    try:
        found: Any = json.loads((place / MARKER).read_text(encoding="utf-8"))  # Any: JSON
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("format") == _FORMAT else None


def site_packages(place: Path) -> Path:
    """Return where an environment has its packages.

    Raises:
        RestoreError: There is no such folder.
    """
    found = next(iter(sorted((place / "lib").glob("python3*/site-packages"))), None)
    if found is None:
        raise RestoreError(f"{place} has no site-packages", hint="restore it again")
    return found


def drafts(environments: Path) -> list[Path]:
    """Environments that were begun; of a process that was killed, nobody needs them."""
    return [each for each in environments.glob(".*") if each.is_dir()] if environments.is_dir() else []


def _make(place: Path, recipe: Recipe, python: Interpreter, installer: Installer, told: Listener) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = place.with_name("." + secrets.token_hex(_KEY_LENGTH)[: _KEY_LENGTH - 1])  # as long: scripts hold the path
    try:
        with tempfile.TemporaryDirectory(prefix="starwhale-runtime-") as name:
            extras = Path(name)
            recipe.unpack(extras)
            told.stage("reading the lock of the runtime")
            lock = recipe.lock(extras, python)
            wheels = extras / "wheels"
            source = wheels if wheels.is_dir() else None, recipe.indexes
            count = len(lock.pins)
            packages = f"{count} package{'' if count == 1 else 's'}"
            told.stage(f"installing {packages} for Python {python.version} with {installer.name}")
            known = _install(draft, lock, python, installer, source)
            for each in recipe.native:
                put_native(extras / "files", each, draft)
        for command in recipe.commands:
            told.say(f"running: {command}")
            _run_command(command, draft)
        told.stage("noting what was installed")
        _rewrite_paths(draft, place)
        _finish(draft, recipe, python, installer, (lock, known))
        _put_in_place(draft, place)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _install(
    draft: Path, lock: Lock, python: Interpreter, installer: Installer, source: tuple[Path | None, Indexes]
) -> dict[File, str]:
    """Install, and compare with what the packages say of themselves: the cache may be damaged; return the sums."""
    is_second = False
    while True:
        installer.create(draft, python)
        installer.install(draft, lock, *source)
        files = list_files(draft)
        sums = sum_files(draft, files)
        damaged = differing_packages(site_packages(draft), sums)
        if not damaged:
            return {each: sums[each.path] for each in files}
        if is_second:
            message = f"what was installed of {', '.join(damaged)} differs from what the packages say of themselves"
            raise RestoreError(message, hint="see that the disk and the package index are in order")
        is_second = True
        installer.forget(damaged)
        shutil.rmtree(draft)


def put_native(files: Path, native: NativeFile, draft: Path) -> None:
    """Put a file, or what is in a folder, into an environment; nothing is written through a link, which may lead out of it.

    Args:
        files: Where the files of the runtime were unpacked.
        native: The file below it, and where it goes.
        draft: The environment.

    Raises:
        RestoreError: A link of the environment is in the way: `bin/python` leads to the interpreter of the machine.
    """
    _put(files / native.src, draft, native.dest)


def _put(source: Path, draft: Path, dest: str) -> None:
    target = draft / dest
    for each in (target, *(each for each in target.parents if each.is_relative_to(draft) and each != draft)):
        if each.is_symlink():
            message = f"a file of the runtime goes to {dest!r}, where the environment has a link"
            raise RestoreError(message, hint="give another dest in the runtime.yaml, and build it again")
    if source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        for each in sorted(source.iterdir()):
            _put(each, draft, f"{dest}/{each.name}")
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target)


def _run_command(command: str, draft: Path) -> None:
    path = child_environment({}).get("PATH", os.defpath)
    additions = {"VIRTUAL_ENV": str(draft), "PATH": f"{draft / 'bin'}{os.pathsep}{path}"}
    hint = "mend the command in the runtime.yaml, and build it again"
    run_tool(["/bin/sh", "-c", f"cd {_quoted(draft)} && {command}"], f"the command {command!r} failed", additions, hint)


def _quoted(path: Path) -> str:
    import shlex

    return shlex.quote(str(path))


def _rewrite_paths(draft: Path, place: Path) -> None:
    """Let scripts, which name their interpreter, name the one that will be there."""
    old, new = str(draft).encode(), str(place).encode()
    for path in (draft / "pyvenv.cfg", *(draft / "bin").iterdir()):
        if path.is_symlink() or not path.is_file() or path.stat().st_size > _SCRIPT_BYTES:
            continue
        content = path.read_bytes()
        if old in content:
            beside = path.with_name(f".{path.name}.new")  # another name may lead to the same file
            beside.write_bytes(content.replace(old, new))
            shutil.copymode(path, beside)
            beside.replace(path)


def _finish(
    draft: Path, recipe: Recipe, python: Interpreter, installer: Installer, installed: tuple[Lock, dict[File, str]]
) -> None:
    lock, known = installed
    files = list_files(draft)
    sums = {each.path: known[each] for each in files if each in known}
    sums |= sum_files(draft, [each for each in files if each not in known])
    if installer.name == "pip":
        share_files(draft, files, sums, draft.parent.parent / "cache" / "files")
        files = list_files(draft)
    marker = {
        "format": _FORMAT,
        "content": recipe.content,
        "python": python.version,
        "platform": python.platform,
        "installer": installer.name,
        "lock": lock.to_text(),
        "files": {each.path: (each.size, each.changed_ns, sums[each.path]) for each in files},
    }
    with (draft / MARKER).open("x", encoding="utf-8") as out:
        json.dump(marker, out)
        out.flush()
        os.fsync(out.fileno())


def _put_in_place(draft: Path, place: Path) -> None:
    try:
        draft.rename(place)
        return
    except OSError:
        if place.exists() and not find_damage(place):
            return  # another process was quicker
    old = place.with_name("." + secrets.token_hex(_KEY_LENGTH)[: _KEY_LENGTH - 1])
    place.rename(old)
    draft.rename(place)
    shutil.rmtree(old, ignore_errors=True)
