"""Arrow columns as columns of a dataset: passed on as they are where their type can be stored, else made into Python values.

What is kept: integers, floats and texts of every width, lists, structs; a dictionary as its values; dates, times, durations and
timestamps down to the microsecond as those of `datetime`, a timestamp with a zone as the same moment in UTC; a map with distinct keys
as a dict; a tensor as a NumPy array. Decimals and UUIDs become text, which says all of them. Everything else is refused, with the
column and the row: nanoseconds that are not whole microseconds, moments outside the years 1 to 9999, intervals of months.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from itertools import islice
from typing import Any

from starwhale.errors import DatasetSourceError
from starwhale.storage.columns.arrow_columns import stored_type


class CannotKeepError(Exception):
    """A value that would not come back as it is."""

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        """Why."""
        self.hint = hint
        """What to do about it."""


def as_column(array: Any, *, path: str, name: str, first_row: int) -> Sequence[Any]:
    """Return an Arrow array as a column: itself, or a list of Python values.

    Args:
        array: An Arrow array, or a chunked one.
        path: Where it comes from, for messages.
        name: The column, for messages.
        first_row: Position of its first row, for messages.

    Raises:
        DatasetSourceError: A value cannot be kept; it names column and row.
    """
    return convert(array, to_column, path=path, name=name, first_row=first_row)


def convert(array: Any, make: Callable[[Any], Sequence[Any]], *, path: str, name: str, first_row: int) -> Sequence[Any]:
    """Call `make` on an array; where it fails, find the row and name it.

    Raises:
        DatasetSourceError: A value cannot be kept; it names file, column and row.
    """
    array = one_array(array)
    try:
        return make(array)
    except CannotKeepError as error:
        first, problem = first_row, error
        for row in range(len(array)):
            try:
                make(array.slice(row, 1))
            except CannotKeepError as found:
                first, problem = first_row + row, found
                break
        message = f"{path}: column {name!r} of row {first}: {problem.reason}"
        raise DatasetSourceError(message, path=path, hint=problem.hint) from error


def one_array(array: Any) -> Any:
    """Return a chunked array as one."""
    if not hasattr(array, "chunks"):
        return array
    if array.num_chunks == 1:
        return array.chunk(0)
    import pyarrow as pa

    combined = array.combine_chunks()
    return combined if isinstance(combined, pa.Array) else pa.concat_arrays(combined.chunks)


def to_column(array: Any) -> Sequence[Any]:
    """Return an array itself where it can be stored as it is, else its Python values."""
    if stored_type(array.type) is None:
        return to_values(array)
    _check_text(array)
    return array


def to_values(array: Any) -> list[Any]:
    """Return the Python values of an array.

    Raises:
        CannotKeepError: One of them would not be what it is.
    """
    import pyarrow as pa

    given = array.type
    known = stored_type(given)
    if known is not None:
        _check_text(array)
        try:
            return (array if given == known[0] else array.cast(known[0])).to_pylist()
        except pa.ArrowInvalid:
            return array.to_pylist()  # integers of 64 bits without a sign
    for is_one, make in _makers():
        if is_one(given):
            return make(array)
    raise CannotKeepError(f"values of the Arrow type {given} cannot be stored", "leave the column out, or cast it")


def _makers() -> list[tuple[Callable[[Any], bool], Callable[[Any], list[Any]]]]:
    from pyarrow import types

    return [
        (types.is_timestamp, _timestamps),
        (types.is_date, lambda array: array.to_pylist()),
        (types.is_time, lambda array: _in_microseconds(array, "time64")),
        (types.is_duration, lambda array: _in_microseconds(array, "duration")),
        (types.is_decimal, lambda array: [None if each is None else format(each, "f") for each in array.to_pylist()]),
        (types.is_dictionary, lambda array: to_values(array.dictionary_decode())),
        (types.is_run_end_encoded, lambda array: to_values(_compute().run_end_decode(array))),
        (types.is_map, _maps),
        (_is_list, _lists),
        (types.is_struct, _structs),
        (lambda given: hasattr(given, "extension_name"), _extension),
    ]


def _is_list(given: Any) -> bool:
    from pyarrow import types

    return any(
        is_one(given)
        for is_one in (
            types.is_list,
            types.is_large_list,
            types.is_fixed_size_list,
            types.is_list_view,
            types.is_large_list_view,
        )
    )


def _timestamps(array: Any) -> list[Any]:
    import pyarrow as pa

    zone = array.type.tz
    try:
        plain = array.cast(pa.timestamp("us", zone)).cast(pa.timestamp("us"))
    except pa.ArrowInvalid as error:
        raise CannotKeepError("a timestamp that is not a whole number of microseconds", _CAST) from error
    values = _python(plain, "a timestamp outside the years 1 to 9999")
    if zone is None:
        return values
    return [None if each is None else each.replace(tzinfo=dt.UTC) for each in values]


def _in_microseconds(array: Any, what: str) -> list[Any]:
    import pyarrow as pa

    wanted = pa.time64("us") if what == "time64" else pa.duration("us")
    try:
        return _python(array.cast(wanted), "a duration that Python cannot hold")
    except pa.ArrowInvalid as error:
        word = "time" if what == "time64" else "duration"
        raise CannotKeepError(f"a {word} that is not a whole number of microseconds", _CAST) from error


_CAST = "round it to microseconds, or cast it to int64"


def _python(array: Any, problem: str) -> list[Any]:
    try:
        return array.to_pylist()
    except (OverflowError, ValueError) as error:
        raise CannotKeepError(problem, "cast it to int64, or to text") from error


def _lists(array: Any) -> list[Any]:
    lengths = _compute().list_value_length(array).to_pylist()
    items = iter(to_values(array.flatten()))
    return [None if length is None else list(islice(items, length)) for length in lengths]


def _maps(array: Any) -> list[Any]:
    offsets = array.offsets.to_pylist()
    keys, items = to_values(array.keys), to_values(array.items)
    made: list[Any] = []
    for row, is_valid in enumerate(array.is_valid().to_pylist()):
        own = slice(offsets[row], offsets[row + 1])
        if not is_valid:
            made.append(None)
            continue
        mapping = dict(zip(keys[own], items[own], strict=True))
        if len(mapping) < own.stop - own.start:
            raise CannotKeepError("a map that has the same key twice", "make it a list of pairs")
        made.append(mapping)
    return made


def _structs(array: Any) -> list[Any]:
    names = [field.name for field in array.type]
    if len(set(names)) < len(names):
        raise CannotKeepError(f"a struct with two fields of one name: {array.type}", "rename one of them")
    columns = [to_values(child) for child in array.flatten()]
    rows = zip(*columns, strict=True) if columns else iter(() for _ in range(len(array)))
    return [
        dict(zip(names, row, strict=True)) if is_valid else None
        for is_valid, row in zip(array.is_valid().to_pylist(), rows, strict=True)
    ]


def _extension(array: Any) -> list[Any]:
    kind = array.type.extension_name
    if kind == "arrow.uuid":
        return [None if each is None else str(each) for each in array.to_pylist()]
    if kind == "arrow.bool8":
        return array.to_pylist()
    if kind == "arrow.fixed_shape_tensor":
        return [None if each is None else each.to_numpy() for each in _scalars(array)]
    return to_values(array.storage)


def _scalars(array: Any) -> Iterator[Any]:
    return (each if each.is_valid else None for each in array)


def _check_text(array: Any) -> None:
    import pyarrow as pa

    try:
        array.validate(full=True)
    except pa.ArrowInvalid as error:
        text = str(error)
        problem = "a text that is not valid UTF-8" if "UTF8" in text else f"damaged Arrow data: {text}"
        raise CannotKeepError(problem, "store it as binary" if "UTF8" in text else "write the file again") from error


def _compute() -> Any:
    return import_module("pyarrow.compute")  # its functions are made at run time
