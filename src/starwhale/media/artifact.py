"""The values that have content: attributes, and bytes that are read when asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from starwhale.errors import MediaError, UnsupportedValueError
from starwhale.media.dtype import BYTES, DType, dtype_name, named, numpy_dtype
from starwhale.media.link import Link
from starwhale.media.mime import MIME_BY_VALUE, MIMEType
from starwhale.media.optional import require
from starwhale.media.source import BytesSource, FileSource, Source, content_from
from starwhale.media.stream import PIECE_BYTES, open_source, read_pieces
from starwhale.media.value import ArtifactType, MediaValue

if TYPE_CHECKING:
    from typing import BinaryIO

Shape = Iterable[int | None] | None
StateKey = tuple[type["BaseArtifact"], str, tuple[int | None, ...], MIMEType, DType]
"""Type, display name, shape, MIME type and element type: all of the state of most values."""


class BaseArtifact(MediaValue):
    """A value with content.

    The content is bytes in memory, or a `Source` given by whoever made the value (a file, a store), or what `link` names. Making a
    value reads nothing.
    """

    family: ClassVar[ArtifactType] = ArtifactType.BINARY
    default_dtype: ClassVar[DType] = BYTES

    encoding = ""
    """How text is written as bytes; empty for everything else."""
    link: Link | None = None
    """Where the content lies, for a value that does not carry it."""
    _origin: bytes | Source | None = None
    _cell: tuple[str, object] | None = None
    """Column and row that it was read from."""

    def __init__(
        self,
        fp: object = b"",
        display_name: str = "",
        shape: Shape = None,
        mime_type: MIMEType | str | None = MIMEType.UNDEFINED,
        dtype: Any = BYTES,
        link: Link | None = None,
    ) -> None:
        self._content = fp if type(fp) is bytes else content_from(fp)
        self.display_name = display_name
        self.shape: list[int | None] = [] if shape is None else list(shape)
        self.mime_type = mime_type if type(mime_type) is MIMEType else _mime(mime_type)
        self.dtype: Any = dtype
        if link is not None:
            self.link = link
            if fp == b"":  # what is given when nothing is
                self._content = None

    @property
    def type(self) -> ArtifactType:
        """The family: image, audio, video, text or binary."""
        return self.family

    @property
    def fp(self) -> bytes | str:
        """The path that was given, or the content; empty when the value only has a link."""
        content = self._content
        if content is None:
            return ""
        return content.path if isinstance(content, FileSource) else self._read(content)

    @property
    def source(self) -> Source | None:
        """Where the content is read from, or None when there is none."""
        content = self._content
        if content is None:
            return None if self.link is None else self.link.source
        return BytesSource(content) if isinstance(content, bytes) else content

    @property
    def carried_source(self) -> Source | None:
        """Where the content that the value itself carries is read from; None for a value with only a link, or with nothing."""
        return None if self._content is None else self.source

    @property
    def held_bytes(self) -> bytes | None:
        """The content, where the value carries it and it is in memory."""
        content = self._content
        return content if type(content) is bytes else None

    def to_bytes(self, encoding: str = "utf-8") -> bytes:
        """Return the whole content."""
        content = self._content
        return content if type(content) is bytes else self._read(content)

    def stored_bytes(self) -> bytes:
        """Return the content as `from_state` wants it back, whatever `to_bytes` does for the user."""
        content = self._content
        return content if type(content) is bytes else self._read(content)

    def fetch_data(self) -> bytes:
        """Read the content from wherever it lies."""
        return self.stored_bytes()

    def open(self) -> BinaryIO:
        """Open the content as a file for reading and seeking, which reads in pieces; the caller closes it.

        Raises:
            NotFoundError: It cannot be read.
            UnsupportedValueError: There is no content.
        """
        source = self.source
        if source is None:
            raise self._no_content()
        return open_source(source)

    def chunks(self, chunk_bytes: int = PIECE_BYTES) -> Iterator[bytes]:
        """Read the content from its begin to its end, at most `chunk_bytes` at a time; it is never in memory as a whole."""
        source = self.source
        if source is None:
            raise self._no_content()
        return read_pieces(source, chunk_bytes)

    @property
    def size_bytes(self) -> int | None:
        """Length of the content, without reading it; None where only reading tells, or where there is none."""
        source = self.source
        return None if source is None else source.size

    def described(self) -> str:
        """Say which value this is, for messages: what it is, and the row that it was read from."""
        if self._cell is None:
            return repr(self)
        column, key = self._cell
        return f"{self!r} in column {column!r} of row {key!r}"

    @staticmethod
    def note_cells(column: str, keys: Sequence[object], values: Sequence[object]) -> None:
        """Let the media among the values of a column know where they were read from, for their messages."""
        if isinstance(next((value for value in values if value is not None), None), BaseArtifact):
            for key, value in zip(keys, values, strict=True):
                if isinstance(value, BaseArtifact):
                    value._cell = column, key  # noqa: SLF001 - its own class

    def carry_raw_data(self) -> Self:
        """Read the content now, so that the value no longer needs its file, store or link."""
        if type(self._content) is not bytes:
            self._origin, self._content = self._content, self.stored_bytes()
        return self

    def drop_data(self) -> Self:
        """Let go of bytes in memory; what came from a file, store or link is read again when asked for, the rest is gone."""
        if isinstance(self._content, bytes):
            self._content = self._origin
        return self

    def to_numpy(self) -> Any:  # Any: NumPy is optional
        """Return the content as an array; for plain binary one without dimensions that holds the bytes."""
        numpy = require("numpy", purpose=f"{type(self).__name__}.to_numpy()")
        return numpy.array(self.to_bytes(), dtype=numpy_dtype(self.dtype, numpy))

    def to_tensor(self) -> Any:  # Any: torch is optional
        """Return the content as a PyTorch tensor."""
        torch = require("torch", purpose=f"{type(self).__name__}.to_tensor()")
        return torch.from_numpy(self.to_numpy().copy())

    def to_pt_tensor(self) -> Any:  # Any: as above
        """Do the same as `to_tensor`."""
        return self.to_tensor()

    def astype(self) -> dict[str, object]:
        """Return what the value is, without what it holds."""
        return {
            "type": self.type,
            "mime_type": self.mime_type,
            "encoding": self.encoding,
            "display_name": self.display_name,
        }

    def asdict(self, ignore_keys: list[str] | None = None) -> dict[str, Any]:  # Any: JSON values
        """Return the attributes for display, without content."""
        shown: dict[str, Any] = {
            "_type": self.family.value,
            "_mime_type": self.mime_type.value,
            "_dtype_name": dtype_name(self.dtype),
            "display_name": self.display_name,
            "shape": _plain_shape(self.shape),
            "encoding": self.encoding,
            **self._own_state(everything=True),
            "link": None if self.link is None else self.link.asdict(),
        }
        return {key: value for key, value in shown.items() if key not in (ignore_keys or ())}

    def to_state(self) -> dict[str, object]:
        """Return the attributes without content, as values that JSON and msgpack can hold."""
        state: dict[str, object] = {
            "display_name": self.display_name,
            "shape": _plain_shape(self.shape),
            "mime_type": self.mime_type.value,
            "dtype": dtype_name(self.dtype),
            **self._own_state(everything=False),
        }
        if self.link is not None:
            state["link"] = self.link.to_state()
        return state

    def stored_state(self) -> dict[str, object]:
        """Return the attributes, with a relative path of the link made absolute."""
        state = self.to_state()
        return state if self.link is None else {**state, "link": self.link.stored_state()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any], source: Source | bytes | None = None) -> Self:
        """Make the value that `to_state` described; content is read from `source` when it is asked for."""
        made = cls.__new__(cls)
        made._content = source.content if type(source) is BytesSource else source  # noqa: SLF001 - its own class
        made.display_name = state["display_name"]
        made.shape = list(state["shape"])
        made.mime_type = MIME_BY_VALUE[state["mime_type"]]
        made.dtype = named(state["dtype"])
        if len(state) > 4:  # the usual four are all there is, mostly
            made._restore(state)  # noqa: SLF001 - its own class
        return made

    @classmethod
    def all_from_state(cls, state: Mapping[str, Any], sources: Sequence[Source | bytes | None]) -> Sequence[Self]:
        """Do the same for values that differ in nothing but their content."""
        if len(state) > 4 or getattr(cls.from_state, "__func__", None) is not _FROM_STATE:
            return [cls.from_state(state, source) for source in sources]
        new, made = cls.__new__, list[Self]()
        name, shape, mime_type = state["display_name"], state["shape"], MIME_BY_VALUE[state["mime_type"]]
        dtype = named(state["dtype"])
        for source in sources:
            value = new(cls)
            value._content = source.content if type(source) is BytesSource else source  # noqa: SLF001 - its own class
            value.display_name = name
            value.shape = list(shape)
            value.mime_type = mime_type
            value.dtype = dtype
            made.append(value)
        return made

    def state_key(self) -> StateKey | None:
        """Return what equal keys mean equal states by; None for a value with more to its state than the usual attributes."""
        if type(self.display_name) is not str or type(self.dtype) is not DType or not self._is_usual():
            return None
        return type(self), self.display_name, tuple(self.shape), self.mime_type, self.dtype

    def make_alike(self, limit: int) -> Callable[[Any], bytes | None] | None:  # Any: values of this very type
        """Return what gives the content of a value of this type which differs from this one in nothing else, and None for any other.

        Content is given if it is in memory and has at most `limit` bytes. Of element types only the very same is recognised, which mostly
        is one of few constants. None is returned for a value with more to its state than the usual attributes.
        """
        if self.state_key() is None:
            return None
        name, shape, mime_type, dtype = self.display_name, [*self.shape], self.mime_type, self.dtype
        is_usual = type(self)._is_usual  # noqa: SLF001 - its own class

        def content_alike(value: Any) -> bytes | None:  # called for each row of many: all that it looks at is at hand
            content = value._content  # noqa: SLF001 - its own class
            if (
                type(content) is bytes
                and len(content) <= limit
                and value.dtype is dtype
                and value.mime_type is mime_type
                and value.display_name == name
                and value.shape == shape
                and is_usual(value)
            ):
                return content
            return None

        return content_alike

    def _is_usual(self) -> bool:
        """Whether the usual attributes are all of its state. Nothing looks at `__dict__`, which is made when it is looked at."""
        return self.link is None and not self._own_state(everything=False)

    @staticmethod
    def from_state_key(key: StateKey) -> BaseArtifact:
        """Make a value without content that has this key."""
        made = key[0].__new__(key[0])
        made._content = None  # noqa: SLF001 - its own class
        _, made.display_name, shape, made.mime_type, made.dtype = key
        made.shape = list(shape)
        return made

    def _own_state(self, *, everything: bool) -> dict[str, object]:
        """Return the attributes that only this type has; those at their defaults may be left out unless `everything`."""
        return {}

    def _restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `_own_state` and the link left in the state."""
        if "link" in state:
            self.link = Link.from_state(state["link"])

    def _read(self, content: bytes | Source | None) -> bytes:
        if content is None:
            if self.link is None:
                raise self._no_content()
            return self.link.to_bytes()
        return content if isinstance(content, bytes) else content.read()

    def _no_content(self) -> UnsupportedValueError:
        return UnsupportedValueError(
            f"{self.described()} has no content", hint="give bytes, a path, an open file or a link when making it"
        )

    def _undecodable(self, error: Exception) -> MediaError:
        """Say that a library could not read the content, in one line."""
        # PyAV and soundfile say it best without the number and the file object that they put around it.
        said = getattr(error, "strerror", None) or getattr(error, "error_string", None) or str(error)
        reason = " ".join(str(said).split()).rstrip(".") or type(error).__name__
        return MediaError(
            f"{self.described()} cannot be decoded: {reason}",
            hint="to_bytes() gives the content as it is; is it damaged?",
        )

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, BaseArtifact) or type(self) is not type(other):
            return NotImplemented
        return self.to_state() == other.to_state() and self._same_content(other)

    def _same_content(self, other: BaseArtifact) -> bool:
        mine, theirs = self._content, other._content
        if mine is None or theirs is None:
            return mine is theirs
        if isinstance(mine, FileSource) and mine == theirs:
            return True
        return self.stored_bytes() == other.stored_bytes()

    def __hash__(self) -> int:
        return hash((type(self), self.display_name, self.mime_type))

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the content with the value: a file or a store may be out of reach where it is read."""
        content = None if self._content is None else self.stored_bytes()
        extra = {key: value for key, value in self.__dict__.items() if key not in _IN_STATE}
        return _rebuild, (type(self), self.to_state(), content), extra or None

    def __repr__(self) -> str:
        content = self._content
        if content is None:
            held = "empty" if self.link is None else repr(self.link)
        elif isinstance(content, bytes):
            held = f"{len(content)} bytes"
        else:
            held = content.path if isinstance(content, FileSource) else f"{content.size} bytes"
        name = f"{self.display_name!r}, " if self.display_name else ""
        return f"{type(self).__name__}({name}{held}, {self.mime_type.value}, shape={self.shape})"


_FROM_STATE = BaseArtifact.from_state.__func__  # what a type that overrides it does is not known here
_IN_STATE = frozenset({"_content", "_origin", "display_name", "shape", "mime_type", "dtype", "link", "encoding"})


def _rebuild(made: type[BaseArtifact], state: Mapping[str, Any], content: bytes | None) -> BaseArtifact:
    return made.from_state(state, content)


def _mime(value: object) -> MIMEType:
    if value is None:
        return MIMEType.UNDEFINED
    if isinstance(value, MIMEType):
        return value
    known = MIME_BY_VALUE.get(str(value))
    if known is None:
        raise UnsupportedValueError(f"no MIME type {value!r}", hint="use a member of MIMEType")
    return known


def _plain_shape(shape: list[int | None]) -> list[int | None]:
    for number in shape:
        if number is not None and type(number) is not int:
            return [None if size is None else int(size) for size in shape]
    return shape.copy()
