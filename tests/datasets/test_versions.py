"""Versions: how they come about, what they keep, and who may add one."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import pytest

from starwhale.datasets.build import build_version
from starwhale.errors import (
    AlreadyExistsError,
    ArgumentTypeError,
    ConflictError,
    InvalidNameError,
    MissingDatasetError,
    NoSpaceError,
    NotFoundError,
    NothingToCommitError,
    OldVersionError,
    ReadOnlyError,
    UsageError,
)
from starwhale.media import Image
from starwhale.storage.catalog.versions_tags import Versions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.datasets.conftest import Build, Open

    from starwhale.datasets.dataset import Dataset
    from starwhale.instances import Instance


def content(dataset: Dataset) -> dict[int | str, dict[str, Any]]:
    return {row.index: dict(row.features) for row in dataset}


# ------------------------------------------------------------------------------------------------------------- opening


def test_create_says_what_may_happen(open_: Open, build: Build) -> None:
    with pytest.raises(ValueError, match="maybe"):
        open_("ds", create="maybe")
    with pytest.raises(RuntimeError) as missing:
        open_("ds", create="forbid")
    assert isinstance(missing.value, MissingDatasetError)
    assert not open_("ds").exists()
    assert not open_("ds", create="empty").exists()
    version = build([{"x": 1}])
    assert open_("ds").loading_version == version
    assert open_("ds", create="forbid").exists()
    with pytest.raises(RuntimeError) as there:
        open_("ds", create="empty")
    assert isinstance(there.value, AlreadyExistsError)


def test_read_only_needs_the_dataset_and_names_the_nearest(open_: Open, build: Build) -> None:
    build([{"x": 1}], "numbers")
    with pytest.raises(ValueError, match="nubmers") as caught:
        open_("nubmers", readonly=True)
    assert "numbers" in str(caught.value)


def test_a_version_that_is_not_there_is_refused(open_: Open, build: Build) -> None:
    build([{"x": 1}])
    for uri in ("ds/version/zzzzzz", "other/version/zzzzzz"):
        with pytest.raises(NotFoundError):
            open_(uri)


@pytest.mark.parametrize("name", ["a b", "9lives", "x" * 81, "ä", "-x"])
def test_names_follow_the_rule(open_: Open, name: str) -> None:
    with pytest.raises((InvalidNameError, UsageError, ValueError)):
        open_(name)


@pytest.mark.parametrize("name", ["a.b", "z", "_x", "v-1", "data.set-2_"])
def test_every_name_of_the_rule_works(open_: Open, build: Build, name: str) -> None:
    build([{"x": 1}], name)
    assert content(open_(name)) == {0: {"x": 1}}


def test_what_a_new_dataset_says_of_itself(open_: Open) -> None:
    with open_("ds") as ds:
        assert (bool(ds), len(ds), ds.exists(), ds.changed, ds.committed, ds.loading_version) == (
            True, 0, False, False, False, "",
        )  # fmt: skip
        assert list(ds) == []
        assert ds[0] is None
        assert ds[0:3] == []
        assert (ds.history(), ds.manifest(), ds.summary()["rows"], list(ds.tags)) == ([], {}, 0, [])
        with pytest.raises(RuntimeError):
            _ = ds.committed_version
        with pytest.raises(StopIteration):
            ds.fetch_one()
        ds.append({"x": 1})
        assert (len(ds), ds.changed, ds.approximate_size) == (1, True, 1)
        version = ds.commit()
        assert (ds.committed, ds.committed_version, ds.changed, ds.uri.version) == (True, version, False, version)
        assert str(ds.uri).endswith(f"/project/self/dataset/ds/version/{version}")


def test_the_temporary_folder_ends_with_the_dataset(open_: Open) -> None:
    with open_("ds") as ds:
        folder = ds.tmpdir
        (folder / "file").write_text("x")
    assert not folder.exists()


# ---------------------------------------------------------------------------------------------------------- committing


def test_a_dataset_commits_once(open_: Open) -> None:
    ds = open_("ds")
    ds.append({"x": 1})
    ds.commit()
    with pytest.raises(RuntimeError):
        ds.commit()
    with pytest.raises(ReadOnlyError, match="committed"):
        ds.append({"x": 2})
    assert content(ds) == {0: {"x": 1}}


def test_tags_of_a_commit_and_the_ones_of_the_system(open_: Open, build: Build) -> None:
    with open_("ds") as ds:
        ds.append({"x": 1})
        ds.commit(tags=["first", "best"])
    build([{"x": 2}])
    assert set(open_("ds/version/first").tags) == {"first", "best", "v0"}
    assert set(open_("ds").tags) == {"latest", "v1"}
    ds = open_("ds")
    ds.tags.add("best")
    ds.tags.add(["one", "two"])
    ds.tags.remove(["two"])
    assert set(ds.tags) == {"latest", "v1", "best", "one"}
    assert set(open_("ds/version/v0").tags) == {"first", "v0"}
    with pytest.raises(NotFoundError):
        ds.tags.remove("unknown")
    ds.tags.remove("unknown", ignore_errors=True)


@pytest.mark.parametrize("tag", ["latest", "v9", "v0", "a b", ""])
def test_reserved_and_malformed_tags_are_refused_before_anything_is_written(open_: Open, tag: str) -> None:
    ds = open_("ds")
    ds.append({"x": 1})
    with pytest.raises(InvalidNameError):
        ds.commit(tags=["good", tag])
    assert not open_("ds").exists()
    ds.commit(tags=["good", tag], ignore_add_tags_errors=True)
    assert set(ds.tags) == {"good", "latest", "v0"}
    with pytest.raises(InvalidNameError):
        ds.tags.add(tag)


def test_old_versions_stay_as_they_were_and_cannot_be_changed(open_: Open, build: Build) -> None:
    versions = [build([{"x": 0, "text": "t" * 10_000}]), build([(0, {"x": 1}), {"y": 2}])]
    with open_("ds") as ds:
        del ds[0]
        versions.append(ds.commit(message="delete it"))
    expected = [
        {0: {"x": 0, "text": "t" * 10_000}},
        {0: {"x": 1, "text": "t" * 10_000}, 1: {"y": 2}},
        {1: {"y": 2}},
    ]
    assert [content(open_(f"ds/version/{each[:12]}")) for each in versions] == expected
    old = open_(f"ds/version/{versions[0]}")
    with pytest.raises(OldVersionError, match=versions[0][:12]):
        old.append({"x": 2})
    with pytest.raises(OldVersionError):
        del old[0]
    history = open_("ds").history()
    assert [each["version"] for each in history] == versions[::-1]
    assert history[0]["message"] == "delete it"
    assert set(history[0]) >= {"name", "version", "size", "created_at", "tags", "path"}


def test_summary_and_manifest_count_what_was_done(open_: Open, build: Build) -> None:
    build([{"x": k, "big": bytes([k]) * 10_000} for k in range(4)])
    with open_("ds") as ds:
        ds[0] = {"x": 9}
        del ds[1]
        ds.append({"x": 5, "big": b"n" * 5_000})
        ds.commit(message="why")
    summary = open_("ds").summary()
    assert summary == {
        "rows": 4,
        "updated_rows": 2,
        "deleted_rows": 1,
        "blobs_byte_size": summary["blobs_byte_size"],
        "increased_blobs_byte_size": summary["increased_blobs_byte_size"],
    }
    assert summary["blobs_byte_size"] >= 35_000
    assert 5_000 <= summary["increased_blobs_byte_size"] < 10_000
    manifest = open_("ds").manifest()
    assert manifest["dataset_summary"] == summary
    assert manifest["version"] == open_("ds").loading_version
    assert manifest["message"] == "why"
    assert {"created_at", "build"} <= manifest.keys()


def test_info_is_versioned_with_the_rows(open_: Open, build: Build) -> None:
    first = build([{"x": 1}])
    with open_("ds") as ds:
        ds.info["classes"] = ["a", "b"]
        ds.info.update(n=1)
        ds.commit()
    with open_("ds") as ds:
        del ds.info["n"]
        with pytest.raises(ArgumentTypeError):
            ds.info[3] = 1  # type: ignore[index] # what untyped scripts do
        assert ds.info["classes"] == ["a", "b"]
        ds.commit()
    assert dict(open_("ds").info) == {"classes": ["a", "b"]}
    assert dict(open_("ds/version/v1").info) == {"classes": ["a", "b"], "n": 1}
    assert dict(open_(f"ds/version/{first}").info) == {}


# --------------------------------------------------------------------------------------------------------- two writers


def test_a_second_writer_of_other_rows_comes_on_top(open_: Open, build: Build) -> None:
    build([{"x": k} for k in range(4)])
    one, two = open_("ds"), open_("ds")
    one[0] = {"x": "one"}
    del one[1]
    two[2] = {"x": "two"}
    two[10] = {"x": "new"}
    one.commit()
    two.commit()
    assert content(open_("ds")) == {0: {"x": "one"}, 2: {"x": "two"}, 3: {"x": 3}, 10: {"x": "new"}}


def test_a_second_writer_of_the_same_rows_is_told_which(open_: Open, build: Build) -> None:
    build([{"x": k} for k in range(4)])
    one, two = open_("ds"), open_("ds")
    one[0] = {"x": "one"}
    del one[3]
    two[0] = {"x": "two"}
    two[3] = {"y": "two"}
    two[2] = {"x": "fine"}
    one.commit()
    with pytest.raises(ConflictError, match=r"0, 3"):
        two.commit()
    two.abort()
    assert content(open_("ds")) == {0: {"x": "one"}, 1: {"x": 1}, 2: {"x": 2}}


def test_two_first_commits_do_not_hide_each_other(open_: Open) -> None:
    one, two = open_("ds"), open_("ds")
    one[0] = {"x": "one"}
    two[1] = {"x": "two"}
    one.commit()
    two.commit()
    assert content(open_("ds")) == {0: {"x": "one"}, 1: {"x": "two"}}


def test_large_values_of_a_second_writer_outlive_garbage_collection(
    instance: Instance, open_: Open, build: Build
) -> None:
    """What the first try of its commit wrote belongs to no version, so the version must not refer to it."""
    build([{"x": 0}])
    one, two = open_("ds"), open_("ds")
    one.append({"x": 1})
    two[10] = {"image": Image(b"i" * 5000), "text": "t" * 5000, "list": [Image(b"l" * 5000)]}
    one.commit()
    two.commit()
    del one, two
    gc.collect()
    taken = instance.garbage.collect(instance.garbage.plan(min_age_s=-60), min_age_s=-60)
    assert [(each.kind, each.file_count > 2) for each in taken.items] == [("dataset files", True)]
    features = open_("ds")[10].features
    assert features["image"].to_bytes() == b"i" * 5000
    assert features["list"][0].to_bytes() == b"l" * 5000
    assert features["text"] == "t" * 5000


def test_media_of_another_writer_are_copied_not_referred_to(instance: Instance, open_: Open, build: Build) -> None:
    build([{"x": 0}])
    draft = open_("ds")
    draft.append({"image": Image(b"i" * 5000)})
    with open_("ds") as ds:
        ds[1] = {"image": draft[1].features["image"]}
        draft.abort()
        ds.commit()
    assert open_("ds")[1].features["image"].to_bytes() == b"i" * 5000


def test_a_commit_whose_naming_failed_can_be_tried_again(
    open_: Open, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one thing that fails is the catalog's answer; the rows are written by then."""
    build([{"x": 0}])
    ds = open_("ds")
    ds.append({"x": 1})
    with monkeypatch.context() as patch:
        patch.setattr(Versions, "add", _full)
        with pytest.raises(NoSpaceError):
            ds.commit()
    with pytest.raises(ReadOnlyError, match="call commit"):
        ds.append({"x": 2})
    ds.commit()
    assert content(open_("ds")) == {0: {"x": 0}, 1: {"x": 1}}


