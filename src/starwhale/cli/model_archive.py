"""`swcli model export` and `import`: a version as one file."""

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
@click.argument("uri", shell_complete=completes("model"))
@click.argument("file", type=click.Path(path_type=Path))
@click.option("-f", "--force", is_flag=True, help="Replace a file that is there.")
@click.pass_obj
def export(app: CliApp, uri: str, file: Path, force: bool) -> None:
    """Write a version to one file; every byte is verified on the way."""
    with shown_bytes(app) as on_bytes:
        size = app.instance().models.export(uri, file, force=force, on_bytes=on_bytes)
    text = f"wrote {file} ({show_bytes(size)}); bring it in elsewhere with: swcli model import {file}"
    app.tell({"file": str(file.absolute()), "bytes": size}, text)


@click.command("import", cls=SwCommand)
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("name", default="")
@click.option("-p", "--project", default="", help="Project of the model; the current one by default.")
@click.option("-i", "--ignore-tag", "ignore_tags", multiple=True, help="Tag that is left out.")
@click.option("-f", "--force", is_flag=True, help="Move tags that point at another version there; mend damaged files.")
@click.pass_obj
def import_(app: CliApp, file: Path, name: str, *, project: str, ignore_tags: Sequence[str], force: bool) -> None:
    """Make a version of an archive: files, handlers, message and tags, with the id that it had where that is free.

    Everything is verified before anything is kept, and no code of the model runs. An archive that was imported before changes nothing, but
    by --force: then files that were damaged since are written again.
    """
    with shown_bytes(app) as on_bytes:
        made = app.instance().models.import_archive(
            file, name, project=project, ignore_tags=ignore_tags, force=force, on_bytes=on_bytes
        )
    version = made.version
    value = {
        "uri": version.uri.full,
        "name": version.name,
        "version": version.version,
        "size": version.size_bytes,
        "tags": list(version.tags),
        "is_new": made.is_new,
    }
    did = "imported" if made.is_new else "nothing to import, it is there already:"
    app.tell(value, f"{did} {version.uri.full} ({show_bytes(version.size_bytes)})")
