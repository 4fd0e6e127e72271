"""A job as an archive, and back: its record, its results and logs; with its model and its datasets where that is asked for."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blake3 import blake3

from starwhale.domain.dataset_place import is_elsewhere
from starwhale.domain.status import Status, is_active
from starwhale.domain.version import SHORT_VERSION
from starwhale.errors import (
    AlreadyExistsError,
    ConflictError,
    CorruptedError,
    NotFoundError,
    StarwhaleError,
    UsageError,
)
from starwhale.storage.catalog.whole_job import write_job_rows
from starwhale.storage.columns.files import make_folder, sync_folder
from starwhale.storage.in_use import hold
from starwhale.storage.result_parts.part_codec import check_batch
from starwhale.transfer.archive import (
    ArchiveFile,
    ArchiveIndex,
    OnBytes,
    PackedArchive,
    Unpacked,
    join_members,
    read_index,
    unpacked_archive,
    write_archive,
)
from starwhale.transfer.dataset_archive import pack_dataset
from starwhale.transfer.job_rows import ROWS, JobText, WholeJob, read_job_text, stretches_of, with_logs, write_job_text
from starwhale.transfer.listed_archive import pack_listed
from starwhale.transfer.places import ArchivePlace, check_kind
from starwhale.transfer.version_archive import take_version

if TYPE_CHECKING:
    from starwhale.storage.catalog.copies import Copied, CopyPlan
    from starwhale.storage.catalog.job_records import JobRecord
    from starwhale.storage.catalog.records import VersionRecord
    from starwhale.storage.stores import Stores

JOB, LOGS = "job.json", "logs/"
TEXT = "job/record.json"
"""The job as text."""
RESULTS = f"job/{ROWS}"
"""Its results."""
MAX_TEXT_BYTES = 512 << 20
"""Bytes of the text of a job: a million ranges and more."""
_LOG = re.compile(r"(\d+-\d+-\d+|worker-\d+)\.txt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What came of importing a job."""

    job: JobRecord
    """The job."""
    is_new: bool
    """Whether it was not there before."""
    versions: tuple[Copied, ...] = ()
    """The datasets, model and runtime that were in the archive."""


def export_job(
    stores: Stores,
    place: ArchivePlace,
    job: JobRecord,
    target: Path,
    members: Sequence[str],
    on_bytes: OnBytes | None = None,
) -> int:
    """Write a job as one file, and return its bytes.

    Args:
        stores: Where it lies.
        place: Where its model, runtime and datasets lie.
        job: The job.
        target: The file.
        members: What goes along: any of `model`, `datasets` and `runtime`.
        on_bytes: Told how far it is.

    Raises:
        ConflictError: It is running, or has not begun.
        UsageError: It has no packaged model or runtime that could go along, or a dataset lies on an object store.
        CorruptedError: A file is damaged; nothing is written then.
        NoSpaceError: The disk is full.
    """
    if is_active(job.status) or job.status is Status.CREATED:
        message = f"job {job.id[:SHORT_VERSION]} is {job.status}"
        raise ConflictError(message, hint="wait for its end: swcli job wait, or stop it first")
    listed, datasets = _members(stores, job, members)
    stores.layout.blobs.mkdir(parents=True, exist_ok=True)
    with hold(place.blobs.root):
        packed = _pack(stores, job)
        more = [*(pack_dataset(place, each) for each in datasets), *(pack_listed(place, each) for each in listed)]
        return write_archive(target, join_members(packed, more), on_bytes)


def import_job(
    stores: Stores, place: ArchivePlace, path: Path, plan: CopyPlan, on_bytes: OnBytes | None = None
) -> Imported:
    """Bring a job in, under the id that it had, and first what came with it; whatever fails leaves no half job and no half version.

    Args:
        stores: Where it goes.
        place: Where its model, runtime and datasets go.
        path: The archive.
        plan: Project, and what becomes of the tags of versions that come along.
        on_bytes: Told how far it is.

    Raises:
        CorruptedError: It is no archive, or not whole, or damaged.
        UsageError: It holds something else than a job.
        AlreadyExistsError: There is another job of that id, or the job was removed, or a tag points at another version.
        NoSpaceError: The disk is full.
    """
    index = read_index(path)
    check_kind(index, "job", path)
    known = _known(stores, index)
    if known is not None and not index.members:
        return Imported(job=known, is_new=False)
    with unpacked_archive(path, place.tmp, on_bytes) as found:
        whole = _check(found)
        own = dataclasses.replace(plan, name="")  # each under the name that it had
        versions = tuple(take_version(place, each, own) for each in found.members())
        if known is not None:
            return Imported(job=known, is_new=False, versions=versions)
        is_new = _place(stores, found, whole, plan.project)
        return Imported(job=stores.catalog.jobs.get(found.index.version), is_new=is_new, versions=versions)


