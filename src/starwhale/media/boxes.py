"""Points, lines, polygons and boxes: coordinates without content."""

from __future__ import annotations

import array
import sys
from collections.abc import Iterable, Mapping
from typing import Any, Self

from starwhale.errors import UnsupportedValueError
from starwhale.media.dtype import FLOAT64, DType
from starwhale.media.optional import require
from starwhale.media.source import Source
from starwhale.media.value import MediaValue, plain_number

Number = int | float


class Coordinates(MediaValue):
    """What all of them can do: give their numbers as a list, an array, bytes or a tensor."""

    __slots__ = ()

    dtype: DType = FLOAT64
    """Element type of `to_numpy`."""

    @property
    def shape(self) -> list[int]:
        """Shape of `to_numpy`."""
        raise NotImplementedError

    def to_list(self) -> list[Any]:
        """Return the numbers, nested as the shape says."""
        raise NotImplementedError

    def to_numpy(self) -> Any:  # Any: NumPy is optional
        """Return the numbers as a float64 array."""
        numpy = require("numpy", purpose=f"{type(self).__name__}.to_numpy()")
        return numpy.array(self.to_list(), dtype="float64").reshape(self.shape)

    def to_bytes(self) -> bytes:
        """Return the numbers as float64, little-endian, row by row."""
        numbers = array.array("d", (float(number) for number in _flat(self.to_list())))
        if sys.byteorder == "big":
            numbers.byteswap()
        return numbers.tobytes()

    def to_tensor(self) -> Any:  # Any: torch is optional
        """Return the numbers as a PyTorch tensor."""
        return require("torch", purpose=f"{type(self).__name__}.to_tensor()").from_numpy(self.to_numpy())


class Point(Coordinates):
    """A point of a picture."""

    __slots__ = ("x", "y")

    def __init__(self, x: Number = 0, y: Number = 0) -> None:
        self.x: Number = x
        self.y: Number = y

    @property
    def shape(self) -> list[int]:
        """Shape of `to_numpy`."""
        return [2]

    def to_list(self) -> list[Number]:
        """Return [x, y]."""
        return [self.x, self.y]

    def to_state(self) -> dict[str, object]:
        """Return the coordinates."""
        return {"x": plain_number(self.x), "y": plain_number(self.y)}

    @classmethod
    def from_state(cls, state: Mapping[str, Any], source: Source | None = None) -> Self:
        """Make the value that `to_state` described."""
        return cls(state["x"], state["y"])

    def __repr__(self) -> str:
        return f"Point({self.x}, {self.y})"


class _Points(Coordinates):
    """An ordered list of points."""

    __slots__ = ("points",)

    def __init__(self, points: Iterable[Point] | None = None) -> None:
        self.points = list(points or ())
        for point in self.points:
            # A caller without a type checker may well give pairs of numbers.
            if not isinstance(point, Point):
                raise UnsupportedValueError(
                    f"{type(self).__name__} takes points, not {type(point).__name__!r}", hint="write Point(x, y)"
                )

    @property
    def shape(self) -> list[int]:
        """Shape of `to_numpy`."""
        return [len(self.points), 2]

    def to_list(self) -> list[list[Number]]:
        """Return [[x, y], …]."""
        return [point.to_list() for point in self.points]

    def to_state(self) -> dict[str, object]:
        """Return the coordinates."""
        return {"points": [[plain_number(point.x), plain_number(point.y)] for point in self.points]}

    @classmethod
    def from_state(cls, state: Mapping[str, Any], source: Source | None = None) -> Self:
        """Make the value that `to_state` described."""
        return cls([Point(x, y) for x, y in state["points"]])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.points)} points)"


class Line(_Points):
    """A line through points, in order."""

    __slots__ = ()


class Polygon(_Points):
    """The area that points surround, in order."""

    __slots__ = ()


