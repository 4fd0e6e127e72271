"""The versions that a job ran on, as they lie here: an import may have put them into another project, or under another id."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starwhale.domain.uri import parse_uri
from starwhale.domain.version import SHORT_VERSION
from starwhale.errors import CannotTellError, NotFoundError

if TYPE_CHECKING:
    from starwhale.storage.catalog.job_records import JobRecord
    from starwhale.storage.catalog.records import VersionRecord
    from starwhale.storage.stores import Stores

_DID = {"dataset": "read", "model": "ran", "runtime": "ran in"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RanOn:
    """A version that a job's record names."""

    kind: str
    """`dataset`, `model` or `runtime`: what it was to the job; a runtime may lie in a model that carries it."""
    uri: str
    """Its URI where the job ran."""
    version: str
    """Whole version id there."""
    digest: str
    """Digest of its content; empty where the record says none."""


def find_ran_on(stores: Stores, job: JobRecord, wanted: RanOn) -> VersionRecord:
    """Find a version that a job ran on: by its id, else by its content under its name in the project where it was or where the job is now.

    Raises:
        CannotTellError: It is not here, was removed, or is another one; with what to do.
    """
    differing: VersionRecord | None = None
    removed: VersionRecord | None = None
    for each in _candidates(stores, job, wanted):
        if wanted.digest and each.content_digest != wanted.digest:
            differing = differing or (each if each.version == wanted.version else None)
        elif not each.is_removed:
            return each
        else:
            removed = removed or each
    raise _not_found(job, wanted, removed, differing)


def _candidates(stores: Stores, job: JobRecord, wanted: RanOn) -> Iterator[VersionRecord]:
    versions, bundles = stores.catalog.versions, stores.catalog.bundles
    with contextlib.suppress(NotFoundError):
        yield versions.get(wanted.version)
    if not wanted.digest:
        return
    named = parse_uri(wanted.uri, default_project=job.project)
    for project in dict.fromkeys((job.project, named.project)):
        found = bundles.find(project, named.kind, named.name)
        if found is not None:
            yield from versions.history(found.id, with_removed=True)


def _not_found(
    job: JobRecord, wanted: RanOn, removed: VersionRecord | None, differing: VersionRecord | None
) -> CannotTellError:
    did = f"that job {job.id[:SHORT_VERSION]} {_DID[wanted.kind]}"
    if removed is not None:
        message = f"the {removed.kind} {removed.uri.full} {did} was removed"
        return CannotTellError(message, hint=f"bring it back: swcli {removed.kind} recover {removed.uri.full}")
    if differing is not None:
        uri = differing.uri.full
        message = f"the {differing.kind} {uri} is not the one {did}: its digest differs"
        look = f"; swcli dataset verify {uri} looks at it" if differing.kind == "dataset" else ""
        return CannotTellError(message, hint=f"remove it for good, and import the version again{look}")
    kind = parse_uri(wanted.uri).kind
    message = f"the {kind} {wanted.uri} {did} is not here"
    if not job.is_imported:
        return CannotTellError(
            message, hint=f"bring it in from an archive of it: swcli {kind} import FILE -p {job.project}"
        )
    along = "--with-datasets" if wanted.kind == "dataset" else f"--with-{wanted.kind}"
    hint = (
        f"where it ran: swcli job export {job.id[:SHORT_VERSION]} FILE {along}, or swcli {kind} export {wanted.uri} FILE; "
        f"here: swcli job import FILE -p {job.project}, or swcli {kind} import FILE -p {job.project}"
    )
    return CannotTellError(message, hint=hint)
