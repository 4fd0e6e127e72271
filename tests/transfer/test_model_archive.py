"""A packaged model goes to another machine in one file: whole, or not at all."""

from __future__ import annotations

import json
import os
import random
import shutil
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3
from tests.transfer.conftest import Entries, Rebuild, left_behind

from starwhale.errors import AlreadyExistsError, CorruptedError, NoSpaceError, NotFoundError, StarwhaleError, UsageError
from starwhale.instances import Instance, open_instance
from starwhale.settings import Settings
from starwhale.transfer import archive as archive_module
from starwhale.transfer.archive_index import ArchiveIndex, canonical

EVALUATION = """
from starwhale import evaluation

@evaluation.predict(replicas=2)
def predict(row):
    return row["x"]

@evaluation.evaluate(needs=[predict])
def report(results):
    pass
"""


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root and an archive of a model with a link, an empty folder, a program, and two files of the same content; made once."""
    folder = tmp_path_factory.mktemp("origin")
    work = folder / "work"
    (work / "empty").mkdir(parents=True)
    (work / "sub").mkdir()
    (work / "evaluation.py").write_text(EVALUATION)
    (work / "weights.bin").write_bytes(random.Random(5).randbytes(300_000))
    (work / "run.sh").write_text("#!/bin/sh\n")
    (work / "run.sh").chmod(0o755)
    (work / "sub" / "twin.sh").write_text("#!/bin/sh\n")
    (work / "link").symlink_to("sub/twin.sh")
    with open_instance(Settings(config_path=folder / "c.yaml", root=None, default_root=folder / "root")) as opened:
        opened.models.build(work, modules=["evaluation"], name="m", desc="the first", tags=["gold"])
        opened.models.export("m", folder / "m.swmodel")
    return folder


@pytest.fixture
def here(origin: Path, tmp_path: Path) -> Iterator[Instance]:
    """The instance that has the model."""
    shutil.copytree(origin / "root", tmp_path / "here")
    with open_instance(Settings(config_path=tmp_path / "here.yaml", root=None, default_root=tmp_path / "here")) as each:
        yield each


@pytest.fixture
def archive(origin: Path, tmp_path: Path) -> Path:
    """Its archive."""
    return Path(shutil.copy(origin / "m.swmodel", tmp_path / "m.swmodel"))


def test_everything_travels_and_the_id_stays(archive: Path, here: Instance, there: Instance, tmp_path: Path) -> None:
    made = there.models.import_archive(archive)
    source = here.models.resolve("m")
    assert made.is_new
    assert (made.version.name, made.version.version, made.version.message) == ("m", source.version, "the first")
    assert (made.version.tags, made.version.size_bytes) == (("gold", "latest", "v0"), source.size_bytes)
    assert there.models.handlers(made.version) == here.models.handlers(source)
    assert {**made.version.manifest, "imported_from": ""} == {**source.manifest, "imported_from": ""}
    there.models.unpack("m", tmp_path / "out")
    here.models.unpack("m", tmp_path / "same")
    for path in sorted(each.relative_to(tmp_path / "same") for each in (tmp_path / "same").rglob("*")):
        one, other = tmp_path / "same" / path, tmp_path / "out" / path
        assert one.lstat().st_mode == other.lstat().st_mode
        assert not one.is_file() or one.read_bytes() == other.read_bytes()
    assert (tmp_path / "out" / "link").readlink() == Path("sub/twin.sh")
    before = left_behind(there)
    assert not there.models.import_archive(archive).is_new
    assert left_behind(there) == before
    there.models.export("m", tmp_path / "again.swmodel")
    assert not here.models.import_archive(tmp_path / "again.swmodel").is_new


def test_progress_is_told_within_a_large_file(archive: Path, here: Instance, there: Instance, tmp_path: Path) -> None:
    (tmp_path / "big").mkdir()
    (tmp_path / "big" / "evaluation.py").write_text(EVALUATION)
    (tmp_path / "big" / "weights.bin").write_bytes(random.Random(6).randbytes(5 << 20))
    here.models.build(tmp_path / "big", modules=["evaluation"], name="big")
    for act in (
        lambda told: here.models.export("big", archive, force=True, on_bytes=told),
        lambda told: there.models.import_archive(archive, on_bytes=told),
    ):
        seen: list[tuple[int, int]] = []
        act(lambda done, total, seen=seen: seen.append((done, total)))
        assert len(seen) >= 5
        assert seen == sorted(seen)
        assert seen[-1][0] == seen[-1][1] > 5 << 20


def test_importing_by_force_mends_damaged_files(archive: Path, there: Instance, tmp_path: Path) -> None:
    made = there.models.import_archive(archive).version
    for path in left_behind(there):
        path.chmod(0o644)
        path.write_bytes(b"?" + path.read_bytes()[1:])
    assert not there.models.import_archive(archive, force=True).is_new
    there.models.unpack(made.uri, tmp_path / "out")
    assert (tmp_path / "out" / "evaluation.py").read_text() == EVALUATION


def test_names_tags_and_removed_versions_are_treated_as_in_a_copy(archive: Path, here: Instance) -> None:
    assert here.models.import_archive(archive, "twin").version.name == "twin"
    assert here.models.resolve("twin").version != here.models.resolve("m").version
    here.models.remove("m")
    with pytest.raises(AlreadyExistsError, match="swcli model recover"):
        here.models.import_archive(archive)
    with pytest.raises(UsageError, match="holds a model, not a dataset"):
        here.datasets.import_archive(archive)


def test_a_damaged_blob_is_not_exported(archive: Path, here: Instance, tmp_path: Path) -> None:
    weights = next(path for path in left_behind(here) if path.stat().st_size == 300_000)
    weights.chmod(0o644)
    content = bytearray(weights.read_bytes())
    content[1000] ^= 1
    for change in (lambda: weights.write_bytes(content), lambda: os.truncate(weights, 10), weights.unlink):
        change()
        with pytest.raises(CorruptedError, match="corrupted file"):
            here.models.export("m", tmp_path / "bad")
        assert list(tmp_path.glob("*bad*")) == []
    with pytest.raises(AlreadyExistsError, match="--force"):
        here.models.export("m", archive)


@pytest.mark.parametrize("count", [30, pytest.param(3000, marks=pytest.mark.soak)])
def test_a_flipped_or_cut_archive_is_refused_or_harmless(
    archive: Path, there: Instance, tmp_path: Path, count: int
) -> None:
    size, seed, refused = archive.stat().st_size, random.Random(count), 0
    for number in range(count):
        changed = bytearray(archive.read_bytes())
        at = seed.randrange(size if number % 2 else 8000)
        if number % 5:
            changed[at] ^= 1 << seed.randrange(8)
        else:
            del changed[at:]
        (tmp_path / "bad").write_bytes(changed)
        try:
            made = there.models.import_archive(tmp_path / "bad", f"m{number}")
        except StarwhaleError:
            refused += 1
            with pytest.raises(NotFoundError):
                there.models.resolve(f"m{number}")
        else:
            assert (made.version.message, made.version.tags[0]) == ("the first", "gold")
            there.models.unpack(made.version.uri, tmp_path / f"out{number}")
        assert list(there.stores.layout.tmp.iterdir()) == []
    assert refused > count // 2


def with_index(change: Callable[[dict[str, Any]], object]) -> Callable[[Entries], object]:
    """Change the index of an archive."""

    def spoil(entries: Entries) -> None:
        state = json.loads(entries[0][1])
        change(state)
        entries[0] = entries[0][0], json.dumps(state).encode()

    return spoil


def retyped(kind: bytes, target: str = "") -> Callable[[Entries], object]:
    """Make another kind of entry of the first file."""

    def spoil(entries: Entries) -> None:
        entry = entries[1][0]
        entry.type, entry.linkname = kind, target
        entries[1] = entry, b""

    return spoil


def renamed(name: str) -> Callable[[Entries], object]:
    """Give the first file another name, in the index too."""

    def spoil(entries: Entries) -> None:
        with_index(lambda state: state["files"][0].__setitem__(0, name))(entries)
        entries[1][0].name = f"files/{name}"

    return spoil


HOSTILE: dict[str, Callable[[Entries], object]] = {
    "absolute": renamed("/escaped"),
    "above": renamed("../../escaped"),
    "dots": renamed("blobs/../../escaped"),
    "newline": renamed("listing\n"),
    "nul": renamed("listing\0x"),
    "backslash": renamed("..\\escaped"),
    "link": retyped(tarfile.SYMTYPE, "/etc/passwd"),
    "hard link": retyped(tarfile.LNKTYPE, "index.json"),
    "device": retyped(tarfile.CHRTYPE),
    "pipe": retyped(tarfile.FIFOTYPE),
    "folder": retyped(tarfile.DIRTYPE),
    "sparse": retyped(tarfile.GNUTYPE_SPARSE),
    "twice": lambda entries: entries.insert(2, entries[1]),
    "twice in the index": with_index(lambda state: state["files"].append(state["files"][0])),
    "file and folder": with_index(lambda state: state["files"].append(["blobs", 1])),
    "missing": lambda entries: entries.pop(2),
    "longer than said": with_index(lambda state: state["files"][1].__setitem__(1, 3)),
    "larger than the archive": with_index(lambda state: state["files"][1].__setitem__(1, 1 << 50)),
    "negative": with_index(lambda state: state["files"][1].__setitem__(1, -1)),
    "no index": lambda entries: entries.pop(0),
    "no object": lambda entries: entries.__setitem__(0, (entries[0][0], b"[]")),
    "deep": lambda entries: entries.__setitem__(0, (entries[0][0], b"[" * 100_000)),
    "no checksums": lambda entries: entries.pop(),
    "another message": with_index(lambda state: state.__setitem__("message", "forged")),
    "number as name": with_index(lambda state: state.__setitem__("name", 3)),
    "another entry behind the last": lambda entries: entries.append(entries[2]),
    "member in a model": with_index(lambda state: state.__setitem__("members", [3])),
}


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_hostile_archive_is_refused_in_one_line(
    archive: Path, there: Instance, rebuilt: Rebuild, tmp_path: Path, hostile: str
) -> None:
    with pytest.raises(StarwhaleError) as caught:
        there.models.import_archive(rebuilt(archive, HOSTILE[hostile]))
    assert "\n" not in caught.value.message
    assert left_behind(there) == []
    assert list(tmp_path.rglob("escaped*")) == []


Change = Callable[[dict[str, Any], list[dict[str, Any]]], object]


def forged(change: Change) -> Callable[[Entries], object]:
    """Change the index and the list of files of a model, with all digests and sizes made to fit."""

    def spoil(entries: Entries) -> None:
        state, listing = json.loads(entries[0][1]), json.loads(entries[1][1])
        change(state, listing["entries"])
        text = canonical(listing)
        entries[1] = entries[1][0], text
        state["files"][0][1], state["content_digest"] = len(text), blake3(text).hexdigest()
        entries[0] = entries[0][0], json.dumps(state).encode()
        sums = {entry.name: blake3(data).hexdigest() for entry, data in entries[:-1]}
        entries[-1] = entries[-1][0], canonical(sums)

    return spoil


def entry(path: str, **more: object) -> Change:
    return lambda _state, listing: listing.append({"path": path, **more})


def links(*pairs: tuple[str, str]) -> Change:
    return lambda _state, listing: listing.extend({"path": path, "kind": "link", "target": to} for path, to in pairs)


FORGED: dict[str, Change] = {
    "path above": entry("../escaped", kind="folder"),
    "absolute path": entry("/escaped", kind="folder"),
    "nul": entry("a\0b", kind="folder"),
    "dot": entry("a/./b", kind="folder"),
    "digest that is a path": entry("x", kind="file", digest="../../../escaped", size=1),
    "link above": links(("l", "../escaped")),
    "absolute link": links(("l", "/etc")),
    "link through a link": links(("p/q/l", "../.."), ("m", "p/q/l/../escaped")),
    "below a link": links(("l", "sub"), ("l/escaped", "x")),
    "twice": links(("l", "sub"), ("l", "empty")),
    "text as size": entry("x", kind="folder", size="1"),
    "unknown kind": entry("x", kind="device"),
    "handlers are a list": lambda state, _: state["manifest"].__setitem__("handlers", []),
    "replicas are a text": lambda state, _: state["manifest"]["handlers"]["evaluation:predict"].update(replicas="2"),
    "names that are left out are lists": lambda state, _: state["manifest"].__setitem__("left_out", [[]]),
    "no modules": lambda state, _: state["manifest"].pop("modules"),
    "a file that is not listed": lambda _, listing: listing.pop(),
    "a reserved tag": lambda state, _: state["tags"].append("latest"),
    "a name that is a path": lambda state, _: state.__setitem__("name", "../m"),
    "a name of two lines": lambda state, _: state.__setitem__("name", "m\n"),
    "an unknown kind": lambda state, _: state.__setitem__("kind", "robot"),
    "a newer format": lambda state, _: state.__setitem__("format", 2),
}


@pytest.mark.parametrize("forgery", FORGED)
def test_a_forged_model_is_refused_although_all_checksums_fit(
    archive: Path, there: Instance, rebuilt: Rebuild, tmp_path: Path, forgery: str
) -> None:
    with pytest.raises(StarwhaleError) as caught:
        there.models.import_archive(rebuilt(archive, forged(FORGED[forgery])))
    assert "\n" not in caught.value.message
    assert left_behind(there) == []
    assert list(tmp_path.rglob("escaped*")) == []


def test_links_that_stay_inside_are_taken(archive: Path, there: Instance, rebuilt: Rebuild, tmp_path: Path) -> None:
    change = links(("p/q/l", "../.."), ("m", "p/q/l/sub"), ("loop", "loop"))
    there.models.import_archive(rebuilt(archive, forged(change)))
    there.models.unpack("m", tmp_path / "out")
    assert (tmp_path / "out" / "m" / "twin.sh").read_text() == "#!/bin/sh\n"


@pytest.mark.parametrize("tail", [b"more", bytes(1 << 20)], ids=["text", "zeros"])
def test_nothing_may_follow_the_end(archive: Path, there: Instance, tail: bytes) -> None:
    archive.write_bytes(archive.read_bytes() + tail)
    with pytest.raises(CorruptedError, match="follows its end"):
        there.models.import_archive(archive)
    assert left_behind(there) == []


def test_what_is_no_file_is_not_replaced(here: Instance, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for place in (pipe, Path("/dev/null")):
        with pytest.raises(UsageError, match="is not replaced"):
            here.models.export("m", place, force=True)
        assert place.exists()
        assert not place.is_file()


def test_a_link_stays_and_what_it_leads_to_is_written(here: Instance, tmp_path: Path) -> None:
    link, gone = tmp_path / "link.swmodel", tmp_path / "gone.swmodel"
    link.symlink_to("real.swmodel")
    gone.symlink_to("nowhere/real.swmodel")

    here.models.export("m", link)

    assert link.is_symlink()
    assert (tmp_path / "real.swmodel").stat().st_size > 300_000
    with pytest.raises(UsageError, match="there is no folder"):
        here.models.export("m", gone)


@pytest.mark.parametrize("length", [250, 255, 300])
def test_a_long_name_is_taken_or_refused_in_one_line(here: Instance, tmp_path: Path, length: int) -> None:
    target = tmp_path / ("n" * length)
    if length <= 255:
        here.models.export("m", target)
        assert target.is_file()
        return
    with pytest.raises(UsageError, match="too long"):
        here.models.export("m", target)
    with pytest.raises(UsageError, match="too long"):
        here.models.import_archive(target)


def test_an_index_of_any_length_is_not_read(archive: Path, there: Instance, tmp_path: Path) -> None:
    entry = tarfile.TarInfo("index.json")
    entry.size = archive_module.MAX_INDEX_BYTES + 1
    (tmp_path / "bad").write_bytes(entry.tobuf(tarfile.GNU_FORMAT))
    with pytest.raises(CorruptedError, match="its index has"):
        there.models.import_archive(tmp_path / "bad")


def test_too_little_room_is_found_before_anything_is_written(
    archive: Path, here: Instance, there: Instance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = archive_module.shutil.disk_usage

    def nearly_full(path: Path) -> Any:  # a disk of that size cannot be had everywhere
        return real(path)._replace(free=1000)

    monkeypatch.setattr(archive_module.shutil, "disk_usage", nearly_full)
    with pytest.raises(NoSpaceError, match="it needs 3"):
        there.models.import_archive(archive)
    with pytest.raises(NoSpaceError, match="has 1000 free"):
        here.models.export("m", tmp_path / "new")
    assert left_behind(there) == []
    assert list(tmp_path.glob("*new*")) == []


def test_an_index_goes_to_json_and_back() -> None:
    inner = ArchiveIndex(kind="dataset", name="d", project="p", version="v", content_digest="c", files=(("a/b", 3),))
    outer = ArchiveIndex(
        kind="job", name="", project="p", version="v", content_digest="c", files=(("a", 1),), members=(inner, inner)
    )
    assert ArchiveIndex.from_json(outer.to_json()) == outer
    assert list(outer.all_files()) == [("a", 1), ("members/0/a/b", 3), ("members/1/a/b", 3)]
    assert b"members" not in inner.to_json()
