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
        size = app.at(job_address).jobs.export(job_address, file, **given, on_bytes=on_bytes)
    tell_written(app, "job", file, size)


@click.command("copy", cls=SwCommand)
@click.argument("job_address", metavar="JOB", shell_complete=completes("job"))
@click.argument("dest")
@click.option("--with-model", is_flag=True, help="Copy the packaged model too.")
@click.option("--with-datasets", is_flag=True, help="Copy the dataset versions too.")
@click.option("--with-runtime", is_flag=True, help="Copy the runtime too that it ran in.")
@click.option("-f", "--force", is_flag=True, help="Move tags of these that point at other versions there.")
@click.pass_obj
def copy(app: CliApp, /, **given: Any) -> None:  # Any: one value per option
    """Copy a job that has ended to another instance, under its id: record, results, errors and logs.

    JOB may be cloud://<alias>/project/<project>/job/<id>, and DEST is a project: cloud://<alias>/project/<project>, or '.' for the current one here. It
    can be read and compared there like any other, and not be gone on with. What is there is not sent again; a copy that was cut off goes on.
    """
    from starwhale.instances.jobs.copy_job import JobCopyOptions

    job_address, dest = given.pop("job_address"), given.pop("dest")
    with shown_bytes(app) as on_bytes:
        made = app.instance().copy_job(job_address, dest, JobCopyOptions(**given, on_bytes=on_bytes))
    versions = [{"uri": each.version.uri.full, "is_new": each.is_new} for each in made.versions]
    value = {"job": made.job, "uri": made.uri, "status": made.status, "is_new": made.is_new, "versions": versions}
    lines = [f"copied to {each['uri']}" if each["is_new"] else f"there already: {each['uri']}" for each in versions]
    did = "copied to" if made.is_new else "nothing to copy, it is there already:"
    app.tell(value, "\n".join([*lines, f"{did} {made.uri}"]))


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