def _full(*_args: object, **_options: object) -> None:
    message = "no space left for the catalog"
    raise NoSpaceError(message, hint="free some space")


# ------------------------------------------------------------------------------------------------------------ building


def failing() -> Iterator[tuple[None, dict[str, int]]]:
    for k in range(5000):
        yield None, {"x": k}
    message = "in the middle"
    raise LookupError(message)


def test_a_first_build_that_fails_leaves_nothing_that_blocks_a_name(instance: Instance, open_: Open) -> None:
    with pytest.raises(LookupError, match="in the middle"):
        build_version(open_("Numbers"), failing())
    assert instance.datasets.list() == []
    assert not open_("numbers").exists()
    assert open_("numbers").name == "numbers"
    with open_("numbers") as ds:
        ds.append({"x": 1})
        ds.commit()
    assert [each.name for each in instance.datasets.list()] == ["numbers"]
    assert content(open_("NUMBERS")) == {0: {"x": 1}}


def test_a_later_build_that_fails_leaves_the_version_before(open_: Open, build: Build) -> None:
    version = build([{"x": 1}])
    with pytest.raises(LookupError):
        build_version(open_("ds"), failing(), mode="overwrite")
    assert open_("ds").loading_version == version
    assert content(open_("ds")) == {0: {"x": 1}}


def test_patch_adds_and_overwrite_replaces(open_: Open, build: Build) -> None:
    build([{"x": 1, "y": 1}, {"x": 2}])
    assert build_version(open_("ds"), [(0, {"x": "patched"}), (None, {"x": 3})]) == 2
    assert content(open_("ds")) == {0: {"x": "patched", "y": 1}, 1: {"x": 2}, 2: {"x": 3}}
    build_version(open_("ds"), [("a", {"z": 1})], mode="overwrite", tags=["t"])
    assert content(open_("ds/version/t")) == {"a": {"z": 1}}
    with pytest.raises(UsageError, match="append"):
        build_version(open_("ds"), [], mode="append")
    with pytest.raises(NothingToCommitError):
        build_version(open_("ds"), [])
