"""Media are decoded when asked for, by the libraries of the field; what cannot be decoded is named."""

from __future__ import annotations

import importlib
import io
import subprocess
import sys
import warnings
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import PIL.Image
import pytest

from starwhale.errors import MediaError, MissingDependencyError, NotFoundError, UnsupportedValueError, UsageError
from starwhale.media import Audio, Binary, GrayscaleImage, Image, Link, MIMEType, Text, Video
from starwhale.media import video as video_module

if TYPE_CHECKING:
    from pathlib import Path

PIXELS = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)


def encoded(format: str, pixels: Any = PIXELS, **options: Any) -> bytes:
    out = io.BytesIO()
    PIL.Image.fromarray(pixels).save(out, format=format, **options)
    return out.getvalue()


# ------------------------------------------------------------------------------------------------------------- pictures


@pytest.mark.parametrize(
    ("suffix", "format", "options", "is_exact"),
    [
        (".png", "PNG", {}, True),
        (".jpg", "JPEG", {"quality": 95}, False),
        (".webp", "WEBP", {"lossless": True}, True),
        (".gif", "GIF", {}, False),
        (".avif", "AVIF", {"quality": 95}, False),
        (".ppm", "PPM", {}, True),
    ],
)
def test_a_picture_is_decoded_in_any_mode(
    tmp_path: Path, suffix: str, format: str, options: dict[str, Any], is_exact: bool
) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(encoded(format, **options))
    value = Image(path)
    assert value.mime_type is MIMEType.create_by_file_suffix(path)
    assert value.to_pil("RGB").size == (7, 5)
    assert value.to_numpy("L").shape == (5, 7)
    assert value.to_numpy("RGBA").shape == (5, 7, 4)
    if is_exact:
        np.testing.assert_array_equal(value.to_numpy(), PIXELS)


def test_every_frame_of_an_animation_is_there() -> None:
    frames = [PIL.Image.fromarray(PIXELS), PIL.Image.fromarray(255 - PIXELS)]
    out = io.BytesIO()
    frames[0].save(out, format="GIF", save_all=True, append_images=frames[1:])
    image = Image(out.getvalue()).to_pil()
    assert image.n_frames == 2
    image.seek(1)
    assert image.convert("RGB").size == (7, 5)


def test_a_mask_keeps_its_class_ids_and_a_gray_picture_has_one_band() -> None:
    mask = PIL.Image.fromarray(np.array([[0, 1], [2, 2]], dtype=np.uint8))
    mask.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    out = io.BytesIO()
    mask.save(out, format="PNG")
    value = Image(out.getvalue(), as_mask=True, mime_type=MIMEType.PNG)
    assert value.to_numpy().tolist() == [[0, 1], [2, 2]]
    assert GrayscaleImage(encoded("PNG")).to_numpy().shape == (5, 7)
    assert GrayscaleImage(encoded("PNG")).to_pil().mode == "L"
    assert GrayscaleImage(encoded("PNG")).to_numpy("RGB").shape == (5, 7, 3)


