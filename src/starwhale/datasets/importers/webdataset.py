"""WebDataset: tar files whose members of one name, up to the first dot, are one row."""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from starwhale.datasets.importers.json_stream import RepeatedNameError, unique_object
from starwhale.datasets.importers.media_values import make_media
from starwhale.datasets.importers.place import Row, SourcePlace, each_place, list_places, open_binary
from starwhale.datasets.importers.registry import Importer
from starwhale.errors import DatasetSourceError
from starwhale.media import Binary
from starwhale.media.optional import require

SUFFIXES = (".tar", ".tgz", ".gz", ".bz2", ".xz")
"""What is read of a directory."""
_MEMBER = re.compile(r"((?:.*/)?[^./][^./]*)\.([^/]+)", re.DOTALL)
_BRACES = re.compile(r"\{([^{}]*)\}")
_SPAN = re.compile(r"(\d+)\.\.(\d+)")

_JSON = frozenset({"json", "jsn"})
_NUMBERS = frozenset({"cls", "cls2", "index", "inx", "id"})
_TEXTS = frozenset({"txt", "text", "transcript", "caption"})
_MEDIA: dict[str, str] = {
    **dict.fromkeys(
        ("jpg", "jpeg", "png", "webp", "gif", "svg", "apng", "avif", "ppm", "pgm", "pbm", "pnm", "img"), "image"
    ),
    **dict.fromkeys(("wav", "mp3", "flac", "ogg", "opus", "m4a"), "audio"),
    **dict.fromkeys(("mp4", "webm", "avi", "mov", "mkv", "mpg", "mpeg"), "video"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WebDatasetOptions:
    """How the shards are read."""

    shard_keys: bool = False
    """Put the name of the shard before each key, for shards that use the same keys."""


def read_webdataset(
    places: SourcePlace | Sequence[SourcePlace], options: WebDatasetOptions | None = None
) -> Iterator[Row]:
    """Yield a row for each sample of tar shards, under its name; one feature for each of its extensions.

    `json` is decoded, `cls` and the like are integers, `txt` and the like text, pictures, sounds and videos media as they are, `npy`
    a NumPy array. Everything else, pickles and weights among it, is kept as its bytes and never read. Places are files, compressed or
    not, directories of them, http(s) addresses, and patterns such as `train-{000..009}.tar` or `{a,b}.tar`.

    Raises:
        DatasetSourceError: A shard is missing, damaged or cut off, a member cannot be decoded, or a key comes twice; it names the
            shard and the member.
    """
    options = options or WebDatasetOptions()
    given = each_place(places)
    names = list_places([name for place in given for name in expand_braces(place)], SUFFIXES)
    seen: dict[str, int] = {}
    for shard, name in enumerate(names):
        for key, features in _read_shard(name):
            if options.shard_keys:
                key = f"{PurePosixPath(name.partition('?')[0]).name.partition('.')[0]}/{key}"
            if key in seen:
                where = f"{names[seen[key]]} has it too" if seen[key] != shard else "its members do not lie together"
                raise DatasetSourceError(
                    f"{name}: the key {key!r} comes twice: {where}",
                    path=name,
                    hint="pack the shards anew, one sample after the other"
                    if seen[key] == shard
                    else "use --shard-keys, which puts the shard's name before each key",
                )
            seen[key] = shard
            yield key, features


def expand_braces(pattern: str) -> list[str]:
    """Return the names that a pattern of braces stands for.

    Example:
        >>> expand_braces("{a,b}-{08..10}.tar")
        ['a-08.tar', 'a-09.tar', 'a-10.tar', 'b-08.tar', 'b-09.tar', 'b-10.tar']
    """
    match = _BRACES.search(pattern)
    if match is None:
        return [pattern]
    span = _SPAN.fullmatch(match[1])
    if span is None and "," not in match[1]:
        words = [match[0]]
        return [f"{pattern[: match.end()]}{rest}" for rest in expand_braces(pattern[match.end() :])]
    if span is None:
        words = match[1].split(",")
    else:
        first, last = int(span[1]), int(span[2])
        step = 1 if first <= last else -1
        words = [str(number).zfill(len(span[1])) for number in range(first, last + step, step)]
    return [pattern[: match.start()] + word + rest for word in words for rest in expand_braces(pattern[match.end() :])]


def _read_shard(name: str) -> Iterator[tuple[str, dict[str, object]]]:
    key: str | None = None
    features: dict[str, object] = {}
    for member, content in _members(name):
        match = _MEMBER.fullmatch(member)
        if match is None or match[1].startswith("__"):
            continue  # no sample: a name without extension, a hidden file, or the notes of some tool
        if match[1] != key:
            if key is not None:
                yield key, features
            key, features = match[1], {}
        extension = match[2].lower()
        if extension in features:
            raise DatasetSourceError(
                f"{name}: the member {member!r} comes twice", path=name, hint="pack the shard anew"
            )
        features[extension] = decode_member(member, extension, content, name)
    if key is not None:
        yield key, features


def _members(name: str) -> Iterator[tuple[str, bytes]]:
    with open_binary(name) as binary:
        try:
            with tarfile.open(fileobj=binary, mode="r|*") as shard:
                end = 0
                for member in shard:
                    end = member.offset_data + -(-member.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
                    if member.isfile():
                        part = shard.extractfile(member)
                        assert part is not None  # noqa: S101 - a regular file has content
                        yield _checked_name(member.name, name), part.read()
                _check_end(shard.fileobj, end, name)
        except (tarfile.TarError, OSError, EOFError) as error:
            if isinstance(error, DatasetSourceError):
                raise
            said = " ".join(str(error).split())
            raise DatasetSourceError(
                f"cannot read {name}: {said}", path=name, hint="it is cut off, damaged, or no tar file"
            ) from error


def _check_end(stream: Any, end: int, name: str) -> None:  # Any: the stream of tarfile, which has no type
    """Refuse a shard that stops between two members without the mark that ends a tar file."""
    if stream is not None and stream.tell() < end + tarfile.BLOCKSIZE:
        raise DatasetSourceError(
            f"cannot read {name}: it has no end, and may be cut off", path=name, hint="fetch it again"
        )


def _checked_name(member: str, name: str) -> str:
    try:
        member.encode()
    except UnicodeEncodeError as error:
        shown = member.encode(errors="replace").decode()
        raise DatasetSourceError(
            f"{name}: the name {shown!r} is not valid UTF-8", path=name, hint="rename it"
        ) from error
    return member


def decode_member(member: str, extension: str, content: bytes, path: str) -> object:
    """Return what the bytes of a member are, by the last part of its extension.

    Raises:
        DatasetSourceError: They are not what the extension says.
    """
    kind = extension.rpartition(".")[2]
    try:
        if kind in _JSON:
            return json.loads(content, object_pairs_hook=unique_object)
        if kind in _NUMBERS:
            return int(content)
        if kind in _TEXTS:
            return content.decode()
        if kind == "npy":
            return _array(content)
    except (UnicodeDecodeError, json.JSONDecodeError, RepeatedNameError, ValueError, RecursionError) as error:
        said = (
            f"line {error.lineno}, column {error.colno}: {error.msg}"
            if isinstance(error, json.JSONDecodeError)
            else error
        )
        message = f"{path}: the member {member!r} is no {kind}: {said}"
        raise DatasetSourceError(message, path=path, hint="mend it, and pack the shard anew") from error
    return make_media(_MEDIA[kind], content, member) if kind in _MEDIA else Binary(content)


def _array(content: bytes) -> Any:
    numpy = require("numpy", purpose="reading .npy")
    return numpy.load(io.BytesIO(content), allow_pickle=False)


IMPORTER = Importer(read=read_webdataset, options=WebDatasetOptions, suffixes=SUFFIXES[:2])
