"""A job from one instance to another: as an archive, and the versions that it ran on as versions, so that what is there is not sent again."""

from __future__ import annotations

import os
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starwhale.domain.uri import parse_project_uri, parse_uri
from starwhale.domain.version import SHORT_VERSION
from starwhale.errors import UsageError
from starwhale.instances.copy_across import CopyOptions, copy_version
from starwhale.instances.destination import SAME_NAME, check_project
from starwhale.instances.served_jobs import describe_export, describe_import
from starwhale.storage.blobs.content import digest_file
from starwhale.storage.catalog.copies import Copied
from starwhale.storage.remote.download import download
from starwhale.storage.remote.upload import FileContent, upload
from starwhale.transfer.between import Counted, open_draft
from starwhale.wire.stores import ExportedJob, ImportedJob

if TYPE_CHECKING:
    from pathlib import Path

    from starwhale.instances.instance import Instance
    from starwhale.transfer.archive import OnBytes


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCopyOptions:
    """What goes along with a job."""

    with_model: bool = False
    """The packaged model."""
    with_datasets: bool = False
    """The dataset versions."""
    with_runtime: bool = False
    """The runtime that it ran in."""
    force: bool = False
    """Move tags of these versions that point at others there."""
    on_bytes: OnBytes | None = None
    """Told how far it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CopiedJob:
    """What a copy of a job came to."""

    job: str
    """Its id."""
    uri: str
    """Its URI there."""
    status: str
    """How it ended."""
    is_new: bool
    """Whether it was not there before."""
    versions: tuple[Copied, ...] = ()
    """What went along."""


def copy_job(instance: Instance, job: str, destination: str, options: JobCopyOptions | None = None) -> CopiedJob:
    """Copy a job; see `Instance.copy_job`.

    Raises:
        UsageError: Both are one instance, or what should go along cannot.
    """
    options = options or JobCopyOptions()
    here = instance.at(job)
    there = instance if destination == SAME_NAME else instance.at(destination)
    if here is there:
        hint = "name a project of another one: cloud://<alias>/project/<project>"
        raise UsageError(f"{job!r} and {destination!r} are on one instance, and jobs are copied between two", hint=hint)
    names = there.stores.names
    project = there.project if destination == SAME_NAME else parse_project_uri(destination, instances=names).project
    check_project(there.stores, project, there.project)
    with _archive(here, job, options.on_bytes) as (path, exported):
        versions = _copy_versions(instance, here, f"cloud://{there.name}/project/{project}", exported, options)
        made = _deliver(there, path, exported, project, options.on_bytes)
    uri = f"{there.name}/project/{made.project}/job/{made.job}"
    return CopiedJob(job=made.job, uri=uri, status=made.status, is_new=made.is_new, versions=versions)


@contextmanager
def _archive(here: Instance, job: str, on_bytes: OnBytes | None) -> Generator[tuple[Path, ExportedJob]]:
    """Give a job as an archive on this machine."""
    tmp = here.stores.layout.tmp
    if not here.stores.ref.server:
        found = here.jobs.get(job)
        path = tmp / f"export-{found.id}.{os.getpid()}.{secrets.token_hex(4)}"
        try:
            size = here.jobs.export(found.id, path)
            with path.open("rb") as file:
                exported = describe_export(found, digest_file(file), size)
            yield path, exported
        finally:
            path.unlink(missing_ok=True)
        return
    connection = here.stores.connection
    uri = parse_uri(job, kind="job", default_project=here.project, instances=here.stores.names)
    wanted = {"job": f"local/project/{uri.project}/job/{uri.name}"}
    exported = ExportedJob(**connection.ask("POST", "/stores/jobs/export", wanted))
    source = f"/stores/uploads/{exported.digest}"
    with open_draft(tmp, exported.digest) as (path, file):
        counted = Counted(exported.size, on_bytes)
        download(connection, f"{source}/content", (exported.digest, exported.size), file, counted.add)
        yield path, exported
        path.unlink(missing_ok=True)
    connection.ask("DELETE", source)


def _deliver(there: Instance, path: Path, exported: ExportedJob, project: str, on_bytes: OnBytes | None) -> ImportedJob:
    if not there.stores.ref.server:
        return describe_import(there.jobs.import_archive(path, project=f"local/project/{project}"))
    connection = there.stores.connection
    with path.open("rb") as file:
        counted = Counted(exported.size, on_bytes)
        upload(connection, FileContent(file), exported.digest, exported.size, counted.add)
    said = connection.ask("POST", "/stores/jobs/import", {"digest": exported.digest, "project": project})
    connection.ask("DELETE", f"/stores/uploads/{exported.digest}")
    return ImportedJob(**said)


def _copy_versions(
    instance: Instance, here: Instance, destination: str, exported: ExportedJob, options: JobCopyOptions
) -> tuple[Copied, ...]:
    short = exported.job[:SHORT_VERSION]
    wanted: list[tuple[str, str]] = []
    if options.with_model:
        if not exported.model:
            message = f"job {short} ran the files of a folder, which are no packaged model"
            raise UsageError(message, hint="leave the model out")
        wanted.append(("model", exported.model))
    if options.with_runtime:
        if not exported.runtime:
            raise UsageError(f"job {short} ran in no runtime", hint="leave the runtime out")
        found = here.catalog.versions.get(exported.runtime)  # a model may carry it
        wanted.append((found.kind, found.version))
    if options.with_datasets:
        wanted += [("dataset", each) for each in dict.fromkeys(exported.datasets)]
    given = CopyOptions(force=options.force, on_bytes=options.on_bytes)
    return tuple(
        copy_version(instance, kind, _uri_of(here, version), destination, given)
        for kind, version in dict.fromkeys(wanted)
    )


def _uri_of(here: Instance, version: str) -> str:
    found = here.catalog.versions.get(version).uri
    return f"cloud://{here.name}/project/{found.project}/{found.kind}/{found.name}/version/{version}"


__all__ = ["CopiedJob", "JobCopyOptions", "copy_job"]
