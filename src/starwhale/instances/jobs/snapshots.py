"""The files of a packaged model while a job runs them: a snapshot below the job's own folder."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from starwhale.domain.version import check_job_id
from starwhale.errors import AlreadyExistsError, NotFoundError
from starwhale.instances.hold_blobs import hold_blobs

if TYPE_CHECKING:
    from starwhale.domain.job import RunRequest
    from starwhale.storage.catalog.records import VersionRecord
    from starwhale.storage.stores import Stores


def pin_model(stores: Stores, request: RunRequest) -> tuple[RunRequest, VersionRecord]:
    """Turn the model URI of a request into one version, and say its name and modules.

    Args:
        stores: Where the model lies.
        request: What the user asked for, with `project` set: URIs that name no project are read in it.

    Raises:
        NotFoundError: There is no such model or version; the nearest names are said.
    """
    found = stores.catalog.versions.resolve("model", request.model_uri, default_project=request.project)
    pinned = dataclasses.replace(
        request,
        model_uri=found.uri.full,
        model_name=found.name,
        model_version=found.version,
        model_digest=found.content_digest,
        modules=tuple(found.manifest["modules"]),
        envs=tuple(found.manifest.get("envs") or ()),
    )
    return pinned, found


def take_snapshot(stores: Stores, request: RunRequest) -> RunRequest:
    """Pin the model of a request and unpack it for the job, whose id is made here when there is none.

    Raises:
        NotFoundError: There is no such model or version.
        AlreadyExistsError: There is a job of that id.
        CorruptedError: A file's content is damaged.
    """
    from starwhale.models.unpack import remove_tree

    pinned, found = pin_model(stores, request)
    job_id = check_job_id(request.job_id) if request.job_id else stores.catalog.make_id()
    target = snapshot_folder(stores, job_id)
    if request.job_id and has_job(stores, job_id):
        raise AlreadyExistsError(f"there is a job {job_id!r} already", hint="leave the id to the system")
    if target.exists():
        remove_tree(target)  # of a call that was killed before there was a job
    _unpack(stores, found, target)
    return dataclasses.replace(pinned, job_id=job_id, workdir=str(target))


def bring_back_snapshot(stores: Stores, request: RunRequest, job_id: str) -> None:
    """Unpack the model of a job again when its snapshot is gone; a work directory is left alone.

    Raises:
        CorruptedError: A file's content is damaged.
    """
    target = snapshot_folder(stores, job_id)
    if request.model_version and request.workdir == str(target) and not target.is_dir():
        _unpack(stores, stores.catalog.versions.get(request.model_version), target)


def drop_snapshot(stores: Stores, job_id: str) -> None:
    """Remove the snapshot of a job, and its folder when nothing else is in it."""
    from starwhale.models.unpack import remove_tree

    target = snapshot_folder(stores, job_id)
    for each in (target, *target.parent.glob(f".{target.name}.*")):  # and what a killed call had begun to unpack
        remove_tree(each)
    with contextlib.suppress(OSError):
        target.parent.rmdir()


def snapshot_folder(stores: Stores, job_id: str) -> Path:
    """Where the files of the model of a job lie while it runs."""
    return stores.layout.job(job_id) / "snapshot"


def _unpack(stores: Stores, version: VersionRecord, target: Path) -> None:
    from starwhale.models.listing import read_listing
    from starwhale.models.unpack import unpack

    with hold_blobs(stores):
        unpack(read_listing(stores.blobs, version.content_digest), stores.blobs, target)


def has_job(stores: Stores, job_id: str) -> bool:
    """Whether a job of that id exists, removed or not."""
    for removed in (False, True):
        try:
            if stores.catalog.jobs.get(job_id, removed=removed).id == job_id:
                return True
        except NotFoundError:
            continue
    return False
