"""Reading the rows of a dataset: what `Dataset` offers of it, over whatever view of the rows it has."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Self

from starwhale.datasets import reading
from starwhale.datasets.rows import DataRow, RowSink
from starwhale.errors import NothingToCommitError, UsageError
from starwhale.storage.protocols import DatasetReader, Key


class ReadableRows:
    """Rows by key, in key order. Whoever inherits says what reading sees, and where changes of rows go."""

    def __init__(self) -> None:
        self._transform: Callable[[DataRow], DataRow] | None = None
        self._shares: Callable[[DatasetReader], Iterator[DataRow]] | None = None
        self._has_read = False

    @abstractmethod
    def _view(self) -> DatasetReader:
        """What reading sees now."""

    @abstractmethod
    def _sink(self) -> RowSink:
        """Where changes of rows that were read go."""

    def __len__(self) -> int:
        return self._view().row_count

    def __bool__(self) -> bool:
        return True

    def __getitem__(
        self, key: Key | slice | list[int] | list[str]
    ) -> Any:  # Any: a row or None for a key, else a list of rows
        if isinstance(key, slice):
            return [self._shape(row) for row in reading.read_slice(self._view(), key, self._sink())]
        if isinstance(key, list):
            return self.take(key)
        row = reading.read_row(self._view(), key, self._sink())
        return row if row is None else self._shape(row)

    def __contains__(self, key: object) -> bool:
        return reading.read_row(self._view(), key, None) is not None

    def __iter__(self) -> Iterator[DataRow]:
        rows = self._shares(self._view()) if self._shares else reading.iterate(self._view(), self._sink())
        return map(self._transform, rows) if self._transform else rows

    def batch_iter(self, batch_size: int = 1, drop_not_full: bool = False) -> Iterator[list[DataRow]]:
        """Iterate over lists of `batch_size` rows in key order; the last may be shorter, or dropped."""
        return reading.batches(self, batch_size, drop_not_full=drop_not_full)

    def head(self, n: int = 5) -> list[DataRow]:
        """Return the first rows in key order."""
        return list(self.scan(n))

    def scan(self, limit: int | None = None, *, columns: Iterable[str] | None = None) -> Iterator[DataRow]:
        """Iterate over the first rows in key order; changes of them are not written through.

        Args:
            limit: How many; None for all.
            columns: Features to read, and nothing else; None for all.
        """
        return map(self._shape, reading.scan(self._view(), limit, columns))

    def take(self, keys: Iterable[Key], *, columns: Iterable[str] | None = None) -> list[DataRow | None]:
        """Return the rows of several keys at once, in that order, None for keys that are not there; `ds[[key, …]]` does the same.

        Args:
            keys: Keys, in any order.
            columns: Features to read, and nothing else; None for all.

        Raises:
            UsageError: There is no such feature.
        """
        rows = reading.read_rows(self._view(), keys, columns, self._sink())
        return [None if row is None else self._shape(row) for row in rows]

    def column(self, name: str) -> list[Any]:  # Any: cells
        """Return one feature of all rows in key order, None where a row has none; no other feature is read.

        Raises:
            UsageError: There is no such feature.
        """
        return reading.read_column(self._view(), name)

    def fetch_one(self) -> DataRow:
        """Return the first row.

        Raises:
            StopIteration: There is none.
        """
        return next(self.scan(1))

    def with_loader_config(
        self,
        num_workers: int | None = None,
        cache_size: int | None = None,
        field_transformer: Mapping[str, str] | None = None,
    ) -> Self:
        """Add features that are found at paths such as `a.b[2].c`; must precede the first read.

        Args:
            num_workers: Kept for old scripts; rows are read in columns, ahead of the user.
            cache_size: The same.
            field_transformer: Path → name of the extra feature.

        Raises:
            NothingToCommitError: Rows were read before; it is a RuntimeError, as scripts expect.
            UsageError: A number is below 1.
        """
        for name, value in (("num_workers", num_workers), ("cache_size", cache_size)):
            if value is not None and value < 1:
                message = f"{name} is {value}"
                raise UsageError(message, hint="use at least 1")
        if self._has_read:
            message = "with_loader_config was called after rows were read"
            raise NothingToCommitError(message, hint="call it right after opening the dataset")
        if field_transformer:
            self._transform = reading.make_transform(field_transformer)
        return self

    def share_rows(self, shares: Callable[[DatasetReader], Iterator[DataRow]]) -> Self:
        """Iterate over the rows that `shares` hands out of a version, instead of over all.

        Raises:
            UsageError: That was asked for already.
        """
        if self._shares is not None:
            message = "make_distributed_consumption was called twice"
            raise UsageError(message, hint="open the dataset again for another session")
        self._shares = shares
        return self

    def _shape(self, row: DataRow) -> DataRow:
        return self._transform(row) if self._transform else row


__all__ = ["ReadableRows"]
