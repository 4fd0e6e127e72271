"""WHAT A CELL CAN HOLD: images, audio, video, text, boxes, lines, links, each to and from bytes.

Doors: one file per family, every public name re-exported here. `registry.MEDIA` lists the types by stored name; `codec` turns any
storable value into bytes and back; `flatten` makes columns of a dict of metrics; `source` and `link_source` say where content is read from, `stream`
reads it in pieces.

Who may enter: storage and everything above it. What it may import: `errors` and the standard library; NumPy, Pillow, soundfile and PyAV are
imported by the methods that need them, and a missing one is named with the command that installs it.
Start reading at `artifact.py`, then at the type you know.
"""

from starwhale.media.artifact import BaseArtifact
from starwhale.media.audio import Audio
from starwhale.media.binary import Binary, NumpyBinary
from starwhale.media.boxes import BoundingBox, BoundingBox3D, Line, Point, Polygon
from starwhale.media.classlabel import ClassLabel
from starwhale.media.coco import COCOObjectAnnotation
from starwhale.media.image import GrayscaleImage, Image
from starwhale.media.link import Link
from starwhale.media.mime import MIMEType
from starwhale.media.registry import MEDIA
from starwhale.media.text import Text
from starwhale.media.value import ArtifactType, MediaValue
from starwhale.media.video import Video

__all__ = [
    "MEDIA",
    "ArtifactType",
    "Audio",
    "BaseArtifact",
    "Binary",
    "BoundingBox",
    "BoundingBox3D",
    "COCOObjectAnnotation",
    "ClassLabel",
    "GrayscaleImage",
    "Image",
    "Line",
    "Link",
    "MIMEType",
    "MediaValue",
    "NumpyBinary",
    "Point",
    "Polygon",
    "Text",
    "Video",
]
