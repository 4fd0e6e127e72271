"""A full disk at every single write, and a power cut at the commit: the last version is whole, and a commit that succeeded is kept."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from tests.datasets.watched_disk import WatchedDisk, watch_disk

from starwhale.errors import NoSpaceError, ReadOnlyError
from starwhale.media import Image
from starwhale.storage.catalog.versions_tags import Versions
from starwhale.storage.dataset_rows.limits import Limits
from starwhale.storage.dataset_rows.manifest import load_manifest
from starwhale.storage.dataset_rows.places import LocalPlaces

if TYPE_CHECKING:
    from tests.datasets.conftest import Build, Open

    from starwhale.datasets.dataset import Dataset
    from starwhale.instances import Instance

Content = list[dict[str, Any]]
Step = Callable[["Dataset"], object]


def content(dataset: Dataset) -> Content:
    """Read all features; what lies in a pack too."""
    return [
        {name: value.to_bytes() if isinstance(value, Image) else value for name, value in row.features.items()}
        for row in dataset
    ]


def long_text(number: int) -> str:
    return f"{number} " * 3000


def picture(number: int) -> bytes:
    return random.Random(number).randbytes(5000)


@pytest.fixture(autouse=True)
def _small_limits(instance: Instance) -> None:
    """Let a few rows do what thousands do otherwise."""
    instance.stores.datasets.limits = Limits(
        block_rows=8,
        fragment_rows=16,
        overlay_rows=3,
        max_layers=2,
        max_small=2,
        group_rows=4,
        many_bytes=1,
        wide_bytes=8,
        pack_bytes=12_000,
    )


def append(row: dict[str, Any]) -> Step:
    return lambda dataset: dataset.append(row)


def put(key: int, row: dict[str, Any]) -> Step:
    return lambda dataset: dataset.__setitem__(key, row)


def steps() -> list[Step]:
    """Appending small rows and large ones, one by one and together, changing and deleting; a failed step can be done again."""
    made: list[Step] = [append({"x": number, "t": f"text {number}"}) for number in range(20)]
    made += [append({"image": Image(picture(number))}) for number in range(3)]
    made += [append({"t": long_text(number)}) for number in range(3)]
    made += [put(number, {"x": -number, "t": long_text(-1)}) for number in range(5)]
    made += [lambda dataset: dataset.__delitem__(6), lambda dataset: dataset.info.update(done=True)]
    return made


BASE: Content = [{"x": number, "image": picture(100 + number)} for number in range(8)]


@pytest.fixture
def expected(open_: Open, build: Build) -> Content:
    """What the steps make of a dataset when nothing fails."""
    build_base(build, "undisturbed")
    with open_("undisturbed") as dataset:
        for step in steps():
            step(dataset)
        dataset.commit()
    return content(open_("undisturbed"))


def build_base(build: Build, name: str) -> None:
    build([{**row, "image": Image(row["image"])} for row in BASE], name)


def insist(dataset: Dataset, disk: WatchedDisk) -> None:
    """Do every step and commit; after the one failure, space is made and the same step is tried again."""
    for step in [*steps(), lambda each: each.commit()]:
        if refused(lambda step=step: step(dataset)):
            assert disk.has_failed
            disk.fail_at = None
            step(dataset)


def refused(step: Callable[[], object]) -> bool:
    """Do something; say whether the disk was full."""
    try:
        step()
    except NoSpaceError as error:
        return "space" in error.message and bool(error.hint)
    return False


EACH = [pytest.param(11, id="some"), pytest.param(1, id="every", marks=pytest.mark.needs_time)]


def failing_steps(build: Build, open_: Open, each: int) -> Iterator[tuple[str, WatchedDisk]]:
    """Give a fresh dataset for every operation on disk, or every eleventh, which will fail."""
    for number in range(1, 10_000, each):
        name = f"ds-{number}"
        build_base(build, name)
        with watch_disk() as disk:
            disk.fail_at = number
            yield name, disk
        if not disk.has_failed:
            assert number > 40
            return
        assert content(open_(f"{name}/version/v0")) == BASE


@pytest.mark.parametrize("each", EACH)
def test_a_disk_that_is_full_at_any_write_costs_that_call_alone(
    open_: Open, build: Build, expected: Content, instance: Instance, each: int
) -> None:
    """After space was made, the call is made again and the rest goes on: no row is lost, and none is there twice."""
    for name, disk in failing_steps(build, open_, each):
        dataset = open_(name)
        try:
            insist(dataset, disk)
        except (NoSpaceError, ReadOnlyError) as error:  # a sync failed: nobody knows what it kept, so all is done again
            if "anew" not in str(error) and "begin new ones" not in str(error):
                raise
            dataset.abort()
            insist(open_(name), disk)
        version = open_(name)._opened.version
        assert version is not None
        assert instance.stores.datasets.open_version(version.bundle_id, version.content_digest).verify() == []
        assert content(open_(name)) == expected


@pytest.mark.parametrize("each", EACH)
def test_a_build_that_ends_with_a_full_disk_leaves_nothing_in_the_way(
    open_: Open, build: Build, expected: Content, each: int
) -> None:
    def build_all(name: str) -> None:
        with open_(name) as dataset:
            for step in steps():
                step(dataset)
            dataset.commit()

    for name, disk in failing_steps(build, open_, each):
        if refused(lambda name=name: build_all(name)):
            assert content(open_(name)) == BASE
            disk.fail_at = None
            build_all(name)
        assert content(open_(name)) == expected


def test_everything_that_a_version_needs_is_durable_before_the_catalog_names_it(
    open_: Open, instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each file was synced after its last write, and each folder after its last entry, up to the root."""
    checked: list[int] = []
    with watch_disk() as disk:
        add = Versions.add

        def checked_add(self: Versions, bundle: Any, draft: Any, **options: Any) -> Any:
            root = instance.stores.layout.datasets
            folder = root / bundle.id
            manifest = load_manifest(LocalPlaces(folder), draft.content_digest)
            files = [folder / "manifests" / f"{draft.content_digest}.json"]
            files += [folder / "fragments" / f"{part.file}.parquet" for part in manifest.fragments()]
            files += [folder / "packs" / f"{pack.name}.{end}" for pack in manifest.packs for end in ("pack", "idx")]
            folders = {parent for path in files for parent in path.parents if parent.is_relative_to(root.parent)}
            assert [path for path in (*files, *folders) if not disk.is_durable(path)] == []
            checked.append(len(files))
            return add(self, bundle, draft, **options)

        monkeypatch.setattr(Versions, "add", checked_add)
        first, second = open_("ds"), open_("ds")
        for step in steps():
            step(first)
        second[1000] = {"t": long_text(7), "image": Image(picture(7))}
        first.commit()
        second.commit()  # which is made again on the other's
        for number in range(6):  # and commits that fold layers and the tail
            with open_("ds") as dataset:
                dataset[number] = {"x": number, "t": long_text(number)}
                dataset.append({"x": number})
                dataset.commit()
    assert len(checked) == 9
    assert min(checked) == 4  # the change alone, before it was made again: a manifest, rows, a pack and its index
