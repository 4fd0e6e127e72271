"""Environments of runtimes: made when they are asked for, from the files that a version of a runtime or model has."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starwhale.domain.json_shape import Json
from starwhale.domain.runtime import OLDEST_PYTHON, Indexes
from starwhale.errors import RestoreError
from starwhale.settings import Settings

if TYPE_CHECKING:
    from starwhale.models.listing import Listing
    from starwhale.runtimes.environment import OnStage
    from starwhale.runtimes.manifest import Bundled
    from starwhale.storage.catalog.records import VersionRecord
    from starwhale.storage.in_use import Hold
    from starwhale.storage.stores import Stores

PACKAGED = ".starwhale/runtime/"
"""Where a model has the files of its runtime."""
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """An environment that is ready."""

    prefix: Path
    """Its folder."""
    uri: str
    """Full URI of the runtime, or of the model that carries it."""
    content: str
    """Digest of what it was made of."""
    python_version: str
    """`3.12.1`: the version of its interpreter, which may be a later one than the runtime was locked for."""
    record: Mapping[str, Any] = field(default_factory=dict[str, Any])  # Any: JSON
    """What a job keeps of it."""
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    """What a process in it finds in its environment."""

    hold: Hold | None = None
    """Keeps environments from being collected, as long as somebody refers to this."""

    @property
    def python(self) -> str:
        """Its interpreter."""
        return str(self.prefix / "bin" / "python")


def bundled_files(stores: Stores, version: VersionRecord, *, prefix: str = "") -> Bundled:
    """Return the files of a runtime, or those that a model carries below `prefix`."""
    from starwhale.models.listing import Listing, read_listing
    from starwhale.models.unpack import unpack
    from starwhale.runtimes.manifest import Bundled

    listing = read_listing(stores.blobs, version.content_digest)
    entries = {each.path.removeprefix(prefix): each for each in listing.files if each.path.startswith(prefix)}

    def write(folder: Path) -> None:
        unpack(Listing(entries=_renamed(listing, prefix)), stores.blobs, folder, is_writable=True)

    return Bundled(
        digests={path: each.digest for path, each in entries.items()},
        read=lambda path: stores.blobs.get(entries[path].digest).decode(),
        unpack=write,
    )


def restore(
    stores: Stores,
    version: VersionRecord,
    settings: Settings,
    say: Say,
    *,
    is_forced: bool = False,
    on_stage: OnStage | None = None,
) -> Environment:
    """Make the environment of a runtime, or of the runtime that a model carries, when it is not there and whole.

    Args:
        stores: Where everything lies.
        version: Of a runtime or model.
        settings: What the environment says.
        say: Called with what the user should know.
        is_forced: Make it anew in any case.
        on_stage: Called with what is being done while it is made, and with nothing at the end.

    Raises:
        RestoreError: It cannot be made: the installer's reason, or it is for another machine.
    """
    from starwhale.instances.hold_blobs import hold_blobs
    from starwhale.runtimes import environment
    from starwhale.runtimes.installer import choose_installer
    from starwhale.runtimes.interpreters import find_interpreter
    from starwhale.runtimes.manifest import check_machine, make_recipe, read_manifest
    from starwhale.storage.in_use import hold

    home = stores.layout.runtimes
    bundled = bundled_files(stores, version, prefix=PACKAGED if version.kind == "model" else "")
    manifest = read_manifest(bundled)
    python = find_interpreter(_wanted_python(manifest), folders=settings.runtimes.interpreters)
    check_machine(manifest, python, version.name)
    installer = choose_installer(home, settings.runtimes.installer)
    own = own_indexes(settings)
    recipe = make_recipe(manifest, bundled, installer, own=own, runs_commands=settings.runtimes.runs_commands)
    if manifest["dependencies"]["commands"] and not recipe.commands:
        say("the commands of this runtime are left out; SW_RUNTIME_FORCE_RUN_COMMAND=1 runs them")
    place = home / "environments" / environment.environment_key(recipe, python)
    if is_forced:
        import shutil

        shutil.rmtree(place, ignore_errors=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    held = hold(place.parent)
    told = environment.Listener(say=say) if on_stage is None else environment.Listener(say=say, stage=on_stage)
    with hold_blobs(stores):
        environment.ensure(place, recipe, python, installer, told)
    return dataclasses.replace(
        _ready(stores, version, manifest, place, settings), python_version=python.version, hold=held
    )


def own_indexes(settings: Settings) -> Indexes:
    """Return the package indexes that this machine has for all runtimes."""
    said = settings.runtimes
    return Indexes(index_url=said.index_url, extra_index_urls=said.extra_index_urls, trusted_hosts=said.trusted_hosts)


def _ready(stores: Stores, version: VersionRecord, manifest: Json, place: Path, settings: Settings) -> Environment:
    from starwhale.runtimes.environment import site_packages
    from starwhale.runtimes.ours import link_ours, point_at

    ours = link_ours(stores.layout.runtimes / "ours")
    point_at(site_packages(place), ours)
    uri = version.uri.full
    return Environment(
        prefix=place,
        uri=uri,
        content=manifest["content"],
        python_version="",
        record={
            "uri": uri,
            "version": version.version,
            "digest": version.content_digest,
            "content": manifest["content"],
            "lock_digest": manifest["environment"]["lock"]["digest"],
            "python": manifest["environment"]["python"],
            "packaged_in_model": version.kind == "model",
        },
        variables={
            "VIRTUAL_ENV": str(place),
            "PATH": os.pathsep.join((str(place / "bin"), str(ours / "bin"), settings.runtimes.path)),
            "PYTHONPATH": str(ours),
            "SW_RUNTIME_ACTIVATED_PROCESS": "1",
            "SW_ACTIVATED_RUNTIME_URI_IN_SUBPROCESS": uri,
        },
    )


def _wanted_python(manifest: Json) -> str:
    """Return the Python to look for: the minor version counts, as compiled packages have it."""
    said: str = manifest["environment"]["python"]
    minor = ".".join(said.split(".")[:2])
    if said and tuple(int(each) for each in minor.split(".")) < OLDEST_PYTHON:
        message = f"this runtime is for Python {said}, and workers need {'.'.join(map(str, OLDEST_PYTHON))} or newer"
        raise RestoreError(message, hint="build it again with a newer environment.python")
    return minor


def _renamed(listing: Listing, prefix: str) -> tuple[Any, ...]:
    return tuple(
        dataclasses.replace(each, path=each.path.removeprefix(prefix))
        for each in listing.entries
        if each.path.startswith(prefix)
    )
