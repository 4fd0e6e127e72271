"""What can be done with the runtimes of an instance."""

from __future__ import annotations

import dataclasses
import json
import platform
import shutil
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starwhale.domain.runtime import Interpreter, RuntimeSpec
from starwhale.domain.uri import DEFAULT_PROJECT, Uri, parse_project_uri
from starwhale.domain.version import check_name, check_user_tag
from starwhale.errors import AlreadyExistsError, RestoreError, UsageError
from starwhale.instances.environments import Environment, Say, bundled_files, own_indexes, restore
from starwhale.instances.hold_blobs import hold_blobs
from starwhale.instances.listed_versions import ListedVerbs
from starwhale.models.listing import Entry, EntryKind, Listing
from starwhale.models.unpack import unpack
from starwhale.runtimes.bundle import Gathered, LockOptions, gather_environment, gather_yaml, resolve_lock, write_lock
from starwhale.runtimes.installed import python_of
from starwhale.runtimes.installer import Installer, choose_installer, download
from starwhale.runtimes.interpreters import find_interpreter, probe
from starwhale.runtimes.lock import LOCK_PATH, Lock
from starwhale.runtimes.manifest import MANIFEST, make_manifest
from starwhale.runtimes.runtime_yaml import RUNTIME_YAML, read_runtime_yaml
from starwhale.settings import VERSION, Settings
from starwhale.storage.catalog.records import VersionDraft

