"""Moving pictures."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

from starwhale.errors import MediaError, UsageError
from starwhale.media.artifact import BaseArtifact, Shape
from starwhale.media.audio import mime_of
from starwhale.media.dtype import UINT8, numpy_dtype
from starwhale.media.link import Link
from starwhale.media.mime import MIMEType
from starwhale.media.optional import require
from starwhale.media.value import ArtifactType

VIDEO_KINDS = frozenset(
    {MIMEType.MP4, MIMEType.AVI, MIMEType.WEBM, MIMEType.MOV, MIMEType.MKV, MIMEType.GIF, MIMEType.UNDEFINED}
)
"""What a video's bytes can be."""
MAX_DECODED_BYTES = 4 << 30
"""Frames that `to_numpy` decodes into one array, in bytes; a minute of full HD takes 11 GB."""


class Video(BaseArtifact):
    """A video.

    Args:
        fp: Encoded bytes, a path or an open file.
        display_name: For whoever watches it.
        shape: Of the frames, None where unknown.
        mime_type: MP4, AVI, WEBM, MOV, MKV or GIF; guessed from the suffix of a path when it is not given.
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

    @property
    def frame_rate(self) -> float:
        """Frames per second on average, as the container says; 0 where it does not."""
        with self._container("Video.frame_rate") as container:
            return float(_stream(self, container).average_rate or 0)

    def frames(self, start: int = 0, stop: int | None = None, step: int = 1) -> Iterator[Any]:  # Any: NumPy is optional
        """Decode frames one after another, each an array (height, width, 3) of RGB; one is in memory at a time.

        Args:
            start: First frame.
            stop: Frame before which to end; None decodes to the end.
            step: Give every step-th frame.

        Raises:
            MediaError: It is not a video, or is damaged.
            UsageError: The bounds are negative.
        """
        if start < 0 or step < 1 or (stop is not None and stop < 0):
            raise UsageError(
                f"cannot decode the frames {start}:{stop}:{step}", hint="count from 0, with a step of at least 1"
            )
        return islice(self._decode(), start, stop, step)

    def to_numpy(self, max_frames: int | None = None) -> Any:  # Any: NumPy is optional
        """Decode the frames, shape (frames, height, width, 3) in RGB.

        Args:
            max_frames: Decode at most this many; None decodes all of them, up to 4 GiB.

        Raises:
            MediaError: It is not a video, is damaged, or is too large to be decoded at once.
        """
        numpy = require("numpy", purpose="Video.to_numpy()", extra="video")
        frames: list[Any] = []
        size = 0
        for frame in self.frames(stop=max_frames):
            if frames and frame.shape != frames[0].shape:
                raise MediaError(f"{self.described()} changes its size at frame {len(frames)}", hint="use frames()")
            size += frame.nbytes
            if size > MAX_DECODED_BYTES:
                raise MediaError(
                    f"{self.described()} has more than {MAX_DECODED_BYTES >> 20} MiB of frames",
                    hint="iterate over frames(), or give max_frames",
                )
            frames.append(frame)
        if not frames:
            return numpy.empty((0, 0, 0, 3), numpy_dtype(self.dtype, numpy))
        return numpy.stack(frames).astype(numpy_dtype(self.dtype, numpy), copy=False)

    def to_tensor(self, max_frames: int | None = None) -> Any:  # Any: torch is optional
        """Decode the frames into a PyTorch tensor, in the order of `to_numpy`."""
        torch = require("torch", purpose="Video.to_tensor()")
        return torch.from_numpy(self.to_numpy(max_frames))

    def _decode(self) -> Iterator[Any]:
        av = require("av", purpose="Video.frames()")
        with self._container("Video.frames()") as container:
            stream = _stream(self, container)
            stream.thread_type = "AUTO"
            try:
                for frame in container.decode(stream):
                    yield frame.to_ndarray(format="rgb24")
            except (av.FFmpegError, ValueError) as error:
                raise self._undecodable(error) from error

    @contextmanager
    def _container(self, purpose: str) -> Generator[Any]:  # Any: PyAV is optional
        av = require("av", purpose=purpose)
        with self.open() as file:
            try:
                container = av.open(file)
            except (av.FFmpegError, ValueError) as error:
                raise self._undecodable(error) from error
            with container:
                yield container


def _stream(value: Video, container: Any) -> Any:  # Any: as above
    if not container.streams.video:
        raise MediaError(f"{value.described()} holds no pictures", hint="if it is sound, use Audio")
    return container.streams.video[0]
