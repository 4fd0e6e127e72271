"""A version as a PyTorch dataset, iterable or map-style; this module needs PyTorch, `pytorch.py` says so where it is missing."""

# pyright: reportMissingImports=false, reportUntypedBaseClass=false
# The package is optional: where it is missing, its names cannot be checked.
from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, SupportsIndex

import torch
from torch.utils.data import Dataset, IterableDataset, get_worker_info

from starwhale.datasets.ecosystem.samples import Order, Shape, iterate_blocks, plan_blocks
from starwhale.datasets.reference import RowsRef
from starwhale.datasets.rows import DataRow
from starwhale.errors import MissingDependencyError, UsageError
from starwhale.storage.protocols import Rows


class IterableRows(IterableDataset[Any]):  # Any: samples are whatever the user's transform makes
    """The samples of a version, one after another; the workers of a DataLoader share them, each sample comes once.

    It is pickled as a reference, and opened in each process that reads.

    Args:
        ref: The version.
        shape: What a row becomes.
        order: In which order which rows come.
    """

    def __init__(self, ref: RowsRef, shape: Shape, order: Order) -> None:
        super().__init__()
        self._ref = ref
        self._shape = shape
        self._order = order
        shape.names(ref.open())  # a wrong name is said here, not in a worker
        # In shared memory, so that workers that live on (persistent_workers) see a new epoch too.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def set_epoch(self, epoch: int) -> None:
        """Shuffle in another order from the next pass on; the same epoch has the same order."""
        self._epoch.fill_(epoch)

    def __iter__(self) -> Iterator[Any]:
        worker = get_worker_info()
        place = (worker.id, worker.num_workers) if worker else (0, 1)
        reader, epoch = self._ref.open(), int(self._epoch)
        blocks = plan_blocks(reader.row_count, self._order, epoch=epoch, worker=place)
        for rows in iterate_blocks(reader, blocks, self._order, columns=self._shape.names(reader), epoch=epoch):
            yield from _samples(self._shape, rows, reader.columns)

    def __len__(self) -> int:
        """Count the samples of the share."""
        return sum(map(len, plan_blocks(self._ref.open().row_count, self._order)))


class MapRows(Dataset[Any]):  # Any: as above
    """The samples of a version by rank, from 0 in key order; a DataLoader's batch is read in one go.

    Args:
        ref: The version.
        shape: What a row becomes.
    """

    def __init__(self, ref: RowsRef, shape: Shape) -> None:
        super().__init__()
        self._ref = ref
        self._shape = shape
        shape.names(ref.open())

    def __len__(self) -> int:
        return self._ref.open().row_count

    def __getitem__(self, rank: SupportsIndex) -> Any:
        return self.__getitems__([rank])[0]

    def __getitems__(self, ranks: Sequence[SupportsIndex]) -> list[Any]:
        """Return the samples of several ranks, in the order given; PyTorch calls it with the ranks of a batch."""
        reader = self._ref.open()
        count = reader.row_count
        wanted = [operator.index(rank) for rank in ranks]
        for rank in wanted:
            if not -count <= rank < count:
                message = f"there is no row of rank {rank}: dataset {self._ref.name!r} has {count} rows"
                raise IndexError(message)
        rows = reader.take([rank % count for rank in wanted], self._shape.names(reader))
        return list(_samples(self._shape, rows, reader.columns))


class SharedRows(IterableDataset[Any]):  # Any: as above
    """The samples of rows that a job hands out, of `make_distributed_consumption`: read in the process of the task only.

    Args:
        rows: The dataset, which hands out its rows when it is iterated over.
        shape: What a row becomes.
    """

    def __init__(self, rows: Iterable[DataRow], shape: Shape) -> None:
        super().__init__()
        self._rows = rows
        self._shape = shape

    def __iter__(self) -> Iterator[Any]:
        if get_worker_info() is not None:
            message = "rows that a job hands out cannot be read in worker processes of a DataLoader"
            raise UsageError(message, hint="use num_workers=0, and more replicas of the step")
        for key, features in self._rows:
            one = Rows(keys=[key], columns={name: [value] for name, value in features.items()})
            yield from self._shape.samples(one, {})


def _samples(shape: Shape, rows: Rows, kinds: Mapping[str, str]) -> Iterator[Any]:
    """Make samples; a missing library is said in words that survive the way from a worker: PyTorch makes errors anew from their text."""
    try:
        yield from shape.samples(rows, kinds)
    except MissingDependencyError as error:
        if get_worker_info() is None:
            raise
        raise UsageError(error.message, hint=error.hint) from error
