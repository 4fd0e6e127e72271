"""Garbage collection takes what was removed and nothing else, whatever happens around it."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.instances.collected_world import World, kinds, make_world

from starwhale.datasets.dataset import Dataset
from starwhale.errors import ConflictError, NotFoundError
from starwhale.instances.garbage.collect import MIN_AGE_S, OPEN
from starwhale.instances.jobs.pinning import pin_dataset
from starwhale.storage.in_use import claim, hold
from starwhale.storage.part import PartDraft, TableDraft


class StoppedError(Exception):
    """What a kill is played by."""


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path)


# ------------------------------------------------------------------------------------------------------ what was removed


def test_a_removed_version_goes_with_what_it_alone_needs(world: World) -> None:
    first = world.build("digits", 3)
    world.build("digits", 3, seed=1)
    before = world.files()
    world.do(lambda instance: instance.datasets.remove("digits/version/v1"))

    planned = world.gc(dry_run=True)
    assert world.files() == before
    done = world.gc()
    assert done == planned
    assert kinds(done) == ["dataset"]
    assert (done.items[0].file_count, done.size_bytes > 30_000) == (len(before) - len(world.files()), True)
    world.check()
    with world.open() as instance:
        assert instance.datasets.resolve("digits").version == first
        with pytest.raises(NotFoundError):
            instance.datasets.recover("digits/version/v1")
    assert world.gc().items == ()
    world.build("digits", 1)
    assert world.gc().items == ()
    with world.open() as instance:
        assert instance.datasets.resolve("digits").tags == ("latest", "v2")  # numbers are never given again


def test_files_that_a_copy_shares_are_freed_with_the_last_of_both(world: World) -> None:
    world.build("digits", 3)
    world.do(lambda instance: instance.datasets.copy("digits", "twin"))
    world.do(lambda instance: instance.datasets.remove("digits"))
    for dry_run in (True, False):
        shared = world.gc(dry_run=dry_run)
        assert (shared.items[0].file_count, shared.size_bytes) == (0, 0)
    world.check()

    world.do(lambda instance: instance.datasets.copy("twin", "digits"))
    world.do(lambda instance: [instance.datasets.remove(name) for name in ("twin", "digits")])
    space = sum(
        path.stat().st_size
        for path in {each.stat().st_ino: each for each in map(world.layout.root.joinpath, world.files())}.values()
    )
    planned = world.gc(dry_run=True)
    assert planned.size_bytes == space
    assert world.gc() == planned
    assert world.files() == set()


def test_content_that_another_version_shares_survives(world: World) -> None:
    shared, own = b"s" * 5000, b"o" * 4000
    world.model("net", {"a.bin": shared, "own.bin": own})
    world.model("other", {"b.bin": shared})
    world.do(lambda instance: instance.models.remove("net"))
    done = world.gc()
    assert kinds(done) == ["model"]
    assert len(own) < done.size_bytes < len(own) + 1000  # and the list of its files
    world.check()
    world.do(lambda instance: instance.models.remove("other"))
    assert kinds(world.gc()) == ["model"]
    assert world.files() == set()


def test_a_removed_job_goes_with_its_results_and_lets_its_versions_go(world: World) -> None:
    world.build("digits", 2)
    version = world.model("net", {"a": b"weights"})
    job = world.job("digits", model_version=version)
    world.do(lambda instance: instance.datasets.remove("digits"))
    world.do(lambda instance: instance.models.remove("net"))
    kept = world.gc()
    assert kept.items == ()
    assert [(each.kind, each.reason) for each in kept.kept] == [
        ("dataset", f"job {job[:12]} was run on it"),
        ("model", f"job {job[:12]} was run on it"),
    ]
    world.check()
    world.do(lambda instance: instance.jobs.remove(job))
    done = world.gc()
    assert (kinds(done), done.kept) == (["dataset", "model", "job"], ())
    assert world.files() == set()
    with world.open() as instance, pytest.raises(NotFoundError):
        instance.jobs.recover(job)


def test_a_job_without_any_files_goes_too(world: World) -> None:
    job = world.job()
    for folder in (world.layout.results(job), world.layout.logs(job), world.layout.job(job)):
        for path in (folder / "file", *folder.iterdir()):
            path.unlink(missing_ok=True)
        folder.rmdir()
    world.do(lambda instance: instance.jobs.remove(job))
    assert [(each.kind, each.size_bytes) for each in world.gc().items] == [("job", 0)]


def test_a_tag_of_the_user_keeps_a_removed_version(world: World) -> None:
    world.build("digits", 2, tags=("mine",))
    world.do(lambda instance: instance.datasets.remove("digits"))
    found = world.gc()
    assert (found.items, found.kept[0].reason) == ((), "the tag 'mine' points at it")
    world.do(lambda instance: instance.datasets.recover("digits"))
    world.do(lambda instance: instance.datasets.remove_tags("digits", ["mine"]))
    world.do(lambda instance: instance.datasets.remove("digits"))
    assert kinds(world.gc()) == ["dataset"]


def test_a_removed_project_goes_with_everything_but_what_other_projects_need(world: World) -> None:
    world.do(lambda instance: instance.projects.create("demo"))
    used = "local/project/demo/dataset/used"
    world.build(used, 1, tags=("mine",))
    world.build("local/project/demo/dataset/other", 1, seed=1, tags=("mine",))
    world.model("net", {"a": b"weights"}, project="demo")
    inside, outside = world.job(used, project="demo"), world.job(used)
    world.do(lambda instance: instance.projects.remove("demo"))
    done = world.gc()
    assert kinds(done) == ["dataset", "model", "job"]
    assert [(each.kind, each.reason) for each in done.kept] == [
        ("project", "something in it stays"),
        ("dataset", f"job {outside[:12]} was run on it"),
    ]
    world.check()
    world.do(lambda instance: instance.projects.recover("demo"))
    world.check()
    with world.open() as instance:
        assert instance.datasets.resolve(used).row_count == 1
        with pytest.raises(NotFoundError):
            instance.jobs.get(inside)
    world.do(lambda instance: instance.projects.remove("demo"))
    world.do(lambda instance: instance.jobs.remove(outside))
    assert kinds(world.gc()) == ["project", "dataset", "job"]
    assert (world.files(), world.gc().items) == (set(), ())
    world.do(lambda instance: instance.projects.create("demo"))
    assert not any(path.is_dir() for path in world.layout.datasets.iterdir())


def test_what_was_recovered_after_the_plan_stays(world: World) -> None:
    world.build("digits", 2)
    job = world.job()
    world.build("other", 2)
    with world.open() as instance:
        instance.datasets.remove("digits")
        instance.jobs.remove(job)
        plan = instance.garbage.plan(min_age_s=0)
    with world.open() as instance:
        instance.datasets.recover("digits")
        instance.jobs.recover(job)
        instance.datasets.remove("other")  # and what was removed since then waits for the next time
    with world.open() as instance:
        assert instance.garbage.collect(plan, min_age_s=0).items == ()
    world.check()


# --------------------------------------------------------------------------------------------- what runs at the same time


def test_a_running_job_stays_whatever_was_removed_around_it(world: World) -> None:
    world.do(lambda instance: instance.projects.create("demo"))
    world.build("local/project/demo/dataset/digits", 2)
    job = world.job("local/project/demo/dataset/digits", project="demo", is_running=True)
    with world.open() as instance, instance.catalog.write() as connection:  # no verb would do it
        connection.exec_driver_sql("UPDATE projects SET removed_at = 1 WHERE name = 'demo'")
    before = world.files()
    done = world.gc()
    assert done.items == ()
    assert [each.reason for each in done.kept] == [
        "something in it stays", f"job {job[:12]} was run on it", f"process {os.getpid()} is running it",
    ]  # fmt: skip
    assert world.files() == before


def test_an_open_reader_and_a_builder_keep_what_they_need(world: World) -> None:
    world.build("digits", 3)
    with world.open() as instance:
        writer = instance.datasets.open("digits", Dataset)
        writer.append((9, {"x": 9, "long": b"9" * 5000}))
        reader = instance.datasets.open("digits", Dataset, readonly=True)
        world.do(lambda other: other.datasets.remove("digits"))
        found = world.gc()
        assert (found.items, {each.kind: each.reason for each in found.kept}) == (
            (),
            {"dataset": OPEN, "dataset files": OPEN},  # what is removed, and what is not committed yet
        )
        assert [row.features["long"] for row in reader] == [bytes([0, key]) * 5000 for key in range(3)]
        reader.close()
        world.do(lambda other: other.datasets.recover("digits"))
        writer.commit()
        writer.close()
    world.check()


def test_a_dataset_that_was_closed_is_let_go_at_once(world: World) -> None:
    """Not only when Python happens to look for cycles: whoever collects would be told that it is open in another process."""
    world.build("digits", 3)
    gc.collect()
    gc.disable()
    try:
        with world.open() as instance:
            with instance.datasets.open("digits", Dataset) as dataset:
                dataset[0] = {"mixed": (1, {"a": "b"}), "x": 7}
                dataset[1] = {"mixed": "text"}
                dataset.info["note"] = ["x"]
                dataset.commit()
            with instance.datasets.open("digits", Dataset) as dataset:
                assert dataset[0].features["mixed"] == (1, {"a": "b"})
                assert dataset.info["note"] == ["x"]
                dataset[2] = {"y": {"deep": [1, "z"]}}
                dataset.abort()
            del dataset
            (folder,) = world.layout.datasets.iterdir()
            with claim(folder) as is_free:
                assert is_free
    finally:
        gc.enable()


def test_a_model_that_is_being_built_keeps_its_blobs(world: World) -> None:
    world.model("old", {"a": b"weights"})
    world.do(lambda instance: instance.models.remove("old"))
    with world.open() as instance, hold(world.layout.blobs):
        instance.stores.blobs.put(b"not committed yet")
        before = world.files()
        found = world.gc()
        assert (found.items, [each.reason for each in found.kept]) == ((), [OPEN])
        assert world.files() == before


def test_a_job_that_is_being_started_keeps_its_dataset(world: World) -> None:
    world.build("digits", 1)
    with world.open() as instance:
        pin_dataset(instance.stores, "digits", project="self")
        world.do(lambda other: other.datasets.remove("digits"))
        assert [each.reason for each in world.gc().kept] == [OPEN]
    assert kinds(world.gc()) == ["dataset"]


def test_the_second_collection_says_that_another_is_at_work(world: World) -> None:
    world.build("digits", 1)
    world.do(lambda instance: instance.datasets.remove("digits"))
    started, go_on = threading.Event(), threading.Event()

    def wait(_step: str) -> None:
        started.set()
        assert go_on.wait(30)

    thread = threading.Thread(target=lambda: world.gc(on_step=wait))
    thread.start()
    assert started.wait(30)
    with pytest.raises(ConflictError, match="another garbage collection is at work"):
        world.gc()
    go_on.set()
    thread.join(30)
    assert world.files() == set()


# ------------------------------------------------------------------------------------------------ files nobody refers to


def test_left_over_files_go_when_they_are_old_and_not_before(world: World) -> None:
    world.build("digits", 1)
    job = world.job("digits")
    before = world.files()
    (dataset,) = (path for path in world.layout.datasets.iterdir() if path.is_dir())
    gone = "0" * 40
    left = {
        "dataset files": [dataset / "fragments" / "killed-0.parquet", dataset / "packs" / "killed.pack"],
        "blobs": [world.layout.blobs / "ab" / ("ab" * 32), world.layout.blobs / ".12.draft"],
        "results": [world.layout.results(job) / "killed.seg", world.layout.results(gone) / "a.seg"],
        "logs": [world.layout.logs(gone) / "0-0-1.txt"],
        "snapshots": [world.layout.job(gone) / "snapshot" / "model.py"],
        "tmp": [world.layout.tmp / "draft" / "file"],
    }
    for paths in left.values():
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"12345")
    assert world.gc(min_age_s=MIN_AGE_S).items == ()
    for path in sorted(world.layout.root.rglob("*")):
        stat = path.stat()
        os.utime(path, (stat.st_atime, stat.st_mtime - MIN_AGE_S - 60))
    done = world.gc(min_age_s=MIN_AGE_S)
    assert {each.kind: each.size_bytes for each in done.items} == {kind: 5 * len(paths) for kind, paths in left.items()}
    assert world.files() == before
    world.check()


def test_a_damaged_version_keeps_everything_of_its_dataset(world: World) -> None:
    world.build("digits", 1)
    world.build("digits", 1)
    with world.open() as instance:
        digest = instance.datasets.resolve("digits/version/v0").content_digest
    (manifest,) = world.layout.datasets.rglob(f"{digest}.json")
    manifest.write_bytes(b"{}")
    world.do(lambda instance: instance.datasets.remove("digits/version/v1"))
    before = world.files()
    done = world.gc()
    assert ["corrupted file" in each.reason for each in done.kept] == [True]
    assert world.files() == before


def test_evaluations_outside_of_jobs_stay(world: World) -> None:
    with world.open() as instance:
        draft = PartDraft(tables=[TableDraft(name="t", ids=[1], columns={"x": [1]})])
        instance.stores.results.append("my.evaluation/1", "", draft)
    before = world.files()
    assert (world.gc().items, world.files()) == ((), before)
    with world.open() as instance:
        assert instance.stores.results.verify("my.evaluation/1") == []


# --------------------------------------------------------------------------------------------------------- ends in between


@pytest.mark.parametrize("stop_at", range(1, 14, 2))
def test_a_collection_that_is_cut_off_leaves_everything_consistent(world: World, stop_at: int) -> None:
    for seed in range(3):
        world.build("digits", 2, seed=seed)
    world.model("net", {"a": b"weights", "b": b"more"})
    world.model("net", {"a": b"weights", "c": b"other"})
    job = world.job("digits/version/v0")
    world.do(lambda instance: instance.datasets.remove("digits/version/v1"))
    world.do(lambda instance: instance.models.remove("net/version/v0"))
    world.do(lambda instance: instance.jobs.remove(job))
    steps = iter(range(1, 1000))

    def stop(_step: str) -> None:
        if next(steps) == stop_at:
            raise StoppedError

    try:
        world.gc(on_step=stop)
    except StoppedError:
        pass
    else:
        assert stop_at > 10
    world.check()
    world.gc()
    world.check()
    assert world.gc().items == ()
    assert not world.layout.results(job).exists()


KILLED = """
import os, sys
from pathlib import Path
from starwhale.instances import open_instance
from starwhale.instances.garbage.collect import GarbageVerbs
from starwhale.settings import read_settings

def stop(step):
    if step == "file":
        os.kill(os.getpid(), 9)

with open_instance(read_settings()) as instance:
    verbs = GarbageVerbs(instance.stores, on_step=stop)
    verbs.collect(verbs.plan(min_age_s=0), min_age_s=0)
"""


def test_a_killed_collection_lets_the_next_one_finish(world: World, instance_root: dict[str, str]) -> None:
    world.build("digits", 1)
    world.build("digits", 1, seed=1)
    world.do(lambda instance: instance.datasets.remove("digits"))
    env = instance_root | {"SW_LOCAL_STORAGE": str(world.layout.root)}
    done = subprocess.run([sys.executable, "-c", KILLED], env=env, check=False, timeout=60)
    assert done.returncode == -9
    with world.open() as instance, pytest.raises(NotFoundError):  # nobody brings back what has lost its files
        instance.datasets.recover("digits/version/v1")
    assert kinds(world.gc()) == ["dataset files"]
    world.check()
