"""Sound."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from starwhale.errors import UnsupportedValueError
from starwhale.media.artifact import BaseArtifact, Shape
from starwhale.media.dtype import FLOAT64, dtype_name, numpy_dtype
from starwhale.media.link import Link
from starwhale.media.mime import MIMEType
from starwhale.media.optional import require
from starwhale.media.source import FileSource
from starwhale.media.value import ArtifactType

AUDIO_KINDS = frozenset({MIMEType.MP3, MIMEType.WAV, MIMEType.FLAC, MIMEType.OGG, MIMEType.UNDEFINED})
"""What a sound's bytes can be."""
_SAMPLES = frozenset({"float64", "float32", "int32", "int16"})
"""Element types that samples are decoded to; others are made of float64."""


class Audio(BaseArtifact):
    """A sound.

    Args:
        fp: Encoded bytes, a path or an open file.
        display_name: For whoever hears it.
        shape: Of the samples, None where unknown.
        mime_type: MP3, WAV, FLAC or OGG; guessed from the suffix of a path when it is not given.
        dtype: Element type of `to_numpy`.
        link: Where the content lies instead.
    """

    family = ArtifactType.AUDIO
    default_dtype = FLOAT64

    def __init__(
        self,
        fp: object = "",
        display_name: str = "",
        shape: Shape = None,
        mime_type: MIMEType | str | None = None,
        dtype: Any = FLOAT64,
        link: Link | None = None,
    ) -> None:
        super().__init__(fp, display_name, shape or (None,), mime_type, dtype, link)
        self.mime_type = mime_of(self, mime_type, AUDIO_KINDS)

    @property
    def sample_rate(self) -> int:
        """Samples per second, read from the header."""
        return int(self._header("Audio.sample_rate").samplerate)

    @property
    def duration_s(self) -> float:
        """Length in seconds, read from the header."""
        return float(self._header("Audio.duration_s").duration)

    def to_numpy(self) -> Any:  # Any: NumPy is optional
        """Return the samples, shape (frames, channels); `sample_rate` says how many frames are a second.

        Raises:
            MediaError: It is not a sound, or is damaged.
        """
        soundfile = require("soundfile", purpose="Audio.to_numpy()")
        numpy = require("numpy", purpose="Audio.to_numpy()", extra="audio")
        wanted = dtype_name(self.dtype)
        with self.open() as file:
            try:
                samples, _rate = soundfile.read(file, dtype=wanted if wanted in _SAMPLES else "float64", always_2d=True)
            except (soundfile.LibsndfileError, ValueError) as error:
                raise self._undecodable(error) from error
        return samples if wanted in _SAMPLES else samples.astype(numpy_dtype(self.dtype, numpy))

    def _header(self, purpose: str) -> Any:  # Any: soundfile is optional
        soundfile = require("soundfile", purpose=purpose)
        with self.open() as file:
            try:
                return soundfile.info(file)
            except (soundfile.LibsndfileError, ValueError) as error:
                raise self._undecodable(error) from error


def mime_of(value: BaseArtifact, given: object, allowed: frozenset[MIMEType]) -> MIMEType:
    """Return the MIME type of a sound or video: the given one when it is allowed, else what the file's suffix says.

    Raises:
        UnsupportedValueError: The given one is not of this family.
    """
    if given is None:
        content = value.carried_source
        name = (
            content.path
            if isinstance(content, FileSource)
            else urlsplit(value.link.uri).path
            if value.link
            else value.display_name
        )
        guess = MIMEType.create_by_file_suffix(name)
        return guess if guess in allowed else MIMEType.UNDEFINED
    if value.mime_type not in allowed:
        raise UnsupportedValueError(f"{value.mime_type.value!r} is not a MIME type of {type(value).__name__}")
    return value.mime_type
