"""The table of all data types, by the name under which they are stored."""

from __future__ import annotations

from typing import Any, cast

from starwhale.media.audio import Audio
from starwhale.media.binary import Binary, NumpyBinary
from starwhale.media.boxes import BoundingBox, BoundingBox3D, Line, Point, Polygon
from starwhale.media.classlabel import ClassLabel
from starwhale.media.coco import COCOObjectAnnotation
from starwhale.media.image import GrayscaleImage, Image
from starwhale.media.link import Link
from starwhale.media.text import Text
from starwhale.media.value import MediaValue
from starwhale.media.video import Video

MEDIA: dict[str, type[MediaValue]] = {
    "Audio": Audio,
    "Binary": Binary,
    "BoundingBox": BoundingBox,
    "BoundingBox3D": BoundingBox3D,
    "COCOObjectAnnotation": COCOObjectAnnotation,
    "ClassLabel": ClassLabel,
    "GrayscaleImage": GrayscaleImage,
    "Image": Image,
    "Line": Line,
    "Link": Link,
    "NumpyBinary": NumpyBinary,
    "Point": Point,
    "Polygon": Polygon,
    "Text": Text,
    "Video": Video,
}
"""Stored names; they are part of the file format and never change their meaning."""


def media_name(value: object) -> str | None:
    """Return the stored name of a value's type, of the nearest one for a user's own subclass; None for other values."""
    if not isinstance(value, MediaValue):
        return None
    for kind in cast("list[type[Any]]", type(value).__mro__):  # Any: only its name is read
        if MEDIA.get(kind.__name__) is kind:
            return kind.__name__
    return None
