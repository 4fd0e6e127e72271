"""What was removed and may be deleted for good, and what still needs it; rows go here, and the files after them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, delete, or_, select

from starwhale.domain.status import Status
from starwhale.domain.uri import Uri
from starwhale.domain.version import SHORT_VERSION, is_reserved_tag
from starwhale.storage.catalog.engine import Database
from starwhale.storage.catalog.job_records import Driver
from starwhale.storage.catalog.records import ProjectRecord, VersionRecord
from starwhale.storage.catalog.schema import (
    attempts,
    bundles,
    events,
    jobs,
    part_tables,
    parts,
    projects,
    queues,
    ranges,
    steps,
    tags,
    task_access,
    tasks,
    versions,
)
from starwhale.storage.catalog.versions_tags import query_versions, version_records

_CHUNK = 500
"""SQLite bounds the variables of a statement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovedJob:
    """A job that was removed, by itself or with its project."""

    id: str
    """Whole id."""
    project: str
    """Name of its project."""

    @property
    def uri(self) -> str:
        """Its URI."""
        return Uri(project=self.project, kind="job", name=self.id).full


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Something that was removed and stays all the same."""

    kind: str
    """`project`, `dataset`, `model`, `runtime`, `job`, or what kind of files."""
    name: str
    """URI, or which files."""
    reason: str
    """What needs it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doomed:
    """What was removed and nothing needs."""

    jobs: tuple[RemovedJob, ...] = ()
    """Jobs."""
    versions: tuple[VersionRecord, ...] = ()
    """Versions of datasets, models and runtimes."""
    projects: tuple[ProjectRecord, ...] = ()
    """Projects in which nothing stays."""
    kept: tuple[Kept, ...] = ()
    """What was removed and stays."""

    def only(self, chosen: Doomed) -> Doomed:
        """Leave out what is not among the chosen, too."""
        jobs_, versions_, projects_ = (
            {each.id for each in chosen.jobs},
            {each.version for each in chosen.versions},
            {each.id for each in chosen.projects},
        )
        return Doomed(
            jobs=tuple(each for each in self.jobs if each.id in jobs_),
            versions=tuple(each for each in self.versions if each.version in versions_),
            projects=tuple(each for each in self.projects if each.id in projects_),
            kept=self.kept,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFiles:
    """What the files of a job that is there depend on."""

    is_busy: bool
    """Whether a living process has claimed it."""
    needs_snapshot: bool
    """Whether its copy of the model's files may still be asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owners:
    """Who has files under results, logs and jobs."""

    jobs: Mapping[str, JobFiles] = field(default_factory=dict[str, JobFiles])
    """Jobs by id, the removed ones too."""
    results: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    """Owner of parts → the files that its visible parts lie in."""


class References:
    """Asks the catalog of one root what refers to what, and deletes rows that nothing needs."""

    def __init__(self, database: Database, is_living: Callable[[Driver], bool]) -> None:
        self._database = database
        self._is_living = is_living

    def doomed(self) -> Doomed:
        """Return what was removed, and what of it has to stay."""
        with self._database.read() as connection:
            return self._doomed(connection)

    def manifests(self, kind: str) -> dict[str, Mapping[str, Any]]:  # Any: JSON
        """Return the manifests of all versions of a kind by version, the removed ones too."""
        query = (
            select(versions.c.version, versions.c.manifest)
            .join(bundles, versions.c.bundle_id == bundles.c.id)
            .where(bundles.c.kind == kind)
        )
        with self._database.read() as connection:
            return {row.version: row.manifest for row in connection.execute(query)}

    def delete(self, chosen: Doomed) -> Doomed:
        """Delete rows in one transaction, and return which: the chosen ones that nothing needs at this moment.

        A project goes only when nothing is left in it, so it is chosen in a call of its own, after what was in it.
        """
        with self._database.write() as connection:
            found = self._doomed(connection, {each.id for each in chosen.jobs}).only(chosen)
            gone = Doomed(
                jobs=found.jobs,
                versions=found.versions,
                projects=tuple(each for each in found.projects if _is_empty(connection, each.id)),
            )
            for job in gone.jobs:
                _delete_job(connection, job.id)
            for chunk in _chunks([each.version for each in gone.versions]):
                connection.execute(delete(tags).where(tags.c.version.in_(chunk)))
                connection.execute(delete(versions).where(versions.c.version.in_(chunk)))
            for project in gone.projects:
                connection.execute(delete(bundles).where(bundles.c.project_id == project.id))
                connection.execute(delete(projects).where(projects.c.id == project.id))
            return gone

    def digests(self, kinds: Collection[str], *, bundle_id: str = "") -> dict[str, str]:
        """Return version → content digest of every version of some kinds, or of one bundle alone, the removed ones too."""
        query = select(versions.c.version, versions.c.content_digest).join(
            bundles, versions.c.bundle_id == bundles.c.id
        )
        query = query.where(bundles.c.kind.in_(kinds))
        if bundle_id:
            query = query.where(bundles.c.id == bundle_id)
        with self._database.read() as connection:
            return {row.version: row.content_digest for row in connection.execute(query)}

    def names(self) -> dict[str, str]:
        """Return bundle id → `<project>/<kind>/<name>`."""
        query = select(bundles.c.id, bundles.c.kind, bundles.c.name, projects.c.name.label("project"))
        with self._database.read() as connection:
            rows = connection.execute(query.join(projects, bundles.c.project_id == projects.c.id))
            return {row.id: f"{row.project}/{row.kind}/{row.name}" for row in rows}

    def owners(self) -> Owners:
        """Return who has files under results, logs and jobs."""
        named: defaultdict[str, set[str]] = defaultdict(set)
        seen = select(parts.c.owner, part_tables.c.file).join(part_tables, part_tables.c.part_id == parts.c.id)
        with self._database.read() as connection:
            for row in connection.execute(seen.where(parts.c.visible.is_(True)).distinct()):
                named[row.owner].add(row.file)
            for owner in connection.execute(select(parts.c.owner).distinct()).scalars():
                named.setdefault(owner, set())
            known = {
                row.id: JobFiles(is_busy=self._is_busy(row.driver), needs_snapshot=_needs_snapshot(row))
                for row in connection.execute(select(jobs.c.id, jobs.c.driver, jobs.c.status, jobs.c.request))
            }
        return Owners(jobs=known, results={owner: frozenset(files) for owner, files in named.items()})

    def _doomed(self, connection: Connection, going: Collection[str] | None = None) -> Doomed:
        """See `doomed`; of the removed jobs only those that are `going` let go what they need, None for all."""
        gone = [
            ProjectRecord(id=row.id, name=row.name, created_at=row.created_at, is_removed=True)
            for row in connection.execute(select(projects).where(projects.c.removed_at.is_not(None)))
        ]
        removed_projects = {each.name for each in gone}
        doomed_jobs, pins, kept = self._sort_jobs(connection, going)
        doomed_versions: list[VersionRecord] = []
        for version in _removed_versions(connection):
            reason = _why_kept(version, pins, is_with_project=version.project in removed_projects)
            if reason:
                kept.append(Kept(kind=version.kind, name=version.uri.full, reason=reason))
            else:
                doomed_versions.append(version)
        needed = {each.name.split("/")[2] for each in kept}
        for project in gone:
            if project.name in needed:
                kept.append(Kept(kind="project", name=project.name, reason="something in it stays"))
        return Doomed(
            jobs=tuple(doomed_jobs),
            versions=tuple(doomed_versions),
            projects=tuple(each for each in gone if each.name not in needed),
            kept=tuple(kept),
        )

    def _sort_jobs(
        self, connection: Connection, going: Collection[str] | None
    ) -> tuple[list[RemovedJob], dict[str, str], list[Kept]]:
        """Return the jobs to delete, which job needs which version of those that stay, and removed ones that stay."""
        query = select(
            jobs.c.id,
            jobs.c.datasets,
            jobs.c.request,
            jobs.c.driver,
            projects.c.name.label("project"),
            or_(jobs.c.removed_at.is_not(None), projects.c.removed_at.is_not(None)).label("is_removed"),
        ).join(projects, jobs.c.project_id == projects.c.id)
        found: list[RemovedJob] = []
        pins: dict[str, str] = {}
        kept: list[Kept] = []
        for row in connection.execute(query.order_by(jobs.c.created_at)):
            job = RemovedJob(id=row.id, project=row.project)
            is_busy = self._is_busy(row.driver)
            if row.is_removed and not is_busy and (going is None or job.id in going):
                found.append(job)
                continue
            if row.is_removed and is_busy:
                kept.append(Kept(kind="job", name=job.uri, reason=f"process {row.driver['pid']} is running it"))
            for version in _pinned(row):
                pins.setdefault(version, row.id)
        return found, pins, kept

    def _is_busy(self, driver: dict[str, Any] | None) -> bool:  # Any: the JSON of a Driver
        return driver is not None and self._is_living(Driver(**driver))


def _pinned(job: Any) -> Iterator[str]:  # Any: a row of jobs
    """Versions that a job was run on, and that going on with it or reading its results needs."""
    yield from (each["version"] for each in job.datasets)
    for name in ("model_version", "runtime_version"):
        if version := job.request.get(name):
            yield version


def _needs_snapshot(job: Any) -> bool:  # Any: a row of jobs
    """Only one that has succeeded needs it no more: any other may be gone on with, from what user code left there."""
    return job.status != Status.SUCCESS.value or bool(job.request.get("keeps_snapshot"))


def _removed_versions(connection: Connection) -> Sequence[VersionRecord]:
    removed = or_(versions.c.removed_at.is_not(None), projects.c.removed_at.is_not(None))
    order = projects.c.name, bundles.c.kind, bundles.c.name, versions.c.sequence
    return version_records(connection, connection.execute(query_versions().where(removed).order_by(*order)))


def _why_kept(version: VersionRecord, pins: Mapping[str, str], *, is_with_project: bool) -> str:
    job = pins.get(version.version)
    if job is not None:
        return f"job {job[:SHORT_VERSION]} was run on it"
    own = [tag for tag in version.tags if not is_reserved_tag(tag)]
    return f"the tag {own[0]!r} points at it" if own and not is_with_project else ""


def _is_empty(connection: Connection, project_id: int) -> bool:
    within = select(versions.c.version).join(bundles, versions.c.bundle_id == bundles.c.id)
    for query in (
        within.where(bundles.c.project_id == project_id),
        select(jobs.c.id).where(jobs.c.project_id == project_id),
    ):
        if connection.execute(query.limit(1)).first() is not None:
            return False
    return True


def _delete_job(connection: Connection, job_id: str) -> None:
    own_tasks = select(tasks.c.id).where(tasks.c.job_id == job_id)
    own_parts = select(parts.c.id).where(parts.c.owner == job_id)
    connection.execute(delete(attempts).where(attempts.c.task_id.in_(own_tasks)))
    connection.execute(delete(part_tables).where(part_tables.c.part_id.in_(own_parts)))
    connection.execute(delete(parts).where(parts.c.owner == job_id))
    for table in (tasks, steps, ranges, queues, events, task_access):
        connection.execute(delete(table).where(table.c.job_id == job_id))
    connection.execute(delete(jobs).where(jobs.c.id == job_id))


def _chunks(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), _CHUNK):
        yield values[start : start + _CHUNK]


__all__ = ["Doomed", "JobFiles", "Kept", "Owners", "References", "RemovedJob"]
