"""Bodies of the routes to the stores of an instance."""

from __future__ import annotations

from dataclasses import dataclass

from starwhale.wire.page import DOCUMENTED

PART_BYTES = 64 << 20
"""Bytes of a part of results that is sent, at most."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class PartsWanted:
    """Which parts of results are asked for."""

    __pydantic_config__ = DOCUMENTED
    owners: list[str]
    """Ids of jobs, or `<project>/<id>` of evaluations that are none; 1,000 at most."""
    table: str = ""
    """Only parts that have rows of this table; empty for all."""
    after: int = 0
    """Only parts that were committed after this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTable:
    """Where one table of a part lies."""

    __pydantic_config__ = DOCUMENTED
    table_name: str
    """Table; `predictions` for what predict logs by itself."""
    file: str
    """File of the owner."""
    offset: int
    """First byte."""
    length: int
    """Bytes."""
    digest: str
    """BLAKE3 of these bytes."""
    row_count: int
    """Rows of the part in this table."""
    first_row: int
    """Position of its first row within the bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPart:
    """Rows that were committed together."""

    __pydantic_config__ = DOCUMENTED
    id: int
    """The number of the commit."""
    owner: str
    """Whose it is."""
    step: str
    """Step that made it."""
    task_id: str
    """Task that made it; empty outside jobs."""
    attempt: int
    """Its try."""
    dataset_position: int | None
    """Position of the dataset in the job's request; null for parts without rows of one."""
    start: int | None
    """First rank."""
    stop: int | None
    """Rank after the last."""
    provisional: bool
    """Whether it becomes final only when its task ends."""
    is_retry: bool
    """Whether its rows had failed before."""
    created_at: float
    """Seconds since the epoch."""
    tables: list[StoredTable]
    """Its tables."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredParts:
    """Parts that readers see, in the order of their commits."""

    __pydantic_config__ = DOCUMENTED
    items: list[StoredPart]
    """5,000 at most."""
    has_more: bool
    """Whether there are more behind the last: ask for those after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFile:
    """A log of a job."""

    __pydantic_config__ = DOCUMENTED
    name: str
    """Name of its file."""
    size: int
    """Its bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFilesView:
    """The logs of a job."""

    __pydantic_config__ = DOCUMENTED
    items: list[LogFile]
    """One per attempt and per worker process, as far as there are any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppendedPart:
    """Rows that were committed."""

    __pydantic_config__ = DOCUMENTED
    id: int
    """The number of the commit."""


__all__ = [
    "PART_BYTES",
    "AppendedPart",
    "DatasetFile",
    "DatasetFiles",
    "Digests",
    "ExportedJob",
    "ImportedJob",
    "JobSent",
    "JobWanted",
    "LogFile",
    "LogFilesView",
    "ManifestName",
    "Names",
    "PartsWanted",
    "SharedVersion",
    "Size",
    "StoredPart",
    "StoredParts",
    "StoredTable",
]