class BoundingBox(Coordinates):
    """A box: the top left corner, width and height."""

    __slots__ = ("height", "width", "x", "y")

    def __init__(self, x: Number = 0, y: Number = 0, width: Number = 0, height: Number = 0) -> None:
        self.x: Number = x
        self.y: Number = y
        self.width: Number = width
        self.height: Number = height

    @property
    def shape(self) -> list[int]:
        """Shape of `to_numpy`."""
        return [4]

    @classmethod
    def from_xywh(cls, x: Number, y: Number, width: Number, height: Number) -> Self:
        """Make a box from its top left corner and its size, all in pixels."""
        return cls(x, y, width, height)

    @classmethod
    def from_xyxy(cls, x1: Number, y1: Number, x2: Number, y2: Number) -> Self:
        """Make a box from its top left and its bottom right corner, in pixels; its width is `x2 - x1`."""
        return cls(x1, y1, x2 - x1, y2 - y1)

    @classmethod
    def from_ccwh(cls, center_x: Number, center_y: Number, width: Number, height: Number) -> Self:
        """Make a box from its centre and its size, all in pixels."""
        return cls(center_x - width / 2, center_y - height / 2, width, height)

    @classmethod
    def from_darknet(
        cls,
        center_x: Number,
        center_y: Number,
        width: Number,
        height: Number,
        picture_width: Number,
        picture_height: Number,
    ) -> Self:
        """Make a box from its centre and size as fractions of the picture, as darknet writes them.

        Args:
            center_x: Centre, as a fraction of the picture's width, in [0, 1].
            center_y: The same of its height.
            width: Width of the box, as a fraction of the picture's.
            height: Height of the box, as a fraction of the picture's.
            picture_width: Width of the picture, in pixels.
            picture_height: Height of the picture, in pixels.
        """
        return cls.from_ccwh(
            center_x * picture_width, center_y * picture_height, width * picture_width, height * picture_height
        )

    def to_list(self) -> list[Number]:
        """Return [x, y, width, height]."""
        return [self.x, self.y, self.width, self.height]

    def to_xywh(self) -> list[Number]:
        """Return [x, y, width, height]."""
        return self.to_list()

    def to_xyxy(self) -> list[Number]:
        """Return [left, top, right, bottom]."""
        return [self.x, self.y, self.x + self.width, self.y + self.height]

    def to_ccwh(self) -> list[Number]:
        """Return [centre x, centre y, width, height]."""
        return [self.x + self.width / 2, self.y + self.height / 2, self.width, self.height]

    def to_darknet(self, picture_width: Number, picture_height: Number) -> list[Number]:
        """Return centre and size as fractions of the picture."""
        x, y, width, height = self.to_ccwh()
        return [x / picture_width, y / picture_height, width / picture_width, height / picture_height]

    def to_state(self) -> dict[str, object]:
        """Return the coordinates."""
        return {
            "x": plain_number(self.x),
            "y": plain_number(self.y),
            "width": plain_number(self.width),
            "height": plain_number(self.height),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any], source: Source | None = None) -> Self:
        """Make the value that `to_state` described."""
        return cls(state["x"], state["y"], state["width"], state["height"])

    def __repr__(self) -> str:
        return f"BoundingBox(x={self.x}, y={self.y}, width={self.width}, height={self.height})"


class BoundingBox3D(Coordinates):
    """A body in a picture, as its front and its back face."""

    __slots__ = ("bbox_a", "bbox_b")

    def __init__(self, bbox_a: BoundingBox | None = None, bbox_b: BoundingBox | None = None) -> None:
        self.bbox_a = bbox_a or BoundingBox()
        self.bbox_b = bbox_b or BoundingBox()

    @property
    def shape(self) -> list[int]:
        """Shape of `to_numpy`."""
        return [2, 4]

    def to_list(self) -> list[list[Number]]:
        """Return the two boxes as lists."""
        return [self.bbox_a.to_list(), self.bbox_b.to_list()]

    def to_state(self) -> dict[str, object]:
        """Return the coordinates."""
        return {"bbox_a": self.bbox_a.to_state(), "bbox_b": self.bbox_b.to_state()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any], source: Source | None = None) -> Self:
        """Make the value that `to_state` described."""
        return cls(BoundingBox.from_state(state["bbox_a"]), BoundingBox.from_state(state["bbox_b"]))

    def __repr__(self) -> str:
        return f"BoundingBox3D({self.bbox_a!r}, {self.bbox_b!r})"


def _flat(numbers: list[Any]) -> Iterable[Number]:  # Any: numbers, or lists of them
    for number in numbers:
        if isinstance(number, list):
            yield from _flat(number)
        else:
            yield number
