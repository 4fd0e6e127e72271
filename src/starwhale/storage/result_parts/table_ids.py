"""The ids of a logged table, in order, and where the rows of each are: as Arrow arrays where ids are alike, as Python's own objects where not.

A million texts as Arrow are 30 MB, with the place of each 4 MB more; as a list and a dict of Python's they are 170.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, overload

from starwhale.storage.protocols import Key, key_order

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Places = npt.NDArray[np.int64]

_CHUNK = 4096
"""Ids that are made Python's own together."""
_MOST_BYTES = 1 << 30
"""One array of texts holds 2 GiB at most."""


class ArrowIds(Sequence[Key]):
    """Ids of one type, in order; each is made a Python object when it is asked for."""

    def __init__(self, array: Any) -> None:  # Any: an Arrow array of int64 or string without nulls
        self.array = array

    def __len__(self) -> int:
        return len(self.array)

    @overload
    def __getitem__(self, place: int) -> Key: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Key]: ...
    def __getitem__(self, place: int | slice) -> Key | Sequence[Key]:
        if isinstance(place, int):
            found: Key = self.array[place if place >= 0 else len(self.array) + place].as_py()
            return found
        start, stop, step = place.indices(len(self.array))
        listed: list[Key] = self.array.slice(start, max(0, stop - start)).to_pylist()
        return listed if step == 1 else listed[::step]

    def __iter__(self) -> Iterator[Key]:
        for start in range(0, len(self.array), _CHUNK):
            yield from self.array.slice(start, _CHUNK).to_pylist()

    def __contains__(self, key: object) -> bool:
        return self.find(key) is not None

    def index(self, value: object, start: int = 0, stop: int | None = None) -> int:
        """Return where an id stands.

        Raises:
            ValueError: It is not there, or not between those places.
        """
        place = self.find(value)
        if place is None or not start <= place < (len(self) if stop is None else stop):
            raise ValueError(f"{value!r} is not there")
        return place

    def find(self, key: object) -> int | None:
        """Return where an id stands; None where it is not there."""
        if not isinstance(key, (str, int)):
            return None
        place = bisect_left(self, key_order(key), key=key_order)
        return place if place < len(self) and self[place] == key else None


def order_alike(arrays: list[Any]) -> tuple[ArrowIds, Places] | None:  # Any: Arrow arrays
    """Return the ids of all stretches in order, with the place of each among all rows.

    Args:
        arrays: Ids of each stretch; emptied where they are alike, so that they need no memory beside what is made of them.

    Returns:
        None where ids are of several types, or one stands there twice.
    """
    import pyarrow as pa

    kinds = {each.type for each in arrays}
    if len(kinds) != 1 or not kinds <= {pa.int64(), pa.string()} or any(each.null_count for each in arrays):
        return None
    compute: Any = import_module("pyarrow.compute")  # its functions are made at run time
    if sum(each.nbytes for each in arrays) > _MOST_BYTES:
        return None
    whole = pa.concat_arrays(arrays)
    arrays.clear()
    order = None
    if not _is_rising(whole, compute):
        order = compute.sort_indices(whole)
        whole = whole.take(order)
        if not _is_rising(whole, compute):
            return None
    return ArrowIds(whole), _places(order, len(whole))


def copied(array: Any) -> Any:
    """Return an array with bytes of its own, so that those of the file that it came from can go."""
    import pyarrow as pa

    return pa.concat_arrays([array, pa.nulls(0, array.type)])


def _is_rising(array: Any, compute: Any) -> bool:
    """Whether every id is larger than the one before it."""
    is_rising = compute.greater(array.slice(1), array.slice(0, max(0, len(array) - 1)))
    return bool(compute.all(is_rising, min_count=0).as_py())


def _places(order: Any, count: int) -> Places:
    import numpy as np

    return np.arange(count, dtype=np.int64) if order is None else np.asarray(order.to_numpy(), np.int64)


def sort_ids(ids: Mapping[Key, object]) -> list[Key]:
    """Order ids by value: numbers by size before texts by code point."""
    return sorted(ids, key=key_order)
