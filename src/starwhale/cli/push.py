"""`--push` of the commands that build a version: copy it to a server when it is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from starwhale.cli.app import CliApp

_Callback = Callable[..., None]


def push_options(command: _Callback) -> _Callback:
    """Give a command `--push` and `--force-push`."""
    push = click.option(
        "--push", default="", metavar="URI", help="Copy the version there when it is made: cloud://ALIAS/project/NAME."
    )
    force = click.option(
        "--force-push", is_flag=True, help="With --push: move tags that point at another version there."
    )
    return push(force(command))


def check_push(app: CliApp, given: dict[str, Any]) -> None:  # Any: one value per option
    """Refuse a place that is none before anything is built, and write a server without a project out with the one that it is used with.

    Raises:
        UsageError: It names no server, or `--force-push` stands alone.
        NotFoundError: There is no such server, or no such project on it.
    """
    from starwhale.domain.uri import DEFAULT_PROJECT, as_instance, parse_project_uri
    from starwhale.errors import UsageError

    place: str = given["push"]
    if not place:
        if given["force_push"]:
            raise UsageError("--force-push says nothing without --push", hint="add --push URI")
        return
    there = app.at(place)
    if there.login is None or "/" not in place:
        message = f"--push {place!r} names no server"
        raise UsageError(message, hint="write cloud://ALIAS/project/NAME; swcli instance list shows the servers")
    head, named, rest = place.partition("/project/")
    if named:
        project = parse_project_uri(f"{head}{named}{rest.partition('/')[0]}", instances=there.names).project
    else:
        project = there.project
        given["push"] = f"{as_instance(there.name)}/project/{project}"
    if project != DEFAULT_PROJECT:
        there.projects.info(f"{as_instance(there.name)}/project/{project}")


def push(app: CliApp, kind: str, uri: str, given: dict[str, Any]) -> dict[str, str]:  # Any: as above
    """Copy a version that was just made where `--push` says, and return what the command says of it; nothing where it says nothing."""
    if not given["push"]:
        return {}
    from starwhale.cli.render.archive_progress import shown_bytes
    from starwhale.instances.copy_across import CopyOptions

    with shown_bytes(app) as on_bytes:
        made = app.instance().copy(kind, uri, given["push"], CopyOptions(force=given["force_push"], on_bytes=on_bytes))
    app.say(f"copied to {made.version.uri.full}" if made.is_new else f"it is there already: {made.version.uri.full}")
    return {"pushed": made.version.uri.full}


__all__ = ["check_push", "push", "push_options"]
