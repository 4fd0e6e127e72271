"""Folding layers and small fragments, so that opening a version stays cheap; what each commit pays is spread over many."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal

from starwhale.storage.columns.cells import Sink
from starwhale.storage.dataset_rows.dataset_reader import DatasetFolder, LocalDatasetReader, raw_batches
from starwhale.storage.dataset_rows.fragment_writer import FRAGMENT_BYTES
from starwhale.storage.dataset_rows.fragments import FragmentReader
from starwhale.storage.dataset_rows.limits import Limits
from starwhale.storage.dataset_rows.manifest import Fragment, Manifest
from starwhale.storage.dataset_rows.overlay import Overlay, Write
from starwhale.storage.dataset_rows.row_order import LayerCells, RowOrder
from starwhale.storage.dataset_rows.size_classes import first_to_join

LAYER_SHARE = 8
"""Layers with more than this part of the run's rows are folded into it: each row is rewritten about once per so many changes."""
SMALL_ROWS = 4096
"""A fragment with fewer rows is small."""
JOINED_BYTES = 16 << 20
"""Bytes of small fragments that a commit joins, at most about."""


def needs_fold(manifest: Manifest, limits: Limits) -> Literal["run", "layers", ""]:
    """Decide what a commit should fold."""
    layer_rows = sum(part.rows for layer in manifest.layers for part in layer.fragments)
    run_rows = sum(part.rows for part in manifest.run)
    if layer_rows > max(limits.free_layer_rows, run_rows // LAYER_SHARE) or (layer_rows and not run_rows):
        return "run"
    return "layers" if first_to_join(layer_sizes(manifest), limits.max_layers) < len(manifest.layers) else ""


def layer_sizes(manifest: Manifest) -> list[int]:
    """Count the rows of each layer."""
    return [sum(part.rows for part in layer.fragments) for layer in manifest.layers]


def fold_run(view: LocalDatasetReader, write: Write, sink: Sink, limits: Limits) -> list[Fragment]:
    """Write all rows of a view as a new run."""
    run: list[Fragment] = []
    batches: list[Any] = []
    rows = size = 0
    for start in range(0, view.row_count, limits.batch_rows):
        batch = view.read_arrow(start, start + limits.batch_rows, sink=sink)
        batches.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
        if rows >= limits.fragment_rows or size >= FRAGMENT_BYTES:
            run.append(write(batches))
            batches, rows, size = [], 0, 0
    if batches:
        run.append(write(batches))
    return run


def fold_layers(view: LocalDatasetReader, folder: DatasetFolder) -> tuple[int, Overlay]:
    """Say in one overlay what the layers at the end say that are to be joined; also return how many older ones stay."""
    manifest = view.manifest
    kept = first_to_join(layer_sizes(manifest), folder.limits.max_layers)
    older = LocalDatasetReader(folder, dataclasses.replace(manifest, layers=manifest.layers[:kept]))
    newer = RowOrder(folder.places, manifest.run, manifest.layers[kept:], folder.cache)
    overlay = Overlay()
    decoded = LayerCells(view.source_of)
    for key, change in newer.changes.items():
        is_below = older.order.rank(key) is not None
        if change.is_killed:
            overlay.delete(key, is_below=is_below)
        if change.patches:
            overlay.patch(key, decoded.merge(change), is_below=is_below)
    return kept, overlay


def fold_tail(folder: DatasetFolder, run: Sequence[Fragment], write: Write) -> list[Fragment]:
    """Join small fragments at the end of a run when there are many."""
    small = 0
    while small < len(run) and is_small(run[len(run) - 1 - small], folder.limits):
        small += 1
    head, tail = list(run[: len(run) - small]), run[len(run) - small :]
    first = first_to_join([part.rows for part in tail], folder.limits.max_small)
    if first == len(tail):
        return list(run)
    batches: list[Any] = []
    for part in tail[first:]:
        reader = FragmentReader(folder.places, part, folder.cache)
        batches.extend(raw_batches(reader, 0, part.rows, list(part.columns)))
    return [*head, *tail[:first], write(batches)]


def is_small(part: Fragment, limits: Limits) -> bool:
    """Whether joining a fragment with others is worth it."""
    return part.rows < SMALL_ROWS and part.size < JOINED_BYTES // limits.max_small


__all__ = ["fold_layers", "fold_run", "fold_tail", "needs_fold"]
