"""`swcli job export` and `import`: a job as one file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from starwhale.cli.app import CliApp
from starwhale.cli.command import SwCommand
from starwhale.cli.complete_names import completes
from starwhale.cli.render.archive_progress import shown_bytes
from starwhale.cli.version_archive import import_options, tell_written
from starwhale.cli.versions import make_command

if TYPE_CHECKING:
    from starwhale.transfer.job_archive import Imported


@click.command("export", cls=SwCommand)
@click.argument("job_address", metavar="JOB", shell_complete=completes("job"))
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--with-model", is_flag=True, help="Take the packaged model along.")
@click.option("--with-datasets", is_flag=True, help="Take the dataset versions along.")
@click.option("--with-runtime", is_flag=True, help="Take the runtime along that it ran in.")
@click.option("-f", "--force", is_flag=True, help="Replace a file that is there.")
@click.pass_obj
def export(app: CliApp, /, **given: Any) -> None:  # Any: one value per option
    """Write a job to one file: record, results, errors and logs; every byte is verified on the way.

    With the model, the datasets and the runtime in it, the job can be run again on another machine from this file alone; packages that the
    runtime pins are fetched there by their hashes.
    """
    job_address, file = given.pop("job_address"), given.pop("file")
    with shown_bytes(app) as on_bytes:
        size = app.instance().jobs.export(job_address, file, **given, on_bytes=on_bytes)
    tell_written(app, "job", file, size)


def _import(app: CliApp, *, file: Path, **given: Any) -> None:  # Any: one value per option
    with shown_bytes(app) as on_bytes:
        made = app.instance().jobs.import_archive(file, **given, on_bytes=on_bytes)
    value = {
        "job": made.job.id,
        "status": str(made.job.status),
        "is_new": made.is_new,
        "versions": [
            {"uri": each.version.uri.full, "kind": each.version.kind, "is_new": each.is_new} for each in made.versions
        ],
    }
    app.tell(value, "\n".join(_lines(made)))


import_ = make_command(
    "import",
    """Bring a job of another machine in, under the id that it had, with the model, datasets and runtime that are in the file.

    Everything is verified before anything is kept, and nothing in it is run or unpickled. The job can be read and compared like any other,
    and not be resumed. A file that was imported before changes nothing.
    """,
    _import,
    click.Argument(["file"], type=click.Path(path_type=Path)),
    *import_options("job", "Tag of a version in it that is left out."),
)


def _lines(made: Imported) -> list[str]:
    lines = [
        f"imported {each.version.uri.full}" if each.is_new else f"there already: {each.version.uri.full}"
        for each in made.versions
    ]
    short = made.job.id[:12]
    did = "imported job" if made.is_new else "nothing to import, it is there already: job"
    return [*lines, f"{did} {short} ({made.job.status}); see it with: swcli job info {short}"]
