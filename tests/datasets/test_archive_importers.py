"""COCO and WebDataset: grouped rows with media and annotations, and one line about what is wrong."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from starwhale.datasets.build import build_version
from starwhale.datasets.importers import (
    CocoOptions,
    WebDatasetOptions,
    json_stream,
    read_coco,
    read_webdataset,
)
from starwhale.datasets.importers.webdataset import expand_braces
from starwhale.errors import DatasetSourceError
from starwhale.media import Audio, Binary, COCOObjectAnnotation, Image, MIMEType

if TYPE_CHECKING:
    from tests.datasets.conftest import Open

PNG = b"\x89PNG\r\n\x1a\nrest"


def refused(rows: Iterable[object]) -> DatasetSourceError:
    with pytest.raises(DatasetSourceError) as caught:
        list(rows)
    assert "\n" not in str(caught.value)
    return caught.value


# -------------------------------------------------------------------------------------------------------------- COCO

RUNS = {"counts": [1, 2, 9], "size": [3, 4]}
DOCUMENT: dict[str, Any] = {
    "info": {"year": 2017, "description": "é [{"},
    "licenses": [{"id": 1}],
    # COCO's own order: annotations before categories, and not by image.
    "annotations": [
        {"id": 10, "image_id": 7, "category_id": 1, "area": 2.5, "bbox": [0, 1, 2.5, 3], "iscrowd": 0,
         "segmentation": [[0, 0, 1, 1, 2, 2]]},
        {"id": 11, "image_id": 5, "category_id": 2, "area": 9, "bbox": [0, 0, 1, 1], "iscrowd": 1, "segmentation": RUNS},
        {"id": 12, "image_id": 7, "category_id": 2, "area": 1, "bbox": [1, 1, 1, 1], "iscrowd": 0, "segmentation": []},
    ],
    "images": [
        {"id": 5, "file_name": "a.jpg", "width": 4, "height": 3, "license": 1},
        {"id": 7, "file_name": "b/ü.png", "width": 2, "height": 2},
        {"id": 9, "file_name": "c.jpg", "width": 1, "height": 1},
    ],
    "categories": [{"id": 1, "name": "cat", "supercategory": "animal"}, {"id": 2, "name": "hünd"}],
}  # fmt: skip


def write_coco(tmp_path: Path, document: object = DOCUMENT, encoding: str = "utf-8") -> Path:
    for name in ("a.jpg", "b/ü.png", "c.jpg"):
        file = tmp_path / "val2017" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(name.encode())
    place = tmp_path / "annotations" / "instances_val2017.json"
    place.parent.mkdir(exist_ok=True)
    text = document if isinstance(document, str) else json.dumps(document, ensure_ascii=False, indent=1)
    place.write_text(text, encoding=encoding)
    return place


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("characters", [7, 1 << 20])
def test_coco_is_a_row_per_image_with_its_annotations(
    encoding: str, characters: int, tmp_path: Path, open_: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_stream, "CHUNK_CHARACTERS", characters)
    with open_("ds") as made:
        build_version(made, read_coco(write_coco(tmp_path, encoding=encoding)))
    rows = {row.index: dict(row.features) for row in open_("ds")}
    assert list(rows) == ["a.jpg", "b/ü.png", "c.jpg"]
    assert rows["a.jpg"] == {
        "file_name": "a.jpg",
        "file": Image(b"a.jpg", "a.jpg", shape=(3, 4, 3), mime_type=MIMEType.JPEG),
        "image_id": 5,
        "width": 4,
        "height": 3,
        "license": 1,
        "annotations": [COCOObjectAnnotation(11, 5, 2, 9, [0, 0, 1, 1], 1, RUNS)],
        "categories": ["hünd"],
    }
    assert rows["b/ü.png"]["annotations"] == [
        COCOObjectAnnotation(10, 7, 1, 2.5, [0, 1, 2.5, 3], 0, [[0, 0, 1, 1, 2, 2]]),
        COCOObjectAnnotation(12, 7, 2, 1, [1, 1, 1, 1], 0, []),
    ]
    assert rows["b/ü.png"]["categories"] == ["cat", "hünd"]
    assert (rows["c.jpg"]["annotations"], rows["c.jpg"]["categories"]) == ([], [])


@pytest.mark.parametrize(
    ("change", "stands", "says"),
    [
        ({"images": [*DOCUMENT["images"], {"id": 5, "file_name": "c.jpg"}]}, '"id": 5', "two images with the id 5"),
        (
            {"images": [*DOCUMENT["images"], {"id": 6, "file_name": "c.jpg"}]},
            "",
            "the image 'c.jpg' stands there twice",
        ),
        (
            {"images": [*DOCUMENT["images"], {"id": 6, "file_name": "no.jpg"}]},
            "no.jpg",
            "there is no image 'no.jpg' in the folder",
        ),
        ({"images": [{"id": 5}]}, '"id": 5', "the image 5 has no file_name"),
        ({"images": DOCUMENT["images"][:1]}, '"image_id": 7', "an annotation is of the image 7, which is not there"),
        (
            {"categories": DOCUMENT["categories"][:1]},
            "",
            "annotation 11 of the image 5 has the category 2, which is not",
        ),
        ({"categories": [{"id": 1}, {"id": 1}]}, "", "two categories with the id 1"),
        ({"annotations": [{"image_id": "7"}]}, '"image_id": "7"', "an annotation has the image_id '7', no integer"),
        ({"annotations": [3]}, "3", "an item of annotations is no object"),
        ({"annotations": [{**DOCUMENT["annotations"][0], "iscrowd": 2}]}, "", "iscrowd is 0 or 1, not 2"),
    ],
)
def test_what_is_wrong_in_coco_is_named(change: dict[str, Any], stands: str, says: str, tmp_path: Path) -> None:
    place = write_coco(tmp_path, {**DOCUMENT, **change})
    error = refused(read_coco(place))
    assert error.path == str(place)
    assert says in str(error)
    if stands:
        lines = place.read_text(encoding="utf-8").splitlines()
        assert error.line is not None
        assert stands in "".join(lines[error.line - 1 : error.line + 2])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            '{"images": [{"id": 1, "id": 2}]}',
            "line 1, column 13: malformed JSON: an object has two members called 'id'",
        ),
        (
            '{"images": [],\n "images": []}',
            "line 2, column 10: malformed JSON: an object has two members called 'images'",
        ),
        ('{"images": [', "line 1, column 13: malformed JSON"),
        ('{"images": [] "a"', "',' or '}' is expected, not '\"'"),
        ("[]", "an object with images, annotations and categories is expected"),
        ("", "it is empty"),
        ('{"images": [], "annotations": [], "categories": []} x', "Extra data"),
        ('{"images": [], "annotations": [], "categries": []}', "no 'categories'; did you mean 'categries'?"),
    ],
)
def test_malformed_coco_is_named_with_line_and_column(text: str, says: str, tmp_path: Path) -> None:
    assert says in str(refused(read_coco(write_coco(tmp_path, text))))


def test_the_folder_of_images_is_looked_for_or_given(tmp_path: Path) -> None:
    place = write_coco(tmp_path)
    (tmp_path / "val2017").rename(tmp_path / "pictures")
    assert "in none of the folders where COCO has images; name the folder" in str(refused(read_coco(place)))
    assert len(list(read_coco(place, CocoOptions(images=str(tmp_path / "pictures"))))) == 3
    assert "COCO is read of files" in str(refused(read_coco("http://127.0.0.1:1/a.json")))


# -------------------------------------------------------------------------------------------------------- WebDataset


def write_shard(path: Path, members: Iterable[tuple[str, bytes]], mode: str = "w") -> Path:
    with tarfile.open(str(path), mode) as shard:  # type: ignore[call-overload] - the mode is a parameter
        folder = tarfile.TarInfo("d")
        folder.type = tarfile.DIRTYPE
        shard.addfile(folder)
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            shard.addfile(member, io.BytesIO(content))
    return path


def test_members_of_one_name_are_a_row_with_a_feature_per_extension(tmp_path: Path, open_: Open) -> None:
    numpy = pytest.importorskip("numpy")
    array = io.BytesIO()
    numpy.save(array, numpy.arange(3))
    members = [
        ("d/1.a.png", PNG), ("d/1.JPG", b"\xff\xd8\xff"), ("d/1.cls", b"3\n"), ("d/1.txt", "hé".encode()),
        ("d/1.json", b'{"a": [1, null]}'), ("d/1.npy", array.getvalue()), ("d/1.pth", b"never read"), ("d/1.wav", b"x"),
        ("__notes__.txt", b"no"), ("d/.hidden", b"no"), ("README", b"no"), ("d/2.txt", b"two"),
    ]  # fmt: skip
    for mode, name in (("w", "a.tar"), ("w:gz", "a.tar.gz")):
        with open_(name.replace(".", "_")) as made:
            assert build_version(made, read_webdataset(write_shard(tmp_path / name, members, mode))) == 2
        first, second = open_(name.replace(".", "_"))
        features = dict(first.features)
        assert features.pop("npy").tolist() == [0, 1, 2]
        assert first.index == "d/1"
        assert features == {
            "a.png": Image(PNG, "1.a.png", mime_type=MIMEType.PNG),
            "jpg": Image(b"\xff\xd8\xff", "1.JPG", mime_type=MIMEType.JPEG),
            "cls": 3,
            "txt": "hé",
            "json": {"a": [1, None]},
            "pth": Binary(b"never read"),
            "wav": Audio(b"x", "1.wav", mime_type=MIMEType.WAV),
        }
        assert second == ("d/2", {"txt": "two"})


def test_several_shards_patterns_directories_and_equal_keys(tmp_path: Path) -> None:
    for number in range(3):
        write_shard(tmp_path / f"s-{number:02}.tar", [(f"{number}.txt", b"x")])
    pattern = str(tmp_path / "s-{00..02}.tar")
    assert (
        [key for key, _ in read_webdataset(pattern)] == [key for key, _ in read_webdataset(tmp_path)] == ["0", "1", "2"]
    )
    write_shard(tmp_path / "t.tar", [("1.txt", b"y")])
    error = refused(read_webdataset([pattern, str(tmp_path / "t.tar")]))
    assert f"{tmp_path}/t.tar: the key '1' comes twice: {tmp_path}/s-01.tar has it too; use --shard-keys" in str(error)
    rows = read_webdataset(tmp_path, WebDatasetOptions(shard_keys=True))
    assert [key for key, _ in rows] == ["s-00/0", "s-01/1", "s-02/2", "t/1"]
    assert "there is no file" in str(refused(read_webdataset(str(tmp_path / "s-{00..03}.tar"))))


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("a.tar", ["a.tar"]),
        ("{a,b}{1..2}", ["a1", "a2", "b1", "b2"]),
        ("{08..10}", ["08", "09", "10"]),
        ("{2..0}", ["2", "1", "0"]),
        ("{x}-{1,2}", ["{x}-1", "{x}-2"]),
    ],
)
def test_patterns_of_braces(pattern: str, names: list[str]) -> None:
    assert expand_braces(pattern) == names


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ([("a.json", b'{"x": 1,\n ]')], "the member 'a.json' is no json: line 2, column 2"),
        ([("a.json", b'{"x": 1, "x": 2}')], "is no json: an object has two members called 'x'"),
        ([("a.cls", b"x")], "the member 'a.cls' is no cls"),
        ([("a.txt", b"\xff")], "the member 'a.txt' is no txt"),
        ([("a.npy", b"\x93NUMPY\x01\x00v\x00{'descr': '|O', 'fortran_order': False, 'shape': (1,), }" + b" " * 61 + b"\n")],
         "is no npy: Object arrays cannot be loaded"),
        ([("a.txt", b"x"), ("a.txt", b"x")], "the member 'a.txt' comes twice"),
        ([("a.txt", b"x"), ("b.txt", b"x"), ("a.cls", b"1")], "the key 'a' comes twice: its members do not lie together"),
    ],
)  # fmt: skip
def test_members_that_cannot_be_decoded_are_named(members: list[tuple[str, bytes]], says: str, tmp_path: Path) -> None:
    place = write_shard(tmp_path / "a.tar", members)
    error = refused(read_webdataset(place))
    assert error.path == str(place)
    assert says in str(error)


def test_a_shard_that_is_cut_off_anywhere_is_not_read_in_part(tmp_path: Path) -> None:
    whole = write_shard(tmp_path / "a.tar", [("a.txt", b"x" * 700), ("b.txt", b"y"), ("c.txt", b"z")]).read_bytes()
    content_end = whole.rindex(b"z") + 512
    for length in (0, 100, 512, 1024, 1300, 2048, 2560, content_end - content_end % 512):
        (tmp_path / "cut.tar").write_bytes(whole[:length])
        assert str(tmp_path / "cut.tar") in str(refused(read_webdataset(tmp_path / "cut.tar"))), length
    (tmp_path / "no.tar").write_bytes(b"hello" * 500)
    assert "no tar file" in str(refused(read_webdataset(tmp_path / "no.tar")))
