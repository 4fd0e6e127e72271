"""A version as a `tf.data.Dataset`, whose signature is that of the first row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from starwhale.datasets.ecosystem.arrow import choose_columns
from starwhale.datasets.reference import RowsRef
from starwhale.errors import UnsupportedValueError, UsageError
from starwhale.media import Binary, ClassLabel, COCOObjectAnnotation, Link, Text
from starwhale.media.artifact import BaseArtifact
from starwhale.media.optional import require

_SCALARS: Mapping[type, str] = {
    bool: "bool",
    int: "int64",
    float: "float64",
    complex: "complex128",
    str: "string",
    bytes: "string",
}
"""Python type → TensorFlow type."""
_LIST_LEAVES = {"bool": bool, "int": int, "float": float, "str": str, "bytes": bytes}
"""Kind of what lies in a list → Python type, for first rows whose list is empty."""


def to_tensorflow(ref: RowsRef, columns: Sequence[str] | None = None, *, drop_index: bool = True) -> Any:
    """Return a version as a `tf.data.Dataset` of dicts, read in batches as it is iterated over.

    Numbers and text become scalars (int64, float64, complex128, bool, string), lists tensors of unknown length, dicts dicts, data
    types the tensor of their `to_numpy()`, with the sizes that they declare, Binary and Text strings.

    Args:
        ref: The version.
        columns: Features to read; None for all.
        drop_index: Whether an element is the features alone, or the pair of index and features.

    Raises:
        MissingDependencyError: TensorFlow is not installed.
        UnsupportedValueError: A value of the first row has no tensor; column and row are named.
        UsageError: There are no rows to take the signature from, or there is no such feature.
    """
    tf = require("tensorflow", purpose="Dataset.to_tensorflow()")
    reader = ref.open()
    kinds = choose_columns(reader, columns)
    first = reader.read(0, 1, list(kinds))
    if not first.keys:
        message = f"dataset {ref.name!r} has no rows, and TensorFlow takes the signature from the first"
        raise UsageError(message, hint="append rows and commit them")
    specs = {name: _named(name, first.keys[0], _spec, first.columns[name][0], kind, tf) for name, kind in kinds.items()}
    for (
        name,
        spec,
    ) in specs.items():  # what the signature cannot say of the first row is said now, and not by TensorFlow
        _named(name, first.keys[0], _tensor, first.columns[name][0], spec, tf)
    index = tf.TensorSpec((), "string" if isinstance(first.keys[0], str) else "int64")

    def elements() -> Iterator[Any]:
        for rows in ref.open().iter_batches(list(kinds)):
            for place, key in enumerate(rows.keys):
                features = {
                    name: _named(name, key, _tensor, rows.columns[name][place], spec, tf)
                    for name, spec in specs.items()
                }
                yield features if drop_index else (key, features)

    return tf.data.Dataset.from_generator(elements, output_signature=specs if drop_index else (index, specs))


def _named(name: str, key: object, step: Any, *args: Any) -> Any:
    """Do a step for one cell, and name column and row where it cannot be done."""
    try:
        return step(*args)
    except (UnsupportedValueError, ValueError, TypeError, OverflowError) as error:
        reason = error.message if isinstance(error, UnsupportedValueError) else str(error)
        message = f"column {name!r} of row {key!r} cannot be a tensor: {reason}"
        raise UnsupportedValueError(message, hint="choose other columns with columns=[…]") from error


def _spec(value: Any, kind: str, tf: Any) -> Any:
    """Describe the tensors that cells like this one become."""
    if value is None:
        raise UnsupportedValueError("it has no value")
    if type(value) in _SCALARS:
        return tf.TensorSpec((), _SCALARS[type(value)])
    if isinstance(value, list | tuple):
        return tf.TensorSpec([None] * _depth(value, kind), _SCALARS[_leaf(cast("Sequence[Any]", value), kind)])
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value)
        return {name: _spec(item, "variant", tf) for name, item in items.items()}
    if isinstance(value, Binary | Text):
        return tf.TensorSpec((), "string")
    array = _array(value)
    return tf.TensorSpec(_shape(value, array), array.dtype)


def _tensor(value: Any, spec: Any, tf: Any) -> Any:
    """Turn one cell into what its signature says."""
    if value is None:
        raise UnsupportedValueError("it has no value")
    if isinstance(spec, dict):
        found = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
        if set(found) != set(spec):
            raise UnsupportedValueError(f"it has not the names of the first row: {', '.join(spec)}")
        return {name: _tensor(found[name], inner, tf) for name, inner in spec.items()}
    if type(value) in _SCALARS:
        array = tf.convert_to_tensor(value, dtype=_SCALARS[type(value)])
        matches = spec.shape.rank == 0 and spec.dtype.name == _SCALARS[type(value)]
    elif isinstance(value, list | tuple):
        leaves = set(map(type, _flat(cast("Sequence[Any]", value))))
        array = tf.convert_to_tensor(value, dtype=spec.dtype)
        if not leaves:
            array = tf.reshape(array, [0] * spec.shape.rank)
        alike = all(_SCALARS.get(leaf) == spec.dtype.name for leaf in leaves)
        matches = alike and spec.shape.is_compatible_with(array.shape)
    elif isinstance(value, Binary | Text):
        array = value.stored_bytes() if isinstance(value, Binary) else value.to_str()
        matches = spec.dtype.name == "string" and spec.shape.rank == 0
    else:
        array = _array(value)
        matches = spec.dtype == array.dtype and spec.shape.is_compatible_with(array.shape)
    if not matches:
        raise UnsupportedValueError(
            f"{_describe(value)} differs from the first row, which is {spec.dtype.name} {spec.shape}"
        )
    return array


def _array(value: Any) -> Any:
    if isinstance(value, Link | ClassLabel | COCOObjectAnnotation) or not hasattr(value, "to_numpy"):
        if not hasattr(value, "dtype"):  # NumPy's own arrays and scalars are what they are
            raise UnsupportedValueError(f"a value of type {type(value).__name__} has no tensor")
        return value
    return value.to_numpy()


def _shape(value: Any, array: Any) -> list[int | None]:
    """Take the sizes that a value declares where they fit what it holds; else only the number of dimensions is known."""
    declared = list(value.shape) if isinstance(value, BaseArtifact) else list(array.shape)
    fits = len(declared) == array.ndim and all(
        size in {None, actual} for size, actual in zip(declared, array.shape, strict=False)
    )
    return declared if fits else [None] * array.ndim


def _flat(values: Sequence[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, list | tuple):
            yield from _flat(cast("Sequence[Any]", value))
        else:
            yield value


def _leaf(values: Sequence[Any], kind: str) -> type:
    leaves = set(map(type, _flat(values)))
    if not leaves:
        leaves = {_LIST_LEAVES.get(kind.rpartition("<")[2].rstrip(">"), float)}
    if len(leaves) > 1 or not leaves <= set(_SCALARS):
        names = ", ".join(sorted(leaf.__name__ for leaf in leaves))
        raise UnsupportedValueError(f"a list of {names} has no one type")
    return leaves.pop()


def _depth(value: Sequence[Any], kind: str) -> int:
    if not value:
        return max(1, kind.count("list<"))
    inner = value[0]
    return 1 + (
        _depth(cast("Sequence[Any]", inner), kind.removeprefix("list<")) if isinstance(inner, list | tuple) else 0
    )


def _describe(value: Any) -> str:
    array = _array(value) if hasattr(value, "to_numpy") else value
    return (
        f"{array.dtype} {tuple(array.shape)}" if hasattr(array, "dtype") else f"a value of type {type(value).__name__}"
    )
