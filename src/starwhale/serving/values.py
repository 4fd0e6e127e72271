"""JSON of a request into the values that user code takes, and values that it gives back into JSON.

A value with content is `{"_type": "image", "data": "<base64>", "mime_type": …}`, where a field says that it is one also a `data:` URL. What JSON
cannot hold is an object with `_type` as well. It needs the standard library only.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import enum
import json
import math
import re
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from starwhale.domain.json_shape import Json
from starwhale.domain.redaction import redact_text
from starwhale.errors import InputError, MediaError, MissingDependencyError, StarwhaleError
from starwhale.handlers.form import hints_of, is_row
from starwhale.handlers.service import LLMChat
from starwhale.media.artifact import BaseArtifact
from starwhale.media.audio import Audio
from starwhale.media.binary import Binary
from starwhale.media.image import GrayscaleImage, Image
from starwhale.media.mime import MIME_BY_VALUE, MIMEType
from starwhale.media.optional import loaded
from starwhale.media.text import Text
from starwhale.media.value import MediaValue
from starwhale.media.video import Video

FAMILIES = ("image", "audio", "video", "text", "binary")
"""Values with content, by their `_type`; `bytes` is plain Python bytes."""
_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(?:;[\w-]+=[\w.-]+)*;base64,", re.ASCII)
_IMAGE_STARTS = (
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"GIF8",
    b"RIFF",
    b"BM",
    b"P5",
    b"P6",
    b"II*\0",
    b"MM\0*",
    b"<svg",
    b"<?xml",
)
_REPR = 2000
_DEEPEST = 32


def decode(value: Any, hint: Any, field: str) -> Any:  # Any: JSON, annotations, and values of users
    """Make the value that a hint asks for of JSON that fits its schema.

    Raises:
        InputError: Content does not decode; names the field.
    """
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Annotated, typing.Required, typing.NotRequired):
        return decode(value, inner[0], field)
    if origin in (typing.Union, types.UnionType):
        return _of_union(value, inner, field)
    if isinstance(value, Mapping) and value.get("_type") in (*FAMILIES, "bytes", "number"):
        return _as_hinted(_special(value, field), hint, field)
    if isinstance(value, str) and isinstance(hint, type) and _wants_content(hint):
        return _as_hinted(_of_text(value, hint, field), hint, field)
    if isinstance(value, list):
        item = inner[0] if inner and origin in (list, tuple, set, frozenset, Sequence) else Any
        made = [decode(each, item, f"{field}.{place}") for place, each in enumerate(value)]
        return _as_sequence(made, origin or hint)
    if hint is LLMChat.Message and isinstance(value, Mapping):
        return LLMChat.Message(content=str(value.get("content", "")), bot=bool(value.get("bot")))
    if isinstance(value, Mapping):
        hints = hints_of(hint) if is_row(hint) else {}
        return {name: decode(each, hints.get(name, Any), f"{field}.{name}".lstrip(".")) for name, each in value.items()}
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return hint(value)
    if hint is float and isinstance(value, int):
        return float(value)
    return int(value) if hint is int and isinstance(value, float) else value


def _of_union(value: Any, members: tuple[Any, ...], field: str) -> Any:  # Any: as above
    if value is None:
        return None
    wanted = [each for each in members if each is not type(None)]
    for each in wanted:
        if _fits(value, each):
            return decode(value, each, field)
    return decode(value, wanted[0] if len(wanted) == 1 else Any, field)


def _fits(value: Any, hint: Any) -> bool:  # Any: as above
    base = typing.get_origin(hint) or hint
    if isinstance(value, Mapping) and value.get("_type") in (*FAMILIES, "bytes"):
        return isinstance(base, type) and _wants_content(base)
    if isinstance(base, type) and issubclass(base, enum.Enum):
        return value in [each.value for each in base]
    return isinstance(base, type) and isinstance(value, base)


def _wants_content(hint: type) -> bool:
    return issubclass(hint, (BaseArtifact, bytes, bytearray)) or _is_pil(hint)


def _is_pil(hint: object) -> bool:
    return isinstance(hint, type) and hint.__module__.startswith("PIL.") and hint.__name__ == "Image"


def _of_text(text: str, hint: type, field: str) -> Any:  # Any: a value of the user's
    found = _DATA_URL.match(text)
    if found is None:
        if issubclass(hint, Text):
            return Text(text)
        raise InputError(field, "is no content", hint="give a data: URL, or an object with _type and data")
    family = hint.family.value if issubclass(hint, BaseArtifact) else "image" if _is_pil(hint) else "bytes"
    return _special({"_type": family, "data": text[found.end() :], "mime_type": found[1] or ""}, field)


def _special(value: Mapping[str, Any], field: str) -> Any:  # Any: a value with content, bytes, or a number
    kind = value["_type"]
    if kind == "number":
        return float(value.get("value", "nan"))
    if kind == "text" and "data" not in value:
        return Text(str(value.get("value", "")))
    content = _content(value.get("data"), field)
    name, shape = str(value.get("display_name") or ""), value.get("shape") or None
    mime = MIME_BY_VALUE.get(str(value.get("mime_type") or ""), MIMEType.UNDEFINED)
    try:
        if kind == "bytes":
            return content
        if kind == "text":
            return Text(content.decode())
        if kind == "image":
            return _image(content, name, shape, mime, field)
        if kind == "binary":
            return Binary(content, mime)
        return (Audio if kind == "audio" else Video)(content, name, shape, mime)
    except (StarwhaleError, ValueError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(field, f"is no {kind}: {error}") from error


def _content(data: object, field: str) -> bytes:
    if not isinstance(data, str):
        raise InputError(field, "has no content", hint="give it as `data`, in base64")
    found = _DATA_URL.match(data)
    try:
        return base64.b64decode(data[found.end() :] if found else data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError(field, f"is no base64: {error}") from error


def _image(content: bytes, name: str, shape: Any, mime: MIMEType, field: str) -> Image:  # Any: JSON
    if mime is MIMEType.GRAYSCALE:
        made: Image = GrayscaleImage(content, name, shape)
        size = math.prod(each for each in shape or [] if isinstance(each, int))
        if shape and len(content) != size:
            raise InputError(field, f"has {len(content)} bytes, and shape {list(shape)} has {size}")
        return made
    made = Image(content, name, shape, mime)
    try:
        made.to_pil()
    except MissingDependencyError:
        if not content.lstrip()[:5].startswith(_IMAGE_STARTS):
            raise InputError(field, "does not decode as an image") from None
    except MediaError as error:
        hint = "send the bytes of a picture file, in base64; is it damaged?"
        raise InputError(field, f"does not decode as an image: {error.message}", hint=hint) from error
    return made


def _as_hinted(value: Any, hint: Any, field: str) -> Any:  # Any: values of users
    if _is_pil(hint) and isinstance(value, Image):
        return value.to_pil()
    if isinstance(hint, type) and issubclass(hint, (bytes, bytearray)) and isinstance(value, BaseArtifact):
        return hint(value.to_bytes())
    if isinstance(hint, type) and issubclass(hint, BaseArtifact) and not isinstance(value, hint):
        if hint is GrayscaleImage and isinstance(value, Image):
            return GrayscaleImage(value.to_pil("L"))
        if isinstance(value, bytes):
            return hint(value)
        raise InputError(field, f"is of type {type(value).__name__}, not {hint.__name__}")
    return value


def _as_sequence(values: list[Any], kind: Any) -> Any:  # Any: as above
    if kind in (tuple, set, frozenset):
        return kind(values)
    if isinstance(kind, type) and kind.__module__ == "numpy" and kind.__name__ == "ndarray":
        numpy = loaded("numpy")
        return values if numpy is None else numpy.array(values)
    return values


def encode(value: Any) -> bytes:  # Any: what user code returned
    """Return JSON of a value; what has no form in JSON is told as its `repr`."""
    return json.dumps(to_json(value), ensure_ascii=False, allow_nan=False).encode("utf-8", "backslashreplace")


def to_json(value: Any, depth: int = 0) -> Any:  # Any: as above
    """Return a value as JSON can hold it."""
    if value is None or isinstance(value, (bool, str)):
        return value.value if isinstance(value, enum.Enum) else value
    if isinstance(value, enum.Enum):
        return to_json(value.value, depth + 1)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"_type": "number", "value": str(float(value))}
    if isinstance(value, (bytes, bytearray)):
        return {"_type": "bytes", "size_bytes": len(value), "data": base64.b64encode(value).decode()}
    if depth >= _DEEPEST:
        return _told(value)
    if isinstance(value, BaseArtifact):
        return _artifact(value)
    if isinstance(value, MediaValue):
        return to_json(value.asdict(), depth + 1)
    if isinstance(value, Mapping):
        return {str(name): to_json(each, depth + 1) for name, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [to_json(each, depth + 1) for each in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: to_json(getattr(value, each.name), depth + 1) for each in dataclasses.fields(value)}
    return _foreign(value, depth)


def _artifact(value: BaseArtifact) -> Json:
    state = {name: each for name, each in value.asdict(["_dtype_name", "link"]).items() if each not in (None, "", [])}
    state["mime_type"] = state.pop("_mime_type", "")
    if value.carried_source is None:
        return {**state, "link": None if value.link is None else redact_text(value.link.uri)}
    if isinstance(value, Text):
        return {**state, "value": value.content}
    content = value.to_bytes()
    return {**state, "size_bytes": len(content), "data": base64.b64encode(content).decode()}


def _foreign(value: Any, depth: int) -> Any:  # Any: of a package that may be there
    pillow = loaded("PIL.Image")
    if pillow is not None and isinstance(value, pillow.Image):
        return _artifact(Image(value))
    for name in ("tolist", "item", "isoformat"):  # arrays and tensors, their scalars, dates
        turn = getattr(value, name, None)
        if callable(turn):
            try:
                return to_json(turn(), depth + 1)
            except Exception:  # noqa: BLE001 - an object of the user's may do anything here
                break
    return _told(value)


def _told(value: object) -> Json:
    return {"_type": "value", "value": repr(value)[:_REPR]}
