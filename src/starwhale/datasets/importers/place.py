"""Where rows are read from: files, directories and addresses, with one way to say what is wrong with them."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, TextIO, cast

from starwhale.errors import DatasetSourceError

Row = tuple[int | str, dict[str, object]]
"""A key and the features."""
SourcePlace = str | os.PathLike[str]
"""A file, a directory or an http(s) address."""

HTTP_TIMEOUT_S = 30.0
"""How long one connection or read over HTTP may be silent."""
_IN_MEMORY_BYTES = 16 * 1024 * 1024
_CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPlace:
    """One file or address with text."""

    name: str
    """As messages show it."""

    encoding: str | None = None
    """None means UTF-8, with or without a byte order mark."""

    timeout_s: float = HTTP_TIMEOUT_S
    """For addresses."""

    @contextmanager
    def open(self) -> Generator[TextIO]:
        """Open it for reading, with line ends as they are.

        Raises:
            DatasetSourceError: It cannot be read, or is not text in the encoding; the latter with the line.
        """
        codec = "utf-8-sig" if (self.encoding or "utf-8").lower() in {"utf-8", "utf8"} else self.encoding
        with open_binary(self.name, self.timeout_s) as binary:
            try:
                text = io.TextIOWrapper(cast("IO[bytes]", binary), encoding=codec, newline="")
            except LookupError as error:
                raise DatasetSourceError(
                    f"{self.name}: no encoding {codec!r}", path=self.name, hint="try utf-8, latin-1 or gb18030"
                ) from error
            try:
                yield text
            except UnicodeError as error:
                text.detach()
                raise self._undecodable(binary, str(codec), error) from error
            except OSError as error:
                raise _unreadable(self.name, error) from error

    def _undecodable(self, binary: BinaryIO, codec: str, error: UnicodeError) -> DatasetSourceError:
        line = _undecodable_line(binary, codec)
        where = f"{self.name}, line {line}" if line else self.name
        return DatasetSourceError(
            f"{where}: not text in the encoding {codec.removesuffix('-sig')} ({getattr(error, 'reason', error)})",
            path=self.name,
            line=line,
            hint="name the encoding that it has with --encoding, such as latin-1, gb18030 or utf-16",
        )


@contextmanager
def open_binary(name: str, timeout_s: float = HTTP_TIMEOUT_S) -> Generator[BinaryIO]:
    """Open a file, or what an address gives, for reading bytes; it can be read again from any place.

    Raises:
        DatasetSourceError: It cannot be read.
    """
    if is_address(name):
        with _download(name, timeout_s) as file:
            yield file
        return
    try:
        file = Path(name).open("rb")  # noqa: SIM115 - closed by the `with` below
    except OSError as error:
        raise _unreadable(name, error) from error
    with file:
        yield file


def is_address(name: str) -> bool:
    """Tell an http(s) address from a path."""
    return name.lower().startswith(("http://", "https://"))


def list_places(places: SourcePlace | Sequence[SourcePlace], suffixes: tuple[str, ...]) -> list[str]:
    """Return the files and addresses that are meant, directories replaced by the matching files in and below them, in order.

    Raises:
        DatasetSourceError: Something is not there, or a directory has no matching file.
    """
    given = each_place(places)
    if not given:
        raise DatasetSourceError("no file was given", hint=f"give files that end in {' or '.join(suffixes)}")
    return [name for place in given for name in _expand(place, suffixes)]


def each_place(places: SourcePlace | Sequence[SourcePlace]) -> list[str]:
    """Return one place or several as a list of texts."""
    given = [places] if isinstance(places, str | os.PathLike) else places
    return [os.fspath(place) for place in given]


def _expand(name: str, suffixes: tuple[str, ...]) -> list[str]:
    if is_address(name):
        return [name]
    path = Path(name)
    if path.is_dir():
        found = [str(file) for file in files_below(path, suffixes)]
        if not found:
            raise DatasetSourceError(
                f"no file in the directory {name} ends in {' or '.join(suffixes)}", path=name, hint="name the files"
            )
        return found
    if "://" in name:
        raise DatasetSourceError(f"cannot read {name}: only files, http and https are known", path=name)
    if not path.exists():
        raise DatasetSourceError(f"there is no file {name}", path=name, hint=near_names(path))
    return [name]


def files_below(directory: Path, suffixes: Iterable[str]) -> list[Path]:
    """Return the files in and below a directory with one of the suffixes, in any case, ordered by relative path."""
    wanted = frozenset(suffixes)

    def fail(error: OSError) -> None:
        raise _unreadable(str(error.filename or directory), error) from error

    found = [
        Path(parent, name)
        for parent, _, names in os.walk(directory, onerror=fail)
        for name in names
        if Path(name).suffix.lower() in wanted
    ]
    return sorted(found, key=lambda file: file.relative_to(directory).as_posix())


def near_names(path: Path) -> str:
    """Return a hint that names what is beside a path that is not there."""
    from starwhale.errors import nearest

    try:
        return nearest(path.name, [other.name for other in path.parent.iterdir()])
    except OSError:
        return f"there is no directory {path.parent} either"


def _unreadable(name: str, error: OSError) -> DatasetSourceError:
    return DatasetSourceError(f"cannot read {name}: {error.strerror or error}", path=name)


def _undecodable_line(binary: BinaryIO, codec: str) -> int | None:
    """Read once more, with marks in place of undecodable bytes, to learn the line: decoding runs ahead of reading lines."""
    binary.seek(0)
    text = io.TextIOWrapper(cast("IO[bytes]", binary), encoding=codec, errors="surrogateescape", newline="")
    try:
        for number, line in enumerate(text, start=1):
            if not line.isascii() and any("\udc80" <= character <= "\udcff" for character in line):
                return number
    except (UnicodeError, OSError):
        return None
    finally:
        text.detach()
    return None


@contextmanager
def _download(address: str, timeout_s: float) -> Generator[BinaryIO]:
    """Fetch all of it before the first row is read: a connection that breaks off must not look like the end of a file."""
    import urllib.error
    import urllib.request
    from http.client import HTTPException

    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES) as file:
        try:
            with urllib.request.urlopen(address, timeout=timeout_s) as response:  # noqa: S310 - is_address() was asked
                expected = response.headers.get("Content-Length")
                while chunk := response.read(_CHUNK_BYTES):
                    file.write(chunk)
        except urllib.error.HTTPError as error:
            with error:  # it is the answer too, with a connection
                raise _unread(address, f"{error.code} {error.reason}") from error
        except (OSError, HTTPException, ValueError) as error:
            raise _unread(address, getattr(error, "reason", None) or error) from error
        if expected is not None and file.tell() != int(expected):
            raise DatasetSourceError(
                f"cannot read {address}: the connection ended after {file.tell()} of {expected} bytes",
                path=address,
                hint="try again",
            )
        file.seek(0)
        yield cast("BinaryIO", file)


def _unread(address: str, reason: object) -> DatasetSourceError:
    return DatasetSourceError(f"cannot read {address}: {reason}", path=address)