if TYPE_CHECKING:
    from starwhale.runtimes.diff import RuntimeDiff
    from starwhale.runtimes.environment import OnStage
    from starwhale.storage.catalog.records import VersionRecord
    from starwhale.storage.stores import Stores


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeSource:
    """What a runtime is built or locked from: one of these."""

    yaml: Path | None = None
    """A `runtime.yaml`."""
    venv: Path | None = None
    """Prefix of a virtual environment."""
    is_shell: bool = False
    """The Python of the shell that this program was started from."""
    image: str = ""
    """A container image, which the runtime then only names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """What an option says instead of the `runtime.yaml`; empty leaves it."""

    name: str = ""
    """Name of the runtime."""
    cuda: str = ""
    """Version of CUDA."""
    cudnn: str = ""
    """Version of cuDNN."""
    arch: tuple[str, ...] = ()
    """Processors that it is for."""

    def apply(self, spec: RuntimeSpec) -> RuntimeSpec:
        """Return what is asked for then."""
        return dataclasses.replace(
            spec,
            name=self.name or spec.name,
            cuda=self.cuda or spec.cuda,
            cudnn=self.cudnn or spec.cudnn,
            arch=self.arch or spec.arch,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """A runtime in a folder, before it is kept."""

    folder: Path
    gathered: Gathered
    lock: Lock | None
    mode: str = "venv"


class RuntimeVerbs(ListedVerbs):
    """Verbs of runtimes: those of all versions that are lists of files, locking and restoring."""

    def __init__(self, stores: Stores, project: str, settings: Settings) -> None:
        super().__init__(stores, project, "runtime", settings)

    def build(  # noqa: PLR0913 - one parameter per option of the command
        self,
        source: RuntimeSource,
        say: Say,
        *,
        overrides: Overrides | None = None,
        project: str = "",
        tags: Sequence[str] = (),
        is_locked: bool = True,
        options: LockOptions | None = None,
    ) -> VersionRecord:
        """Make a new version: gather what the source names, and pin it.

        Args:
            source: What it is built from.
            say: Called with what the user should know.
            overrides: What options say instead of the source.
            project: URI of the project; empty for the current one.
            tags: The user's tags.
            is_locked: Whether everything is pinned now; otherwise it is resolved when an environment is first made.
            options: How the lock is made.

        Raises:
            UsageError: The source is malformed, or asks for what there is not.
            RestoreError: The requirements cannot be resolved: the resolver's reason.
        """
        for tag in tags:
            check_user_tag(tag)
        home = parse_project_uri(project or self._project).project
        projects = self._stores.catalog.projects
        home = (projects.ensure(home) if home == DEFAULT_PROJECT else projects.get(home)).name
        overrides = overrides or Overrides()
        with self._gathered(source, overrides, say, is_locked=is_locked, options=options) as made:
            name = made.gathered.spec.name
            return self._keep(made, home, check_name("runtime", name), tags)

    def lock(
        self, source: RuntimeSource, target: Path | None, say: Say, *, options: LockOptions | None = None
    ) -> tuple[str, Path | None]:
        """Pin what a source names, and write the lock below a folder; return its text and file.

        Args:
            source: What is locked.
            target: The folder; None writes nothing.
            say: Called with what the user should know.
            options: How the lock is made.

        Raises:
            UsageError: The source is malformed, or asks for what there is not.
            RestoreError: The requirements cannot be resolved.
        """
        with self._gathered(source, Overrides(name="lock"), say, is_locked=True, options=options) as made:
            if made.lock is None:
                raise UsageError("an image has nothing to lock", hint="name a runtime.yaml, or an environment")
            text = made.lock.to_text()
        if target is None:
            return text, None
        path = target / ".starwhale" / "lock" / Path(LOCK_PATH).name
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.new")
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
        return text, path

    def text(self, version: VersionRecord, path: str) -> str:
        """Return the text of a file of a version; empty when it has none of that path."""
        bundled = bundled_files(self._stores, version)
        return bundled.read(path) if path in bundled.digests else ""

    def lock_texts(self, version: VersionRecord) -> dict[str, str]:
        """Return the lock of a version by the name of its file; nothing for one that is not locked."""
        text = self.text(version, LOCK_PATH)
        return {Path(LOCK_PATH).name: text} if text else {}

    def diff(self, base: str | Uri, compare: str | Uri) -> RuntimeDiff:
        """Say what makes the second version of the first: locked packages, Python, processors, image.

        Args:
            base: A version; a name means its newest.
            compare: Another version, of the same runtime or of another.

        Raises:
            NotFoundError: There is no such version; the nearest names are said.
            CorruptedError: A file that has to be read is damaged.
        """
        from starwhale.runtimes.diff import diff_runtimes

        first, second = self.resolve(base), self.resolve(compare)
        sides = [(each.uri.full, self.text(each, LOCK_PATH), each.manifest) for each in (first, second)]
        return diff_runtimes(sides[0], sides[1])

    @property
    def environments(self) -> Path:
        """Where the environments of all runtimes lie."""
        return self._stores.layout.runtimes / "environments"

    def extract(self, uri: str | Uri, target: Path, *, force: bool = False) -> tuple[VersionRecord, Path]:
        """Write the files of a version into a folder; every byte is verified.

        Args:
            uri: The version.
            target: A folder that is not there, or empty.
            force: Replace what is there.

        Raises:
            AlreadyExistsError: The folder holds something, and `force` is not given.
        """
        found = self.resolve(uri)
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            if not force:
                message = f"{target} is there already, and not empty"
                raise AlreadyExistsError(message, hint="name another folder, or replace it with --force")
            _refuse_dear(target)
            shutil.rmtree(target) if target.is_dir() else target.unlink()
        with hold_blobs(self._stores):
            unpack(self.files(found), self._stores.blobs, target, is_writable=True)
        return found, target

    def restore(
        self, uri: str | Uri, say: Say, *, is_forced: bool = False, on_stage: OnStage | None = None
    ) -> Environment:
        """Make the environment of a version when it is not there and whole.

        Args:
            uri: The version.
            say: Called with what the user should know.
            is_forced: Make it anew in any case.
            on_stage: Called with what is being done while it is made, and with nothing at the end.

        Raises:
            RestoreError: It cannot be made.
        """
        found = self.resolve(uri)
        return restore(self._stores, found, self._settings, say, is_forced=is_forced, on_stage=on_stage)

    def verify(self, environment: Environment) -> list[str]:
        """Read every byte of an environment, and name what differs from what was installed."""
        from starwhale.runtimes.environment import verify

        return verify(environment.prefix)

    # ------------------------------------------------------------------------------------------------------- building

    @contextmanager
    def _gathered(
        self,
        source: RuntimeSource,
        overrides: Overrides,
        say: Say,
        *,
        is_locked: bool,
        options: LockOptions | None,
    ) -> Generator[_Made]:
        options = options or LockOptions()
        if options.keeps_packages and (source.image or not is_locked):
            message = f"packages can be kept of what is pinned, and {'nothing of an image' if source.image else 'nothing'} is pinned here"
            raise UsageError(message, hint="leave --download-all-deps out")
        with tempfile.TemporaryDirectory(prefix="starwhale-runtime-") as name:
            folder = Path(name) / "runtime"
            folder.mkdir()
            if source.image:
                spec = overrides.apply(RuntimeSpec(image=source.image))
                from starwhale.runtimes.bundle import write_runtime_yaml
                from starwhale.runtimes.installer import Wanted

                (folder / RUNTIME_YAML).write_text(write_runtime_yaml(spec), encoding="utf-8")
                yield _Made(
                    folder=folder, gathered=Gathered(spec=spec, wanted=Wanted(), ours=()), lock=None, mode="docker"
                )
                return
            installer = choose_installer(self._stores.layout.runtimes, self._settings.runtimes.installer)
            gathered, python = self._gather(source, overrides, say, folder, installer, options)
            if gathered.ours:
                say(f"left out {', '.join(gathered.ours)}: this program, {VERSION}, stands in for it")
            lock: Lock | None = None
            if is_locked:
                python = python or find_interpreter(gathered.spec.python, folders=self._settings.runtimes.interpreters)
                say(f"locking for Python {python.version} on {python.platform} with {installer.name}")
                wanted = dataclasses.replace(gathered.wanted, uses_cache=options.uses_cache)
                lock = resolve_lock(wanted, python, installer)
                write_lock(folder, lock)
                if options.keeps_packages:
                    say(f"keeping {len(lock.pins)} package{'' if len(lock.pins) == 1 else 's'} in the runtime")
                    download(self._stores.layout.runtimes, lock, python, folder / "wheels", wanted.indexes)
            yield _Made(folder=folder, gathered=gathered, lock=lock)

    def _gather(
        self,
        source: RuntimeSource,
        overrides: Overrides,
        say: Say,
        folder: Path,
        installer: Installer,
        options: LockOptions,
    ) -> tuple[Gathered, Interpreter | None]:
        """Also return the interpreter, where the source has one."""
        own = own_indexes(self._settings)
        if source.venv is not None or source.is_shell:
            python = python_of(source.venv.absolute()) if source.venv is not None else self._shell_python()
            spec = overrides.apply(RuntimeSpec(name=_folder_name(source.venv), indexes=own))
            return gather_environment(python, spec, folder, installer, options), python
        path = source.yaml or Path(RUNTIME_YAML)
        said = read_runtime_yaml(path)
        for each in said.warnings:
            say(f"Warning: {each}")
        root = path.absolute().parent
        spec = dataclasses.replace(
            said.spec, name=said.spec.name or root.name, python=said.spec.python or _this_minor()
        )
        gathered = gather_yaml(overrides.apply(spec), said.text, root, folder)
        wanted = gathered.wanted
        indexes = dataclasses.replace(
            wanted.indexes,
            index_url=own.index_url or wanted.indexes.index_url,
            extra_index_urls=(*own.extra_index_urls, *wanted.indexes.extra_index_urls),
            trusted_hosts=(*own.trusted_hosts, *wanted.indexes.trusted_hosts),
        )
        return dataclasses.replace(gathered, wanted=dataclasses.replace(wanted, indexes=indexes)), None

    def _shell_python(self) -> Interpreter:
        said = self._settings.runtimes
        if said.virtual_env:
            return python_of(Path(said.virtual_env))
        if said.conda_prefix:
            return python_of(Path(said.conda_prefix))  # which refuses it
        program = shutil.which("python3") or shutil.which("python")
        found = probe(program) if program else None
        if found is None:
            raise RestoreError("the shell has no Python that runs", hint="activate an environment, or name one: --venv")
        return found

    def _keep(self, made: _Made, project: str, name: str, tags: Sequence[str]) -> VersionRecord:
        spec = dataclasses.replace(made.gathered.spec, name=name)
        with hold_blobs(self._stores):
            entries = [_put(self._stores, made.folder, path) for path in _walk(made.folder)]
            digests = {each.path: each.digest for each in entries}
            manifest = make_manifest(spec, made.lock, digests, made.mode)
            text = json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
            (made.folder / MANIFEST).write_text(text, encoding="utf-8")
            entries.append(_put(self._stores, made.folder, made.folder / MANIFEST))
            listing = Listing(entries=tuple(sorted(entries, key=lambda each: each.path)))
            digest = self._stores.blobs.put(listing.to_bytes())
            build: dict[str, Any] = {"os": platform.system(), "sw_version": VERSION}  # Any: JSON
            draft = VersionDraft(
                content_digest=digest,
                manifest={**manifest, "build": build, "left_out": list(made.gathered.ours)},
                version=self._settings.fixed_version,
                size_bytes=listing.size_bytes,
                tags=tuple(tags),
            )
            bundle = self._stores.catalog.bundles.ensure(project, "runtime", name)
            return self._stores.catalog.versions.add(bundle, draft)


def _put(stores: Stores, root: Path, path: Path) -> Entry:
    with path.open("rb") as source:
        digest = stores.blobs.put(source)
    stat = path.stat()
    name = path.relative_to(root).as_posix()
    is_executable = bool(stat.st_mode & 0o111)
    return Entry(path=name, kind=EntryKind.FILE, digest=digest, size=stat.st_size, is_executable=is_executable)


def _walk(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _folder_name(venv: Path | None) -> str:
    """Name a runtime by its environment: of `.venv` the folder above it."""
    folder = (venv or Path.cwd()).absolute()
    return folder.parent.name if folder.name.startswith(".") or folder.name in {"venv", "env"} else folder.name


def _this_minor() -> str:
    return f"{sys.version_info[0]}.{sys.version_info[1]}"


def _refuse_dear(target: Path) -> None:
    """Refuse to replace a folder that is more than what was extracted before."""
    if not (target / MANIFEST).is_file() or not (target / RUNTIME_YAML).is_file():
        message = f"{target} holds other files than those of a runtime, and is not replaced"
        raise AlreadyExistsError(message, hint="name a folder of its own")
