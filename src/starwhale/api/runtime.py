"""`starwhale.api.runtime`: lock environments as versions from a script, look at them, and run in them."""

from __future__ import annotations

import logging
import os
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starwhale.api.instance import default_instance
from starwhale.domain.json_shape import Json
from starwhale.errors import UsageError
from starwhale.settings import child_environment

if TYPE_CHECKING:
    from starwhale.instances.environments import Environment
    from starwhale.instances.runtimes import RuntimeSource
    from starwhale.runtimes.diff import RuntimeDiff

logger = logging.getLogger(__name__)

FilePath = str | os.PathLike[str]


def build(  # noqa: PLR0917 - one parameter per option of the command
    yaml: FilePath | None = None,
    venv: FilePath | None = None,
    shell: bool = False,
    image: str = "",
    name: str = "",
    project: str = "",
    tags: Sequence[str] = (),
    lock: bool = True,
    keep_packages: bool = False,
) -> str:
    """Lock an environment as a new version of a runtime, and return its URI; nothing is installed yet.

    Args:
        yaml: A `runtime.yaml`; without any source, that of the current directory.
        venv: Prefix of a virtual environment, of which what is installed is pinned.
        shell: Pin what the Python of this shell has installed.
        image: A container image, which the runtime then only names.
        name: Name of the runtime; that of the `runtime.yaml`, or of the folder, by default.
        project: Project of the runtime; the current one by default.
        tags: Tags of the version.
        lock: Pin every distribution now; otherwise packages are chosen when it is first used.
        keep_packages: Keep a wheel of every package in the runtime, so that its environment is made without a network.

    Raises:
        UsageError: Several sources are named, or one is malformed.
        RestoreError: The requirements cannot be resolved: the resolver's reason.
    """
    from starwhale.instances.runtimes import Overrides
    from starwhale.runtimes.bundle import LockOptions

    version = default_instance().runtimes.build(
        _source(yaml, venv, shell=shell, image=image),
        logger.info,
        overrides=Overrides(name=name),
        project=project,
        tags=tuple(tags),
        is_locked=lock,
        options=LockOptions(keeps_packages=keep_packages),
    )
    return version.uri.full


def lock(
    target_dir: FilePath | None = ".", yaml: FilePath | None = None, venv: FilePath | None = None, shell: bool = False
) -> str:
    """Pin what a source names, without keeping a version, and return the lock.

    Args:
        target_dir: Folder below which `.starwhale/lock/requirements-sw-lock.txt` is written; None writes nothing.
        yaml: A `runtime.yaml`; without any source, that of `target_dir` or of the current directory.
        venv: Prefix of a virtual environment.
        shell: Pin what the Python of this shell has installed.

    Raises:
        UsageError: Several sources are named, or one is malformed.
        RestoreError: The requirements cannot be resolved.
    """
    target = None if target_dir is None else Path(target_dir)
    if yaml is None and venv is None and not shell and target is not None:
        yaml = target / "runtime.yaml"
    return default_instance().runtimes.lock(_source(yaml, venv, shell=shell, image=""), target, logger.info)[0]


def list(project: str = "", name_prefix: str = "", with_removed: bool = False) -> Sequence[Json]:
    """Return the newest version of each runtime, the newest first."""
    found = (
        default_instance()
        .at(project)
        .runtimes.list(project or None, name_prefix=name_prefix, with_removed=with_removed)
    )
    return [_describe(each) for each in found]


def info(uri: str) -> Json:
    """Return everything about a version: `manifest`, `yaml` and `lock` (the text by the name of its file) too.

    Raises:
        NotFoundError: There is no such version.
    """
    verbs = default_instance().at(uri).runtimes
    found = verbs.info(uri)
    return {
        **_describe(found),
        "uri": found.uri.full,
        "manifest": dict(found.manifest),
        "yaml": verbs.text(found, "runtime.yaml"),
        "lock": verbs.lock_texts(found),
    }


def history(uri: str) -> Sequence[Json]:
    """Return the versions of a runtime, the newest first."""
    return [_describe(each) for each in default_instance().at(uri).runtimes.history(uri)]


def tag(uri: str, tags: Sequence[str] = (), remove: bool = False) -> Sequence[str]:
    """Add tags to a version, or take them away, and return those that it has then."""
    verbs = default_instance().at(uri).runtimes
    if not tags:
        return verbs.tags(uri)
    return (verbs.remove_tags if remove else verbs.add_tags)(uri, tags).tags


def restore(uri: str, force: bool = False) -> Path:
    """Make the environment of a version where it is not there and whole, and return its prefix.

    Args:
        uri: A version; a name means its newest.
        force: Make it anew in any case.

    Raises:
        NotFoundError: There is no such version.
        RestoreError: It cannot be made.
    """
    return _restored(uri, force=force).prefix


def activate(uri: str, force: bool = False) -> str:
    """Return the command that activates the environment of a version in a shell; it is made first where it is not there."""
    return f"source {shlex.quote(str(restore(uri, force) / 'bin' / 'activate'))}"


