"""A version as a Hugging Face dataset: in memory, or streamed."""

# pyright: reportAttributeAccessIssue=false
# The package is optional: where it is missing, its names cannot be checked.
from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import Any

import pyarrow as pa

from starwhale.datasets.ecosystem.arrow import ArrowRows, arrow_rows
from starwhale.datasets.ecosystem.layout import media_class
from starwhale.datasets.reference import RowsRef, VersionRef
from starwhale.errors import MissingDependencyError
from starwhale.media import GrayscaleImage, Image, Link
from starwhale.storage.columns.files import digest_of

SHARDS = 64
"""Pieces that a streamed dataset consists of, at most: so many DataLoader workers can share it."""
_DECODED = frozenset({"Image", "GrayscaleImage", "Audio"})
_FILE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_RAW = frozenset({"x/grayscale", "x/undefined"})
"""MIME types of pictures that may be raw pixels."""


def to_huggingface(
    ref: RowsRef, columns: Sequence[str] | None = None, *, drop_index: bool = False, streaming: bool = False
) -> Any:  # Any: the package is optional
    """Return a version as a `datasets.Dataset`, or as a `datasets.IterableDataset` that reads as it goes.

    Pictures have the feature `Image`, sounds `Audio` (decoded where its decoder, torchcodec, is installed); raw pixels become PNG,
    which loses nothing. Everything else is as in `to_arrow`.

    Args:
        ref: The version.
        columns: Features to read; None for all.
        drop_index: Leave the keys out.
        streaming: Hold a batch at a time instead of everything.

    Raises:
        MissingDependencyError: The package `datasets` is not installed.
        UnsupportedValueError: Raw pixels cannot be a PNG file.
    """
    try:
        import datasets
    except ImportError as error:
        raise MissingDependencyError("datasets", extra="huggingface", purpose="Dataset.to_huggingface()") from error
    rows = arrow_rows(ref.open(), columns, drop_index=drop_index)
    features = _features(rows, datasets)
    if streaming:
        chosen = (
            None if columns is None else tuple(rows.kinds)
        )  # a list would be shared among workers, as the pieces are
        given = {"ref": ref, "columns": chosen, "drop_index": drop_index, "pieces": _pieces(rows.reader.row_count)}
        return datasets.IterableDataset.from_generator(_examples, features=features, gen_kwargs=given)
    schema = _schema(rows)
    table = pa.Table.from_batches([_hand_out(batch, rows, schema) for batch in rows.batches()], schema=schema)
    info = datasets.DatasetInfo(features=features)
    # Equal versions have equal fingerprints, so that what was mapped once is found again.
    wanted = f"{ref.digest}/{rows.schema.names}".encode() if isinstance(ref, VersionRef) else b""
    return datasets.Dataset(table, info=info, fingerprint=digest_of(wanted)[:16] if wanted else None)


def _examples(ref: RowsRef, columns: Sequence[str] | None, drop_index: bool, pieces: list[range]) -> Iterator[Any]:
    rows = arrow_rows(ref.open(), columns, drop_index=drop_index)
    schema = _schema(rows)
    for piece in pieces:
        for batch in rows.batches(piece.start, piece.stop):
            yield from _hand_out(batch, rows, schema).to_pylist()


def _pieces(count: int) -> list[range]:
    size = max(1, -(-count // SHARDS))
    return [range(start, min(start + size, count)) for start in range(0, count, size)] or [range(0)]


def _decoded(rows: ArrowRows) -> dict[str, str]:
    return {name: media_class(kind) for name, kind in rows.kinds.items() if media_class(kind) in _DECODED}


def _schema(rows: ArrowRows) -> Any:
    decoded = _decoded(rows)
    return pa.schema([pa.field(each.name, _FILE if each.name in decoded else each.type) for each in rows.schema])


def _features(rows: ArrowRows, datasets: Any) -> Any:
    features = datasets.Features.from_arrow_schema(_schema(rows))
    for name, what in _decoded(rows).items():
        can_hear = find_spec("torchcodec") is not None
        features[name] = datasets.Audio(decode=can_hear) if what == "Audio" else datasets.Image()
    return features


def _hand_out(batch: Any, rows: ArrowRows, schema: Any) -> Any:
    decoded = _decoded(rows)
    arrays = [
        _as_file(batch.column(place), decoded[field.name]) if field.name in decoded else batch.column(place)
        for place, field in enumerate(batch.schema)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _as_file(array: Any, what: str) -> Any:
    """Make bytes and path of file cells; content that lies elsewhere is read, and raw pixels become PNG."""
    content, path, mime, shape, dtype, link = array.flatten()
    is_plain = link.null_count == len(link) and (what == "Audio" or not _RAW & set(mime.unique().to_pylist()))
    if not is_plain:
        states = zip(*(part.to_pylist() for part in (mime, shape, dtype, link)), strict=True)
        cells = [_encoded(what, data, *state) for data, state in zip(content.to_pylist(), states, strict=True)]
        content = pa.array(cells, pa.binary())
    return pa.StructArray.from_arrays([content, path], fields=list(_FILE), mask=array.is_null())


def _encoded(what: str, content: bytes | None, mime: str | None, shape: Any, dtype: Any, link: Any) -> bytes | None:
    if not content and link is not None:
        content = Link(link["uri"], link["offset"], link["size"]).to_bytes()
    if content is None or mime not in _RAW or what == "Audio":
        return content
    made = (
        GrayscaleImage(content, shape=shape, dtype=dtype)
        if what == "GrayscaleImage"
        else Image(content, shape=shape, dtype=dtype)
    )
    return made.to_encoded()
