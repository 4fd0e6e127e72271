from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from starwhale.domain.uri import Uri
from starwhale.errors import AlreadyExistsError, ConflictError, InvalidNameError, NotFoundError
from starwhale.storage.catalog.catalog import SqlCatalog, open_catalog
from starwhale.storage.catalog.records import VersionDraft, VersionRecord


class _Ids:
    """Ids that count: their first characters tell them apart."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> str:
        self.count += 1
        return f"{'abcdefghijklmnopqrstuvwxyz'[self.count % 26]}{self.count:04}".ljust(40, "2")


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[SqlCatalog]:
    time = iter(range(1000, 1_000_000))
    opened = open_catalog(tmp_path / "catalog.db", tmp_path / ".lock", clock=lambda: float(next(time)), make_id=_Ids())
    yield opened
    opened.close()


def _add(
    catalog: SqlCatalog, name: str = "mnist", *, tags: tuple[str, ...] = (), version: str = "", kind: str = "dataset"
) -> VersionRecord:
    bundle = catalog.bundles.ensure("self", kind, name)
    return catalog.versions.add(bundle, VersionDraft(content_digest="d", row_count=3, tags=tags, version=version))


def test_a_version_is_read_back_as_it_was_given(catalog: SqlCatalog) -> None:
    bundle = catalog.bundles.create("demo", "dataset", "mnist")
    draft = VersionDraft(
        content_digest="d1", manifest={"a": [1]}, message="first", size_bytes=7, row_count=3, tags=("best",)
    )
    added = catalog.versions.add(bundle, draft)
    assert added == VersionRecord(
        version=added.version, bundle_id=bundle.id, project="demo", kind="dataset", name="mnist", sequence=0,
        created_at=added.created_at, message="first", size_bytes=7, row_count=3, content_digest="d1", manifest={"a": [1]},
        is_removed=False, tags=("best", "latest", "v0"),
    )  # fmt: skip
    assert catalog.versions.get(added.version) == added
    assert added.uri == Uri(project="demo", kind="dataset", name="mnist", version=added.version)


def test_automatic_tags_count_up_and_latest_moves(catalog: SqlCatalog) -> None:
    found = [_add(catalog) for _ in range(3)]
    assert [each.tags for each in catalog.versions.history(found[0].bundle_id)] == [("latest", "v2"), ("v1",), ("v0",)]
    assert catalog.tags.list(found[0].bundle_id)["latest"] == found[2].version


def test_automatic_tags_are_never_given_again(catalog: SqlCatalog) -> None:
    _add(catalog)
    second = _add(catalog)
    catalog.versions.remove(second.version)
    assert _add(catalog).tags == ("latest", "v2")


@pytest.mark.parametrize("tag", ["latest", "v3", "1x", ""])
def test_reserved_and_malformed_tags_are_refused_and_nothing_is_committed(catalog: SqlCatalog, tag: str) -> None:
    kept = _add(catalog)
    with pytest.raises(InvalidNameError):
        _add(catalog, tags=(tag,))
    with pytest.raises(InvalidNameError):
        catalog.tags.add(kept, tag)
    assert len(catalog.versions.history(kept.bundle_id)) == 1


def test_a_tag_moves_and_goes(catalog: SqlCatalog) -> None:
    old, new = _add(catalog, tags=("best",)), _add(catalog)
    catalog.tags.add(new, "best")
    assert catalog.versions.resolve("dataset", "mnist/best").version == new.version
    with pytest.raises(NotFoundError, match="has no tag 'best'"):
        catalog.tags.remove(old, "best")
    catalog.tags.remove(new, "best")
    with pytest.raises(NotFoundError, match="no version 'best' of dataset 'mnist'"):
        catalog.versions.resolve("dataset", "mnist/best")
    with pytest.raises(InvalidNameError):
        catalog.tags.remove(new, "latest")


def test_a_commit_on_an_old_version_is_a_conflict(catalog: SqlCatalog) -> None:
    bundle = catalog.bundles.create("self", "dataset", "d")
    draft = VersionDraft(content_digest="d")
    first = catalog.versions.add(bundle, draft, expected_latest="")
    second = catalog.versions.add(bundle, draft, expected_latest=first.version)
    for expected in (first.version, ""):
        with pytest.raises(ConflictError, match=second.version[:12]):
            catalog.versions.add(bundle, draft, expected_latest=expected)
    newest = catalog.versions.newest(bundle.id)
    assert newest is not None
    assert newest.version == second.version


def test_a_given_version_id_is_used_once(catalog: SqlCatalog) -> None:
    assert _add(catalog, version="z" * 40).version == "z" * 40
    with pytest.raises(AlreadyExistsError):
        _add(catalog, version="z" * 40)


def test_names_keep_their_case_and_are_matched_in_any(catalog: SqlCatalog) -> None:
    added = _add(catalog, "MNist")
    assert catalog.versions.resolve("dataset", "mnIST").version == added.version
    assert catalog.bundles.get("SELF", "dataset", "mnist").name == "MNist"
    for make in (catalog.bundles.create, catalog.bundles.ensure):
        with pytest.raises(AlreadyExistsError, match="only in case"):
            make("self", "dataset", "mnist")
    assert catalog.bundles.ensure("self", "model", "mnist").name == "mnist"


def test_a_name_wins_over_a_tag_and_a_tag_over_the_beginning_of_a_version(catalog: SqlCatalog) -> None:
    by_id = _add(catalog, "first", version="word" + "2" * 36)
    assert catalog.versions.resolve("dataset", "word").version == by_id.version
    by_tag = _add(catalog, "second", tags=("word",))
    assert catalog.versions.resolve("dataset", "word").version == by_tag.version
    by_name = _add(catalog, "word")
    assert catalog.versions.resolve("dataset", "word").version == by_name.version
    assert catalog.versions.resolve("dataset", "version/word").version == by_tag.version


def test_a_version_is_found_by_tag_whole_id_and_beginning(catalog: SqlCatalog) -> None:
    first, _ = _add(catalog), _add(catalog)
    for word in ("v0", first.version, first.version[:12], first.version[:4].upper()):
        assert catalog.versions.resolve("dataset", f"mnist/version/{word}").version == first.version
    with pytest.raises(NotFoundError, match="at least 4 characters"):
        catalog.versions.resolve("dataset", f"mnist/version/{first.version[:3]}")


def test_versions_of_another_kind_are_never_meant(catalog: SqlCatalog) -> None:
    _add(catalog, "m", version="word" + "2" * 36, kind="model")
    with pytest.raises(NotFoundError, match="no dataset 'word'"):
        catalog.versions.resolve("dataset", "word")


def test_a_word_that_means_several_names_them(catalog: SqlCatalog) -> None:
    _add(catalog, "a", version="same2" + "2" * 35)
    _add(catalog, "b", version="same3" + "2" * 35)
    with pytest.raises(ConflictError, match=r"a/version/same2.*b/version/same3"):
        catalog.versions.resolve("dataset", "same")


def test_unknown_names_say_the_nearest(catalog: SqlCatalog) -> None:
    _add(catalog, "mnist-test")
    catalog.bundles.ensure("self", "dataset", "mnist-tsets")  # without a version: not worth offering
    with pytest.raises(NotFoundError, match=r"no dataset 'mnist-tset' in project 'self'; did you mean 'mnist-test'\?"):
        catalog.versions.resolve("dataset", "mnist-tset")
    with pytest.raises(NotFoundError, match=r"no project 'slef'; did you mean 'self'\?"):
        catalog.versions.resolve("dataset", "local/project/slef/mnist")


def test_removed_versions_are_hidden_until_recovered(catalog: SqlCatalog) -> None:
    first, second = _add(catalog), _add(catalog, tags=("best",))
    assert catalog.versions.remove(second.version).is_removed
    assert catalog.versions.resolve("dataset", "mnist").version == first.version
    assert catalog.versions.get(first.version).tags == ("latest", "v0")
    with pytest.raises(NotFoundError):
        catalog.versions.resolve("dataset", "mnist/best")
    with pytest.raises(NotFoundError, match="removed already"):
        catalog.versions.remove(second.version)
    assert [each.version for each in catalog.versions.list_newest("self", "dataset", with_removed=True)] == [
        second.version
    ]
    for uri in ("mnist", "mnist/version/best", f"mnist/{second.version[:6]}"):
        assert catalog.versions.resolve("dataset", uri, removed=True).version == second.version
    assert catalog.versions.recover(second.version).tags == ("best", "latest", "v1")
    with pytest.raises(NotFoundError, match="not removed"):
        catalog.versions.recover(second.version)


def test_one_row_per_name_newest_first(catalog: SqlCatalog) -> None:
    _add(catalog, "a")
    b, a = _add(catalog, "b"), _add(catalog, "a")
    assert [each.version for each in catalog.versions.list_newest("self", "dataset")] == [a.version, b.version]
    assert [each.name for each in catalog.bundles.list("self", "dataset")] == ["a", "b"]


@pytest.mark.parametrize("name", ["", "1a", "a b", "a" * 81, "ä", "a/b"])
def test_malformed_names_are_refused(catalog: SqlCatalog, name: str) -> None:
    with pytest.raises(InvalidNameError):
        catalog.bundles.create("self", "dataset", name)
    with pytest.raises(InvalidNameError):
        catalog.projects.ensure(name)
    assert catalog.projects.list() == []


def test_projects_differ_in_more_than_case(catalog: SqlCatalog) -> None:
    made = catalog.projects.create("Demo")
    assert catalog.projects.ensure("demo") == made
    with pytest.raises(AlreadyExistsError, match="'Demo'"):
        catalog.projects.create("DEMO")


def _commit_many(root: str) -> None:
    catalog = open_catalog(Path(root) / "catalog.db", Path(root) / ".lock")
    bundle = catalog.bundles.ensure("self", "dataset", "shared")
    for _ in range(20):
        catalog.versions.add(bundle, VersionDraft(content_digest="d"))
    catalog.close()


def test_processes_that_commit_at_once_lose_nothing(tmp_path: Path) -> None:
    workers = [subprocess.Popen([sys.executable, __file__, str(tmp_path)]) for _ in range(4)]
    assert [worker.wait(60) for worker in workers] == [0, 0, 0, 0]
    catalog = open_catalog(tmp_path / "catalog.db", tmp_path / ".lock")
    history = catalog.versions.history(catalog.bundles.get("self", "dataset", "shared").id)
    assert [each.sequence for each in reversed(history)] == list(range(80))
    assert {tag for each in history for tag in each.tags} == {"latest", *(f"v{n}" for n in range(80))}
    catalog.close()


if __name__ == "__main__":
    _commit_many(sys.argv[1])


def test_what_may_be_recovered_is_named_and_nothing_else(catalog: SqlCatalog) -> None:
    _add(catalog, tags=("good",))
    second = _add(catalog, tags=("bad",))

    def hint(word: str) -> str:
        with pytest.raises(NotFoundError) as missing:
            catalog.versions.resolve("dataset", f"mnist/version/{word}", removed=True)
        return missing.value.hint

    assert hint("latest") == "no version of it is removed"
    catalog.versions.remove(second.version)
    assert hint("latest") == "there is 'bad', 'v1'"
    assert hint("good") == "there is 'bad', 'v1'"
