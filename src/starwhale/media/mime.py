"""Kinds of content, as MIME types."""

from __future__ import annotations

from enum import StrEnum
from pathlib import PurePosixPath


class MIMEType(StrEnum):
    """What a media value's bytes are."""

    PNG = "image/png"
    JPEG = "image/jpeg"
    WEBP = "image/webp"
    SVG = "image/svg+xml"
    GIF = "image/gif"
    APNG = "image/apng"
    AVIF = "image/avif"
    PPM = "image/x-portable-pixmap"
    MP4 = "video/mp4"
    AVI = "video/avi"
    WEBM = "video/webm"
    MOV = "video/quicktime"
    MKV = "video/x-matroska"
    WAV = "audio/wav"
    MP3 = "audio/mp3"
    FLAC = "audio/flac"
    OGG = "audio/ogg"
    PLAIN = "text/plain"
    CSV = "text/csv"
    HTML = "text/html"
    GRAYSCALE = "x/grayscale"
    UNDEFINED = "x/undefined"

    __hash__ = (
        str.__hash__
    )  # members are equal to their text; Enum's own hash is Python code, and runs for every value that is written

    @classmethod
    def create_by_file_suffix(cls, name: object) -> MIMEType:
        """Guess the kind from the end of a file name, in any case; UNDEFINED when it says nothing."""
        return _BY_SUFFIX.get(PurePosixPath(str(name)).suffix.lower(), cls.UNDEFINED)


_BY_SUFFIX = {
    ".png": MIMEType.PNG,
    ".jpg": MIMEType.JPEG,
    ".jpeg": MIMEType.JPEG,
    ".webp": MIMEType.WEBP,
    ".svg": MIMEType.SVG,
    ".gif": MIMEType.GIF,
    ".apng": MIMEType.APNG,
    ".avif": MIMEType.AVIF,
    ".ppm": MIMEType.PPM,
    ".mp4": MIMEType.MP4,
    ".avi": MIMEType.AVI,
    ".webm": MIMEType.WEBM,
    ".mov": MIMEType.MOV,
    ".mkv": MIMEType.MKV,
    ".wav": MIMEType.WAV,
    ".mp3": MIMEType.MP3,
    ".flac": MIMEType.FLAC,
    ".ogg": MIMEType.OGG,
    ".oga": MIMEType.OGG,
    ".opus": MIMEType.OGG,
    ".txt": MIMEType.PLAIN,
    ".csv": MIMEType.CSV,
    ".htm": MIMEType.HTML,
    ".html": MIMEType.HTML,
}

MIME_BY_VALUE: dict[str, MIMEType] = {kind.value: kind for kind in MIMEType}
"""A plain table: calling the enum takes ten times as long."""
