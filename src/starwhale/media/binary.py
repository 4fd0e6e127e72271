"""Plain bytes, and arrays as their bytes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from math import prod
from typing import Any

from starwhale.errors import UnsupportedValueError
from starwhale.media.artifact import BaseArtifact, Shape
from starwhale.media.dtype import BYTES, UINT8, DType, dtype_name, numpy_dtype
from starwhale.media.link import Link
from starwhale.media.mime import MIMEType
from starwhale.media.optional import loaded, require


class Binary(BaseArtifact):
    """Bytes of any kind.

    Args:
        fp: Bytes, a path, or an open file.
        mime_type: What the bytes are.
        dtype: Element type of `to_numpy`.
        link: Where the content lies instead.
        auto_convert_to_bytes: Ask readers to give plain bytes in place of this value.
    """

    auto_convert_to_bytes = False

    def __init__(
        self,
        fp: object = b"",
        mime_type: MIMEType | str | None = MIMEType.UNDEFINED,
        dtype: Any = BYTES,
        link: Link | None = None,
        auto_convert_to_bytes: bool = False,
    ) -> None:
        super().__init__(fp, "", (1,), mime_type, dtype, link)
        if auto_convert_to_bytes:
            self.auto_convert_to_bytes = True

    def _own_state(self, *, everything: bool) -> dict[str, object]:
        return {"auto_convert_to_bytes": True} if self.auto_convert_to_bytes else {}

    def _restore(self, state: Mapping[str, Any]) -> None:
        super()._restore(state)
        self.auto_convert_to_bytes = bool(state.get("auto_convert_to_bytes", False))


class NumpyBinary(BaseArtifact):
    """An array as its raw bytes, in C order.

    Args:
        fp: The raw bytes, a path or an open file with them; an array is taken with its own dtype and shape.
        dtype: Element type.
        shape: Of the array; without one it has one dimension.
        link: Where the raw bytes lie instead.
    """

    default_dtype = UINT8

    def __init__(self, fp: object = "", dtype: Any = UINT8, shape: Shape = None, link: Link | None = None) -> None:
        numpy = loaded("numpy")
        if numpy is not None and isinstance(fp, numpy.ndarray):
            array: Any = fp  # Any: NumPy is optional
            if array.dtype.hasobject:
                raise UnsupportedValueError("NumpyBinary cannot hold an array of Python objects")
            fp, dtype, shape = array.tobytes(), DType(dtype_name(array.dtype)), array.shape
        super().__init__(fp, "", shape, MIMEType.UNDEFINED, dtype, link)
        self._has_shape = shape is not None

    def _own_state(self, *, everything: bool) -> dict[str, object]:
        return {} if self._has_shape else {"has_shape": False}

    _has_shape = True

    def _restore(self, state: Mapping[str, Any]) -> None:
        super()._restore(state)
        self._has_shape = bool(state.get("has_shape", True))

    def to_numpy(self) -> Any:  # Any: NumPy is optional
        """Return the array, which is writable and owns its memory."""
        numpy = loaded("numpy") or require("numpy", purpose="NumpyBinary.to_numpy()")
        content = self.to_bytes()
        if self._has_shape and isinstance(self.dtype, str):
            dtype, size = _layout(self.dtype, tuple(self.shape))
            if size == len(content):
                return numpy.ndarray(self.shape, dtype, content).copy()
        dtype = numpy_dtype(self.dtype, numpy)
        if not self._has_shape:
            self._check(content, len(content) // dtype.itemsize * dtype.itemsize, dtype)
            return numpy.frombuffer(content, dtype=dtype).copy()
        shape: Any = self.shape  # Any: the sizes are looked at below
        if None in shape or -1 in shape:
            return numpy.frombuffer(content, dtype=dtype).reshape([-1 if n is None else n for n in shape]).copy()
        self._check(content, prod(shape) * dtype.itemsize, dtype)
        return numpy.ndarray(shape, dtype, content).copy()

    def _check(self, content: bytes, expected: int, dtype: object) -> None:
        if len(content) != expected:
            raise UnsupportedValueError(
                f"{len(content)} bytes are not an array of {dtype} with shape {self.shape}, which takes {expected}"
            )


@lru_cache(maxsize=64)  # asked for by each row of many, and of few shapes
def _layout(dtype: str, shape: tuple[int | None, ...]) -> tuple[Any, int | None]:  # Any: NumPy is optional
    """Return the NumPy type, and the bytes of an array of it; None where its content has to tell its shape."""
    import numpy as np

    made = numpy_dtype(dtype, np)
    sizes = [size for size in shape if size is not None and size >= 0]
    return made, prod(sizes) * made.itemsize if len(sizes) == len(shape) else None
