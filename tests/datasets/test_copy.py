"""Copies within an instance: what travels, what is shared, what is merged, and that nothing half-made is left."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from starwhale.errors import (
    AlreadyExistsError,
    CorruptedError,
    InvalidUriError,
    NotFoundError,
    StarwhaleError,
    UsageError,
)
from starwhale.instances.destination import parse_destination
from starwhale.media import Binary

if TYPE_CHECKING:
    from tests.datasets.conftest import Build, Open

    from starwhale.instances import Instance

BIG = b"b" * 9000


@pytest.fixture
def original(open_: Open) -> str:
    """Two versions of `ds`, the first with the tags `gold` and `old`."""
    with open_("ds") as opened:
        for number in range(20):
            opened.append({"n": number, "blob": Binary(BIG + bytes([number]))})
        opened.info["source"] = "made up"
        first = opened.commit(tags=["gold", "old"], message="twenty rows")
    with open_("ds") as opened:
        opened[3] = {"n": -3}
        opened.commit()
    return first


def content(open_: Open, uri: str) -> dict[Any, dict[str, Any]]:
    with open_(uri, readonly=True) as opened:
        return {
            row.index: {
                name: cell.to_bytes() if isinstance(cell, Binary) else cell for name, cell in row.features.items()
            }
            for row in opened
        }


def files(folder: str | Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in Path(folder).rglob("*")
        if path.is_file() and path.name[0] != "."
    }


def test_a_plain_copy_shares_files_and_takes_everything_along(instance: Instance, open_: Open, original: str) -> None:
    copied = instance.datasets.copy("ds/version/gold", "twin", ignore_tags=["old"])
    source, made = instance.datasets.resolve("ds/version/gold"), copied.version
    assert copied.is_new
    assert made.version != original
    assert made.content_digest == source.content_digest
    assert made.tags == ("gold", "latest", "v0")
    assert made.message == "twenty rows"
    assert made.manifest["copied_from"] == source.uri.full
    assert content(open_, "twin") == content(open_, "ds/version/gold")
    with open_("twin", readonly=True) as opened:
        assert dict(opened.info) == {"source": "made up"}
    here, there = Path(instance.datasets.folder(made)), Path(instance.datasets.folder(source))
    assert files(here) < files(there)
    assert all((here / name).samefile(there / name) for name in files(here))
    again = instance.datasets.copy("ds/version/gold", "twin", ignore_tags=["old"])
    assert (again.version.version, again.is_new) == (made.version, False)


def test_the_copy_stays_when_the_original_is_deleted_for_good(instance: Instance, open_: Open, original: str) -> None:
    expected = content(open_, "ds/version/gold")
    instance.datasets.copy("ds/version/gold", "twin", ignore_tags=["gold", "old"])
    instance.datasets.remove_tags(f"ds/version/{original}", ["gold", "old"])
    for each in instance.datasets.history("ds"):
        instance.datasets.remove(each.uri)
    folder = instance.datasets.folder(instance.datasets.resolve("twin"))
    instance.garbage.collect(instance.garbage.plan(min_age_s=0), min_age_s=0)
    assert content(open_, "twin") == expected
    assert instance.datasets.resolve("twin").row_count == len(expected)
    assert files(folder)


def test_the_copy_goes_on_by_itself(instance: Instance, open_: Open, original: str) -> None:
    before = content(open_, f"ds/version/{original}")
    instance.datasets.copy(f"ds/version/{original}", "twin")
    with open_("twin") as opened:
        opened[0] = {"n": 100, "blob": Binary(b"c" * 9000)}
        opened.append({"n": 20})
        opened.commit()
    assert content(open_, f"ds/version/{original}") == before
    assert content(open_, "twin")[20] == {"n": 20}


@pytest.mark.usefixtures("original")
def test_where_there_are_no_links_bytes_are_copied_and_checked(
    instance: Instance, open_: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_paths: object) -> None:  # no file system without links is to be had here
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    source = instance.datasets.resolve("ds")
    here = instance.datasets.copy("ds", "twin").version
    assert content(open_, "twin") == content(open_, "ds")
    (pack,) = Path(instance.datasets.folder(source)).glob("packs/*.pack")
    assert not pack.samefile(Path(instance.datasets.folder(here)) / "packs" / pack.name)
    flip(pack)
    with pytest.raises(CorruptedError, match="differs from its checksum"):
        instance.datasets.copy("ds", "third")
    assert_nothing_left(instance, "third")


def flip(path: Path) -> None:
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)


def assert_nothing_left(instance: Instance, name: str) -> None:
    with pytest.raises(NotFoundError):
        instance.datasets.resolve(name)
    bundle = instance.catalog.bundles.get("self", "dataset", name)
    assert files(instance.stores.layout.datasets / bundle.id) == set()


@pytest.mark.usefixtures("original")
@pytest.mark.parametrize("what", ["fragments/*.parquet", "packs/*.pack", "manifests/*.json"])
def test_a_damaged_original_is_not_copied(instance: Instance, what: str) -> None:
    folder = Path(instance.datasets.folder(instance.datasets.resolve("ds")))
    for path in folder.glob(what):
        os.truncate(path, path.stat().st_size - 1)
    with pytest.raises(CorruptedError, match="corrupted file"):
        instance.datasets.copy("ds", "twin")
    if what != "manifests/*.json":  # with that nothing begins
        assert_nothing_left(instance, "twin")


@pytest.mark.usefixtures("original")
def test_patch_merges_rows_features_and_info(instance: Instance, open_: Open, build: Build) -> None:
    build([(3, {"n": 3, "own": "kept"}), (50, {"own": "alone"})], name="there")
    with open_("there") as opened:
        opened.info["mine"] = 1
        opened.commit()
    expected = content(open_, "there")
    for key, row in content(open_, "ds").items():
        expected.setdefault(key, {}).update(row)
    copied = instance.datasets.copy("ds", "there")
    assert content(open_, "there") == expected
    assert copied.version.manifest["dataset_summary"]["updated_rows"] == 20
    with open_("there", readonly=True) as opened:
        assert dict(opened.info) == {"mine": 1, "source": "made up"}
    assert not instance.datasets.copy("ds", "there").is_new


@pytest.mark.usefixtures("original")
def test_overwrite_replaces_and_old_versions_stay(instance: Instance, open_: Open, build: Build) -> None:
    build([("a", {"other": True})], name="there")  # keys of another type, too
    with pytest.raises(UsageError, match="keys of type"):
        instance.datasets.copy("ds", "there")
    instance.datasets.copy("ds", "there", mode="overwrite")
    assert content(open_, "there") == content(open_, "ds")
    assert content(open_, "there/version/v0") == {"a": {"other": True}}
    restored = instance.datasets.copy("ds/version/v0", "ds", mode="overwrite")
    assert content(open_, "ds") == content(open_, "ds/version/v0")
    assert (restored.version.tags, instance.datasets.tags("ds/version/v0")) == (("latest", "v2"), ("gold", "old", "v0"))


@pytest.mark.usefixtures("original")
def test_a_tag_that_points_elsewhere_is_moved_only_by_force(instance: Instance, open_: Open) -> None:
    with open_("there") as opened:
        opened.append({"n": 1})
        opened.commit(tags=["gold"])
    with pytest.raises(AlreadyExistsError, match="'gold' points at version"):
        instance.datasets.copy("ds/version/gold", "there", mode="overwrite")
    assert len(instance.datasets.history("there")) == 1
    copied = instance.datasets.copy("ds/version/gold", "there", mode="overwrite", force=True)
    assert "gold" in copied.version.tags
    assert instance.datasets.tags("there/version/v0") == ("v0",)


@pytest.mark.usefixtures("original")
def test_it_goes_to_another_project(instance: Instance) -> None:
    instance.projects.create("lab")
    assert instance.datasets.copy("ds", "local/project/lab").version.uri.full.startswith(
        "local/project/lab/dataset/ds/"
    )
    assert instance.datasets.copy("ds", ".", project="lab").is_new is False
    assert instance.datasets.copy("ds", "local/project/lab/dataset/new").version.name == "new"
    with pytest.raises(NotFoundError, match="did you mean 'lab'"):
        instance.datasets.copy("ds", ".", project="labb")
    with pytest.raises(NotFoundError, match="did you mean 'ds'"):
        instance.datasets.copy("local/project/lab/dataset/dss", "x")
    with pytest.raises(UsageError, match="mode is 'merge'"):
        instance.datasets.copy("ds", "x", mode="merge")


@pytest.mark.parametrize(
    ("text", "project", "expected"),
    [
        (".", "", ("now", "old")),
        (".", "lab", ("lab", "old")),
        ("new", "lab", ("lab", "new")),
        ("dataset/new", "", ("now", "new")),
        ("local/project/lab", "", ("lab", "old")),
        ("local/project/lab/dataset/new", "", ("lab", "new")),
        ("new/version/v1", "", UsageError),
        ("version/v1", "", UsageError),
        ("local/project/lab", "other", UsageError),
        ("local/project/lab/dataset/new", "other", UsageError),
        ("model/new", "", InvalidUriError),
        ("a b", "", InvalidUriError),
        ("far/project/lab", "", NotFoundError),
        ("9new", "", UsageError),
    ],
)
def test_destinations(text: str, project: str, expected: tuple[str, str] | type[StarwhaleError]) -> None:
    if isinstance(expected, type):
        with pytest.raises(expected):
            parse_destination(text, "dataset", name="old", current="now", project=project)
        return
    found = parse_destination(text, "dataset", name="old", current="now", project=project)
    assert (found.project, found.name) == expected


@pytest.mark.parametrize(
    ("text", "says", "hint"),
    [
        (
            "team/digits",
            "means version 'digits' of dataset 'team'",
            "in another project: local/project/team/dataset/digits",
        ),
        ("digits/version/v0", "names a version", "leave it out: digits"),
        (
            "local/project/p/dataset/digits/version/v0",
            "names a version",
            "leave it out: local/project/p/dataset/digits",
        ),
    ],
)
def test_a_destination_with_a_version_is_refused_with_what_was_meant(text: str, says: str, hint: str) -> None:
    with pytest.raises(UsageError, match=re.escape(says)) as refusal:
        parse_destination(text, "dataset", name="old", current="now")
    assert hint in refusal.value.hint