def run(
    uri: str, command: Sequence[str], cwd: FilePath | None = None, force: bool = False
) -> subprocess.CompletedProcess[bytes]:
    """Run a command in the environment of a version, wait for its end, and return how it ended; output goes where ours goes.

    Args:
        uri: A version; a name means its newest.
        command: The program, looked for in the environment first, and its arguments.
        cwd: Folder that it runs in.
        force: Make the environment anew first.

    Raises:
        UsageError: The command is empty.
        RestoreError: The environment cannot be made.
        FileNotFoundError: There is no such program.
    """
    if not command:
        raise UsageError("there is no command to run", hint="give the program and its arguments as a list")
    found = _restored(uri, force=force)
    environment = child_environment(found.variables, without=("PYTHONHOME",))
    inside = found.prefix / "bin" / command[0]
    program = str(inside) if inside.is_file() else command[0]
    return subprocess.run([program, *command[1:]], cwd=cwd, env=environment, check=False)


def extract(uri: str, target_dir: FilePath, force: bool = False) -> Path:
    """Write the files of a version into a folder, every byte verified, and return the folder.

    Raises:
        AlreadyExistsError: The folder holds something, and `force` is not given.
        CorruptedError: A file's content is damaged.
    """
    return default_instance().at(uri).runtimes.extract(uri, Path(target_dir), force=force)[1]


def copy(
    src: str,
    dest: str,
    force: bool = False,
    dest_local_project_uri: str = "",
    ignore_tags: Sequence[str] | None = None,
) -> str:
    """Copy a version to another name, project or instance, and return the URI of the copy; only what is not there is sent.

    Args:
        src: A version, here or on a server; a name means its newest.
        dest: `.` for the same name, a new name, the URI of a project, or a whole URI without a version.
        force: Move tags that point at another version there.
        dest_local_project_uri: Project of a destination that names none; the current one by default.
        ignore_tags: Tags that stay behind.

    Raises:
        AlreadyExistsError: A tag points at another version there.
    """
    from starwhale.instances.copy_across import CopyOptions

    options = CopyOptions(project=dest_local_project_uri, ignore_tags=tuple(ignore_tags or ()), force=force)
    return default_instance().copy("runtime", src, dest, options).version.uri.full


def export(uri: str, path: FilePath, force: bool = False) -> Path:
    """Write a version to one archive file, to be imported elsewhere, and return its path.

    Raises:
        NotFoundError: There is no such version.
        AlreadyExistsError: The file is there, and `force` is not given.
        CorruptedError: A file of the version is damaged.
    """
    default_instance().at(uri).runtimes.export(uri, Path(path), force=force)
    return Path(path)


def import_archive(path: FilePath, name: str = "", force: bool = False) -> str:
    """Make a version of an archive that `export` wrote, and return its URI; one that is there already is left as it is.

    Raises:
        CorruptedError: It is no archive, or not whole, or damaged; nothing is imported.
        AlreadyExistsError: A tag points at another version, and `force` is not given.
    """
    return default_instance().runtimes.import_archive(Path(path), name, force=force).version.uri.full


def remove(uri: str) -> str:
    """Hide a version (of a name alone: the newest) until it is recovered, and return its URI."""
    return default_instance().at(uri).runtimes.remove(uri).uri.full


def diff(base: str, compare: str) -> RuntimeDiff:
    """Say what makes the second version of the first: pinned packages, Python, processors, image.

    Args:
        base: URI of a version; a name means its newest.
        compare: URI of another, of the same runtime or of another.

    Returns:
        Packages added, removed and changed, and other facts that differ; `to_json()` gives plain objects.

    Raises:
        NotFoundError: There is no such version.
    """
    return default_instance().runtimes.diff(base, compare)


def recover(uri: str) -> str:
    """Bring a removed version back, and return its URI."""
    return default_instance().at(uri).runtimes.recover(uri).uri.full


def _source(yaml: FilePath | None, venv: FilePath | None, *, shell: bool, image: str) -> RuntimeSource:
    from starwhale.instances.runtimes import RuntimeSource

    if sum((yaml is not None, venv is not None, shell, bool(image))) > 1:
        raise UsageError("several sources of a runtime are named", hint="give one of yaml, venv, shell and image")
    return RuntimeSource(
        yaml=None if yaml is None else Path(yaml),
        venv=None if venv is None else Path(venv),
        is_shell=shell,
        image=image,
    )


def _restored(uri: str, *, force: bool) -> Environment:
    from starwhale.api.notebook.job_progress import ProgressLine

    instance = default_instance().at(uri)
    with ProgressLine(is_wanted=instance.settings.progress) as line:
        return instance.runtimes.restore(uri, logger.info, is_forced=force, on_stage=line.on_stage)


def _describe(version: Any) -> Json:  # Any: a VersionRecord, whose module is heavy
    from starwhale.runtimes.describe import describe_runtime

    return describe_runtime(version, path=default_instance().at(version.uri.full).runtimes.path(version))
