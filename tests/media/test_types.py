"""Each data type: attributes, content, equality, state and pickle."""

import io
import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from starwhale.errors import NotFoundError, UnsupportedValueError
from starwhale.media import (
    MEDIA,
    Audio,
    BaseArtifact,
    Binary,
    BoundingBox,
    BoundingBox3D,
    ClassLabel,
    COCOObjectAnnotation,
    GrayscaleImage,
    Image,
    Line,
    Link,
    MediaValue,
    MIMEType,
    NumpyBinary,
    Point,
    Polygon,
    Text,
    Video,
)
from starwhale.media.codec import pack_media, unpack_media
from starwhale.media.source import BytesSource

ALL: list[MediaValue] = [
    Audio(b"wav", display_name="a.wav"),
    Binary(b"abc", MIMEType.CSV),
    Binary(b"abc", auto_convert_to_bytes=True),
    BoundingBox(1, 2.5, 3, 4),
    BoundingBox3D(BoundingBox(1, 2, 3, 4), BoundingBox(5, 6, 7, 8)),
    COCOObjectAnnotation(1, 2, 3, 4.5, BoundingBox(1, 2, 3, 4), 1, segmentation=[[1, 2, 3, 4]]),
    COCOObjectAnnotation(segmentation={"size": [2, 2], "counts": "abc"}),
    ClassLabel(["cat", "dog"]),
    GrayscaleImage(bytes(6), shape=(2, 3, 1), display_name="0"),
    Image(b"png", "name", (1, 2, 3), MIMEType.PNG, as_mask=True, mask_uri="m"),
    Image(link=Link("http://127.0.0.1/a.png", 1, 2, key="value")),
    Line([Point(1, 2), Point(3, 4)]),
    Link("/a/b", 3, 4, data_type=Image, use_plain_type=True),
    NumpyBinary(bytes(8), np.float32, (2,)),
    NumpyBinary(bytes(8)),
    Point(1, 2),
    Polygon([Point(1.5, 2)]),
    Text("héllo", "utf-16"),
    Text("a", auto_convert_to_str=True),
    Video(b"mp4", mime_type=MIMEType.MP4),
]


@pytest.mark.parametrize("value", ALL, ids=repr)
def test_a_value_survives_as_state_and_content(value: MediaValue) -> None:
    name, state, content = pack_media(value)
    found = unpack_media(name, json.loads(json.dumps(state)), None if content is None else BytesSource(content))
    assert found == value
    assert hash(found) == hash(value)
    assert type(found) is type(value)


@pytest.mark.parametrize("value", ALL, ids=repr)
def test_a_value_survives_pickling(value: MediaValue) -> None:
    assert pickle.loads(pickle.dumps(value)) == value


@pytest.mark.parametrize("value", ALL, ids=repr)
def test_a_repr_is_short_and_the_display_form_is_json(value: MediaValue) -> None:
    assert len(repr(value)) < 160
    assert json.loads(json.dumps(value.asdict()))["_type"]


def test_every_type_is_in_the_table() -> None:
    assert {type(value).__name__ for value in ALL} == set(MEDIA)


