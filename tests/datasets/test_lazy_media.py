"""Large media are read when their content is asked for, and in pieces where they are asked for in pieces."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from starwhale.errors import CorruptedError, NotFoundError
from starwhale.media import Audio, Binary, Image, Text, Video
from starwhale.storage.columns.cells import STREAMED_BYTES
from starwhale.storage.dataset_rows.packs import PackWriter

if TYPE_CHECKING:
    from pathlib import Path

    from tests.datasets.conftest import Build, Open

    from starwhale.instances import Instance

MIB = 1 << 20


def pack_files(instance: Instance) -> list[Path]:
    return sorted(instance.stores.layout.root.rglob("*.pack"))


def make_large(path: Path, size: int = 48 * MIB) -> Path:
    """A file whose every MiB differs."""
    with path.open("wb") as file:
        for number in range(size // MIB):
            file.write(number.to_bytes(4, "big") * (MIB // 4))
    return path


def peak_of(work: Any) -> int:
    """Most bytes that Python held while something was done."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_labels_are_read_without_touching_a_pixel(instance: Instance, build: Build, open_: Open) -> None:
    """Every byte of every pack is wrong, and whatever is not content reads as before."""
    build([{"label": number % 3, "picture": Image(bytes([number]) * 6000, f"{number}.png")} for number in range(50)])
    for path in pack_files(instance):
        path.write_bytes(b"\xff" * path.stat().st_size)
    with open_("ds", readonly=True) as opened:
        rows = list(opened)
        assert [row.features["label"] for row in rows] == [number % 3 for number in range(50)]
        pictures = [row.features["picture"] for row in rows]
        assert [picture.display_name for picture in pictures] == [f"{number}.png" for number in range(50)]
        assert {picture.size_bytes for picture in pictures} == {6000}
        assert "6000 bytes" in repr(pictures[0])
        for read in (pictures[0].to_bytes, pictures[0].to_numpy, lambda: next(pictures[0].chunks(10))):
            with pytest.raises(CorruptedError, match="checksum"):
                read()


@pytest.mark.parametrize(
    "kind", [pytest.param(each, marks=pytest.mark.needs_time) for each in (Audio, Binary, Image)] + [Video]
)
def test_a_large_file_is_built_and_read_in_pieces(tmp_path: Path, open_: Open, kind: Any) -> None:
    path = make_large(tmp_path / "large.bin")

    def build_it() -> None:
        with open_("ds") as opened:
            opened.append({"v": kind(path), "n": [kind(path)]})
            opened.commit()

    assert peak_of(build_it) < 12 * MIB
    path.unlink()
    with open_("ds", readonly=True) as opened:
        value = opened[0].features["v"]
        assert value.size_bytes == 48 * MIB
        found: list[int] = []
        assert peak_of(lambda: found.extend(int.from_bytes(piece[:4], "big") for piece in value.chunks(MIB))) < 8 * MIB
        assert found == list(range(48))
        with value.open() as file:
            file.seek(30 * MIB + 8)
            assert file.read(4) == (30).to_bytes(4, "big")
        assert opened.summary()["blobs_byte_size"] == 48 * MIB  # the same content twice lies there once


def test_a_large_file_that_is_known_already_is_not_written_again(
    tmp_path: Path, open_: Open, instance: Instance
) -> None:
    path = make_large(tmp_path / "large.bin", 3 * MIB)
    for _ in range(2):
        with open_("ds") as opened:
            opened.append({"v": Binary(path), "w": Binary(b"x" * 5000)})
            opened.commit()
    sizes = [each.stat().st_size for each in pack_files(instance)]
    assert sum(sizes) == 3 * MIB + 5000
    with open_("ds", readonly=True) as opened:
        assert [row.features["v"].to_bytes() == path.read_bytes() for row in opened] == [True, True]


def test_a_source_that_fails_half_way_leaves_nothing_behind(
    tmp_path: Path, open_: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_large(tmp_path / "large.bin", 4 * MIB)
    written: list[int] = []
    write = PackWriter._write

    def fail_later(
        self: PackWriter, content: bytes
    ) -> None:  # a file that vanishes under the reader cannot be arranged
        written.append(len(content))
        if len(written) == 3:
            raise NotFoundError("the file is gone")
        write(self, content)

    with open_("ds") as opened:
        opened.append({"v": Binary(b"before" * 1000)})
        monkeypatch.setattr(PackWriter, "_write", fail_later)
        with pytest.raises(NotFoundError, match="column 'v' of row 1: the file is gone"):
            opened.append({"v": Binary(path)})
        monkeypatch.undo()
        opened.append({"v": Binary(b"after" * 1000)})
        opened.commit()
    with open_("ds") as opened:
        assert [row.features["v"].to_bytes()[:5] for row in opened] == [b"befor", b"after"]


def test_content_of_another_dataset_is_taken_over_in_pieces(tmp_path: Path, build: Build, open_: Open) -> None:
    build([{"v": Binary(make_large(tmp_path / "large.bin"))}])
    with open_("ds", readonly=True) as one, open_("other") as other:

        def take_over() -> None:
            other.append(dict(one[0].features))
            other.commit()

        assert peak_of(take_over) < 12 * MIB
        assert other[0].features["v"] == one[0].features["v"]


def test_content_just_above_the_bound_of_streaming_is_whole(tmp_path: Path, build: Build, open_: Open) -> None:
    for size in (STREAMED_BYTES - 1, STREAMED_BYTES, STREAMED_BYTES + 1):
        path = tmp_path / "a.bin"
        path.write_bytes(b"a" * size)
        build([{"v": Binary(path), "t": Text("é" * size)}], f"ds{size}")
        with open_(f"ds{size}") as opened:
            assert opened[0].features["v"].to_bytes() == b"a" * size
            assert opened[0].features["t"].content == "é" * size
