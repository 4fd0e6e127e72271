"""`swcli dataset export` and `import`: a version as one file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from starwhale.cli.app import CliApp
from starwhale.cli.command import SwCommand
from starwhale.cli.complete_names import completes
from starwhale.cli.render.archive_progress import shown_bytes
from starwhale.cli.render.render_table import show_bytes


@click.command("export", cls=SwCommand)
@click.argument("uri", shell_complete=completes("dataset"))
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(["archive", "parquet", "csv"]),
    default="archive",
    show_default=True,
    help="An archive can be imported again, with tags and all; the others hold the rows alone.",
)
@click.option("-f", "--force", is_flag=True, help="Replace a file that is there.")
@click.pass_obj
def export(app: CliApp, uri: str, file: Path, form: str, force: bool) -> None:
    """Write a version to one file; every byte is verified on the way."""
    with shown_bytes(app) as on_bytes:
        size = app.instance().datasets.export(uri, file, form=form, force=force, on_bytes=on_bytes)
    value = {"file": str(file.absolute()), "format": form, "bytes": size}
    after = f"; bring it in elsewhere with: swcli dataset import {file}" if form == "archive" else ""
    app.tell(value, f"wrote {file} ({show_bytes(size)}){after}")


@click.command("import", cls=SwCommand)
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("name", default="")
@click.option("-p", "--project", default="", help="Project of the dataset; the current one by default.")
@click.option("-i", "--ignore-tag", "ignore_tags", multiple=True, help="Tag that is left out.")
@click.option("-f", "--force", is_flag=True, help="Move tags that point at another version there; mend damaged files.")
@click.pass_obj
def import_(app: CliApp, file: Path, name: str, *, project: str, ignore_tags: Sequence[str], force: bool) -> None:
    """Make a version of an archive: rows, info, message and tags, with the id that it had where that is free.

    Everything is verified before anything is kept. An archive that was imported before changes nothing, but by --force: then files that
    were damaged since are written again.
    """
    with shown_bytes(app) as on_bytes:
        made = app.instance().datasets.import_archive(
            file, name, project=project, ignore_tags=ignore_tags, force=force, on_bytes=on_bytes
        )
    version = made.version
    value = {
        "uri": version.uri.full,
        "name": version.name,
        "version": version.version,
        "rows": version.row_count or 0,
        "tags": list(version.tags),
        "is_new": made.is_new,
    }
    did = "imported" if made.is_new else "nothing to import, it is there already:"
    app.tell(value, f"{did} {version.uri.full} ({version.row_count or 0} rows)")
