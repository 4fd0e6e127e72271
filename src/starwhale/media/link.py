"""A link to content that lies elsewhere."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Self

from starwhale.errors import UnsupportedValueError
from starwhale.media.link_source import LinkSource, reader_of, scheme_of
from starwhale.media.source import Source
from starwhale.media.value import MediaValue


class Link(MediaValue):
    """The bytes [offset, offset + size) of a local path, a `file:` URI, an http(s) address or an object of a store.

    Objects are written `s3://bucket/key` (also `minio`, `oss`, `aliyun`), and read with the keys of the variables SW_S3_* or of
    `link_auths` in the configuration.

    Args:
        uri: Where the content lies.
        offset: First byte; not negative.
        size: Number of bytes; -1 means up to the end.
        data_type: What the content is, for whoever shows it; a data type, a media value or a name.
        use_plain_type: Kept for scripts that give it.
        extra: Further facts, kept in `extra_info`.
    """

    __slots__ = ("_signed_uri", "data_type", "extra_info", "offset", "size", "uri", "use_plain_type")

    def __init__(
        self,
        uri: str | os.PathLike[str] = "",
        offset: int = 0,
        size: int = -1,
        data_type: object = None,
        use_plain_type: bool = False,
        **extra: Any,
    ) -> None:
        if offset < 0:
            raise UnsupportedValueError(f"link to {str(uri)!r}: the offset is {offset}, but it cannot be negative")
        if size < -1:
            raise UnsupportedValueError(f"link to {str(uri)!r}: the size is {size}, but it must be -1 or more")
        self.uri = os.fspath(uri).strip()
        self.offset = offset
        self.size = size
        self.data_type = data_type
        self.use_plain_type = use_plain_type
        self.extra_info: dict[str, Any] = extra
        self._signed_uri = ""

    @property
    def scheme(self) -> str:
        """The kind of address: empty for a path, else `file`, `http`, `https`, `s3` and so on."""
        return scheme_of(self.uri)

    @property
    def signed_uri(self) -> str:
        """An address that can be read without keys: one with a signature for an object of a store, which holds for an hour.

        Raises:
            StarwhaleError: An object of a store whose address or keys nobody has set.
        """
        return self._signed_uri or reader_of(self.uri).sign(self.uri)

    @signed_uri.setter
    def signed_uri(self, uri: str) -> None:
        self._signed_uri = uri

    @property
    def source(self) -> Source:
        """The part that the link names, readable in pieces."""
        return LinkSource(self._signed_uri or self.uri, self.offset, self.size)

    def to_bytes(self) -> bytes:
        """Read the part that the link names."""
        return self.source.read()

    def resolved(self, base: str | os.PathLike[str]) -> Link:
        """Return the same link with a relative path made absolute, seen from the directory `base`."""
        uri = self.uri if self.scheme or not self.uri else os.path.abspath(os.path.join(base, self.uri))  # noqa: PTH100, PTH118 - text in, text out
        return Link.from_state({**self.to_state(), "uri": uri})

    def to_state(self) -> dict[str, object]:
        """Return the attributes."""
        return {
            "uri": self.uri,
            "offset": self.offset,
            "size": self.size,
            "scheme": self.scheme,
            "data_type": _describe(self.data_type),
            "use_plain_type": self.use_plain_type,
            "extra_info": self.extra_info,
        }

    def stored_state(self) -> dict[str, object]:
        """Return the attributes, with a relative path made absolute: who reads it is elsewhere."""
        return self.resolved(os.getcwd()).to_state()  # noqa: PTH109 - text in, text out

    @classmethod
    def from_state(cls, state: Mapping[str, Any], source: Source | None = None) -> Self:
        """Make the link that `to_state` described."""
        return cls(
            state["uri"],
            state["offset"],
            state["size"],
            state.get("data_type"),
            state.get("use_plain_type", False),
            **state.get("extra_info", {}),
        )

    def __repr__(self) -> str:
        part = f", offset={self.offset}, size={self.size}" if self.offset or self.size >= 0 else ""
        return f"Link({self.uri!r}{part})"


def _describe(data_type: object) -> object:
    if isinstance(data_type, MediaValue):
        return data_type.asdict()
    return data_type.__name__ if isinstance(data_type, type) else data_type
