"""Pictures."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping
from math import prod
from typing import Any
from urllib.parse import urlsplit

from starwhale.errors import MediaError, UnsupportedValueError
from starwhale.media.artifact import BaseArtifact, Shape
from starwhale.media.dtype import UINT8, dtype_name, numpy_dtype
from starwhale.media.link import Link
from starwhale.media.mime import MIMEType
from starwhale.media.optional import loaded, require
from starwhale.media.source import FileSource
from starwhale.media.value import ArtifactType

_DECODING_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    IndexError,
    KeyError,
    TypeError,
    EOFError,
    struct.error,
    OverflowError,
    zlib.error,
)
"""What Pillow's readers raise on damaged pictures."""
_GRAYSCALE, _UNDEFINED = (
    MIMEType.GRAYSCALE,
    MIMEType.UNDEFINED,
)  # looked up once: Python takes longer for it than for the rest
_PNG_START = b"\x89PNG\r\n\x1a\n"

IMAGE_KINDS = frozenset(
    {
        MIMEType.PNG,
        MIMEType.JPEG,
        MIMEType.WEBP,
        MIMEType.SVG,
        MIMEType.GIF,
        MIMEType.APNG,
        MIMEType.AVIF,
        MIMEType.PPM,
        MIMEType.GRAYSCALE,
        MIMEType.UNDEFINED,
    }
)
"""What an image's bytes can be."""


