"""`swcli model extract`: the files of a packaged model in a folder."""

from __future__ import annotations

from pathlib import Path

import click

from starwhale.cli.app import CliApp
from starwhale.cli.command import SwCommand
from starwhale.cli.complete_names import completes
from starwhale.cli.render.render_table import show_bytes


@click.command("extract", cls=SwCommand)
@click.argument("uri", shell_complete=completes("model"))
@click.argument("target_dir", type=click.Path(file_okay=False), default=".")
@click.option("-f", "--force", is_flag=True, help="Overwrite files that are there.")
@click.pass_obj
def extract(app: CliApp, uri: str, target_dir: str, *, force: bool) -> None:
    """Write the files of a version into TARGET_DIR (default: here), beside what is there.

    Every byte is verified before anything is overwritten. Folders are not replaced, and links in TARGET_DIR are not followed.
    """
    target = Path(target_dir)
    verbs = app.at(uri).models
    version = verbs.extract(uri, target, force=force)
    count = len(verbs.files(version).entries)
    value = {
        "uri": version.uri.full,
        "target": str(target.resolve()),
        "files": count,
        "size": version.size_bytes,
    }
    files = "1 file" if count == 1 else f"{count} files"
    app.tell(value, f"extracted {files}, {show_bytes(version.size_bytes)}, to {target.resolve()}")
