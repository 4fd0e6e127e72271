"""Archives: what was exported comes back whole, or nothing does."""

from __future__ import annotations

import io
import json
import os
import random
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from starwhale.datasets.dataset import Dataset
from starwhale.errors import AlreadyExistsError, CorruptedError, NotFoundError, StarwhaleError, UsageError
from starwhale.instances import Instance, open_instance
from starwhale.media import Binary
from starwhale.settings import Settings
from starwhale.transfer.archive import read_index

if TYPE_CHECKING:
    from tests.datasets.conftest import Open

FLIPS = 40


@pytest.fixture
def archive(instance: Instance, open_: Open, tmp_path: Path) -> Path:
    """An archive of the second version of `ds`, which has layers and large values."""
    with open_("ds") as opened:
        for number in range(20):
            opened.append({"n": number, "blob": Binary(random.Random(number).randbytes(5000))})
        opened.info["source"] = "made up"
        opened.commit()
    with open_("ds") as opened:
        opened[3] = {"n": -3}
        opened.commit(tags=["gold", "old"], message="the second")
    instance.datasets.export("ds", tmp_path / "ds.tar")
    return tmp_path / "ds.tar"


@pytest.fixture
def other(tmp_path: Path) -> Any:
    """Another instance."""
    with open_instance(
        Settings(config_path=tmp_path / "other.yaml", root=None, default_root=tmp_path / "other")
    ) as opened:
        yield opened


def content(instance: Instance, uri: str) -> dict[Any, dict[str, Any]]:
    with instance.datasets.open(uri, Dataset, create="forbid", readonly=True) as opened:
        return {
            row.index: {
                name: cell.to_bytes() if isinstance(cell, Binary) else cell for name, cell in row.features.items()
            }
            for row in opened
        }


def files(instance: Instance) -> list[Path]:
    root = instance.stores.layout.root
    found = [*(root / "tmp").rglob("*"), *(root / "datasets").rglob("*")]
    return sorted(path for path in found if path.is_file() and path.name != ".in-use")


def test_everything_travels_and_the_id_stays(archive: Path, instance: Instance, other: Instance) -> None:
    made = other.datasets.import_archive(archive)
    source = instance.datasets.resolve("ds")
    assert made.is_new
    assert (made.version.name, made.version.version) == ("ds", source.version)
    assert (made.version.tags, made.version.message) == (("gold", "old", "latest", "v0"), "the second")
    assert made.version.content_digest == source.content_digest
    assert made.version.manifest["dataset_summary"] == source.manifest["dataset_summary"]
    assert content(other, "ds") == content(instance, "ds")
    with other.datasets.open("ds", Dataset, readonly=True) as opened:
        assert dict(opened.info) == {"source": "made up"}
    assert other.datasets.verify("ds").is_whole
    before = files(other)
    again = other.datasets.import_archive(archive)
    assert (again.version.version, again.is_new, files(other)) == (source.version, False, before)


def test_lists_of_packs_travel_and_are_verified(
    instance: Instance, open_: Open, other: Instance, tmp_path: Path
) -> None:
    """So many commits of a large value each that the manifest names most packs by a list."""
    for number in range(12):
        with open_("many") as opened:
            opened[number] = {"blob": Binary(random.Random(number).randbytes(5000))}
            opened.commit()
    instance.datasets.export("many", tmp_path / "many.tar")
    with tarfile.open(tmp_path / "many.tar") as made:
        (name,) = (name for name in made.getnames() if name.endswith(".packs"))
        member = made.getmember(name)
    other.datasets.import_archive(tmp_path / "many.tar")
    assert content(other, "many") == content(instance, "many")
    assert other.datasets.verify("many").is_whole

    def change(content: bytearray) -> None:
        content[member.offset_data + 7] ^= 1

    with pytest.raises(CorruptedError):
        other.datasets.import_archive(damaged(tmp_path / "many.tar", tmp_path / "bad.tar", change), "again")
    with pytest.raises(NotFoundError):
        other.datasets.resolve("again")


