"""Bodies of the routes to the stores of an instance."""

from __future__ import annotations

from dataclasses import dataclass

from starwhale.wire.page import DOCUMENTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Digests:
    """Contents, by their digests."""

    __pydantic_config__ = DOCUMENTED
    digests: list[str]
    """BLAKE3, 64 hexadecimal digits each; 1,000 at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large something is."""

    __pydantic_config__ = DOCUMENTED
    size: int | None
    """Bytes; null where it is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetFile:
    """A file of a dataset."""

    __pydantic_config__ = DOCUMENTED
    name: str
    """`<folder>/<file>`."""
    size: int | None = None
    """Its bytes; null where only reading tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetFiles:
    """Files of a dataset."""

    __pydantic_config__ = DOCUMENTED
    files: list[DatasetFile]
    """1,000 at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Names of files."""

    __pydantic_config__ = DOCUMENTED
    names: list[str]
    """`<folder>/<file>`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestName:
    """A version of a dataset."""

    __pydantic_config__ = DOCUMENTED
    manifest_digest: str
    """Digest of its manifest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedVersion:
    """A version whose files another dataset gets."""

    __pydantic_config__ = DOCUMENTED
    manifest_digest: str
    """Digest of its manifest."""
    target: str
    """Id of the other dataset's bundle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobWanted:
    """A job that is to be copied."""

    __pydantic_config__ = DOCUMENTED
    job: str
    """How it is addressed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedJob:
    """A job as an archive, to be fetched from the uploads."""

    __pydantic_config__ = DOCUMENTED
    job: str
    """Its id."""
    digest: str
    """BLAKE3 of the archive."""
    size: int
    """Bytes of it."""
    model: str
    """Version of the model that it ran; empty for files of a work directory."""
    runtime: str
    """Version of the runtime that it ran in; empty for none."""
    datasets: list[str]
    """Versions of its datasets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSent:
    """A job that was uploaded as an archive."""

    __pydantic_config__ = DOCUMENTED
    digest: str
    """BLAKE3 of the archive."""
    project: str
    """Project that it goes to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedJob:
    """What came of a job that was sent."""

    __pydantic_config__ = DOCUMENTED
    job: str
    """Its id."""
    project: str
    """Project that it is in."""
    status: str
    """How it ended."""
    is_new: bool
    """Whether it was not there before."""


__all__ = [
    "DatasetFile",
    "DatasetFiles",
    "Digests",
    "ExportedJob",
    "ImportedJob",
    "JobSent",
    "JobWanted",
    "ManifestName",
    "Names",
    "SharedVersion",
    "Size",
]
