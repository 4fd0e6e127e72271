"""What can be done with the models of an instance."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starwhale.domain.job import HandlerRecord, RunRequest
from starwhale.domain.uri import DEFAULT_PROJECT, Uri, parse_project_uri
from starwhale.domain.version import check_name, check_user_tag
from starwhale.errors import HandlerError, InvalidNameError, UsageError, UserCodeError, nearest
from starwhale.handlers.find_modules import find_evaluation_modules
from starwhale.instances.hold_blobs import hold_blobs
from starwhale.instances.jobs.job_runtime import enter_runtime
from starwhale.instances.listed_versions import ListedVerbs
from starwhale.instances.own_tokens import OwnTokens
from starwhale.instances.runtime_choice import carry_runtime, choose_runtime, describe_carried
from starwhale.models import describe
from starwhale.models.diff import LIMIT, ModelDiff, diff_contents, diff_files, diff_handlers
from starwhale.models.extract import extract
from starwhale.models.ignore import read_rules
from starwhale.models.listing import Listing
from starwhale.models.model_yaml import ModelYaml, read_model_yaml, write_model_yaml
from starwhale.models.package import Packaged, package
from starwhale.models.seen import Seen
from starwhale.models.unpack import unpack
from starwhale.settings import VERSION, Settings
from starwhale.storage.catalog.records import VersionDraft

if TYPE_CHECKING:
    from starwhale.runtimes.environment import OnStage
    from starwhale.storage.catalog.records import VersionRecord
    from starwhale.storage.stores import Stores

Progress = Callable[[int, int], None]
"""Called with the number of files and bytes that were packaged so far."""


LEFT_OUT_SHOWN = 20
"""Names of what was left out that a version remembers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What a build comes to, before anything is read or imported."""

    workdir: Path
    name: str
    project: str
    modules: tuple[str, ...]
    desc: str
    envs: tuple[str, ...] = ()


class ModelVerbs(ListedVerbs):
    """Verbs of models: those of all versions that are lists of files, packaging and unpacking."""

    def __init__(self, stores: Stores, project: str, settings: Settings) -> None:
        super().__init__(stores, project, "model", settings)

    def build(  # noqa: PLR0913 - one parameter per option of the command
        self,
        workdir: Path,
        *,
        modules: Sequence[str] = (),
        name: str = "",
        project: str = "",
        desc: str = "",
        tags: Sequence[str] = (),
        excludes: Sequence[str] = (),
        add_all: bool = False,
        model_yaml: Path | None = None,
        verify: bool = False,
        runtime: str = "",
        packages_runtime: bool = True,
        on_file: Progress | None = None,
        on_stage: OnStage | None = None,
    ) -> VersionRecord:
        """Package a work directory as a new version, with the handlers that its modules have.

        Args:
            workdir: The model root; nothing is written there.
            modules: Modules with handlers; empty for those of `model.yaml`, then for the one file that has any.
            name: Name of the model; empty for that of `model.yaml`, then the directory's.
            project: URI of the project; empty for the current one.
            desc: Message of the version; empty for that of `model.yaml`.
            tags: The user's tags.
            excludes: Patterns of files to leave out, after those of `.swignore`.
            add_all: Package what the built-in rules leave out.
            model_yaml: Another file than `model.yaml` in the work directory.
            verify: Read every file, also those that look as they did at the last build.
            runtime: URI of a runtime: the modules are imported in its environment; empty for the one that is active, if there is one.
            packages_runtime: Whether the model carries that runtime, and runs in it when nothing else is said.
            on_file: Called after each file.
            on_stage: Called with what is being done while the environment of a runtime is made.

        Raises:
            UsageError: A name, tag, pattern or `model.yaml` is wrong, or no modules are known.
            HandlerError: The modules have no handlers, or cannot be imported.
            ModelSourceError: A file cannot be packaged, or holds the token of a server that the user has.
        """
        for tag in tags:
            check_user_tag(tag)
        if not workdir.is_dir():
            message = f"there is no directory {workdir}"
            raise UsageError(message, hint="name the folder with the model's source and weights")
        said = read_model_yaml(workdir, model_yaml)
        plan = self._plan(workdir.resolve(), said, modules, name, project, desc)
        rules = read_rules(plan.workdir, excludes=excludes, add_all=add_all)
        used = choose_runtime(self._stores, self._settings, runtime, project=plan.project)
        handlers = self._discover(plan, used, on_stage)
        with hold_blobs(self._stores):
            root = self._stores.layout.root.resolve()
            seen = Seen.open(self._stores.layout.seen, plan.workdir, trusts=not verify)
            packaged = package(plan.workdir, rules, self._stores.blobs, skip=root, on_file=on_file, seen=seen)
            OwnTokens(self._settings).refuse_in_files(packaged.listing, self._stores.blobs)
            _check_modules(plan, packaged.listing)
            carried = used if packages_runtime else None
            if carried is not None:
                packaged = carry_runtime(packaged, carried, self._stores.blobs)
            return self._commit(plan, packaged, handlers, tags, carried)

    def _commit(
        self,
        plan: _Plan,
        packaged: Packaged,
        handlers: dict[str, HandlerRecord],
        tags: Sequence[str],
        carried: VersionRecord | None,
    ) -> VersionRecord:
        manifest: dict[str, Any] = {  # Any: JSON
            "name": plan.name,
            "build": {"os": platform.system(), "sw_version": VERSION, "python": platform.python_version()},
            "modules": list(plan.modules),
            **({"envs": list(plan.envs)} if plan.envs else {}),
            "handlers": {each: record.to_json() for each, record in handlers.items()},
            "model_yaml": write_model_yaml(
                ModelYaml(name=plan.name, modules=plan.modules, desc=plan.desc, envs=plan.envs)
            ),
            **({"packaged_runtime": describe_carried(carried)} if carried is not None else {}),
            "file_count": len(packaged.listing.files),
            "new_bytes": packaged.new_bytes,
            "left_out": list(packaged.left_out[:LEFT_OUT_SHOWN]),
            "left_out_count": len(packaged.left_out),
        }
        draft = VersionDraft(
            content_digest=packaged.content_digest,
            manifest=manifest,
            version=self._fixed_version,
            message=plan.desc,
            size_bytes=packaged.listing.size_bytes,
            tags=tuple(tags),
        )
        bundle = self._stores.catalog.bundles.ensure(plan.project, "model", plan.name)
        return self._stores.catalog.versions.add(bundle, draft)

    def handlers(self, version: VersionRecord) -> dict[str, HandlerRecord]:
        """Return the handlers of a version by name, as they were recorded; nothing is imported."""
        return describe.read_handlers(version)

    def unpack(self, uri: str | Uri, target: Path, *, is_writable: bool = False) -> VersionRecord:
        """Write the files of a version into a folder that is not there, or empty; every byte is verified.

        Raises:
            NotFoundError: There is no such version.
            AlreadyExistsError: The folder holds something.
            CorruptedError: A file's content is damaged.
        """
        found = self.resolve(uri)
        with hold_blobs(self._stores):
            unpack(self.files(found), self._stores.blobs, target, is_writable=is_writable)
        return found

    def diff(self, base: str | Uri, compare: str | Uri, *, show_details: bool = False, limit: int = LIMIT) -> ModelDiff:
        """Say what makes the second version of the first.

        Args:
            base: A version; a name means its newest.
            compare: Another version, of the same model or of another.
            show_details: Compare the lines of texts too.
            limit: Files whose lines are compared, at most.

        Raises:
            NotFoundError: There is no such version; the nearest names are said.
            CorruptedError: A file that has to be read is damaged.
        """
        first, second = self.resolve(base), self.resolve(compare)
        with hold_blobs(self._stores):
            files = diff_files(self.files(first), self.files(second))
            details, left = diff_contents(files, self._stores.blobs, limit) if show_details else (None, 0)
        return ModelDiff(
            base=first.uri.full,
            compare=second.uri.full,
            files=files,
            handlers=diff_handlers(self.handlers(first), self.handlers(second)),
            details=details,
            details_left=left,
        )

    def extract(self, uri: str | Uri, target: Path, *, force: bool = False) -> VersionRecord:
        """Write the files of a version below a folder, beside what is there; every byte is verified before anything is overwritten.

        Args:
            uri: A version; a name means its newest.
            target: The folder; made if it is not there.
            force: Overwrite files that are there.

        Raises:
            NotFoundError: There is no such version; the nearest names are said.
            AlreadyExistsError: Files are there already, or something is in the way; the names are said.
            CorruptedError: A file's content is damaged.
            NoSpaceError: There is not enough space.
        """
        found = self.resolve(uri)
        with hold_blobs(self._stores):
            extract(self.files(found), self._stores.blobs, target, overwrite=force)
        return found

    def _plan(
        self, workdir: Path, said: ModelYaml, modules: Sequence[str], name: str, project: str, desc: str
    ) -> _Plan:
        home = parse_project_uri(project or self._project).project
        projects = self._stores.catalog.projects
        if not all(each.partition(":")[0].strip() for each in (*modules, *said.modules)):
            raise UsageError("the name of a module is empty", hint="write it as package.module: --module evaluation")
        chosen = name or said.name or workdir.name
        try:
            check_name("model", chosen)
        except InvalidNameError as error:
            if not name and not said.name:
                error.hint = f"the directory's name does not fit; give another one with --name ({error.hint})"
            raise
        return _Plan(
            workdir=workdir,
            name=chosen,
            project=(projects.ensure(home) if home == DEFAULT_PROJECT else projects.get(home)).name,
            modules=tuple(modules) or said.modules or find_evaluation_modules(workdir),
            desc=desc or said.desc,
            envs=said.envs,
        )

    def _discover(
        self, plan: _Plan, runtime: VersionRecord | None, on_stage: OnStage | None
    ) -> dict[str, HandlerRecord]:
        from starwhale.execution.run_options import RunOptions
        from starwhale.execution.start import discover_handlers

        request = RunRequest(
            workdir=str(plan.workdir), modules=plan.modules, runtime_version=runtime.version if runtime else ""
        )
        request, options = enter_runtime(self._stores, self._settings, request, RunOptions(on_stage=on_stage))
        try:
            found = discover_handlers(request, self._stores, options)
        except UserCodeError as error:
            where = str(options.record.get("python_version") or platform.python_version())
            tried = f"it was imported with {options.python} (Python {where})"
            if sys.prefix not in error.hint:  # a module that is missing names the environment already
                error.hint = f"{error.hint}; {tried}" if error.hint else tried
            raise
        if not found:
            message = f"no handlers in {', '.join(plan.modules)}"
            raise HandlerError(
                message, hint="decorate a function with @evaluation.predict, @evaluation.evaluate or @handler"
            )
        return found


def _check_modules(plan: _Plan, listing: Listing) -> None:
    """Refuse to package a model without the modules that it is made of: a rule may have left them out."""
    packaged = {each.path for each in listing.entries}
    for module in plan.modules:
        stem = module.partition(":")[0].strip().replace(".", "/")
        places = (f"{stem}.py", f"{stem}/__init__.py")
        there = [each for each in places if (plan.workdir / each).exists()]
        if there and not any(each in packaged for each in there):
            message = f"the module {module!r} would not be packaged: {there[0]!r} is left out"
            raise UsageError(message, hint=f"mend .swignore or --exclude; {nearest(there[0], packaged)}".rstrip("; "))
