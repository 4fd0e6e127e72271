"""What the catalog answers with of projects and versions: frozen values, one per noun. The standard library is all that they need."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from starwhale.domain.json_shape import JsonView
from starwhale.domain.uri import Uri


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectRecord:
    """A project."""

    id: int
    """Number in this catalog."""
    name: str
    """Name as it was given."""
    created_at: float
    """Seconds since the epoch."""
    is_removed: bool = False
    """Whether it was removed, with everything in it, and may be recovered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleRecord:
    """A named dataset, model or runtime; its versions are immutable."""

    id: str
    """Under this the stores keep its files."""
    project: str
    """Name of its project."""
    kind: str
    """`dataset`, `model` or `runtime`."""
    name: str
    """Name as it was given."""
    created_at: float
    """Seconds since the epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionDraft:
    """A version to be committed; it exists once the catalog names it."""

    content_digest: str
    """Digest of the content; for a dataset the manifest's."""
    manifest: JsonView = field(default_factory=dict[str, Any])
    """What `info` shows."""
    version: str = ""
    """Id to use; empty for a new one."""
    message: str = ""
    """What the user said about it."""
    size_bytes: int = 0
    """Bytes that it occupies."""
    row_count: int | None = None
    """Rows of a dataset."""
    tags: tuple[str, ...] = ()
    """The user's tags."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRecord:
    """One immutable version of a dataset, model or runtime."""

    version: str
    """Whole id."""
    bundle_id: str
    """Under this the stores keep its files."""
    project: str
    """Name of its project."""
    kind: str
    """`dataset`, `model` or `runtime`."""
    name: str
    """Name of its bundle."""
    sequence: int
    """Order of commits within the bundle, from 0."""
    created_at: float
    """Seconds since the epoch."""
    message: str
    """What the user said about it."""
    size_bytes: int
    """Bytes that it occupies."""
    row_count: int | None
    """Rows of a dataset."""
    content_digest: str
    """Digest of the content; for a dataset the manifest's."""
    manifest: JsonView
    """What `info` shows."""
    is_removed: bool
    """Whether it was removed and may be recovered."""
    tags: tuple[str, ...] = ()
    """`latest`, its `v<k>` and the user's, sorted with the user's first."""
    place: str = ""
    """Address of the folder that it lies in where no catalog knows it: `s3://<bucket>/<prefix>`."""
    instance: str = "local"
    """Alias of the instance whose catalog knows it."""

    @property
    def uri(self) -> Uri:
        """Its URI with the whole version."""
        return Uri(
            instance=self.instance,
            project=self.project,
            kind=self.kind,
            name=self.name,
            version=self.version,
            place=self.place,
        )
