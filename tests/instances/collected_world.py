"""A root with datasets, models and jobs, and what must be readable in it after every collection of garbage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from starwhale.datasets.dataset import Dataset
from starwhale.domain.job import Job, RunRequest
from starwhale.domain.status import Status
from starwhale.instances import Instance, open_instance
from starwhale.instances.garbage.collect import Collection, GarbageVerbs
from starwhale.instances.jobs.pinning import pin_dataset
from starwhale.models.listing import Entry, EntryKind, Listing
from starwhale.settings import Settings
from starwhale.storage.catalog.driver import this_driver
from starwhale.storage.catalog.records import VersionDraft, VersionRecord
from starwhale.storage.in_use import LOCK_NAME, hold
from starwhale.storage.layout import Layout
from starwhale.storage.part import PartDraft, TableDraft


@dataclass(slots=True)
class World:
    """One root, opened anew for whatever is done, as every call of the program opens it."""

    settings: Settings

    @property
    def layout(self) -> Layout:
        assert self.settings.root is not None
        return Layout(self.settings.root)

    def open(self) -> Instance:
        return open_instance(self.settings)

    def build(self, uri: str, rows: int, *, seed: int = 0, tags: tuple[str, ...] = ()) -> str:
        """Add rows with a long value each to a dataset, and return the version."""
        with self.open() as instance, instance.datasets.open(uri, Dataset) as dataset:
            first = len(dataset)
            for key in range(first, first + rows):
                dataset.append((key, {"x": key, "long": bytes([seed % 256, key % 256]) * 5000}))
            dataset.commit(tags=tags)
            return dataset.committed_version

    def model(self, name: str, files: dict[str, bytes], project: str = "self") -> str:
        """Package files as a model, without running any code."""
        with self.open() as instance, hold(self.layout.blobs):
            blobs = instance.stores.blobs
            entries = [
                Entry(path=path, kind=EntryKind.FILE, digest=blobs.put(content), size=len(content))
                for path, content in sorted(files.items())
            ]
            listing = Listing(entries=tuple(entries))
            bundle = instance.catalog.bundles.ensure(project, "model", name)
            draft = VersionDraft(content_digest=blobs.put(listing.to_bytes()), manifest={"modules": []})
            return instance.catalog.versions.add(bundle, draft).version

    def job(self, *datasets: str, model_version: str = "", project: str = "self", is_running: bool = False) -> str:
        """Write down a job with results, a log and a snapshot."""
        with self.open() as instance:
            request = RunRequest(workdir="/nowhere", modules=("m",), project=project, model_version=model_version)
            inputs = tuple(pin_dataset(instance.stores, each, project=project) for each in datasets)
            job = Job(
                id=instance.catalog.make_id(), request=request, handler="m:f", steps=(), datasets=inputs,
                status=Status.CREATED,
            )  # fmt: skip
            jobs = instance.catalog.jobs
            jobs.create(job, {}, this_driver() if is_running else None)
            jobs.set_status(job.id, Status.RUNNING)
            draft = PartDraft(tables=[TableDraft(name="t", ids=[1], columns={"x": [1]})])
            instance.stores.results.append(job.id, "task#1", draft)
            for folder in (self.layout.logs(job.id), self.layout.job(job.id)):
                folder.mkdir(parents=True)
                (folder / "file").write_text(job.id)
            if not is_running:
                jobs.set_status(job.id, Status.FAILED)
            return job.id

    def do(self, action: Callable[[Instance], object]) -> None:
        with self.open() as instance:
            action(instance)

    def gc(
        self, *, min_age_s: float = 0.0, dry_run: bool = False, on_step: Callable[[str], None] | None = None
    ) -> Collection:
        with self.open() as instance:
            verbs = GarbageVerbs(instance.stores, on_step=on_step)
            plan = verbs.plan(min_age_s=min_age_s)
            return plan if dry_run else verbs.collect(plan, min_age_s=min_age_s)

    def files(self) -> set[Path]:
        """All files of data: without the catalog, locks, and the marker."""
        root = self.layout.root
        return {
            path.relative_to(root)
            for path in root.rglob("*")
            if path.is_file() and path.parent != root and path.name != LOCK_NAME
        }

    def check(self) -> None:
        """Read every version that is there, whole, and nothing that is not named lies around."""
        with self.open() as instance:
            for project in instance.projects.list():
                for kind in ("dataset", "model"):
                    for newest in instance.catalog.versions.list_newest(project.name, kind, with_removed=True):
                        for version in instance.catalog.versions.history(newest.bundle_id, with_removed=True):
                            read_whole(instance, version)
            for job in instance.catalog.jobs.list():
                assert instance.stores.results.verify(job.id) == []
                assert instance.stores.results.parts.visible(job.id)


def read_whole(instance: Instance, version: VersionRecord) -> None:
    if version.kind == "dataset":
        reader = instance.stores.datasets.open_version(version.bundle_id, version.content_digest)
        assert reader.verify() == []
        assert len(reader.read(0, reader.row_count).keys) == version.row_count
        return
    blobs = instance.stores.blobs
    for entry in Listing.from_bytes(blobs.get(version.content_digest)).files:
        assert len(blobs.get(entry.digest)) == entry.size


def kinds(found: Collection) -> list[str]:
    return [each.kind for each in found.items]


def make_world(folder: Path) -> World:
    made = Settings(config_path=folder / "config.yaml", root=folder / "root", default_root=folder / "default")
    return World(settings=made)
