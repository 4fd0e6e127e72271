"""CSV files as rows; all values are text."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from starwhale.datasets.importers.place import HTTP_TIMEOUT_S, Row, SourcePlace, TextPlace, list_places
from starwhale.datasets.importers.registry import Importer
from starwhale.errors import DatasetSourceError, nearest

_FIELD_LIMIT = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvOptions:
    """How the files are written."""

    dialect: str = "excel"
    """`excel`, `excel-tab` or `unix`."""

    delimiter: str = ","
    """Between fields; a comma leaves it to the dialect."""

    quotechar: str = '"'
    """Around fields."""

    skipinitialspace: bool = False
    """Drop spaces after a delimiter."""

    strict: bool = False
    """Refuse quotes in the wrong place."""

    encoding: str | None = None
    """None means UTF-8, with or without a byte order mark."""

    timeout_s: float = HTTP_TIMEOUT_S
    """For addresses."""


def read_csv(paths: SourcePlace | Sequence[SourcePlace], options: CsvOptions | None = None) -> Iterator[Row]:
    """Yield the rows of CSV files, directories of them (and below) and http(s) addresses; keys count from 0 over all of them.

    The first line names the features. Lines without anything are left out.

    Raises:
        DatasetSourceError: A file is missing, unreadable or malformed; with file and line.
    """
    options = options or CsvOptions()
    _check(options)
    key = 0
    for name in list_places(paths, (".csv",)):
        for _line, features in read_csv_file(name, options):
            yield key, features
            key += 1


def read_csv_file(name: str, options: CsvOptions) -> Iterator[tuple[int, dict[str, object]]]:
    """Yield the rows of one file or address, each with the line where it starts.

    Raises:
        DatasetSourceError: The file is empty, cannot be read, or a row has another number of fields than the header.
    """
    with TextPlace(name=name, encoding=options.encoding, timeout_s=options.timeout_s).open() as text:
        records = _records(name, text, options)
        header = next(records, None)
        if header is None:
            raise DatasetSourceError(f"{name} is empty", path=name, hint="its first line names the columns")
        line, columns = header
        _check_header(name, line, columns)
        for line, fields in records:
            if len(fields) != len(columns):
                raise DatasetSourceError(
                    f"{name}, line {line}: {len(fields)} fields, but the header has {len(columns)}",
                    path=name,
                    line=line,
                    hint="check delimiter and quotes",
                )
            yield line, dict(zip(columns, fields, strict=True))


def _check(options: CsvOptions) -> None:
    if options.dialect not in csv.list_dialects():
        raise DatasetSourceError(
            f"no CSV dialect {options.dialect!r}", hint=nearest(options.dialect, csv.list_dialects())
        )
    try:
        csv.reader([], **_format(options))
    except (TypeError, ValueError, csv.Error) as error:
        message = f"cannot read CSV with delimiter {options.delimiter!r} and quotechar {options.quotechar!r}: {error}"
        raise DatasetSourceError(message, hint="each of them is one character") from error


def _format(options: CsvOptions) -> dict[str, Any]:  # Any: the csv module's own parameters
    given: dict[str, Any] = {"dialect": options.dialect, "strict": options.strict}
    if options.delimiter != ",":
        given["delimiter"] = options.delimiter
    if options.quotechar != '"':
        given["quotechar"] = options.quotechar
    if options.skipinitialspace:
        given["skipinitialspace"] = True
    return given


class _Lines:
    """The lines of a text, checked, with a note when they have ended."""

    def __init__(self, name: str, text: TextIO) -> None:
        self._name = name
        self._text = text
        self.count = 0
        self.ended = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._text.readline()
        if not line:
            self.ended = True
            raise StopIteration
        self.count += 1
        if "\0" in line:
            raise DatasetSourceError(
                f"{self._name}, line {self.count}: a NUL character, which text does not have",
                path=self._name,
                line=self.count,
                hint="name the encoding; files with NUL characters are often utf-16",
            )
        return line


def _records(name: str, text: TextIO, options: CsvOptions) -> Iterator[tuple[int, list[str]]]:
    # The limit is the module's own, one for the process; its default would refuse fields of more than 128 KiB.
    csv.field_size_limit(_FIELD_LIMIT)
    lines = _Lines(name, text)
    reader = csv.reader(lines, **_format(options))
    while True:
        start = lines.count + 1
        try:
            fields = next(reader, None)
        except csv.Error as error:
            raise DatasetSourceError(f"{name}, line {start}: {error}", path=name, line=start) from error
        if fields is None:
            return
        if lines.ended:  # a record is complete before the reader asks for the next line, unless a quote is open
            raise DatasetSourceError(
                f"{name}, line {start}: a quote is opened and never closed",
                path=name,
                line=start,
                hint="check quotechar",
            )
        if fields:
            yield start, fields


def _check_header(name: str, line: int, columns: list[str]) -> None:
    for position, column in enumerate(columns, start=1):
        if not column:
            raise DatasetSourceError(f"{name}, line {line}: column {position} has no name", path=name, line=line)
        if column in columns[: position - 1]:
            raise DatasetSourceError(f"{name}, line {line}: two columns are called {column!r}", path=name, line=line)


IMPORTER = Importer(read=read_csv, options=CsvOptions, suffixes=(".csv",))
