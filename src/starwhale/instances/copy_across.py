"""Copies of versions: within an instance, or from one instance to another. Where is said by the URIs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starwhale.domain.object_uri import is_object_uri
from starwhale.errors import UsageError
from starwhale.instances.archive_place import make_place
from starwhale.instances.destination import SAME_NAME, check_project, parse_destination
from starwhale.instances.own_tokens import OwnTokens
from starwhale.storage.catalog.copies import Copied, CopyPlan
from starwhale.storage.remote.logins import read_logins

if TYPE_CHECKING:
    from starwhale.domain.uri import Uri
    from starwhale.instances.instance import Instance
    from starwhale.transfer.archive import OnBytes

KINDS = ("dataset", "model", "runtime")
"""What has versions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyOptions:
    """How a version is copied."""

    project: str = ""
    """Project of a destination that names none; empty for the current one."""
    mode: str = ""
    """Of a dataset within an instance: `patch` merges rows into one that is there, `overwrite` replaces them; empty for `patch`."""
    ignore_tags: Sequence[str] = ()
    """Tags of the user that stay behind."""
    force: bool = False
    """Move tags that point at another version there."""
    on_bytes: OnBytes | None = None
    """Told how far it is, where something is sent."""


def copy_version(
    instance: Instance, kind: str, source: str | Uri, destination: str, options: CopyOptions | None = None
) -> Copied:
    """Copy a version; see `Instance.copy`.

    Raises:
        UsageError: The destination or mode makes no sense.
    """
    options = options or CopyOptions()
    here = instance.at(source)
    there = _target(instance, str(source), destination)
    if here is there:
        return _within(here, kind, source, destination, options)
    if is_object_uri(str(source)) or is_object_uri(destination):
        where = source if is_object_uri(str(source)) else destination
        message = f"nothing is copied between {where} and a server"
        raise UsageError(message, hint="copy it to this machine first: swcli dataset copy <source> .")
    if options.mode:
        message = f"nothing is merged or replaced in {there.name}: a version is copied there as it is"
        raise UsageError(message, hint="leave --patch and --overwrite out")
    return _across(here, there, kind, source, destination, options)


def _target(instance: Instance, source: str, destination: str) -> Instance:
    """Return where a copy goes: of a version that a server was named for, here where nothing else is said."""
    logins = read_logins(instance.settings)
    names_none = destination == SAME_NAME or "/project/" not in destination
    if names_none and not is_object_uri(destination):
        local = logins.selected == "local"
        names_server = "/project/" in source and logins.named_by(source) is not None
        return instance if local or names_server else instance.at(destination)
    return instance.at(destination)


def _within(here: Instance, kind: str, source: str | Uri, destination: str, options: CopyOptions) -> Copied:
    given: dict[str, Any] = {  # Any: values of several types
        "project": options.project,
        "ignore_tags": options.ignore_tags,
        "force": options.force,
    }
    if kind == "dataset":
        return here.datasets.copy(source, destination, mode=options.mode or "patch", **given)
    return (here.models if kind == "model" else here.runtimes).copy(source, destination, **given)


def _across(
    here: Instance, there: Instance, kind: str, source: str | Uri, destination: str, options: CopyOptions
) -> Copied:
    from starwhale.transfer.between import copy_between

    verbs = {"dataset": lambda: here.datasets, "model": lambda: here.models, "runtime": lambda: here.runtimes}[kind]()
    found = verbs.resolve(source)
    if kind == "model" and here.login is None:  # it may have been packaged before the user had the token
        OwnTokens(here.settings).refuse_in_files(here.models.files(found), here.stores.blobs)
    target = parse_destination(
        destination,
        kind,
        name=found.name,
        current=there.project,
        project=options.project,
        instances=there.stores.names,
    )
    check_project(there.stores, target.project, there.project)
    plan = CopyPlan(project=target.project, name=target.name, ignore_tags=options.ignore_tags, force=options.force)
    fixed = there.settings.fixed_version
    return copy_between(make_place(here.stores), make_place(there.stores, fixed), found, plan, options.on_bytes)


__all__ = ["KINDS", "CopyOptions", "copy_version"]
