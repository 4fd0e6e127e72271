"""Long text as content."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from starwhale.media.artifact import BaseArtifact
from starwhale.media.dtype import STR
from starwhale.media.link import Link
from starwhale.media.mime import MIMEType
from starwhale.media.optional import require
from starwhale.media.source import Source
from starwhale.media.value import ArtifactType


class Text(BaseArtifact):
    """Text that is stored apart from its row.

    Args:
        content: The text.
        encoding: How it is stored as bytes.
        link: Where the encoded text lies instead.
        auto_convert_to_str: Ask readers to give a plain str in place of this value.
    """

    family = ArtifactType.TEXT
    default_dtype = STR
    auto_convert_to_str = False
    _text: str | None = None

    def __init__(
        self,
        content: str = "",
        encoding: str = "utf-8",
        link: Link | None = None,
        auto_convert_to_str: bool = False,
    ) -> None:
        super().__init__(None, "", (1,), MIMEType.PLAIN, STR, link)
        self.encoding = encoding
        if link is None or content:
            self._text = content
            self._content = content.encode(encoding, _errors(encoding))
        if auto_convert_to_str:
            self.auto_convert_to_str = True

    @property
    def content(self) -> str:
        """The text."""
        if self._text is None:
            self._text = self.stored_bytes().decode(self.encoding, _errors(self.encoding))
        return self._text

    def to_bytes(self, encoding: str = "utf-8") -> bytes:
        """Return the text in an encoding."""
        encoding = encoding or self.encoding
        return self.content.encode(encoding, _errors(encoding))

    def to_str(self) -> str:
        """Return the text."""
        return self.content

    def to_numpy(self) -> Any:  # Any: NumPy is optional
        """Return an array without dimensions that holds the text."""
        return require("numpy", purpose="Text.to_numpy()").array(self.content, dtype="str_")

    def drop_data(self) -> Self:
        """Let go of the text in memory where it can be read again."""
        super().drop_data()
        if self._content is None:
            self._text = None
        return self

    @classmethod
    def from_state(cls, state: Mapping[str, Any], source: Source | bytes | None = None) -> Self:
        """Make the value that `to_state` described."""
        made = super().from_state(state, source)
        made.encoding = state["encoding"]
        return made

    def _own_state(self, *, everything: bool) -> dict[str, object]:
        state: dict[str, object] = {"encoding": self.encoding}
        if self.auto_convert_to_str:
            state["auto_convert_to_str"] = True
        return state

    def _restore(self, state: Mapping[str, Any]) -> None:
        super()._restore(state)
        self.auto_convert_to_str = bool(state.get("auto_convert_to_str", False))

    def __reduce__(self) -> tuple[object, ...]:
        rebuild, parts, extra = super().__reduce__()
        left = (
            {key: value for key, value in (extra or {}).items() if key != "_text"} if isinstance(extra, dict) else None
        )
        return rebuild, parts, left or None

    def __str__(self) -> str:
        return self.content


def _errors(encoding: str) -> str:
    """Let halves of surrogate pairs through where the encoding can hold them: Python strings may have them."""
    return (
        "surrogatepass"
        if encoding.lower().replace("_", "-").startswith(("utf-", "utf8", "utf16", "utf32"))
        else "strict"
    )
