"""An object in a picture, as the COCO data sets describe it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self, cast

from starwhale.errors import UnsupportedValueError
from starwhale.media.boxes import BoundingBox
from starwhale.media.source import Source
from starwhale.media.value import MediaValue, plain_number

Segmentation = list[Any] | dict[str, Any] | None


class COCOObjectAnnotation(MediaValue):
    """One annotated object.

    Args:
        id: Of the annotation.
        image_id: Of the picture.
        category_id: Of the class.
        area: In pixels.
        bbox: [x, y, width, height], or a box.
        iscrowd: 1 for a group of objects, else 0.
        segmentation: Polygons as lists of numbers, or {"size": …, "counts": …} (run-length encoded).
    """

    __slots__ = ("_segmentation", "area", "bbox", "category_id", "id", "image_id", "iscrowd")

    def __init__(
        self,
        id: int = 0,
        image_id: int = 0,
        category_id: int = 0,
        area: int | float = 0,
        bbox: BoundingBox | Sequence[float] | None = None,
        iscrowd: int = 0,
        segmentation: Segmentation = None,
    ) -> None:
        if iscrowd not in {0, 1}:
            raise UnsupportedValueError(f"iscrowd is 0 or 1, not {iscrowd!r}")
        self.id = id
        self.image_id = image_id
        self.category_id = category_id
        self.area = area
        self.bbox: list[float] = bbox.to_list() if isinstance(bbox, BoundingBox) else list(bbox or ())
        self.iscrowd = iscrowd
        self._segmentation: Segmentation = None
        self.segmentation = segmentation

    @property
    def segmentation(self) -> Segmentation:
        """Polygons as lists of numbers, or {"size": …, "counts": …}; None when unknown."""
        return self._segmentation

    @segmentation.setter
    def segmentation(self, value: object) -> None:
        if isinstance(value, dict):
            encoded = cast("dict[str, Any]", value)
            missing = sorted({"size", "counts"} - set(encoded))
            if missing:
                raise UnsupportedValueError(f"a run-length encoded segmentation lacks {' and '.join(missing)}")
            self._segmentation = dict(encoded)
        elif value is None or isinstance(value, list | tuple):
            self._segmentation = None if value is None else list(cast("Sequence[Any]", value))
        else:
            raise UnsupportedValueError(
                f"a segmentation cannot be of type {type(value).__name__!r}",
                hint='give a list of polygons or {"size": …, "counts": …}',
            )

    def to_state(self) -> dict[str, object]:
        """Return all fields."""
        return {
            "id": plain_number(self.id),
            "image_id": plain_number(self.image_id),
            "category_id": plain_number(self.category_id),
            "area": plain_number(self.area),
            "bbox": [plain_number(number) for number in self.bbox],
            "iscrowd": plain_number(self.iscrowd),
            "segmentation": self._segmentation,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any], source: Source | None = None) -> Self:
        """Make the value that `to_state` described."""
        return cls(**state)

    def __repr__(self) -> str:
        return f"COCOObjectAnnotation(id={self.id}, image_id={self.image_id}, category_id={self.category_id}, bbox={self.bbox})"