def test_it_goes_under_another_name_and_over_other_versions(archive: Path, instance: Instance, open_: Open) -> None:
    assert not instance.datasets.import_archive(archive).is_new
    made = instance.datasets.import_archive(archive, "twin").version
    assert made.name == "twin"
    assert made.version != instance.datasets.resolve("ds").version
    with open_("mine") as opened:
        opened.append({"x": 1})
        opened.commit(tags=["gold"])
    with pytest.raises(AlreadyExistsError, match="'gold' points at version"):
        instance.datasets.import_archive(archive, "mine")
    assert content(instance, "mine") == {0: {"x": 1}}
    assert instance.datasets.import_archive(archive, "mine", force=True).version.tags[:2] == ("gold", "old")
    assert content(instance, "mine") == content(instance, "ds")
    instance.projects.create("lab")
    assert instance.datasets.import_archive(archive, "local/project/lab").version.uri.project == "lab"
    assert not instance.datasets.import_archive(archive, project="lab").is_new


def test_a_removed_version_is_not_brought_back_by_stealth(archive: Path, other: Instance) -> None:
    other.datasets.remove(other.datasets.import_archive(archive).version.uri)
    with pytest.raises(AlreadyExistsError, match="swcli dataset recover"):
        other.datasets.import_archive(archive)


def damaged(archive: Path, path: Path, change: Callable[[bytearray], None]) -> Path:
    changed = bytearray(archive.read_bytes())
    change(changed)
    path.write_bytes(changed)
    return path


@pytest.mark.parametrize("count", [FLIPS, pytest.param(2000, marks=pytest.mark.soak)])
def test_a_flipped_or_cut_archive_is_refused_or_harmless(
    archive: Path, instance: Instance, other: Instance, tmp_path: Path, count: int
) -> None:
    size, seed, refused = archive.stat().st_size, random.Random(3), 0
    expected = content(instance, "ds")
    for number in range(count):
        offset = seed.randrange(size)

        def flip(data: bytearray, offset: int = offset) -> None:
            data[offset] ^= 1 << seed.randrange(8)

        def cut(data: bytearray, offset: int = offset) -> None:
            del data[offset:]

        bad = damaged(archive, tmp_path / "bad.tar", cut if number % 4 == 0 else flip)
        try:
            made = other.datasets.import_archive(bad, f"ds{number}")
        except StarwhaleError:
            refused += 1
            with pytest.raises(NotFoundError):
                other.datasets.resolve(f"ds{number}")
            continue
        finally:
            assert list((other.stores.layout.root / "tmp").iterdir()) == []
        assert content(other, made.version.uri.full) == expected
        assert made.version.message == "the second"
    assert refused > count // 2


def rebuilt(archive: Path, path: Path, change: Callable[[list[tuple[tarfile.TarInfo, bytes]]], object]) -> Path:
    """Write the archive again with its entries changed."""
    with tarfile.open(archive) as tar:
        entries = [(each, tar.extractfile(each).read()) for each in tar]  # type: ignore[union-attr]  # all are files
    change(entries)
    with tarfile.open(path, "w") as tar:
        for entry, data in entries:
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return path


