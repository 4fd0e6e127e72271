"""Folders of images, sounds or videos as rows."""

from __future__ import annotations

import json
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from starwhale.datasets.importers.csv_files import CsvOptions, read_csv_file
from starwhale.datasets.importers.place import Row, SourcePlace, TextPlace, files_below
from starwhale.datasets.importers.registry import Importer
from starwhale.errors import DatasetSourceError, UsageError, nearest
from starwhale.media import Audio, BaseArtifact, Image, MIMEType, Video

FolderKind = Literal["image", "audio", "video"]

SUFFIXES: dict[str, tuple[str, ...]] = {
    "image": (".png", ".jpg", ".jpeg", ".webp", ".svg", ".apng", ".gif", ".avif", ".ppm"),
    "video": (".mp4", ".webm", ".avi", ".mov", ".mkv"),
    "audio": (".mp3", ".wav", ".flac", ".ogg", ".oga", ".opus"),
}
"""What is read, by kind."""
STRANGERS: dict[str, tuple[str, ...]] = {
    "image": (".bmp", ".tif", ".tiff", ".heic", ".heif", ".jp2"),
    "video": (".mpg", ".mpeg", ".m4v", ".wmv", ".flv", ".3gp", ".ogv"),
    "audio": (".aac", ".m4a", ".aif", ".aiff", ".wma"),
}
"""What is of the kind too and is not read: whoever has such files is told that they were left out."""

_TYPES: dict[str, type[Any]] = {"image": Image, "video": Video, "audio": Audio}  # Any: three signatures that agree
_TABLES = frozenset({".csv", ".tsv", ".jsonl"})
_RESERVED = frozenset({"file", "file_name"})


