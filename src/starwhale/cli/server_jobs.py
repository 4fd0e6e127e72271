"""What `swcli model run` and `swcli job` do with jobs of a server, where it is not what they do with those of this machine: one call each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from starwhale.cli.app import CliApp
    from starwhale.domain.job import RunRequest
    from starwhale.instances.instance import Instance
    from starwhale.storage.catalog.job_records import JobRecord


def server_of(app: CliApp, uri: str) -> Instance | None:
    """Return the server that a URI names, or that is selected; None for this machine."""
    found = app.at(uri)
    return found if found.login is not None else None


def submit(app: CliApp, there: Instance, request: RunRequest, executor: str) -> None:
    """Submit a job, and say how to look at it."""
    from starwhale.instances.jobs.server_jobs import submit_there

    row = submit_there(
        app.instance(), there, request, executor=executor, on_stage=lambda text: click.echo(text, err=True)
    )
    uri = f"cloud://{there.name}/project/{row['project']}/job/{row['id'][:12]}"
    app.tell(
        {"job": row, "uri": uri},
        f"job {row['id'][:12]}: {row['status']} at {there.name}\nfollow it with: swcli job logs --follow {uri}",
    )


def address_of(there: Instance, job: JobRecord) -> str:
    """Return how a job is named in the next command: short on this machine, by its URI on a server."""
    short = job.id[:12]
    return short if there.login is None else f"cloud://{there.name}/project/{job.project}/job/{short}"
