"""Garbage collection: delete for good what was removed, and files that nothing refers to.

A dry run and a real one are the same walk over jobs, datasets, models, projects and left-over files; only the real one deletes. Why nothing
that somebody needs can go, whatever runs at the same time (docs/decisions/0011):

- Rows of the catalog go first, in one transaction that asks again what needs them, and files after them. A collection that is killed in
  between leaves files that nobody names, which a later one finds by their age; it never leaves a version or job without its files.
- Files of a dataset are touched under a claim on its folder alone, which nobody gets as long as a reader, a writer, or a job that is being
  started holds it; the same for blobs, which a build holds until its version is in the catalog.
- A file that no version or part names is left alone until it is a day old: whoever wrote it may be about to name it.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starwhale.errors import ConflictError, CorruptedError, NotFoundError, RootError
from starwhale.instances.garbage.collect_files import Space, children, grandchildren, remove, remove_empty, walk
from starwhale.storage.catalog.references import Doomed, Kept, Owners
from starwhale.storage.in_use import claim

if TYPE_CHECKING:
    from starwhale.storage.catalog.records import VersionRecord
    from starwhale.storage.stores import Stores

MIN_AGE_S = 24 * 3600.0
"""Age from which a file that nothing refers to belongs to nobody any more."""
KINDS = (
    "project",
    "dataset",
    "model",
    "runtime",
    "job",
    "dataset files",
    "blobs",
    "environments",
    "results",
    "logs",
    "snapshots",
    "tmp",
)
"""Kinds of things that go, in the order in which they are shown."""
OPEN = "open in another process"
"""Why something is left that could go otherwise."""
OnStep = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """Something that goes."""

    kind: str
    """One of KINDS."""
    name: str
    """URI, or what the files are."""
    size_bytes: int
    """Bytes of its files that nothing else needs."""
    file_count: int
    """Those files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """What a collection takes, and what it leaves although it was removed."""

    items: tuple[Item, ...]
    """What goes, by kind."""
    kept: tuple[Kept, ...]
    """What stays, and why."""
    doomed: Doomed = field(default_factory=Doomed)
    """Rows of the catalog that go."""

    @property
    def size_bytes(self) -> int:
        """Bytes of everything that goes."""
        return sum(each.size_bytes for each in self.items)

    def to_json(self) -> dict[str, Any]:  # Any: a JSON object
        """Return everything but the rows."""
        items = [
            {"kind": each.kind, "name": each.name, "bytes": each.size_bytes, "files": each.file_count}
            for each in self.items
        ]
        kept = [{"kind": each.kind, "name": each.name, "reason": each.reason} for each in self.kept]
        return {"bytes": self.size_bytes, "items": items, "kept": kept}