class LeftOutWarning(UserWarning):
    """A folder has files of the kind that was asked for in formats that are not read, or tables that nothing is read from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Metadata:
    """Columns for one file, and where they stand."""

    source: str
    line: int
    features: dict[str, object]


def read_folder(folder: SourcePlace, kind: FolderKind, *, auto_label: bool = True) -> Iterator[Row]:
    """Yield a row for each file of a kind in and below a folder; the key is its path relative to the folder, with `/`.

    Features: `file_name` (the same path), `file`, `label` (the name of the directory it lies in, except directly in the folder),
    `caption` (from a `.txt` beside it), and the columns of `metadata.csv` or `metadata.jsonl` of the folder, matched by `file_name`.

    Files of the kind in formats that are not read (`STRANGERS`) are left out, with a `LeftOutWarning`; and so are tables of other names
    in a folder without metadata.

    Raises:
        DatasetSourceError: The folder is missing or has no such file, or its metadata is malformed or names a missing file.
    """
    root = Path(folder)
    if kind not in SUFFIXES:
        raise DatasetSourceError(f"no kind of folder {kind!r}", hint=nearest(kind, SUFFIXES))
    if not root.is_dir():
        problem = "is not a directory" if root.exists() else "does not exist"
        raise DatasetSourceError(
            f"the folder {root} {problem}", path=str(root), hint=f"the current directory is {Path.cwd()}"
        )
    files = files_below(root, SUFFIXES[kind])
    if not files:
        raise DatasetSourceError(
            f"no {kind} in the folder {root}", path=str(root), hint=f"looked for {', '.join(SUFFIXES[kind])}"
        )
    _warn_of_strangers(root, kind)
    metadata = _read_metadata(root)
    for file in files:
        name = _key(root, file)
        features: dict[str, object] = {"file_name": name, "file": _value(kind, file)}
        if auto_label and file.parent != root:
            features["label"] = file.parent.name
        caption = file.with_suffix(".txt")
        if caption.is_file():
            features["caption"] = _read_text(caption)
        if name in metadata:
            features.update(metadata[name].features)
        yield name, features


def _warn_of_strangers(root: Path, kind: str) -> None:
    counts = Counter(file.suffix.lower() for file in files_below(root, STRANGERS[kind]))
    if counts:
        listed = ", ".join(f"{number} {suffix}" for suffix, number in sorted(counts.items()))
        text = f"left out of the folder {root}: {listed}; read are {', '.join(SUFFIXES[kind])}"
        warnings.warn(text, LeftOutWarning, stacklevel=3)
    tables = sorted(each.name for each in root.iterdir() if each.suffix.lower() in _TABLES and each.is_file())
    if tables and not {"metadata.csv", "metadata.jsonl"}.intersection(tables):
        text = f"left out of the folder {root}: {', '.join(tables)}; columns of files come from metadata.csv or metadata.jsonl, by file_name"
        warnings.warn(text, LeftOutWarning, stacklevel=3)


def _value(kind: str, file: Path) -> BaseArtifact:
    value = _TYPES[kind](file, display_name=file.name, mime_type=MIMEType.create_by_file_suffix(file))
    return cast("BaseArtifact", value)


def _key(root: Path, file: Path) -> str:
    name = file.relative_to(root).as_posix()
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise DatasetSourceError(
            f"the file name {name!r} in {root} is not valid UTF-8",
            path=str(file).encode(errors="replace").decode(),
            hint="rename it",
        ) from error
    return name


def _read_text(file: Path) -> str:
    with TextPlace(name=str(file)).open() as text:
        return text.read().strip()


def _read_metadata(root: Path) -> dict[str, _Metadata]:
    as_csv, as_lines = root / "metadata.csv", root / "metadata.jsonl"
    if as_csv.is_file() and as_lines.is_file():
        raise DatasetSourceError(
            f"the folder {root} has both metadata.csv and metadata.jsonl", path=str(root), hint="keep one of them"
        )
    if as_csv.is_file():
        return _by_file(root, str(as_csv), read_csv_file(str(as_csv), CsvOptions()))
    if as_lines.is_file():
        return _by_file(root, str(as_lines), _json_lines(str(as_lines)))
    return {}


def _json_lines(name: str) -> Iterator[tuple[int, dict[str, object]]]:
    with TextPlace(name=name).open() as text:
        for number, line in enumerate(text, start=1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except json.JSONDecodeError as error:
                raise DatasetSourceError(
                    f"{name}, line {number}, column {error.colno}: malformed JSON: {error.msg}",
                    path=name,
                    line=number,
                    column=error.colno,
                    hint="mend that line",
                ) from error
            if not isinstance(record, dict):
                raise DatasetSourceError(f"{name}, line {number}: an object is expected", path=name, line=number)
            yield number, cast("dict[str, object]", record)


def _by_file(root: Path, source: str, rows: Iterator[tuple[int, dict[str, object]]]) -> dict[str, _Metadata]:
    found: dict[str, _Metadata] = {}
    for line, row in rows:
        name = row.get("file_name")
        problem = ""
        if not isinstance(name, str) or not name:
            problem, name = "there is no file_name", ""
        elif name in found:
            problem = f"{name!r} stands in line {found[name].line} already"
        elif not (root / name).is_file():
            problem = f"there is no file {name!r} in the folder"
        elif "file" in row:
            problem = "a column cannot be called 'file'"
        if problem:
            raise DatasetSourceError(f"{source}, line {line}: {problem}", path=source, line=line)
        features = {key: value for key, value in row.items() if key not in _RESERVED}
        found[name] = _Metadata(source=source, line=line, features=features)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderOptions:
    """What is said of the files."""

    auto_label: bool = True
    """Label files by their directory."""


def _importer(kind: FolderKind) -> Importer:
    def read(places: Sequence[str], options: FolderOptions) -> Iterator[Row]:
        if len(places) > 1:
            message = f"{len(places)} folders are given, and a dataset is built of one"
            raise UsageError(message, hint="give the folder that holds them")
        yield from read_folder(places[0], kind, auto_label=options.auto_label)

    return Importer(read=read, options=FolderOptions)


IMAGE, AUDIO, VIDEO = _importer("image"), _importer("audio"), _importer("video")
