"""Moving pictures."""

from __future__ import annotations

from typing import Any

from starwhale.media.artifact import BaseArtifact, Shape
from starwhale.media.audio import mime_of
from starwhale.media.dtype import UINT8, numpy_dtype
from starwhale.media.link import Link
from starwhale.media.mime import MIMEType
from starwhale.media.optional import require
from starwhale.media.value import ArtifactType

VIDEO_KINDS = frozenset({MIMEType.MP4, MIMEType.AVI, MIMEType.WEBM, MIMEType.UNDEFINED})
"""What a video's bytes can be."""


class Video(BaseArtifact):
    """A video.

    Args:
        fp: Encoded bytes, a path or an open file.
        display_name: For whoever watches it.
        shape: Of the frames, None where unknown.
        mime_type: MP4, AVI or WEBM; guessed from the suffix of a path when it is not given.
        dtype: Element type of `to_numpy`.
        link: Where the content lies instead.
    """

    family = ArtifactType.VIDEO
    default_dtype = UINT8

    def __init__(
        self,
        fp: object = "",
        display_name: str = "",
        shape: Shape = None,
        mime_type: MIMEType | str | None = None,
        dtype: Any = UINT8,
        link: Link | None = None,
    ) -> None:
        super().__init__(fp, display_name, shape or (None,), mime_type, dtype, link)
        self.mime_type = mime_of(self, mime_type, VIDEO_KINDS)

    def to_numpy(self) -> Any:  # Any: NumPy is optional
        """Return the encoded bytes as numbers; nothing here decodes video."""
        numpy = require("numpy", purpose="Video.to_numpy()")
        return numpy.frombuffer(self.to_bytes(), dtype="uint8").astype(numpy_dtype(self.dtype, numpy))
