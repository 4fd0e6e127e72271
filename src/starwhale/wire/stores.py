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


__all__ = ["DatasetFile", "DatasetFiles", "Digests", "ManifestName", "Names", "SharedVersion", "Size"]
