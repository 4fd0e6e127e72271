"""`starwhale.model`: package a model from a script or notebook, and look at what was packaged."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from starwhale.api.instance import default_instance
from starwhale.domain.json_shape import Json
from starwhale.errors import HandlerError, UsageError
from starwhale.handlers.context import find_runtime_context
from starwhale.handlers.registry import REGISTRY
from starwhale.models.diff import LIMIT, ModelDiff

if TYPE_CHECKING:
    from starwhale.api.serving import Serving

logger = logging.getLogger(__name__)

_WORKER = "starwhale.execution.worker"


def build(  # noqa: PLR0917 - the order that scripts rely on
    modules: Sequence[Any] | None = None,  # Any: import paths, functions, classes or modules
    workdir: str | Path | None = None,
    name: str | None = None,
    project_uri: str = "",
    desc: str = "",
    remote_project_uri: str | None = None,
    add_all: bool = False,
    tags: Sequence[str] | None = None,
    excludes: Sequence[str] | None = None,
    package_runtime: bool = True,
    *,
    runtime: str = "",
) -> None:
    """Package a directory as a new version of a model, with the handlers of its modules.

    The modules are imported in a process of their own to find the handlers. A call that this import comes upon again is left out, so that
    a script may build itself.

    Args:
        modules: Import paths (`package.module`, `module:object`), or functions, classes and modules that lie in `workdir`; None for those
            of every handler registered so far.
        workdir: The model root; None for the current directory.
        name: Name of the model; None for the directory's. What `model.yaml` says of name and modules is not looked at.
        project_uri: Project of the model; empty for the current one.
        desc: Message of the version.
        remote_project_uri: Project of a server that it is copied to, `cloud://<alias>/project/<name>`; None for the one that SW_INSTANCE_URI and
            SW_PROJECT name together, if they do.
        add_all: Package caches, environments and `.git` too.
        tags: Tags of the version.
        excludes: Files to leave out, as lines of `.swignore`.
        package_runtime: Whether the model carries the runtime that it is built in, and runs in it when nothing else is said.
        runtime: URI of a runtime, in whose environment the modules are imported; empty for the one that is active, if there is one.

    Raises:
        UsageError: A name, tag or pattern is wrong, an object does not lie in `workdir`, or the place of the copy names no server.
        LoginError: Nobody logged in to the server of the copy.
        HandlerError: There are no handlers, or a module cannot be imported; it is a RuntimeError.
        ModelSourceError: A file cannot be packaged.
        RestoreError: The environment of the runtime cannot be made.
    """
    if _is_being_imported():
        logger.warning(
            "model.build is left out here: this import looks for the handlers of the model that is being built"
        )
        return
    target = remote_project_uri or default_instance().settings.server_project_uri
    if target and default_instance().at(target).login is None:  # asked before anything is built
        message = f"remote_project_uri {target!r} names no server"
        raise UsageError(message, hint="write cloud://<alias>/project/<name>; swcli instance list shows the servers")
    root = Path(workdir or Path.cwd()).resolve()
    found = _module_names(modules, root)
    version = default_instance().models.build(
        root,
        modules=found,
        name=name or root.name,
        project=str(project_uri or ""),
        desc=desc,
        tags=tuple(tags or ()),
        excludes=tuple(excludes or ()),
        add_all=add_all,
        runtime=runtime,
        packages_runtime=package_runtime,
    )
    logger.info("built %s", version.uri.full)
    if target:
        logger.info("copied to %s", default_instance().copy("model", version.uri.full, target).version.uri.full)


def list(project: str = "", name_prefix: str = "", with_removed: bool = False) -> Sequence[Json]:
    """Return the newest version of each model, the newest first."""
    found = (
        default_instance().at(project).models.list(project or None, name_prefix=name_prefix, with_removed=with_removed)
    )
    return [_describe(each) for each in found]


def info(uri: str) -> Json:
    """Return everything about a version: `handlers`, `files`, `model_yaml` and, where it carries one, `packaged_runtime` too.

    Raises:
        NotFoundError: There is no such version.
    """
    from starwhale.models.describe import describe_details, describe_files, describe_handlers

    verbs = default_instance().at(uri).models
    found = verbs.info(uri)
    return {
        **_describe(found),
        **describe_details(found),
        "handlers": describe_handlers(verbs.handlers(found)),
        "files": describe_files(verbs.files(found)),
        "model_yaml": found.manifest["model_yaml"],
    }


def history(uri: str) -> Sequence[Json]:
    """Return the versions of a model, the newest first."""
    return [_describe(each) for each in default_instance().at(uri).models.history(uri)]


def tag(uri: str, tags: Sequence[str] = (), remove: bool = False) -> Sequence[str]:
    """Add tags to a version, or take them away, and return those that it has then."""
    verbs = default_instance().at(uri).models
    if not tags:
        return verbs.tags(uri)
    return (verbs.remove_tags if remove else verbs.add_tags)(uri, tags).tags


def export(uri: str, path: str | os.PathLike[str], force: bool = False) -> Path:
    """Write a version to one archive file, to be imported elsewhere, and return its path.

    Args:
        uri: A version; a name means its newest.
        path: The file.
        force: Replace a file that is there.

    Raises:
        NotFoundError: There is no such version.
        AlreadyExistsError: The file is there.
        CorruptedError: A file of the version is damaged.
    """
    default_instance().at(uri).models.export(uri, Path(path), force=force)
    return Path(path)


def import_archive(path: str | os.PathLike[str], name: str = "", force: bool = False) -> str:
    """Make a version of an archive that `export` wrote, and return its URI; one that is there already is left as it is.

    Args:
        path: The archive.
        name: Name or URI of the model; the name that it had by default.
        force: Move tags that point at another version.

    Raises:
        CorruptedError: It is no archive, or not whole, or damaged; nothing is imported.
        AlreadyExistsError: A tag points at another version.
    """
    return default_instance().models.import_archive(Path(path), name, force=force).version.uri.full


def remove(uri: str) -> str:
    """Hide a version (of a name alone: the newest) until it is recovered, and return its URI."""
    return default_instance().at(uri).models.remove(uri).uri.full


def recover(uri: str) -> str:
    """Bring a removed version back, and return its URI."""
    return default_instance().at(uri).models.recover(uri).uri.full


def diff(base: str, compare: str, show_details: bool = False, limit: int = LIMIT) -> ModelDiff:
    """Say what makes the second version of the first: files, links and modes, handlers.

    Args:
        base: URI of a version; a name means its newest.
        compare: URI of another, of the same model or of another.
        show_details: Compare the lines of texts too.
        limit: Files whose lines are compared, at most.

    Returns:
        Every path with what became of it; `to_json()` gives plain objects.

    Raises:
        NotFoundError: There is no such version.
    """
    return default_instance().at(base).models.diff(base, compare, show_details=show_details, limit=limit)


def extract(uri: str, target_dir: str | Path = ".", force: bool = False) -> None:
    """Write the files of a version below a folder, beside what is there; every byte is verified.

    Args:
        uri: A version; a name means its newest.
        target_dir: The folder; made if it is not there.
        force: Overwrite files that are there.

    Raises:
        AlreadyExistsError: Files are there already; the names are said, and nothing was written.
        CorruptedError: A file's content is damaged; nothing was overwritten.
    """
    default_instance().at(uri).models.extract(uri, Path(target_dir), force=force)


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
    return default_instance().copy("model", src, dest, options).version.uri.full


def serve(
    *targets: str | Path,
    host: str = "127.0.0.1",
    port: int | None = None,
    modules: Sequence[str] = (),
    runtime: str = "",
    handler: str = "",
    concurrency: int | None = None,
    max_batch_size: int | None = None,
    max_wait_ms: float = 5.0,
    record: bool = False,
) -> Serving:
    """Serve models side by side in processes of their own, and return when they answer requests.

    Example: `with model.serve("digits") as served: httpx.post(f"{served.address}/api/predict", json={"number": 3})`.

    Args:
        targets: `.py` files, folders and packaged models; the current folder when there is none.
        host: Address to listen on; there is no login.
        port: The port; None for the first free one from 8080 on.
        modules: Modules of a folder.
        runtime: URI of a runtime, in whose environment the models live.
        handler: Name of the one api or handler to serve; empty for all.
        concurrency: Calls at a time; None for one, and of an async function for as many as its handler says.
        max_batch_size: Requests that one call of a batch handler takes; None for its batch_size.
        max_wait_ms: How long the first request of a batch waits for others.
        record: Whether requests, answers and verdicts are kept, as jobs.

    Returns:
        What is served; whoever called this stops it: it is a context manager.

    Raises:
        NotFoundError: There is no such model or runtime.
        UserCodeError: The code of a model raised while it was loaded.
        PortError: The port is taken, or the address is none of this machine's.
    """
    from starwhale.api.serving import Serving
    from starwhale.instances.online import OnlineOptions, OnlineRequest
    from starwhale.serving.lanes import Bounds

    request = OnlineRequest(
        targets=tuple(map(str, targets)) or (".",),
        modules=tuple(modules),
        runtime_uri=runtime,
        handler=handler,
        concurrency=concurrency,
    )
    bounds = Bounds(max_batch_size=max_batch_size, max_wait_ms=max_wait_ms, concurrency=concurrency)
    return Serving(OnlineOptions(request=request, bounds=bounds, host=host, port=port, record=record))


def _describe(version: Any) -> Json:  # Any: a VersionRecord, whose module is heavy
    from starwhale.models.describe import describe_model

    return describe_model(version, path=default_instance().at(version.uri.full).models.path(version))


def _is_being_imported() -> bool:
    """Whether this call stands at the top of a module that a worker imports, rather than in a task."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    return getattr(spec, "name", "") == _WORKER and find_runtime_context() is None


