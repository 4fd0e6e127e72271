"""Where a copy goes: `.`, a new name, a project, or a whole URI without a version."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from starwhale.domain.uri import DEFAULT_PROJECT, Uri, parse_project_uri, parse_uri
from starwhale.domain.version import check_name
from starwhale.errors import UsageError

if TYPE_CHECKING:
    from starwhale.storage.stores import Stores

SAME_NAME = "."
"""The same name, in the current project or the one that is given beside it."""


def parse_destination(
    text: str, kind: str, *, name: str, current: str, project: str = "", instances: Sequence[str] = ("local",)
) -> Uri:
    """Read where a copy goes.

    Args:
        text: `.`, `<name>`, `<instance>/project/<project>`, or a whole URI without a version.
        kind: `dataset`, `model` or `runtime`.
        name: Name of the original.
        current: The current project.
        project: Project of a destination that names none; empty for the current one.
        instances: What URIs call the instance that it is on.

    Raises:
        InvalidUriError: The text has another form.
        InvalidNameError: The name breaks the naming rule.
        UsageError: It names a version, or a project twice.
        NotFoundError: It names an instance that is not known.
    """
    home = parse_project_uri(project).project if project else current
    if text == SAME_NAME:
        return Uri(project=home, kind=kind, name=name)
    if _is_project(text):
        _refuse_twice(text, project)
        return Uri(project=parse_project_uri(text, instances=instances).project, kind=kind, name=name)
    found = parse_uri(text, kind=kind, default_project=home, instances=instances)
    if found.version or not found.name:
        raise _names_a_version(text, kind, found)
    if "/project/" in text:
        _refuse_twice(text, project)
    check_name(kind, found.name)
    return found


def check_project(stores: Stores, project: str, current: str) -> None:
    """Refuse a project that is not there.

    Args:
        stores: What there is.
        project: Its name.
        current: The current project, which is there from the start, as the default one is.

    Raises:
        NotFoundError: There is none of that name, or it was removed.
    """
    projects = stores.catalog.projects
    if project in {current, DEFAULT_PROJECT}:
        projects.refuse_removed(project)
    else:
        projects.get(project)


def _names_a_version(text: str, kind: str, found: Uri) -> UsageError:
    if not found.name:
        return UsageError(f"{text!r} names no {kind}", hint=f"give a name, or local/project/<project>/{kind}/<name>")
    whole = f"local/project/{found.project}/{kind}/{found.name}"
    if "/version/" in text:
        message = f"{text!r} names a version, and a copy gets one of its own"
        return UsageError(message, hint=f"leave it out: {whole if '/project/' in text else found.name}")
    message = f"{text!r} means version {found.version!r} of {kind} {found.name!r}, and a copy gets a version of its own"
    hint = f"give a name without '/', as {found.name}; in another project: local/project/{found.name}/{kind}/{found.version}"
    return UsageError(message, hint=hint)


def _is_project(text: str) -> bool:
    head, _, tail = text.rpartition("/project/")
    return bool(head) and "/" not in tail


def _refuse_twice(text: str, project: str) -> None:
    if project:
        message = f"{text!r} names a project, and --dest-local-project {project!r} names one too"
        raise UsageError(message, hint="leave one of them out")