def test_media_need_no_third_party_package() -> None:
    script = """
import sys
sys.modules.update(dict.fromkeys(["numpy", "PIL", "msgpack", "torch", "soundfile"]))
from starwhale.media import GrayscaleImage, Image
from starwhale.media.codec import pack, unpack
from starwhale.media.flatten import flatten
value = [GrayscaleImage(b"123", shape=(1, 3, 1)), (1, 2.5), {1: "a"}]
assert unpack(pack(value)) == value
assert flatten({"a": {"b": 1}}) == {"a/b": 1}
try:
    Image(b"a").to_numpy()
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "numpy" in done.stdout or "pillow" in done.stdout
    assert "pip install" in done.stdout


def test_content_is_read_from_bytes_paths_and_files(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"abc")
    with path.open("rb") as file:
        values = [
            Binary(b"abc"),
            Binary(bytearray(b"abc")),
            Binary(str(path)),
            Binary(path),
            Binary(file),
            Binary(io.BytesIO(b"abc")),
        ]
    assert [value.to_bytes() for value in values] == [b"abc"] * 6
    assert all(value == values[0] for value in values)
    assert values[2].fp == str(path)


def test_a_missing_file_and_an_unreadable_type_are_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"missing\.png"):
        Image(tmp_path / "missing.png").to_bytes()
    with pytest.raises(UnsupportedValueError, match="'list'"):
        Image([1, 2])
    with pytest.raises(UnsupportedValueError, match="no content"):
        Image().to_bytes()


def test_different_content_name_or_type_makes_values_differ() -> None:
    assert Image(b"a") != Image(b"b")
    assert Image(b"a", "x") != Image(b"a", "y")
    assert Image(b"a", mime_type=MIMEType.GRAYSCALE, shape=(1, 1, 1)) != GrayscaleImage(b"a", shape=(1, 1, 1))
    assert Image(b"a") != "a"


def test_a_lazy_value_reads_nothing_until_asked_and_can_let_go() -> None:
    class Counting:
        size = 3
        reads = 0

        def read(self, offset: int = 0, size: int = -1) -> bytes:
            self.reads += 1
            return b"abc"

    source = Counting()
    value = Image.from_state(Image(b"").to_state(), source)
    assert (source.reads, repr(value), source.reads) == (0, repr(value), 0)
    assert value.carry_raw_data().to_bytes() + value.to_bytes() == b"abcabc"
    assert source.reads == 1
    assert value.drop_data().to_bytes() == b"abc"
    assert source.reads == 2


def test_dtype_equals_the_numpy_type_and_the_name() -> None:
    default, given = Image(b""), Image(b"", dtype=np.uint8)
    assert default.dtype == np.uint8
    assert np.dtype("uint8") == default.dtype
    assert default.dtype == "uint8"
    assert default.dtype != np.int8
    assert given.dtype is np.uint8
    assert default == given


def test_defaults_of_the_constructors() -> None:
    assert (Image(b"").shape, GrayscaleImage(b"").shape, GrayscaleImage(b"").mime_type) == (
        [None, None, 3],
        [None, None, 1],
        "x/grayscale",
    )
    assert (Binary().to_bytes(), Binary().mime_type, Text().content) == (b"", MIMEType.UNDEFINED, "")
    assert Image(b"").astype() == {"type": "image", "mime_type": "x/undefined", "encoding": "", "display_name": ""}
    assert isinstance(Video(b""), BaseArtifact)


def test_an_image_becomes_pillow_and_array(tmp_path: Path) -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    path = tmp_path / "a.png"
    PIL.Image.fromarray(pixels).save(path)
    value = Image(path)
    assert value.mime_type is MIMEType.PNG
    assert value.to_pil("L").mode == "L"
    np.testing.assert_array_equal(value.to_numpy(), pixels)
    assert value.to_numpy("L").shape == (2, 4)


def test_arrays_and_pillow_images_become_png() -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    for value in (Image(pixels), Image(PIL.Image.fromarray(pixels))):
        assert (value.mime_type, value.shape) == (MIMEType.PNG, [2, 4, 3])
        np.testing.assert_array_equal(value.to_numpy(), pixels)
    gray = GrayscaleImage(pixels[:, :, 0])
    assert gray.shape == [2, 4, 1]
    np.testing.assert_array_equal(gray.to_numpy(), pixels[:, :, 0])
    with pytest.raises(UnsupportedValueError, match="uint8"):
        Image(np.zeros((2, 2, 7)))


def test_sixteen_bits_are_not_cut_down() -> None:
    pixels = np.array([[0, 65535]], dtype=np.uint16)
    np.testing.assert_array_equal(Image(pixels).to_numpy(), pixels)


def test_raw_gray_pixels_keep_their_shape() -> None:
    value = GrayscaleImage(bytes(range(6)), shape=(2, 3, 1))
    np.testing.assert_array_equal(value.to_numpy(), np.arange(6, dtype=np.uint8).reshape(2, 3, 1))
    assert value.to_pil().size == (3, 2)


def test_mime_types_are_guessed_and_checked() -> None:
    assert Audio("a.MP3").mime_type is MIMEType.MP3
    assert Video("a.webm").mime_type is MIMEType.WEBM
    assert Audio("a.png").mime_type is MIMEType.UNDEFINED
    assert MIMEType.create_by_file_suffix("x/y.JPG") is MIMEType.JPEG
    for make in (
        lambda: Image(b"", mime_type=MIMEType.MP4),
        lambda: Audio(b"", mime_type=MIMEType.PNG),
        lambda: Binary(b"", "a/b"),
    ):
        with pytest.raises(UnsupportedValueError, match="MIME"):
            make()


def test_numpy_binary_gives_the_array_back() -> None:
    array = np.arange(6, dtype=">i4").reshape(2, 3)
    for value in (NumpyBinary(array), NumpyBinary(array.tobytes(), array.dtype, array.shape)):
        found = unpack_media(*pack_media(value)[:2], BytesSource(value.to_bytes()))
        assert isinstance(found, NumpyBinary)
        np.testing.assert_array_equal(found.to_numpy(), array)
        assert found.to_numpy().dtype == array.dtype
    with pytest.raises(UnsupportedValueError, match="3 bytes"):
        NumpyBinary(b"abc", np.int32, (1,)).to_numpy()


def test_text_keeps_its_encoding() -> None:
    value = Text("héllo", "utf-16")
    assert (value.content, value.to_str(), str(value)) == ("héllo",) * 3
    assert value.to_bytes() == "héllo".encode()
    assert value.stored_bytes() == "héllo".encode("utf-16")
    assert Text("\ud800") == pickle.loads(pickle.dumps(Text("\ud800")))
    assert value.to_numpy().item() == "héllo"


def test_boxes_in_all_their_forms() -> None:
    box = BoundingBox(10, 20, 30, 40)
    assert box.to_xyxy() == [10, 20, 40, 60]
    assert box.to_ccwh() == [25, 40, 30, 40]
    assert box.to_darknet(100, 200) == [0.25, 0.2, 0.3, 0.2]
    assert BoundingBox.from_xywh(10, 20, 30, 40) == box
    assert BoundingBox.from_xyxy(10, 20, 40, 60) == box
    assert BoundingBox.from_ccwh(25, 40, 30, 40) == box
    assert BoundingBox.from_darknet(0.25, 0.2, 0.3, 0.2, 100, 200) == box
    assert (box.shape, box.dtype, box.to_bytes()) == ([4], np.float64, box.to_numpy().tobytes())
    assert BoundingBox3D(box).to_numpy().shape == (2, 4)
    assert box != BoundingBox()


def test_points_lines_and_polygons_as_lists_and_arrays() -> None:
    assert (Point(1, 2).to_list(), Line([Point(1, 2)]).to_list()) == ([1, 2], [[1, 2]])
    assert Polygon([Point(1, 2), Point(3, 4)]).to_numpy().tolist() == [[1, 2], [3, 4]]
    assert Polygon().to_numpy().shape == (0, 2)
    assert Line() != Polygon()
    with pytest.raises(UnsupportedValueError, match="takes points"):
        Line([(1, 2)])  # type: ignore[list-item]


def test_annotations_and_labels_check_their_values() -> None:
    value = COCOObjectAnnotation(bbox=BoundingBox(1, 2, 3, 4))
    assert value.bbox == [1, 2, 3, 4]
    value.segmentation = [[1, 2]]
    assert value.segmentation == [[1, 2]]
    with pytest.raises(UnsupportedValueError, match="counts"):
        value.segmentation = {"size": [1, 1]}
    with pytest.raises(UnsupportedValueError, match="iscrowd"):
        COCOObjectAnnotation(iscrowd=2)
    assert ClassLabel.from_num_classes(3).names == [0, 1, 2]
    with pytest.raises(UnsupportedValueError, match="at least 1"):
        ClassLabel.from_num_classes(0)


def test_a_subclass_of_a_user_is_stored_as_what_it_extends() -> None:
    class Mine(Image):
        pass

    assert pack_media(Mine(b"a"))[0] == "Image"
