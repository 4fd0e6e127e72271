"""Rows as samples of a training library: which rows a process reads in which order, and what each row becomes.

Nothing here needs the library itself, so that order and shares can be tested without it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from starwhale.datasets.ecosystem.arrow import choose_columns
from starwhale.datasets.rows import DataRow
from starwhale.errors import MediaError, UsageError
from starwhale.media import Audio, Binary, BoundingBox, Image, Text, Video
from starwhale.storage.protocols import DatasetReader, Key, Rows

BLOCK_ROWS = 256
"""Rows that are read together; processes share the rows in blocks."""
POOL_ROWS = 4096
"""Rows that are shuffled among each other, from blocks of all over the version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """In which order which rows come."""

    shuffle: bool = False
    """Whether the rows come in an order that a seed decides, and not in that of their keys."""
    seed: int = 0
    """Decides the order, together with the epoch."""
    shard: tuple[int, int] = (0, 1)
    """Which share this is, from 0, of how many: for training in several processes."""

    def __post_init__(self) -> None:
        """Check the share.

        Raises:
            UsageError: The index of the shard is not below the count.
        """
        index, count = self.shard
        if not 0 <= index < count:
            message = f"shard is {self.shard!r}"
            raise UsageError(message, hint="give (index, count), with the index from 0 up to count - 1")


def plan_blocks(row_count: int, order: Order, *, epoch: int = 0, worker: tuple[int, int] = (0, 1)) -> list[range]:
    """Return the ranks that one worker of one share reads, block by block; together they read every rank once.

    Args:
        row_count: Rows of the version.
        order: Order and share.
        epoch: Counts the passes over the rows; another epoch is another order.
        worker: Which worker of the share this is, from 0, of how many.
    """
    blocks = [range(start, min(start + BLOCK_ROWS, row_count)) for start in range(0, row_count, BLOCK_ROWS)]
    if order.shuffle:
        _random(order, epoch).shuffle(blocks)
    first = order.shard[0] * worker[1] + worker[0]
    return blocks[first :: order.shard[1] * worker[1]]


def iterate_blocks(
    reader: DatasetReader, blocks: Sequence[range], order: Order, *, columns: Sequence[str], epoch: int = 0
) -> Iterator[Rows]:
    """Read blocks; shuffled rows come from a pool of blocks, in an order that seed, epoch and the pool's first row decide."""
    step = POOL_ROWS // BLOCK_ROWS if order.shuffle else 1
    for position in range(0, len(blocks), step):
        pool = blocks[position : position + step]
        read = [reader.read(block.start, block.stop, columns) for block in pool]
        if not order.shuffle:
            yield read[0]
            continue
        joined = Rows(
            keys=[key for rows in read for key in rows.keys],
            columns={name: [cell for rows in read for cell in rows.columns[name]] for name in columns},
        )
        places = list(range(len(joined.keys)))
        _random(order, epoch, pool[0].start).shuffle(places)
        yield Rows(
            keys=[joined.keys[place] for place in places],
            columns={name: [cells[place] for place in places] for name, cells in joined.columns.items()},
        )


def _random(order: Order, epoch: int, place: int = -1) -> random.Random:
    return random.Random(f"{order.seed}/{epoch}/{place}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a row becomes."""

    columns: Sequence[str] | None = None
    """Features of a sample; None for all."""
    transform: Callable[[Any], Any] | None = None  # Any: features as the steps before left them
    """Makes what the user wants of the features; for worker processes that are spawned it has to be picklable."""
    defaults: bool = True
    """Whether `default_transform` comes first."""
    drop_index: bool = True
    """Whether a sample is the features alone, or the pair of key and features."""
    adds: Callable[[DataRow], DataRow] | None = None
    """Adds the features of `with_loader_config`."""

    def names(self, reader: DatasetReader) -> list[str]:
        """Return the features to read, by their own names.

        Raises:
            UsageError: There is no such feature.
        """
        return list(choose_columns(reader, self.columns))

    def samples(self, rows: Rows, kinds: Mapping[str, str]) -> Iterator[Any]:
        """Turn rows into samples; a row without a feature has None for it, so that all samples have the same names.

        Args:
            rows: Columns of one batch.
            kinds: Feature → kind.
        """
        names = list(rows.columns)
        # Plain columns hold nothing to transform: looking at each cell would cost more than reading it.
        special = [name for name in names if kinds.get(name, "variant").startswith(("media:", "variant"))]
        cells = zip(*rows.columns.values(), strict=True) if names else iter([()] * len(rows.keys))
        for key, values in zip(rows.keys, cells, strict=True):
            features: Any = dict(zip(names, values, strict=True))
            if self.adds is not None:
                present = {name: value for name, value in features.items() if value is not None}
                features |= self.adds(DataRow(key, present)).features
            if self.defaults:
                for name in special if self.adds is None else list(features):
                    features[name] = _transform(features[name], name, key)
            if self.transform is not None:
                features = self.transform(features)
            yield features if self.drop_index else (key, features)


def _transform(value: Any, name: str, key: Key) -> Any:
    try:
        return default_transform(value)
    except MediaError as error:
        message = f"column {name!r} of row {key!r}: {error.message}"
        raise MediaError(message, hint=error.hint) from error


def default_transform(value: Any) -> Any:  # Any: a cell, then what a training library takes
    """Turn pictures, sounds and boxes into tensors, binary and films into bytes, text into str, also inside lists and dicts."""
    if isinstance(value, Image | Audio | BoundingBox):
        return value.to_tensor()
    if isinstance(value, Binary | Video):
        return value.to_bytes()
    if isinstance(value, Text):
        return value.to_str()
    if isinstance(value, dict):
        return {name: default_transform(item) for name, item in cast("dict[Any, Any]", value).items()}
    if isinstance(value, list | tuple):
        items = cast("Sequence[Any]", value)
        return type(items)(default_transform(item) for item in items)  # type: ignore[call-arg]  # list or tuple
    return value
