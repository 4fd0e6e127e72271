"""Folding layers and small fragments, so that opening a version stays cheap; what each commit pays is spread over many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from starwhale.storage.tables.cells import Sink
from starwhale.storage.tables.dataset_reader import BATCH_ROWS, DatasetFolder, LocalDatasetReader, raw_batches
from starwhale.storage.tables.fragments import FRAGMENT_BYTES, FRAGMENT_ROWS, FragmentReader
from starwhale.storage.tables.manifest import Fragment, Manifest
from starwhale.storage.tables.overlay import Overlay, Write
from starwhale.storage.tables.row_order import LayerCells

MAX_LAYERS = 8
"""More are folded into one."""
FREE_LAYER_ROWS = 10_000
"""Layers with fewer rows are never folded into the run."""
LAYER_SHARE = 8
"""Layers with more than this part of the run's rows are folded into it: each row is rewritten about once per so many changes."""
SMALL_ROWS = 4096
"""A fragment with fewer rows is small."""
MAX_SMALL = 8
"""More small fragments at the end of the run are joined."""


def needs_fold(manifest: Manifest) -> Literal["run", "layers", ""]:
    """Decide what a commit should fold."""
    layer_rows = sum(part.rows for layer in manifest.layers for part in layer.fragments)
    run_rows = sum(part.rows for part in manifest.run)
    if layer_rows > max(FREE_LAYER_ROWS, run_rows // LAYER_SHARE) or (layer_rows and not run_rows):
        return "run"
    return "layers" if len(manifest.layers) > MAX_LAYERS else ""


def fold_run(view: LocalDatasetReader, write: Write, sink: Sink) -> list[Fragment]:
    """Write all rows of a view as a new run."""
    run: list[Fragment] = []
    batches: list[Any] = []
    rows = size = 0
    for start in range(0, view.row_count, BATCH_ROWS):
        batch = view.read_arrow(start, start + BATCH_ROWS, sink=sink)
        batches.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
        if rows >= FRAGMENT_ROWS or size >= FRAGMENT_BYTES:
            run.append(write(batches))
            batches, rows, size = [], 0, 0
    if batches:
        run.append(write(batches))
    return run


def fold_layers(view: LocalDatasetReader) -> Overlay:
    """Say in one overlay what all layers of a view say."""
    overlay = Overlay()
    decoded = LayerCells(view.source_of)
    for key, change in view.order.changes.items():
        is_below = view.order.run.find(key) is not None
        if change.is_killed:
            overlay.delete(key, is_below=is_below)
        if change.patches:
            overlay.patch(key, decoded.merge(change), is_below=is_below)
    return overlay


def fold_tail(folder: DatasetFolder, run: Sequence[Fragment], write: Write) -> list[Fragment]:
    """Join small fragments at the end of a run when there are many."""
    small = 0
    while small < len(run) and run[len(run) - 1 - small].rows < SMALL_ROWS:
        small += 1
    if small <= MAX_SMALL:
        return list(run)
    head, tail = list(run[: len(run) - small]), run[len(run) - small :]
    batches: list[Any] = []
    for part in tail:
        reader = FragmentReader(folder.places, part, folder.cache)
        batches.extend(raw_batches(reader, 0, part.rows, list(part.columns)))
    return [*head, write(batches)]


__all__ = ["fold_layers", "fold_run", "fold_tail", "needs_fold"]
