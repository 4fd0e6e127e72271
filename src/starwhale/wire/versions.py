"""Datasets, models and runtimes, as the HTTP API shows them."""

from __future__ import annotations

from dataclasses import dataclass

from starwhale.domain.json_shape import Json
from starwhale.wire.page import DOCUMENTED


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionView:
    """One immutable version of a dataset, model or runtime."""

    __pydantic_config__ = DOCUMENTED
    kind: str
    """`dataset`, `model` or `runtime`."""
    project: str
    """Its project."""
    name: str
    """Its name."""
    version: str
    """Its whole id."""
    uri: str
    """Its URI with nothing left out."""
    tags: list[str]
    """Its tags; `latest` and `v<k>` are the system's."""
    created_at: float
    """Seconds since the epoch."""
    message: str
    """What the user said about it."""
    size_bytes: int
    """Bytes that it occupies."""
    row_count: int | None
    """Rows of a dataset."""
    python: str
    """Python of a runtime; empty for others."""
    runtime: str
    """URI of the runtime that a model carries, or that the handler of a dataset ran in; empty for none."""
    is_removed: bool
    """Whether it was removed and may be recovered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnView:
    """A column of a table."""

    __pydantic_config__ = DOCUMENTED
    name: str
    """Its name, as the user has it."""
    kind: str
    """Kind of its values: `null bool int float str bytes list<…> struct<…> media:<Class> variant`; empty where rows differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetView:
    """A version of a dataset, with its columns."""

    __pydantic_config__ = DOCUMENTED
    version: VersionView
    """What the catalog knows."""
    columns: list[ColumnView]
    """Its features."""
    key_type: str | None
    """`int` or `str`; null before the first row."""
    info: Json
    """What the user keeps beside the rows."""
    manifest: Json
    """How it was built."""
    folder: str
    """Where its rows lie."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatisticsView:
    """What is in each column of a version."""

    __pydantic_config__ = DOCUMENTED
    rows: int
    """Rows of the version."""
    columns: list[Json]
    """Per column what `swcli dataset summary -o json` says: counts, distinct, numbers with a histogram, top, balance, sizes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelView:
    """A packaged model."""

    __pydantic_config__ = DOCUMENTED
    version: VersionView
    """What the catalog knows."""
    handlers: dict[str, list[Json]]
    """Handlers by name, each with its steps: what it needs first, itself last."""
    manifest: Json
    """How it was built."""
    readme: str
    """Path of the file that describes it; empty for none."""
    file_count: int
    """Files of the version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileView:
    """A file, a link or an empty folder of a version."""

    __pydantic_config__ = DOCUMENTED
    path: str
    """Below its root."""
    kind: str
    """`file`, `link` or `folder`."""
    size_bytes: int
    """Bytes of a file."""
    digest: str
    """BLAKE3 of a file's content."""
    is_executable: bool
    """Whether a file may be run."""
    target: str
    """Where a link leads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeView:
    """A locked environment."""

    __pydantic_config__ = DOCUMENTED
    version: VersionView
    """What the catalog knows."""
    manifest: Json
    """How it was built."""
    runtime_yaml: str
    """What was asked for."""
    lock: dict[str, str]
    """Locked requirements, by the file that holds them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TagChanges:
    """Tags to add and to take away; what is so already is left as it is."""

    __pydantic_config__ = DOCUMENTED
    add: list[str]
    """Tags that it shall have; of versions they move here from others."""
    remove: list[str]
    """Tags that it shall not have."""
