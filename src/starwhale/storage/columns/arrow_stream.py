"""A record batch as an Arrow stream, in exactly the memory that it takes."""

from __future__ import annotations

from typing import Any

import pyarrow as pa


def to_stream(batch: Any) -> memoryview:  # Any: a pyarrow record batch; pyarrow has no types
    """Write a record batch as an uncompressed stream, copied once: a sink that grows takes up to three times as much meanwhile."""
    size = pa.MockOutputStream()
    _write(batch, size)
    content = pa.allocate_buffer(size.size())
    _write(batch, pa.FixedSizeBufferWriter(content))
    return memoryview(content).cast("B")


def _write(batch: Any, sink: Any) -> None:  # Any: see above
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