class GarbageVerbs:
    """Verbs of garbage.

    Args:
        stores: Where everything lies. They must not have a dataset open: a process does not wait for itself.
        clock: Seconds since the epoch, as the file system has them.
        on_step: For tests: called between the steps of a collection with the name of the next.
    """

    def __init__(
        self, stores: Stores, *, clock: Callable[[], float] = time.time, on_step: OnStep | None = None
    ) -> None:
        self._stores = stores
        self._clock = clock
        self._on_step = on_step or _no_step

    def plan(self, *, min_age_s: float = MIN_AGE_S) -> Collection:
        """Return what `collect` would take now; nothing is taken.

        Args:
            min_age_s: Age from which a file that nothing refers to may go.

        Raises:
            ConflictError: Another collection is at work.
        """
        with self._alone():
            return _Walk(self._stores, self._clock() - min_age_s, self._on_step).run()

    def collect(self, plan: Collection, *, min_age_s: float = MIN_AGE_S) -> Collection:
        """Take what a plan says, as far as nothing needs it still, and return what was taken.

        Args:
            plan: What the user has seen; what was removed since then stays for the next time.
            min_age_s: Age from which a file that nothing refers to may go.

        Raises:
            ConflictError: Another collection is at work.
        """
        with self._alone():
            return _Walk(self._stores, self._clock() - min_age_s, self._on_step, chosen=plan.doomed).run()

    @contextmanager
    def _alone(self) -> Generator[None]:
        descriptor = os.open(self._stores.layout.collection_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            message = f"another garbage collection is at work in {self._stores.layout.root}"
            raise ConflictError(message, hint="wait until it has ended") from None
        try:
            yield
        finally:
            os.close(descriptor)


class _Walk:
    """One walk over everything; it deletes when something was chosen for it."""

    def __init__(self, stores: Stores, before: float, on_step: OnStep, *, chosen: Doomed | None = None) -> None:
        self._stores = stores
        self._before = before
        self._on_step = on_step
        self._chosen = chosen
        self._items: list[Item] = []
        self._kept: list[Kept] = []
        self._space = Space(is_dry=chosen is None)
        self._doomed = stores.catalog.references.doomed()
        if chosen is not None:
            self._doomed = self._doomed.only(chosen)

    def run(self) -> Collection:
        self._kept.extend(self._doomed.kept)
        self._take_jobs()
        self._take_datasets()
        self._take_models()
        self._take_environments()
        self._take_projects()
        owners = self._owners()
        self._take_results(owners)
        self._take_folders("logs", self._old_logs(owners))
        self._take_folders("snapshots", self._old_snapshots(owners))
        self._take_folders("tmp", [path for path in children(self._stores.layout.tmp) if self._is_old(path)])
        order = {kind: position for position, kind in enumerate(KINDS)}
        self._items.sort(key=lambda each: order[each.kind])
        self._kept.sort(key=lambda each: order[each.kind])
        return Collection(items=tuple(self._items), kept=tuple(self._kept), doomed=self._doomed)

    @property
    def _is_dry(self) -> bool:
        return self._chosen is None

    # ------------------------------------------------------------------------------------------------- what was removed

    def _take_jobs(self) -> None:
        layout = self._stores.layout
        gone = self._delete(Doomed(jobs=self._doomed.jobs))
        for job in gone.jobs:
            folders = (self._stores.results.folder(job.id), layout.logs(job.id), layout.job(job.id))
            self._take("job", job.uri, folders, is_listed=True)

    def _take_datasets(self) -> None:
        doomed: defaultdict[str, list[VersionRecord]] = defaultdict(list)
        for version in self._doomed.versions:
            if version.kind == "dataset":
                doomed[version.bundle_id].append(version)
        names = self._stores.catalog.references.names()
        there = {path.name for path in children(self._stores.layout.datasets) if path.is_dir()}
        for dataset_id in sorted({*doomed, *there}):
            self._take_dataset(dataset_id, names.get(dataset_id, ""), doomed[dataset_id])

    def _take_dataset(self, dataset_id: str, name: str, doomed: list[VersionRecord]) -> None:
        from starwhale.storage.dataset_rows.unused_files import unused_files

        folder = self._stores.layout.datasets / dataset_id
        label = f"of {name}" if name else f"of the deleted dataset {dataset_id[:12]}"
        with claim(folder) as is_free:
            if not is_free:
                self._keep_open(doomed)
                doomed = []
            gone = self._delete(Doomed(versions=tuple(doomed)))
            dead = {each.version: each.content_digest for each in gone.versions}
            known = self._stores.catalog.references.digests(("dataset",), bundle_id=dataset_id)
            live = {digest for version, digest in known.items() if version not in dead}
            try:
                found = unused_files(folder, sorted(live), dead)
            except (CorruptedError, RootError) as error:
                self._kept.append(Kept(kind="dataset files", name=label, reason=error.message))
                return
            for version in gone.versions:
                self._take("dataset", version.uri.full, found.dead[version.version], is_listed=True)
            orphans = [path for path in found.orphans if self._is_old(path)]
            if orphans and not is_free:
                self._kept.append(Kept(kind="dataset files", name=label, reason=OPEN))
            elif is_free:
                self._take("dataset files", label, orphans)
                if not name and not self._is_dry:
                    remove_empty(folder)

    def _take_models(self) -> None:
        blobs = self._stores.blobs
        doomed = [each for each in self._doomed.versions if each.kind != "dataset"]
        with claim(blobs.root) as is_free:
            if not is_free:
                self._keep_open(doomed)
                return
            dead = {each.version for each in doomed}
            try:
                live = self._live_blobs(dead)
            except (CorruptedError, NotFoundError) as error:
                self._kept.append(Kept(kind="blobs", name="of all models", reason=error.message))
                return
            needs = {each.version: self._blobs_of_dead(each) for each in doomed}
            for version in self._delete(Doomed(versions=tuple(doomed))).versions:
                own = needs[version.version] - live
                live |= own  # counted once
                paths = [path for path in map(blobs.place, sorted(own)) if path.exists()]
                self._take(version.kind, version.uri.full, paths, is_listed=True)
            kept = live.union(*(needs[each.version] for each in doomed))
            orphans = [*(blobs.place(each) for each in sorted(set(blobs.digests()) - kept)), *blobs.drafts()]
            self._take("blobs", "that no version names", [path for path in orphans if self._is_old(path)])

    def _take_environments(self) -> None:
        from starwhale.instances.garbage.collect_environments import unused_environments

        layout = self._stores.layout
        dead = {each.version for each in self._doomed.versions} if self._is_dry else set[str]()
        with claim(layout.runtimes / "environments") as is_free:
            found = unused_environments(self._stores.catalog.references, layout.runtimes, dead, is_old=self._is_old)
            if found and not is_free:
                self._kept.append(Kept(kind="environments", name="that no runtime needs", reason=OPEN))
            elif found:
                self._take("environments", "that no runtime needs", found)

    def _take_projects(self) -> None:
        needed = {each.name.split("/")[2] for each in self._kept if each.name.startswith("local/")}
        chosen = tuple(each for each in self._doomed.projects if each.name not in needed)
        for project in self._delete(Doomed(projects=chosen)).projects:
            self._take("project", project.name, (), is_listed=True)

    def _delete(self, chosen: Doomed) -> Doomed:
        """Delete rows, the commit point of what follows; a dry run says what would be."""
        if self._is_dry or not (chosen.jobs or chosen.versions or chosen.projects):
            return chosen
        self._on_step("rows")
        gone = self._stores.catalog.references.delete(chosen)
        self._on_step("files")
        return gone

    def _live_blobs(self, dead: set[str]) -> set[str]:
        found: set[str] = set()
        for version, digest in self._stores.catalog.references.digests(("model", "runtime")).items():
            if version not in dead:
                found |= self._blobs_of(digest)
        return found

    def _blobs_of(self, content_digest: str) -> frozenset[str]:
        """Every blob that a version needs: the one place where this is asked."""
        from starwhale.models.listing import digests_of

        return digests_of(self._stores.blobs, content_digest)

    def _blobs_of_dead(self, version: VersionRecord) -> frozenset[str]:
        try:
            return self._blobs_of(version.content_digest)
        except (CorruptedError, NotFoundError):  # the others are found among what no version names, once old enough
            return frozenset({version.content_digest})

    def _keep_open(self, versions: Iterable[VersionRecord]) -> None:
        self._kept.extend(Kept(kind=each.kind, name=each.uri.full, reason=OPEN) for each in versions)

    # --------------------------------------------------------------------------------------------- what nobody refers to

    def _owners(self) -> Owners:
        """Who has files; the jobs that a dry run would have deleted have none any more."""
        found = self._stores.catalog.references.owners()
        gone = {each.id for each in self._doomed.jobs} if self._is_dry else set[str]()
        return Owners(
            jobs={job: files for job, files in found.jobs.items() if job not in gone},
            results={owner: files for owner, files in found.results.items() if owner not in gone},
        )

    def _take_results(self, owners: Owners) -> None:
        folder_of = self._stores.results.folder
        named = {folder_of(owner): files for owner, files in owners.results.items()}
        busy = {folder_of(job) for job, files in owners.jobs.items() if files.is_busy}
        skipped = self._folders_of_doomed("results")
        found = [
            path
            for folder in grandchildren(self._stores.layout.root / "results")
            if folder not in busy and folder not in skipped
            for path in children(folder)
            if path.name not in named.get(folder, ()) and self._is_old(path)
        ]
        self._take("results", "of no attempt that counts", found)

    def _old_logs(self, owners: Owners) -> list[Path]:
        skipped = self._folders_of_doomed("logs")
        found = grandchildren(self._stores.layout.root / "logs")
        return [each for each in found if each.name not in owners.jobs and each not in skipped and self._is_old(each)]

    def _old_snapshots(self, owners: Owners) -> list[Path]:
        skipped = self._folders_of_doomed("jobs")
        found: list[Path] = []
        for folder in grandchildren(self._stores.layout.root / "jobs"):
            job = owners.jobs.get(folder.name)
            is_needed = job is not None and (job.is_busy or job.needs_snapshot)
            if not is_needed and folder not in skipped and self._is_old(folder):
                found.append(folder)
        return found

    def _folders_of_doomed(self, kind: str) -> set[Path]:
        """What a dry run has counted with the jobs already."""
        if not self._is_dry:
            return set()
        layout = self._stores.layout
        folder_of = {"results": self._stores.results.folder, "logs": layout.logs, "jobs": layout.job}[kind]
        return {folder_of(each.id) for each in self._doomed.jobs}

    def _take_folders(self, kind: str, paths: list[Path]) -> None:
        self._take(kind, {"tmp": "of writers that are gone"}.get(kind, "of jobs that need them no more"), paths)

    def _is_old(self, path: Path) -> bool:
        """Whether nothing was written there since the time that counts."""
        try:
            newest = max(each.lstat().st_mtime for each in walk(path))
        except OSError:
            return False  # somebody is at work there, or keeps us out
        return newest < self._before

    # ----------------------------------------------------------------------------------------------------------- taking

    def _take(self, kind: str, name: str, paths: Iterable[Path], *, is_listed: bool = False) -> None:
        """Delete files and folders, or count them; `is_listed` names the thing even where it has no files."""
        size = count = 0
        for path in paths:
            sizes = self._space.freed_by(path)
            if self._is_dry or self._remove(path, is_guarded=kind == "results"):
                size += sum(sizes)
                count += len(sizes)
            elif path.exists() and kind != "results":
                self._kept.append(Kept(kind=kind, name=str(path), reason="it cannot be deleted; see who owns it"))
        if is_listed or count:
            self._items.append(Item(kind=kind, name=name, size_bytes=size, file_count=count))

    def _remove(self, path: Path, *, is_guarded: bool) -> bool:
        self._on_step("file")
        return remove(path, self._before, is_guarded=is_guarded)


def _no_step(_name: str) -> None:
    """Outside of tests nothing happens between steps."""


__all__ = ["KINDS", "MIN_AGE_S", "OPEN", "Collection", "GarbageVerbs", "Item"]