def _members(stores: Stores, job: JobRecord, members: Sequence[str]) -> tuple[list[VersionRecord], list[VersionRecord]]:
    """Return the models and runtimes, and the datasets that go along."""
    listed: list[VersionRecord] = []
    datasets: list[VersionRecord] = []
    if "model" in members:
        if not job.request.model_version:
            message = (
                f"job {job.id[:SHORT_VERSION]} ran the files of {job.request.workdir}, which are no packaged model"
            )
            raise UsageError(message, hint="package them with swcli model build and run that, or leave the model out")
        listed.append(stores.catalog.versions.get(job.request.model_version))
    if "runtime" in members:
        if not job.request.runtime_version:
            message = f"job {job.id[:SHORT_VERSION]} ran in no runtime"
            raise UsageError(message, hint="leave the runtime out, or run the job with --runtime")
        found = stores.catalog.versions.get(job.request.runtime_version)
        listed += [] if found in listed else [found]  # a model carries its runtime
    if "datasets" in members:
        for each in job.datasets:
            if is_elsewhere(each.dataset_id):
                message = f"{each.uri} lies on an object store or a server, and archives are made of what lies here"
                raise UsageError(message, hint="leave the datasets out; whoever may read it there needs no copy")
            version = stores.catalog.versions.get(each.version)
            if version not in datasets:
                datasets.append(version)
    return listed, datasets


def _pack(stores: Stores, job: JobRecord) -> PackedArchive:
    with stores.catalog.read() as connection:
        written = write_job_text(connection, job)
    folder = stores.layout.logs(job.id)
    logs = sorted(each for each in folder.iterdir() if _LOG.fullmatch(each.name)) if folder.is_dir() else []
    files = [(TEXT, len(written.text))]
    if written.stretches:
        files.append((RESULTS, written.row_bytes))
    files += [(f"{LOGS}{each.name}", each.stat().st_size) for each in logs]
    index = ArchiveIndex(
        kind="job",
        name=job.name,
        project=job.project,
        version=job.id,
        content_digest=blake3(written.text).hexdigest(),
        manifest={
            "handler": job.handler,
            "status": str(job.status),
            "model": job.request.model_uri or job.request.model_name,
            "datasets": [each.uri for each in job.datasets],
        },
        files=tuple(files),
    )
    return PackedArchive(index=index, sources=_sources(stores, job, written, logs))


def _sources(stores: Stores, job: JobRecord, written: JobText, logs: Sequence[Path]) -> Iterator[ArchiveFile]:
    yield ArchiveFile(path=Path(JOB), content=BytesIO(written.text))
    if written.stretches:
        yield ArchiveFile(path=stores.results.folder(job.id), content=_Stretches(stores, job.id, written))
    for each in logs:
        yield ArchiveFile(path=each)


