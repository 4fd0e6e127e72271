"""The door to `torch_data.py`, which cannot be imported where PyTorch is missing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from starwhale.datasets.ecosystem.samples import Order, Shape
from starwhale.datasets.reference import RowsRef
from starwhale.datasets.rows import DataRow
from starwhale.errors import UsageError
from starwhale.media.optional import require


def to_pytorch(
    ref: RowsRef, shape: Shape, order: Order, *, map_style: bool = False, shared: Iterable[DataRow] | None = None
) -> Any:  # Any: PyTorch is optional
    """Return a version as a PyTorch dataset.

    Args:
        ref: The version.
        shape: What a row becomes.
        order: In which order which rows come.
        map_style: Make a dataset with random access by rank, for samplers, in place of an iterable one.
        shared: Rows that a job hands out, which are read in place of the version.

    Raises:
        MissingDependencyError: PyTorch is not installed.
        UsageError: What was asked for does not go together, or there is no such feature.
    """
    require("torch", purpose="Dataset.to_pytorch()")
    from starwhale.datasets.ecosystem.torch_data import IterableRows, MapRows, SharedRows

    if (map_style or shared is not None) and order != Order():
        message = (
            "a map-style dataset is shuffled and shared by the sampler" if map_style else "the job hands out the rows"
        )
        hint = (
            "give shuffle=True to the DataLoader, or a DistributedSampler"
            if map_style
            else "leave shuffle and shard out"
        )
        raise UsageError(message, hint=hint)
    if shared is not None:
        if map_style or shape.columns is not None:
            message = "rows that a job hands out come one after another, and whole"
            raise UsageError(message, hint="leave map_style and columns out")
        return SharedRows(shared, shape)
    return MapRows(ref, shape) if map_style else IterableRows(ref, shape, order)