def entry(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, target
    return made


@pytest.mark.parametrize(
    "forged",
    [
        lambda entries: entries.insert(1, (entry("../../escaped"), b"x")),
        lambda entries: entries.insert(1, (entry("/nowhere/escaped"), b"x")),
        lambda entries: entries.__setitem__(1, (entry(entries[1][0].name, tarfile.SYMTYPE, "/etc/passwd"), b"")),
        lambda entries: entries.__setitem__(1, (entry(entries[1][0].name, tarfile.LNKTYPE, "index.json"), b"")),
        lambda entries: entries.pop(1),
        lambda entries: entries.reverse(),
        lambda entries: entries.pop(),
        lambda entries: entries.__setitem__(0, (entries[0][0], _renamed(entries[0][1], "../../escaped"))),
        lambda entries: entries.__setitem__(0, (entries[0][0], _renamed(entries[0][1], "fragments/.hidden"))),
        lambda entries: entries.__setitem__(0, (entries[0][0], b"[]")),
        lambda entries: entries.__setitem__(0, (entries[0][0], b'{"format": 1}')),
    ],
)
def test_a_forged_archive_leaves_nothing(archive: Path, other: Instance, tmp_path: Path, forged: Any) -> None:
    bad = rebuilt(archive, tmp_path / "forged.tar", forged)
    with pytest.raises(CorruptedError, match="corrupted archive"):
        other.datasets.import_archive(bad)
    assert files(other) == []
    assert list(tmp_path.rglob("escaped")) == []


def _renamed(index: bytes, name: str) -> bytes:
    state = json.loads(index)
    state["files"][0][0] = name
    return json.dumps(state).encode()


def test_a_newer_format_and_another_kind_are_said(archive: Path, other: Instance, tmp_path: Path) -> None:
    def newer(entries: list[Any]) -> None:
        entries[0] = entries[0][0], entries[0][1].replace(b'"format":1', b'"format":2')

    def model(entries: list[Any]) -> None:
        entries[0] = entries[0][0], entries[0][1].replace(b'"kind":"dataset"', b'"kind":"model"')

    with pytest.raises(StarwhaleError, match="newer program"):
        other.datasets.import_archive(rebuilt(archive, tmp_path / "newer.tar", newer))
    with pytest.raises(UsageError, match="holds a model"):
        other.datasets.import_archive(rebuilt(archive, tmp_path / "model.tar", model))
    with pytest.raises(UsageError, match="cannot read"):
        other.datasets.import_archive(tmp_path / "none.tar")
    with pytest.raises(UsageError, match="cannot read"):
        other.datasets.import_archive(tmp_path)


def test_damage_is_not_exported_and_files_are_not_replaced(archive: Path, instance: Instance, tmp_path: Path) -> None:
    target = tmp_path / "new.tar"
    with pytest.raises(AlreadyExistsError, match="--force"):
        instance.datasets.export("ds", archive)
    with pytest.raises(UsageError, match="no folder"):
        instance.datasets.export("ds", tmp_path / "none" / "x.tar")
    with pytest.raises(UsageError, match="format is 'zip'"):
        instance.datasets.export("ds", target, form="zip")
    before = archive.read_bytes()
    instance.datasets.export("ds", archive, force=True)
    assert archive.read_bytes() == before  # the same version makes the same file
    (pack,) = Path(instance.datasets.folder(instance.datasets.resolve("ds"))).glob("packs/*.pack")
    os.truncate(pack, pack.stat().st_size - 1)
    with pytest.raises(CorruptedError, match="corrupted file"):
        instance.datasets.export("ds", target)
    assert list(tmp_path.glob("*new.tar*")) == []
    assert read_index(archive).tags == ("gold", "old")


@pytest.mark.parametrize("pattern", ["packs/*.pack", "packs/*.idx", "fragments/*", "manifests/*"])
def test_importing_by_force_mends_damaged_files(
    archive: Path, instance: Instance, other: Instance, pattern: str
) -> None:
    folder = Path(other.datasets.folder(other.datasets.import_archive(archive).version))
    for path in folder.glob(pattern):
        path.write_bytes(b"?" + path.read_bytes()[1:])
    assert not other.datasets.verify("ds").is_whole
    assert not other.datasets.import_archive(archive).is_new
    assert not other.datasets.import_archive(archive, force=True).is_new
    assert other.datasets.verify("ds").is_whole
    assert len(other.datasets.history("ds")) == 1
    assert content(other, "ds") == content(instance, "ds")


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_rows_alone_go_as_parquet_or_csv(instance: Instance, open_: Open, tmp_path: Path, form: str) -> None:
    with open_("ds") as opened:
        opened.extend([{"n": 1, "t": "a"}, {"n": 2, "t": "b"}])
        opened.commit()
    target = tmp_path / f"rows.{form}"
    size = instance.datasets.export("ds", target, form=form)
    assert size == target.stat().st_size > 0
    if form == "csv":
        assert target.read_text().splitlines()[-1].endswith('2,"b"')
