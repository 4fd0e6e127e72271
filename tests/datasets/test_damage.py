"""Damage: `verify` names it with what is lost, and no later build hands it on in silence."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from starwhale.datasets.build import build_version
from starwhale.datasets.dataset import Dataset
from starwhale.errors import CorruptedError
from starwhale.media import Binary
from starwhale.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.datasets.conftest import Open

from starwhale.instances import Instance, open_instance

ROWS = 30


def rows() -> Iterator[tuple[int, dict[str, Any]]]:
    for number in range(ROWS):
        blob = random.Random(number).randbytes(5000)
        yield number * 2, {"n": number, "blob": Binary(blob), "long": f"{number}" * 3000 if number > 9 else "short"}


def build(open_: Open, *, mode: str = "patch") -> str:
    with open_("ds") as opened:
        build_version(opened, rows(), mode=mode)
        return opened.committed_version


@pytest.fixture
def folder(open_: Open, instance: Instance) -> Path:
    """Folder of a dataset of two versions; the second one changed a row and deleted another."""
    build(open_)
    with open_("ds") as opened:
        opened[2] = {"n": -1}
        del opened[4]
        opened.commit()
    return Path(instance.datasets.folder(instance.datasets.resolve("ds")))


def fresh(tmp_path: Path) -> Instance:
    """The same instance as another process sees it, with nothing in memory."""
    return open_instance(Settings(config_path=tmp_path / "config.yaml", root=None, default_root=tmp_path / "root"))


def add_a_row(instance: Instance) -> None:
    with instance.datasets.open("ds", Dataset) as opened:
        opened[1000] = {"n": 1}
        opened.commit()


def flip(path: Path, offset: int) -> None:
    damaged = bytearray(path.read_bytes())
    damaged[offset] ^= 1
    path.write_bytes(damaged)


def largest(folder: Path, pattern: str) -> Path:
    return max(folder.glob(pattern), key=lambda path: path.stat().st_size)


def test_verify_names_files_rows_values_and_versions(folder: Path, instance: Instance) -> None:
    seen: list[tuple[int, int]] = []
    assert instance.datasets.verify("ds", lambda done, total: seen.append((done, total))).is_whole
    assert seen[-1][0] == seen[-1][1] == instance.datasets.resolve("ds").size_bytes
    fragment, pack = largest(folder, "fragments/*"), largest(folder, "packs/*.pack")
    flip(pack, 10)
    found = instance.datasets.verify("ds")
    ((damage, hit),) = zip(found.damages, found.hit, strict=True)
    assert (damage.path, damage.lost, damage.cells) == (str(pack), "one value of 5000 bytes", ((0, "blob"),))
    assert [each.tags[-1] for each in hit] == ["v1", "v0"]
    flip(fragment, fragment.stat().st_size // 2)
    said = instance.datasets.verify("ds/version/v0").to_json()
    assert {each["path"] for each in said["damages"]} == {str(pack), str(fragment)}
    assert f"{ROWS} rows with keys from 0 to 58" in {each["lost"] for each in said["damages"]}


def test_verify_says_that_a_value_was_replaced_in_a_later_version(
    folder: Path, instance: Instance, open_: Open
) -> None:
    flip(largest(folder, "packs/*.pack"), 10)
    with open_("ds") as opened:
        opened[0] = {"blob": Binary(b"anew" * 2000)}
        opened.commit()
    assert instance.datasets.verify("ds/version/v1").damages[0].cells == ((0, "blob"),)
    assert instance.datasets.verify("ds").damages[0].cells == ()


def test_verify_finds_the_rows_of_media_in_lists_and_dicts(instance: Instance, open_: Open, tmp_path: Path) -> None:
    with open_("nested") as opened:
        for key in range(6):
            opened[key] = {
                "many": [Binary(bytes([key]) * 5000), Binary(bytes([100 + key]) * 6000)],
                "named": {"at": {"depth": Binary(bytes([key]) * 7000)}},
            }
        opened.commit()
    (pack,) = (instance.stores.layout.datasets / instance.datasets.resolve("nested").bundle_id).glob("packs/*.pack")
    content = pack.read_bytes()
    flip(pack, content.index(bytes([103]) * 6000) + 9)
    flip(pack, content.index(bytes([4]) * 7000) + 9)
    with fresh(tmp_path) as again:
        found = again.datasets.verify("nested")
    assert sorted(damage.cells for damage in found.damages) == [((3, "many"),), ((4, "named"),)]


def test_verify_names_a_version_whose_manifest_is_gone(folder: Path, instance: Instance) -> None:
    found = instance.datasets.resolve("ds")
    (folder / "manifests" / f"{found.content_digest}.json").unlink()
    said = instance.datasets.verify("ds").to_json()
    assert [each["lost"] for each in said["damages"]] == ["the whole version"]
    assert said["damages"][0]["versions"] == [found.uri.full]
    assert instance.datasets.verify("ds/version/v0").is_whole


@pytest.mark.parametrize("pattern", ["packs/*.pack", "packs/*.idx"])
def test_a_build_of_the_same_values_stores_damaged_ones_again(folder: Path, tmp_path: Path, pattern: str) -> None:
    flip(largest(folder, pattern), 10)
    with fresh(tmp_path) as instance:
        build(lambda name: instance.datasets.open(name, Dataset), mode="overwrite")
        found = instance.datasets.verify("ds")
        with instance.datasets.open("ds", Dataset, readonly=True) as opened:
            got = {row.index: row.features["blob"].to_bytes() for row in opened}
    assert got == {key: features["blob"].to_bytes() for key, features in rows()}
    # The pack is needed still where the values beside the damaged one are whole: then no row refers to that one.
    assert [cell for damage in found.damages for cell in damage.cells] == []


def test_a_build_on_damaged_rows_is_refused_and_overwriting_helps(folder: Path, tmp_path: Path) -> None:
    path = largest(folder, "fragments/*")
    flip(path, path.stat().st_size // 2)
    with fresh(tmp_path) as instance:
        with pytest.raises(CorruptedError, match="--overwrite") as caught:
            add_a_row(instance)
        assert caught.value.path == str(path)
        assert len(instance.datasets.history("ds")) == 2
        build(lambda name: instance.datasets.open(name, Dataset), mode="overwrite")
        assert instance.datasets.verify("ds").is_whole


@pytest.mark.parametrize("pattern", ["fragments/*", "packs/*.pack"])
def test_a_build_on_missing_files_is_refused(folder: Path, tmp_path: Path, pattern: str) -> None:
    for path in folder.glob(pattern):
        path.unlink()
    with fresh(tmp_path) as instance:
        with pytest.raises(CorruptedError, match="missing"):
            add_a_row(instance)
        assert len(instance.datasets.history("ds")) == 2
        build(lambda name: instance.datasets.open(name, Dataset), mode="overwrite")
        assert instance.datasets.verify("ds").is_whole


def test_overwriting_lets_go_of_values_that_nothing_needs(open_: Open, instance: Instance) -> None:
    build(open_)
    with open_("ds") as opened:
        build_version(opened, [(1, {"n": 1})], mode="overwrite")
    assert instance.datasets.resolve("ds").manifest["dataset_summary"]["blobs_byte_size"] == 0
    build(open_, mode="overwrite")
    assert instance.datasets.verify("ds").is_whole
