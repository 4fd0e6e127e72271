"""`swcli model copy`: a version under another name or in another project."""

from __future__ import annotations

from collections.abc import Sequence

import click

from starwhale.cli.app import CliApp
from starwhale.cli.command import SwCommand
from starwhale.cli.complete_names import completes


@click.command("copy", cls=SwCommand)
@click.argument("src", shell_complete=completes("model"))
@click.argument("dest")
@click.option("-f", "--force", is_flag=True, help="Move tags that point at another version there.")
@click.option("-dlp", "--dest-local-project", "project", default="", help="Project of a destination that names none.")
@click.option("-i", "--ignore-tag", "ignore_tags", multiple=True, help="Tag that stays behind.")
@click.pass_obj
def copy(app: CliApp, src: str, dest: str, *, force: bool, project: str, ignore_tags: Sequence[str]) -> None:
    """Copy a version to another name or project; the files are shared and take no space.

    DEST is a new name, the URI of a project (local/project/<project>), both, or '.' for the same name in the current project or the
    one of -dlp. Your tags travel. The copy has a version id of its own.
    """
    copied = app.instance().models.copy(src, dest, project=project, ignore_tags=ignore_tags, force=force)
    version = copied.version
    value = {
        "uri": version.uri.full,
        "name": version.name,
        "project": version.project,
        "version": version.version,
        "size": version.size_bytes,
        "tags": list(version.tags),
        "is_new": copied.is_new,
    }
    did = "copied to" if copied.is_new else "nothing to copy, it is there already:"
    app.tell(value, f"{did} {version.uri.full}")
