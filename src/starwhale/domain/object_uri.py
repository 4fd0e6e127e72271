"""Datasets on object storage, by address: `s3://<bucket>/<prefix>/<dataset>`, and after it `/version/<version or tag>`."""

from __future__ import annotations

from dataclasses import dataclass

from starwhale.domain.version import check_name
from starwhale.errors import InvalidUriError

SCHEME = "s3://"
"""What such an address begins with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectUri:
    """A dataset on object storage."""

    bucket: str
    """The bucket."""
    prefix: str
    """Folder of the dataset's folder, without slashes at its ends; may be empty."""
    name: str = ""
    """Name of the dataset; empty where a folder of datasets was named."""
    version: str = ""
    """Version id, its beginning or a tag; empty means the newest."""

    @property
    def place(self) -> str:
        """Address of the folder that the dataset lies in."""
        return f"{SCHEME}{self.bucket}/{self.prefix}" if self.prefix else f"{SCHEME}{self.bucket}"

    @property
    def folder(self) -> str:
        """Beginning of the keys of all its objects, without a slash at the end."""
        return f"{self.prefix}/{self.name}" if self.prefix else self.name

    @property
    def dataset(self) -> str:
        """Address of the dataset, without a version."""
        return f"{self.place}/{self.name}"


def is_object_uri(text: object) -> bool:
    """Whether a text is meant as such an address."""
    return isinstance(text, str) and text[: len(SCHEME)].lower() == SCHEME


def parse_object_uri(text: str) -> ObjectUri:
    """Read the address of a dataset.

    Raises:
        InvalidUriError: It names no bucket or no dataset.
        InvalidNameError: Its last part is no name of a dataset.
    """
    bucket, segments = _split(text)
    version = ""
    if len(segments) >= 2 and segments[-2] == "version":
        *segments, _, version = segments
    if not segments:
        message = f"{text!r} names no dataset"
        raise InvalidUriError(message, hint="write s3://<bucket>/<prefix>/<dataset>")
    *prefix, name = segments
    return ObjectUri(bucket=bucket, prefix="/".join(prefix), name=check_name("dataset", name), version=version)


def parse_object_destination(text: str, name: str) -> ObjectUri:
    """Read where a copy goes: a folder of datasets, where the copy keeps its name.

    An address that ends with that name and without a slash is the dataset's own.

    Example:
        >>> [parse_object_destination(f"s3://b/{end}", "digits").dataset for end in ("p", "p/digits", "p/digits/", "")]
        ['s3://b/p/digits', 's3://b/p/digits', 's3://b/p/digits/digits', 's3://b/digits']

    Raises:
        InvalidUriError: It names no bucket, or a version.
    """
    bucket, segments = _split(text)
    if len(segments) >= 2 and segments[-2] == "version":
        message = f"{text!r} names a version, and a version keeps its id when it is copied"
        raise InvalidUriError(message, hint="write s3://<bucket>/<prefix>")
    if segments and segments[-1] == name and not text.endswith("/"):
        segments.pop()
    return ObjectUri(bucket=bucket, prefix="/".join(segments), name=name)


def _split(text: str) -> tuple[str, list[str]]:
    bucket, *segments = text[len(SCHEME) :].split("/")
    if segments and not segments[-1]:  # a slash at the end says nothing
        segments.pop()
    if not bucket or not all(segments):
        message = f"{text!r} is not the address of a dataset on object storage"
        raise InvalidUriError(message, hint="write s3://<bucket>/<prefix>/<dataset>")
    return bucket, segments
