"""`swcli dataset copy`: a version under another name or in another project."""

from __future__ import annotations

from collections.abc import Sequence

import click

from starwhale.cli.app import CliApp
from starwhale.cli.command import SwCommand
from starwhale.cli.complete_names import completes
from starwhale.domain.object_uri import is_object_uri
from starwhale.errors import UsageError


@click.command("copy", cls=SwCommand)
@click.argument("src", shell_complete=completes("dataset"))
@click.argument("dest")
@click.option("-f", "--force", is_flag=True, help="Move tags that point at another version there.")
@click.option("-dlp", "--dest-local-project", "project", default="", help="Project of a destination that names none.")
@click.option("-i", "--ignore-tag", "ignore_tags", multiple=True, help="Tag that stays behind.")
@click.option("-p", "--patch", is_flag=True, help="Merge rows into a dataset that is there; the default.")
@click.option("-o", "--overwrite", is_flag=True, help="Replace the rows of a dataset that is there.")
@click.pass_obj
def copy(
    app: CliApp,
    src: str,
    dest: str,
    *,
    force: bool,
    project: str,
    ignore_tags: Sequence[str],
    patch: bool,
    overwrite: bool,
) -> None:
    """Copy a version to another name or project, sharing its files, or to and from an object store.

    DEST is a new name, the URI of a project (local/project/<project>), both, or '.' for the same name in the current project or the
    one of -dlp. Your tags travel. The copy has a version id of its own.

    SRC may be s3://<bucket>/<prefix>/<dataset>, and DEST s3://<bucket>/<prefix>: there the version keeps its name and id, and only what
    is not there yet is sent.
    """
    if patch and overwrite:
        raise UsageError("--patch and --overwrite exclude each other", hint="give one of them")
    if (patch or overwrite) and is_object_uri(dest):
        message = f"nothing is merged or replaced in {dest}: a version is copied there as it is"
        raise UsageError(message, hint="leave --patch and --overwrite out")
    copied = app.instance().datasets.copy(
        src,
        dest,
        project=project,
        mode="overwrite" if overwrite else "patch",
        ignore_tags=ignore_tags,
        force=force,
    )
    version = copied.version
    value = {
        "uri": version.uri.full,
        "name": version.name,
        "project": version.project,
        "version": version.version,
        "rows": version.row_count or 0,
        "tags": list(version.tags),
        "is_new": copied.is_new,
    }
    did = "copied to" if copied.is_new else "nothing to copy, it is there already:"
    app.tell(value, f"{did} {version.uri.full} ({version.row_count or 0} rows)")