class _Stretches:
    """The results of a job one behind the other, each verified before the first byte of it goes on."""

    def __init__(self, stores: Stores, job_id: str, written: JobText) -> None:
        self._results = stores.results
        self._job_id = job_id
        self._ahead = iter(written.stretches)
        self._here = memoryview(b"")

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes; none at the end."""
        if not self._here:
            following = next(self._ahead, None)
            if following is None:
                return b""
            self._here = memoryview(self._results.stretch(self._job_id, following))
        if size < 0:
            size = len(self._here)
        piece, self._here = self._here[:size], self._here[size:]
        rest = (
            b"" if len(piece) == size else self.read(size - len(piece))
        )  # who asks for so many takes fewer for the end
        return bytes(piece) + rest


def _known(stores: Stores, index: ArchiveIndex) -> JobRecord | None:
    """Return the job if it is there already, the same in every respect.

    Raises:
        AlreadyExistsError: There is another one of that id, or it was removed.
    """
    short = index.version[:SHORT_VERSION]
    found = _find(stores, index.version, removed=False)
    if found is None:
        if _find(stores, index.version, removed=True) is not None:
            raise AlreadyExistsError(f"job {short} was removed", hint=f"bring it back with: swcli job recover {short}")
        return None
    said = found.record.get("imported")
    if isinstance(said, dict):
        digest = str(said.get("digest"))
    else:
        with stores.catalog.read() as connection:
            digest = blake3(write_job_text(connection, found).text).hexdigest()
    if digest == index.content_digest:
        return found
    message = f"there is another job {short}, whose record or results are not those of the archive"
    raise AlreadyExistsError(message, hint="it may have been gone on with since; remove it for good to import this one")


def _find(stores: Stores, job_id: str, *, removed: bool) -> JobRecord | None:
    try:
        found = stores.catalog.jobs.get(job_id, removed=removed)
    except (NotFoundError, UsageError, ConflictError):
        return None
    return found if found.id == job_id else None


def _check(found: Unpacked) -> WholeJob:
    index = found.index
    if found.digests.get(TEXT) != index.content_digest:
        raise _refused("its record has another digest than it says")
    path = found.folder / TEXT
    if path.stat().st_size > MAX_TEXT_BYTES:
        raise _refused("its record is too long")
    try:
        whole = read_job_text(path.read_bytes())
    except CorruptedError:
        raise
    except (TypeError, ValueError, KeyError, StarwhaleError) as error:
        raise _refused(f"its record cannot be read: {error}") from error
    sizes = dict(index.files)
    names = {name for name in sizes if name not in {TEXT, RESULTS}}
    if whole.job["id"] != index.version or sizes.get(RESULTS, 0) != whole.row_bytes:
        raise _refused("its record and its index do not fit")
    if not all(name.startswith(LOGS) and _LOG.fullmatch(name.removeprefix(LOGS)) for name in names):
        raise _refused("it holds files that no job has")
    if not all(each.kind in {"dataset", "model", "runtime"} for each in index.members):
        raise _refused("what it holds beside the job is not known")
    _check_results(found.folder / RESULTS, whole)
    return whole


def _check_results(path: Path, whole: WholeJob) -> None:
    """Read every stretch: its digest, and that rows can be read from it."""
    if not whole.row_bytes:
        return
    needed: dict[int, int] = {}
    for row in whole.rows["part_tables"]:
        needed[row["offset"]] = max(needed.get(row["offset"], 0), row["first_row"] + row["row_count"])
    with path.open("rb") as file:
        for (offset, length), digest in sorted(stretches_of(whole.rows).items()):
            file.seek(offset)
            payload = file.read(length)
            if blake3(payload).hexdigest() != digest:
                raise _refused(f"bytes {offset} to {offset + length} of its results differ from their checksum")
            try:
                check_batch(payload, needed[offset])
            except (CorruptedError, ValueError) as error:
                raise _refused(f"bytes {offset} to {offset + length} of its results cannot be read: {error}") from error


def _place(stores: Stores, found: Unpacked, whole: WholeJob, project: str) -> bool:
    """Move the files to their places and write the rows, the commit point, in one transaction; False where another process was first."""
    job_id = found.index.version
    results, logs = stores.results.folder(job_id), stores.layout.logs(job_id)
    name = f"{found.index.content_digest[:32]}.{ROWS}"
    whole = with_logs(whole, str(logs))
    tables = [{**row, "file": name} for row in whole.rows["part_tables"]]
    record = {**whole.job["record"], "imported": _imported(stores, found.index)}
    with stores.catalog.write() as connection:
        from sqlalchemy import select

        from starwhale.storage.catalog.schema import jobs

        if connection.execute(select(jobs.c.id).where(jobs.c.id == job_id)).first() is not None:
            return False
        if whole.row_bytes:
            _move(found.folder / RESULTS, results / name)
        for path in found.index.files:
            if path[0].startswith(LOGS):
                _move(found.folder / path[0], logs / path[0].removeprefix(LOGS))
        job = {**whole.job, "record": record}
        write_job_rows(
            connection, job, {**whole.rows, "part_tables": tables}, project=project, now=stores.catalog.clock()
        )
    return True


def _move(source: Path, target: Path) -> None:
    make_folder(target.parent)
    source.replace(target)
    for folder in (target.parent, target.parent.parent, target.parent.parent.parent):
        sync_folder(folder)


def _imported(stores: Stores, index: ArchiveIndex) -> dict[str, Any]:  # Any: a JSON object
    return {"digest": index.content_digest, "project": index.project, "at": stores.catalog.clock()}


def _refused(reason: str) -> CorruptedError:
    return CorruptedError(
        f"this archive of a job is not what it says: {reason}", path="", hint="get the file again; nothing was imported"
    )


__all__ = ["Imported", "export_job", "import_job"]