class Image(BaseArtifact):
    """A picture.

    Args:
        fp: Encoded bytes, a path, an open file, a Pillow image or an array (the last two become PNG).
        display_name: For whoever looks at it.
        shape: Height, width, bands; None where unknown.
        mime_type: What the bytes are; guessed from the suffix of a path when it is not given.
        as_mask: Whether the picture is a mask over another.
        mask_uri: Where its mask lies.
        dtype: Element type of `to_numpy`.
        link: Where the content lies instead.
    """

    family = ArtifactType.IMAGE
    default_dtype = UINT8
    as_mask = False
    mask_uri = ""

    def __init__(
        self,
        fp: object = "",
        display_name: str = "",
        shape: Shape = None,
        mime_type: MIMEType | str | None = MIMEType.UNDEFINED,
        as_mask: bool = False,
        mask_uri: str = "",
        dtype: Any = UINT8,
        link: Link | None = None,
    ) -> None:
        if type(fp) is not bytes and _holds_pixels(fp):
            fp, pixels_shape = _encode(fp)
            shape = shape or pixels_shape
            mime_type = MIMEType.PNG if mime_type == _UNDEFINED else mime_type
        super().__init__(fp, display_name, shape or (None, None, 3), mime_type, dtype, link)
        if self.mime_type is _UNDEFINED:
            content = self._content
            name = content.path if isinstance(content, FileSource) else urlsplit(link.uri).path if link else ""
            if name:
                guess = MIMEType.create_by_file_suffix(name)
                self.mime_type = guess if guess in IMAGE_KINDS else _UNDEFINED
        elif self.mime_type is not _GRAYSCALE and self.mime_type not in IMAGE_KINDS:
            raise UnsupportedValueError(f"{self.mime_type.value!r} is not the MIME type of an image")
        if as_mask:
            self.as_mask = True
        if mask_uri:
            self.mask_uri = mask_uri

    def to_pil(self, mode: str | None = None) -> Any:  # Any: Pillow is optional
        """Return a Pillow image, decoded, and converted to `mode` ("RGB", "L", …) when one is given.

        Raises:
            MediaError: Pillow cannot decode it, or it has more pixels than Pillow's limit allows.
            UnsupportedValueError: There is no such mode.
        """
        return self._picture(self.to_bytes(), mode)

    def to_numpy(self, mode: str | None = None) -> Any:  # Any: NumPy is optional
        """Return the pixels; raw pixels keep the declared shape, encoded ones have the shape that Pillow gives them."""
        content = self.to_bytes()
        if mode is None and self._is_raw(content):
            return self._raw_array(content, "Image.to_numpy()")
        numpy = require("numpy", purpose="Image.to_numpy()")
        pixels = numpy.array(self._picture(content, mode))
        # The default type says nothing about a picture of 16 bits, which must not be cut down to 8.
        return pixels if self.dtype == UINT8 else pixels.astype(numpy_dtype(self.dtype, numpy))

    def to_tensor(self, mode: str | None = None) -> Any:  # Any: torch is optional
        """Return the pixels as a PyTorch tensor, in the order of `to_numpy`."""
        torch = require("torch", purpose="Image.to_tensor()")
        return torch.from_numpy(self.to_numpy(mode))

    def _picture(self, content: bytes, mode: str | None) -> Any:  # Any: as above
        pillow = require("PIL.Image", purpose="Image.to_pil()")
        if self._is_raw(content):
            image = _from_array(self._raw_array(content, "Image.to_pil()"), pillow)
        else:
            image = self._decode(content, pillow)
        mode = mode or self._mode_of(image)
        try:
            return image if mode is None else image.convert(mode)
        except (ValueError, KeyError) as error:
            raise UnsupportedValueError(
                f"{self.described()} of mode {image.mode!r} cannot be converted to {mode!r}",
                hint="try 'RGB', 'RGBA' or 'L'",
            ) from error

    def _mode_of(self, image: Any) -> str | None:  # Any: as above
        """Return the mode of a picture that nobody asked one for; None leaves it as it is."""
        return None

    def _decode(self, content: bytes, pillow: Any) -> Any:  # Any: as above
        if self.mime_type is MIMEType.SVG or _is_svg(content):
            raise MediaError(
                f"{self.described()} is a drawing (SVG), which Pillow cannot turn into pixels",
                hint="convert it to PNG when building the dataset, for example with cairosvg; to_bytes() gives the drawing",
            )
        try:
            image = pillow.open(io.BytesIO(content))
            image.load()
        except pillow.DecompressionBombError as error:
            raise MediaError(
                f"{self.described()} has more pixels than Pillow's limit allows ({2 * pillow.MAX_IMAGE_PIXELS:,}): {error}",
                hint="if you trust it, raise PIL.Image.MAX_IMAGE_PIXELS",
            ) from error
        except pillow.UnidentifiedImageError as error:
            raise MediaError(
                f"{self.described()} is not a picture that Pillow knows: it begins with {content[:16]!r}",
                hint="to_bytes() gives the content as it is; is it damaged?",
            ) from error
        except _DECODING_ERRORS as error:
            raise self._undecodable(error) from error
        return image

    def to_encoded(self) -> bytes:
        """Return the content as the file of a picture; raw pixels become PNG, which loses nothing.

        Raises:
            UnsupportedValueError: The raw pixels have a type or a shape that PNG has not.
        """
        content = self.to_bytes()
        return _encode(self._raw_array(content, "Image.to_encoded()"))[0] if self._is_raw(content) else content

    def _is_raw(self, content: bytes) -> bool:
        """Tell raw pixels from an encoded picture: only the former have exactly the size that the shape asks for."""
        if self.mime_type not in {MIMEType.GRAYSCALE, MIMEType.UNDEFINED}:
            return False
        sizes = [size for size in self.shape if size is not None]
        if len(sizes) != len(self.shape) or content.startswith(_PNG_START):
            return False
        return len(content) == prod(sizes) * _item_size(dtype_name(self.dtype))

    def _raw_array(self, content: bytes, purpose: str) -> Any:  # Any: NumPy is optional
        numpy = require("numpy", purpose=purpose)
        return numpy.frombuffer(content, dtype=numpy_dtype(self.dtype, numpy)).reshape(self.shape).copy()

    def _is_usual(self) -> bool:
        return self.link is None and not self.as_mask and not self.mask_uri

    def _own_state(self, *, everything: bool) -> dict[str, object]:
        if everything:
            return {"as_mask": self.as_mask, "mask_uri": self.mask_uri}
        state: dict[str, object] = {}
        if self.as_mask:
            state["as_mask"] = True
        if self.mask_uri:
            state["mask_uri"] = self.mask_uri
        return state

    def _restore(self, state: Mapping[str, Any]) -> None:
        super()._restore(state)
        if "as_mask" in state:
            self.as_mask = bool(state["as_mask"])
        if "mask_uri" in state:
            self.mask_uri = state["mask_uri"]


