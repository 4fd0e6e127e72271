"""After any history of builds, removals and collections, the files on disk are those that the catalog needs."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.instances.collected_world import World, make_world

from starwhale.errors import NotFoundError
from starwhale.models.listing import Listing

if TYPE_CHECKING:
    import pytest

NAMES = ("a", "b")
ACTIONS = st.one_of(
    st.tuples(st.just("build"), st.sampled_from(NAMES), st.integers(0, 3)),
    st.tuples(st.just("model"), st.sampled_from(NAMES), st.integers(0, 3)),
    st.tuples(st.just("job"), st.sampled_from(NAMES), st.just(0)),
    st.tuples(st.sampled_from(["remove", "recover", "tag"]), st.sampled_from(["dataset", "model"]), st.integers(0, 9)),
    st.tuples(st.sampled_from(["remove job", "recover job"]), st.just(""), st.integers(0, 9)),
    st.tuples(st.sampled_from(["remove project", "recover project"]), st.just(""), st.just(0)),
    st.tuples(st.just("gc"), st.just(""), st.just(0)),
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=st.lists(ACTIONS, min_size=4, max_size=14))
def test_after_any_history_the_living_read_back_and_the_dead_are_gone(
    tmp_path_factory: pytest.TempPathFactory, history: list[tuple[str, str, int]]
) -> None:
    world = make_world(tmp_path_factory.mktemp("history"))
    world.do(lambda instance: instance.projects.create("p"))
    for what, name, number in [*history, ("gc", "", 0)]:
        with suppress(NotFoundError):  # the history asks for what is not there
            act(world, what, name, number)
        if what == "gc":
            world.check()
            assert world.files() == expected_files(world)


def act(world: World, what: str, name: str, number: int) -> None:
    dataset = f"local/project/p/dataset/{name}"
    match what:
        case "build":
            world.build(dataset, number + 1, seed=number)
        case "model":
            with world.open() as instance:
                instance.projects.get("p")
            world.model(name, {"shared": b"s" * (number % 2 + 1), f"own{number}": bytes([number]) * 9}, project="p")
        case "job":
            world.job(dataset, project="p" if name == "a" else "self")
        case "remove" | "recover" | "tag":
            with world.open() as instance:
                verbs = instance.datasets if name == "dataset" else instance.models
                uri = f"local/project/p/{name}/{NAMES[number % 2]}/version/v{number // 2}"
                if what == "tag":
                    verbs.add_tags(uri, ["mine"])
                else:
                    getattr(verbs, what)(uri)
        case "remove job" | "recover job":
            with world.open() as instance:
                found = instance.catalog.jobs.list(removed=what == "recover job")
                if found:
                    getattr(instance.catalog.jobs, what.partition(" ")[0])(found[number % len(found)].id)
        case "remove project" | "recover project":
            world.do(lambda instance: getattr(instance.projects, what.partition(" ")[0])("p"))
        case _:
            planned = world.gc(dry_run=True)
            assert world.gc() == planned


def expected_files(world: World) -> set[Path]:
    """Work out anew which files what is in the catalog needs."""
    root = world.layout.root
    needed: set[Path] = set()
    with world.open() as instance:
        blobs, datasets = instance.stores.blobs, instance.stores.datasets
        with instance.catalog.read() as connection:
            rows = connection.exec_driver_sql(
                "SELECT kind, bundle_id, content_digest FROM versions JOIN bundles ON bundles.id = bundle_id"
            ).all()
            jobs = connection.exec_driver_sql("SELECT id FROM jobs").scalars().all()
        for kind, bundle_id, digest in rows:
            if kind == "model":
                listing = Listing.from_bytes(blobs.get(digest))
                needed |= {blobs.place(each) for each in (digest, *(entry.digest for entry in listing.files))}
                continue
            manifest = datasets.open_version(bundle_id, digest).manifest
            folder = world.layout.datasets / bundle_id
            needed.add(folder / "manifests" / f"{digest}.json")
            needed |= {folder / "fragments" / f"{each.file}.parquet" for each in manifest.fragments()}
            needed |= {folder / each.name for each in manifest.pack_lists}
            needed |= {folder / "packs" / f"{each.name}{end}" for each in manifest.packs for end in (".pack", ".idx")}
        for job in jobs:
            for folder in (world.layout.results(job), world.layout.logs(job), world.layout.job(job)):
                needed |= {path for path in folder.rglob("*") if path.is_file()}
    return {path.relative_to(root) for path in needed}
