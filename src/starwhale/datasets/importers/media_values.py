"""Media values of bytes and file names that other people's files hold."""

from __future__ import annotations

from pathlib import PurePosixPath

from starwhale.media import Audio, BaseArtifact, Binary, Image, MIMEType, Video
from starwhale.media.audio import AUDIO_KINDS
from starwhale.media.image import IMAGE_KINDS
from starwhale.media.video import VIDEO_KINDS

KINDS: dict[str, tuple[type[Image | Audio | Video], frozenset[MIMEType]]] = {
    "image": (Image, IMAGE_KINDS),
    "audio": (Audio, AUDIO_KINDS),
    "video": (Video, VIDEO_KINDS),
}
"""Kind → its data type, and the MIME types that it can have."""

_STARTS: tuple[tuple[int, bytes, MIMEType], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", MIMEType.PNG),
    (0, b"\xff\xd8\xff", MIMEType.JPEG),
    (0, b"GIF8", MIMEType.GIF),
    (8, b"WEBP", MIMEType.WEBP),
    (0, b"P5", MIMEType.PPM),
    (0, b"P6", MIMEType.PPM),
    (8, b"WAVE", MIMEType.WAV),
    (8, b"AVI ", MIMEType.AVI),
    (0, b"ID3", MIMEType.MP3),
    (0, b"\xff\xfb", MIMEType.MP3),
    (4, b"ftypavif", MIMEType.AVIF),
    (4, b"ftyp", MIMEType.MP4),
    (0, b"\x1aE\xdf\xa3", MIMEType.WEBM),
)


def make_media(kind: str, content: bytes | str, name: str) -> BaseArtifact:
    """Make a media value; nothing is decoded.

    Args:
        kind: `image`, `audio`, `video`, or `binary`.
        content: The bytes, or the path of a file that has them.
        name: What it is called, with its suffix; may be empty.
    """
    shown = PurePosixPath(name).name
    if kind not in KINDS:
        return Binary(content)
    made, allowed = KINDS[kind]
    guess = MIMEType.create_by_file_suffix(shown)
    if guess not in allowed or guess is MIMEType.UNDEFINED:
        guess = mime_of_bytes(content) if isinstance(content, bytes) else MIMEType.UNDEFINED
    return made(content, display_name=shown, mime_type=guess if guess in allowed else MIMEType.UNDEFINED)


def mime_of_bytes(content: bytes) -> MIMEType:
    """Guess what encoded bytes are from how they begin; UNDEFINED when that says nothing."""
    for offset, start, kind in _STARTS:
        if content.startswith(start, offset):
            return kind
    return MIMEType.UNDEFINED