class GrayscaleImage(Image):
    """A picture with one band: raw pixels, or an encoded picture.

    Args:
        fp: Raw pixels row by row, encoded bytes, a path, an open file, a Pillow image or an array.
        display_name: For whoever looks at it.
        shape: Height, width, 1; None where unknown.
        as_mask: Whether the picture is a mask over another.
        mask_uri: Where its mask lies.
        dtype: Element type of the pixels.
        link: Where the content lies instead.
    """

    def __init__(
        self,
        fp: object = "",
        display_name: str = "",
        shape: Shape = None,
        as_mask: bool = False,
        mask_uri: str = "",
        dtype: Any = UINT8,
        link: Link | None = None,
    ) -> None:
        if (
            type(fp) is bytes and link is None and not as_mask and not mask_uri
        ):  # mostly; two calls less for each of many
            self._content = fp
            self.display_name = display_name
            self.shape = list(shape or (None, None, 1))
            self.mime_type, self.dtype = _GRAYSCALE, dtype
            return
        super().__init__(fp, display_name, shape or (None, None, 1), _GRAYSCALE, as_mask, mask_uri, dtype, link)
        if shape is None and type(fp) is not bytes and _holds_pixels(fp):
            self.shape = [*_pixels_shape(fp)[:2], 1]

    def _mode_of(self, image: Any) -> str | None:  # Any: Pillow is optional
        return "L" if len(image.getbands()) > 1 or image.mode == "P" else None


def _is_svg(content: bytes) -> bool:
    start = content[:1024].lstrip(b"\xef\xbb\xbf \r\n\t")
    return start.startswith(b"<svg") or (start.startswith((b"<?xml", b"<!")) and b"<svg" in content[:4096])


def _holds_pixels(value: object) -> bool:
    if isinstance(value, str):
        return False
    numpy, pillow = loaded("numpy"), loaded("PIL.Image")
    return (numpy is not None and isinstance(value, numpy.ndarray)) or (
        pillow is not None and isinstance(value, pillow.Image)
    )


def _pixels_shape(pixels: Any) -> list[int]:  # Any: a Pillow image or an array
    if hasattr(pixels, "getbands"):
        return [pixels.height, pixels.width, len(pixels.getbands())]
    return [*pixels.shape, 1] if pixels.ndim == 2 else [*pixels.shape]


def _encode(pixels: Any) -> tuple[bytes, list[int]]:  # Any: as above
    pillow = require("PIL.Image", purpose="making an Image from an array")
    picture = pixels if hasattr(pixels, "getbands") else _from_array(pixels, pillow)
    written = io.BytesIO()
    try:
        picture.save(written, format="PNG")
    except (OSError, ValueError) as error:
        raise UnsupportedValueError(
            f"a picture of mode {picture.mode!r} cannot be kept as PNG", hint="convert it to 'RGB', 'RGBA' or 'L' first"
        ) from error
    return written.getvalue(), _pixels_shape(pixels)


def _from_array(array: Any, pillow: Any) -> Any:  # Any: as above
    flat = array[:, :, 0] if array.ndim == 3 and array.shape[2] == 1 else array
    try:
        return pillow.fromarray(flat)
    except (TypeError, ValueError, AttributeError) as error:
        raise UnsupportedValueError(
            f"an array of {array.dtype} with shape {tuple(array.shape)} is not a picture",
            hint="use uint8 and the shape (height, width) or (height, width, bands)",
        ) from error


def _item_size(name: str) -> int:
    bits = "".join(character for character in name if character.isdigit())
    if not bits:
        return 1
    return int(bits) if len(bits) == 1 and name[0] in "<>=|" else max(int(bits) // 8, 1)
