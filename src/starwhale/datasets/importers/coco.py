"""Data sets of COCO: a JSON file of instances, and a folder of images."""

from __future__ import annotations

import array
import codecs
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

from starwhale.datasets.importers.json_stream import JsonStream, Piece
from starwhale.datasets.importers.place import Row, SourcePlace, TextPlace, is_address, list_places, open_binary
from starwhale.datasets.importers.registry import Importer
from starwhale.errors import DatasetSourceError, UnsupportedValueError, nearest
from starwhale.media import COCOObjectAnnotation, Image
from starwhale.media.image import IMAGE_KINDS
from starwhale.media.mime import MIMEType


@dataclass(frozen=True, slots=True, kw_only=True)
class CocoOptions:
    """Where the images lie."""

    images: str = ""
    """Folder of the images; empty means where COCO has it: beside the annotations, or `../<split>` of `instances_<split>.json`."""


@dataclass(slots=True)
class _Index:
    """Where the parts of a file stand, so that its annotations need not be held in memory."""

    images: list[tuple[int, int, int]] = field(default_factory=list[tuple[int, int, int]])
    """Offset, length and line of each image."""
    categories: dict[int, dict[str, Any]] = field(default_factory=dict[int, dict[str, Any]])
    """Category by id."""
    annotations: dict[int, array.array[int]] = field(default_factory=dict[int, "array.array[int]"])
    """Image id → offset and length of each of its annotations, one after the other."""
    start: int = 0
    """Where the text begins: a file may have a byte order mark, which no offset counts."""
    annotation_lines: dict[int, int] = field(default_factory=dict[int, int])
    """Image id → line of its first annotation."""


def read_coco(places: SourcePlace | Sequence[SourcePlace], options: CocoOptions | None = None) -> Iterator[Row]:
    """Yield a row for each image, under its `file_name`.

    Features: `file_name`, `file` (the Image), `image_id`, `width`, `height`, `annotations` (a list of COCOObjectAnnotation, whose
    polygons or run lengths are as they were), `categories` (the name of the category of each), and whatever else the image says.

    Raises:
        DatasetSourceError: The file is missing, malformed or no COCO, two images have one name or id, an image is not in the folder,
            or an annotation names an image or category that is not there; with file and line.
    """
    options = options or CocoOptions()
    seen: dict[str, str] = {}
    for name in list_places(places, (".json",)):
        if is_address(name):
            raise DatasetSourceError(
                f"cannot read {name}: COCO is read of files, for its images are files", path=name, hint="fetch it first"
            )
        for row in _read_file(name, options):
            key = cast("str", row[0])
            if key in seen:
                where = "twice" if seen[key] == name else f"in {seen[key]} too"
                raise DatasetSourceError(
                    f"{name}: the image {key!r} stands there {where}", path=name, hint="rename one, or leave one out"
                )
            seen[key] = name
            yield row


def _read_file(name: str, options: CocoOptions) -> Iterator[Row]:
    with TextPlace(name=name).open() as text:
        index = _index(JsonStream(text, name), name)
    with open_binary(name) as file:
        index.start = len(codecs.BOM_UTF8) if file.read(3) == codecs.BOM_UTF8 else 0
        folder: Path | None = None
        ids: set[int] = set()
        for offset, length, line in index.images:
            image = _read_at(file, index.start + offset, length)
            file_name = _image_name(image, name, line)
            if image["id"] in ids:
                raise _wrong(name, line, f"there are two images with the id {image['id']}")
            ids.add(image["id"])
            folder = folder or _find_folder(name, file_name, options)
            if not (folder / file_name).is_file():
                raise _wrong(name, line, f"there is no image {file_name!r} in the folder {folder}")
            yield file_name, _features(image, file_name, folder, _annotations(index, image["id"], file, name))
    _check_all_used(index, ids, name)


def _index(stream: JsonStream, name: str) -> _Index:
    index = _Index()
    found: set[str] = set()
    if stream.peek() != "{":
        stream.fail("an object with images, annotations and categories is expected")
    for member in stream.members():
        found.add(member)
        if member not in {"images", "annotations", "categories"}:
            stream.skip()
            continue
        for piece in stream.items():
            if not isinstance(piece.value, dict):
                raise _wrong(name, piece.line, f"an item of {member} is no object")
            _note(index, member, piece, name)
    stream.end()
    for member in ("images", "annotations", "categories"):
        if member not in found:
            hint = nearest(member, found) or "it is empty"
            raise DatasetSourceError(f"{name} is no COCO file of instances: it has no {member!r}", path=name, hint=hint)
    return index