def _module_names(modules: Sequence[Any] | None, root: Path) -> tuple[str, ...]:
    """Return the import paths, relative to `root`, of what the user gave."""
    if modules:
        given = [modules] if isinstance(modules, str) else modules
        return tuple(dict.fromkeys(each if isinstance(each, str) else _import_path(each, root) for each in given))
    found: dict[str, None] = {}
    for entry in REGISTRY.entries().values():
        module = sys.modules.get(entry.record.module_name)
        if module is not None and _lies_in(module, root):
            found[_import_path(module, root)] = None
    if not found:
        message = f"no handlers of modules in {root} are registered"
        raise HandlerError(message, hint="name them: model.build(modules=['evaluation'])")
    return tuple(found)


def _import_path(given: Any, root: Path) -> str:  # Any: a function, class or module
    module = given if isinstance(given, ModuleType) else sys.modules.get(getattr(given, "__module__", ""))
    shown = getattr(given, "__qualname__", None) or getattr(given, "__name__", None) or repr(given)
    file = getattr(module, "__file__", None)
    if module is None or not isinstance(file, str):
        message = f"{shown!r} lies in no file that could be packaged"
        raise UsageError(message, hint="begin its notebook cell with %%writefile evaluation.py, and give 'evaluation'")
    if not _lies_in(module, root):
        message = f"{shown!r} lies in {file}, outside of the work directory {root}"
        raise UsageError(message, hint="give its directory as `workdir`")
    parts = Path(file).resolve().relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def _lies_in(module: ModuleType, root: Path) -> bool:
    file = getattr(module, "__file__", None)
    return isinstance(file, str) and Path(file).resolve().is_relative_to(root)
