"""WHAT A CELL CAN HOLD: images, audio, video, text, boxes, lines, links, each to and from bytes.

One file per family, every public name re-exported here: `image`, `audio`, `video`, `text`, `binary` (with content: `artifact`), `boxes`, `classlabel`, `coco`, `link`
(without), on what all share: `value`, `mime`, `dtype`. `registry.MEDIA` lists the types by stored name; `codec` turns any storable value into bytes and back, with
`packing` where msgpack is not installed; `flatten` makes columns of a dict of metrics; `weight` says how much memory a value takes. Content is read through `source`
and `link_source` (`http_range`), in pieces through `stream`; `optional` imports what only some methods need.

To add a type: its file, a line in `registry.MEDIA`, its name here and in the front door (`starwhale/__init__`), a case in `tests/media`. What it becomes for other libraries stands in
`datasets.ecosystem.layout` (JSON text where nobody says), how the console draws it in `ui/src/media`.

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