def _note(index: _Index, member: str, piece: Piece, name: str) -> None:
    value = piece.value
    if member == "images":
        index.images.append((piece.offset, piece.length, piece.line))
    elif member == "categories":
        number = _integer(value, "id", "a category", name, piece.line)
        if number in index.categories:
            raise _wrong(name, piece.line, f"there are two categories with the id {number}")
        index.categories[number] = value
    else:
        image = _integer(value, "image_id", "an annotation", name, piece.line)
        _integer(value, "category_id", "an annotation", name, piece.line)
        index.annotations.setdefault(image, array.array("q")).extend((piece.offset, piece.length))
        index.annotation_lines.setdefault(image, piece.line)


def _integer(value: Mapping[str, Any], key: str, what: str, name: str, line: int) -> int:
    number = value.get(key)
    if type(number) is not int:
        raise _wrong(name, line, f"{what} has {f'the {key} {number!r}, no integer' if key in value else f'no {key}'}")
    return number


def _read_at(file: BinaryIO, offset: int, length: int) -> dict[str, Any]:
    file.seek(offset)
    return json.loads(file.read(length))


def _image_name(image: Mapping[str, Any], name: str, line: int) -> str:
    _integer(image, "id", "an image", name, line)
    found = image.get("file_name")
    if not isinstance(found, str) or not found:
        raise _wrong(name, line, f"the image {image['id']} has no file_name")
    return found


def _find_folder(name: str, first: str, options: CocoOptions) -> Path:
    """Return the folder of the images: where the first of them is."""
    if options.images:
        return Path(options.images)
    beside = Path(name).absolute().parent
    split = Path(name).stem.partition("_")[2]
    places = [beside, beside / "images", beside.parent / split, beside.parent / "images" / split]
    places += [beside.parent / "images", beside / split, beside.parent]
    for folder in places:
        if (folder / first).is_file():
            return folder
    message = f"the image {first!r} of {name} is in none of the folders where COCO has images"
    raise DatasetSourceError(message, path=name, hint="name the folder with --coco-images")


def _annotations(index: _Index, image: int, file: BinaryIO, name: str) -> tuple[list[COCOObjectAnnotation], list[str]]:
    made: list[COCOObjectAnnotation] = []
    categories: list[str] = []
    places = index.annotations.get(image, array.array("q"))
    for offset, length in zip(places[::2], places[1::2], strict=True):
        said = _read_at(file, index.start + offset, length)
        category = index.categories.get(said["category_id"])
        shown = f"the annotation {said.get('id')} of the image {image}"
        if category is None:
            raise DatasetSourceError(
                f"{name}: {shown} has the category {said['category_id']}, which is not there", path=name
            )
        try:
            made.append(COCOObjectAnnotation(**{field: said[field] for field in _ANNOTATION if field in said}))
        except (UnsupportedValueError, TypeError) as error:
            raise DatasetSourceError(f"{name}: {shown}: {error}", path=name) from error
        categories.append(str(category.get("name", said["category_id"])))
    return made, categories


_ANNOTATION = ("id", "image_id", "category_id", "area", "bbox", "iscrowd", "segmentation")


def _features(
    image: Mapping[str, Any], file_name: str, folder: Path, made: tuple[list[COCOObjectAnnotation], list[str]]
) -> dict[str, object]:
    height, width = image.get("height"), image.get("width")
    guess = MIMEType.create_by_file_suffix(file_name)
    value = Image(
        folder / file_name,
        display_name=Path(file_name).name,
        shape=(height, width, 3) if type(height) is int and type(width) is int else None,
        mime_type=guess if guess in IMAGE_KINDS else MIMEType.UNDEFINED,
    )
    said = {"file_name": file_name, "file": value, "image_id": image["id"], "width": width, "height": height}
    others = {key: each for key, each in image.items() if key not in said and key != "id"}
    return {**said, "annotations": made[0], "categories": made[1], **others}


def _check_all_used(index: _Index, ids: set[int], name: str) -> None:
    for image, line in index.annotation_lines.items():
        if image not in ids:
            raise _wrong(name, line, f"an annotation is of the image {image}, which is not there")


def _wrong(name: str, line: int, problem: str) -> DatasetSourceError:
    return DatasetSourceError(f"{name}, line {line}: {problem}", path=name, line=line)


IMPORTER = Importer(read=read_coco, options=CocoOptions)