@pytest.mark.parametrize("content", [b"<svg xmlns='a'/>", b"<?xml version='1.0'?>\n<svg/>", b"\xef\xbb\xbf <svg/>"])
def test_a_drawing_is_kept_and_says_that_it_has_no_pixels(content: bytes) -> None:
    for value in (Image(content), Image(content, mime_type=MIMEType.SVG)):
        assert value.to_bytes() == content
        for decode in (value.to_pil, value.to_numpy):
            with pytest.raises(MediaError, match="SVG") as caught:
                decode()
            assert "convert it" in caught.value.hint


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "GIF", "AVIF", "PPM", "BMP", "TIFF"])
def test_a_damaged_picture_is_named_in_one_line(format: str) -> None:
    whole = encoded(format, np.random.default_rng(1).integers(0, 255, (40, 40, 3), dtype=np.uint8))
    cuts = [
        whole[: len(whole) // 2],
        whole[:20],
        whole[:-200] if len(whole) > 400 else b"",
        b"not a picture",
        b"\x00" * 99,
    ]
    for content in cuts:
        value = Image(content, "cat.png")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow tells of truncated TIFF files in this way too
            with pytest.raises(MediaError, match=r"Image\('cat\.png'.*") as caught:
                value.to_numpy()
        assert "\n" not in str(caught.value)


def test_flipped_bytes_give_a_picture_or_a_clear_error() -> None:
    random = np.random.default_rng(2)
    for kind in ("PNG", "JPEG", "WEBP", "GIF", "TIFF"):
        whole = encoded(kind)
        for _ in range(60):
            content = bytearray(whole)
            content[random.integers(len(whole))] ^= 1 << int(random.integers(8))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    Image(bytes(content)).to_numpy("RGB")
                except (MediaError, UnsupportedValueError):
                    continue


def test_a_bomb_is_refused_by_pillows_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    content = encoded("PNG", np.zeros((100, 100), dtype=np.uint8))
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(MediaError, match=r"more pixels than Pillow's limit allows \(2,000\)") as caught:
        Image(content).to_pil()
    assert "MAX_IMAGE_PIXELS" in caught.value.hint


def test_an_unknown_mode_is_named() -> None:
    with pytest.raises(UnsupportedValueError, match="'nonsense'"):
        Image(encoded("PNG")).to_pil("nonsense")


@pytest.mark.needs_torch
def test_media_become_tensors() -> None:
    torch = importlib.import_module("torch")
    assert Image(encoded("PNG")).to_tensor().dtype == torch.uint8
    assert tuple(Image(encoded("PNG")).to_tensor("L").shape) == (5, 7)
    assert Text("a").to_numpy().item() == "a"


# ---------------------------------------------------------------------------------------------------------------- sound


def tone(format: str, subtype: str | None = None, rate: int = 8000) -> bytes:
    soundfile = importlib.import_module("soundfile")
    wave = 0.5 * np.sin(np.arange(rate) / 20)
    out = io.BytesIO()
    soundfile.write(out, np.stack([wave, -wave], axis=1), rate, format=format, subtype=subtype)
    return out.getvalue()


@pytest.mark.needs_audio
@pytest.mark.parametrize(
    ("suffix", "format", "subtype"),
    [
        (".wav", "WAV", "DOUBLE"),
        (".flac", "FLAC", "PCM_24"),
        (".ogg", "OGG", "VORBIS"),
        (".mp3", "MP3", "MPEG_LAYER_III"),
    ],
)
def test_sound_is_decoded_to_frames_and_channels(tmp_path: Path, suffix: str, format: str, subtype: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(tone(format, subtype))
    value = Audio(path)
    samples = value.to_numpy()
    assert value.mime_type is MIMEType.create_by_file_suffix(path)
    assert (samples.dtype, samples.shape[1], value.sample_rate) == (np.float64, 2, 8000)
    assert abs(len(samples) - 8000) < 2500  # MP3 pads
    assert value.duration_s == pytest.approx(len(samples) / 8000)
    assert np.abs(samples).max() == pytest.approx(0.5, abs=0.1)
    assert Audio(path.read_bytes(), dtype="int16").to_numpy().dtype == np.int16
    assert Audio(path, dtype=np.float16).to_numpy().dtype == np.float16


@pytest.mark.needs_audio
@pytest.mark.needs_torch
def test_sound_becomes_a_tensor() -> None:
    assert tuple(Audio(tone("WAV")).to_tensor().shape) == (8000, 2)


@pytest.mark.needs_audio
def test_damaged_sound_is_named() -> None:
    for content in (b"", b"RIFF", tone("FLAC")[:30], b"no sound at all"):
        for decode in (Audio.to_numpy, lambda value: value.sample_rate):
            with pytest.raises(MediaError, match=r"Audio\('bell'.* cannot be decoded: [^<>]*$"):
                decode(Audio(content, "bell"))


# -------------------------------------------------------------------------------------------------------------- pictures


def movie(codec: str, suffix: str, count: int = 12) -> bytes:
    av = importlib.import_module("av")
    out = io.BytesIO()
    with av.open(out, "w", format=suffix) as container:
        stream = container.add_stream(codec, rate=Fraction(10))
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), number * 20, dtype=np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return out.getvalue()


@pytest.mark.needs_video
@pytest.mark.parametrize(
    ("codec", "suffix"), [("mpeg4", "mp4"), ("vp9", "webm"), ("mpeg4", "avi"), ("mpeg4", "matroska")]
)
def test_a_video_is_decoded_frame_by_frame(tmp_path: Path, codec: str, suffix: str) -> None:
    path = tmp_path / f"a.{'mkv' if suffix == 'matroska' else suffix}"
    path.write_bytes(movie(codec, suffix))
    value = Video(path)
    whole = value.to_numpy()
    assert (whole.shape, whole.dtype) == ((12, 48, 64, 3), np.uint8)
    assert [abs(int(frame.mean()) - 20 * number) < 6 for number, frame in enumerate(whole)] == [True] * 12
    assert value.frame_rate == pytest.approx(10, abs=1)
    np.testing.assert_array_equal(np.stack(list(value.frames(2, 9, 3))), whole[2:9:3])
    np.testing.assert_array_equal(Video(path.read_bytes()).to_numpy(max_frames=3), whole[:3])
    assert value.mime_type is MIMEType.create_by_file_suffix(path)
    assert value.to_bytes() == path.read_bytes()


@pytest.mark.needs_video
def test_frames_come_one_at_a_time_and_nothing_stays_open(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(movie("mpeg4", "mp4"))
    frames = Video(path).frames()
    assert next(frames).shape == (48, 64, 3)
    del frames  # a file that was left open would warn, and warnings are errors here
    with pytest.raises(UsageError, match="step"):
        Video(path).frames(step=0)


@pytest.mark.needs_video
def test_a_video_too_large_for_one_array_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    value = Video(movie("mpeg4", "mp4"), "long.mp4")
    monkeypatch.setattr(video_module, "MAX_DECODED_BYTES", 5 * 48 * 64 * 3)
    with pytest.raises(MediaError, match=r"long\.mp4.* more than") as caught:
        value.to_numpy()
    assert "frames()" in caught.value.hint
    assert len(value.to_numpy(max_frames=5)) == 5


@pytest.mark.needs_video
@pytest.mark.needs_audio
def test_a_damaged_video_and_one_without_pictures_are_named() -> None:
    for content in (b"", b"no video", movie("mpeg4", "mp4")[:60]):
        with pytest.raises(MediaError, match=r"Video\('clip'.* cannot be decoded: Invalid data found[^<>]*; "):
            Video(content, "clip").to_numpy()
    with pytest.raises(MediaError, match="holds no pictures"):
        Video(tone("WAV"), "clip").to_numpy()


@pytest.mark.needs_video
@pytest.mark.needs_torch
def test_a_video_becomes_a_tensor() -> None:
    assert tuple(Video(movie("mpeg4", "mp4")).to_tensor(2).shape) == (2, 48, 64, 3)


# -------------------------------------------------------------------------------------------------- what may be missing


@pytest.mark.parametrize(
    ("module", "extra", "use"),
    [
        ("PIL", "media", "Image(b'a').to_pil()"),
        ("numpy", "media", "Image(b'a').to_numpy()"),
        ("soundfile", "audio", "Audio(b'a').to_numpy()"),
        ("soundfile", "audio", "Audio(b'a').sample_rate"),
        ("numpy", "audio", "Audio(b'a').to_numpy()"),
        ("av", "video", "next(Video(b'a').frames())"),
        ("numpy", "video", "Video(b'a').to_numpy()"),
    ],
)
def test_a_missing_package_is_named_with_the_extra_that_brings_it(
    monkeypatch: pytest.MonkeyPatch, module: str, extra: str, use: str
) -> None:
    if extra == "audio" and module == "numpy":
        pytest.importorskip("soundfile")
    for name in [each for each in sys.modules if each == module or each.startswith(f"{module}.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingDependencyError, match=rf"pip install 'starwhale-evaluation\[{extra}\]'"):
        eval(use, {"Image": Image, "Audio": Audio, "Video": Video})  # noqa: S307 - the text is above


# ------------------------------------------------------------------------------------------------------------ in pieces


def test_content_is_read_as_a_file_and_in_pieces(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(range(100)))
    for value in (Binary(path), Binary(path.read_bytes()), Binary(link=Link(path, 0, 100)), Binary(link=Link(path))):
        with value.open() as file:
            assert file.seek(-10, io.SEEK_END) == 90
            assert file.read() == bytes(range(90, 100))
            assert file.seek(3) == 3
            assert file.read(2) == b"\x03\x04"
        assert [len(piece) for piece in value.chunks(40)] == [40, 40, 20]
        assert b"".join(value.chunks()) == value.to_bytes()
    assert Binary(path).size_bytes == 100
    with pytest.raises(UsageError, match="0 bytes"):
        Binary(path).chunks(0)
    with pytest.raises(UnsupportedValueError, match="no content"):
        Image().open()
    with pytest.raises(NotFoundError, match="lost"):
        Video(tmp_path / "lost.mp4").open()


def test_values_given_as_paths_keep_nothing_open(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"abc")
    script = f"""
import os
from starwhale.media import Audio, Video
before = len(os.listdir("/proc/self/fd"))
values = [kind({str(path)!r}) for kind in (Audio, Video) for _ in range(2000)]
assert all(value.to_bytes() == b"abc" for value in values)
assert len(os.listdir("/proc/self/fd")) == before
"""
    done = subprocess.run([sys.executable, "-X", "dev", "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
