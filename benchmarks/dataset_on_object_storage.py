"""Reading a dataset on object storage: bytes received and milliseconds, against the same rows as one Parquet file read by pyarrow.

    python benchmarks/dataset_on_object_storage.py [rows] [delay in ms]

The store is moto's server on loopback, behind a wire that counts what it sends and may delay each answer, as a network would. Each line is
measured with nothing cached. Needs the packages of the development requirements.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import pyarrow as pa
from pyarrow import fs
from pyarrow import parquet as pq
from tests.s3_server import S3Server, Wire, moto_server

from starwhale.domain.object_uri import parse_object_uri
from starwhale.settings import read_settings
from starwhale.storage.dataset_rows.dataset_store import LocalDatasetStore

IMAGE_BYTES = 784
PLACE = "s3://bench/data/d"


def main() -> None:
    """Build both, read both, print both with the ratio."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    delay_s = float(sys.argv[2]) / 1000 if len(sys.argv) > 2 else 0.0
    with moto_server() as endpoint, Wire(endpoint) as wire, tempfile.TemporaryDirectory() as folder:
        server = S3Server(endpoint=endpoint, bucket="bench")
        server.client().create_bucket(Bucket="bench")
        digest = build(Path(folder), server, rows)
        wire.damage = lambda content: (time.sleep(delay_s) if delay_s and content[:5] == b"HTTP/" else None, content)[1]
        accounts = read_settings({**server.environment, "SW_S3_ENDPOINT": wire.endpoint, "HOME": "/"}).s3
        ranks = random.Random(1).sample(range(rows), 50)

        def ours() -> Any:
            return LocalDatasetStore(Path(folder), accounts=lambda: accounts).open_version(PLACE, digest)

        def theirs() -> Any:
            host = wire.endpoint.removeprefix("http://")
            files = fs.S3FileSystem(
                access_key=server.access_key, secret_key=server.secret, endpoint_override=host, scheme="http"
            )
            return pq.ParquetFile(files.open_input_file("bench/rows.parquet"), pre_buffer=True)

        print(f"{rows} rows, {delay_s * 1000:g} ms before each answer")
        print(f"{'':24}{'ours':>22}{'Parquet':>22}{'ratio':>16}")
        cases: list[tuple[str, Callable[[], Any], Callable[[], Any]]] = [
            ("open", ours, theirs),
            ("first row", lambda: ours().read(0, 1), lambda: theirs().read_row_group(0).slice(0, 1).to_pylist()),
            ("50 random rows", lambda: ours().take(ranks), lambda: take(theirs(), ranks)),
            ("labels", lambda: [*ours().iter_batches(["label"])], lambda: theirs().read(["label"]).to_pylist()),
            ("full scan", lambda: [len(each) for each in ours().iter_batches()], lambda: scan(theirs())),
        ]
        for name, mine, other in cases:
            (own_kb, own_ms), (kb, ms) = measure(wire, mine), measure(wire, other)
            print(
                f"{name:24}{own_kb:>11.0f} KB{own_ms:>6.0f} ms{kb:>12.0f} KB{ms:>6.0f} ms"
                f"{own_kb / kb:>8.2f}x{own_ms / ms:>7.2f}x"
            )


def build(root: Path, server: S3Server, rows: int) -> str:
    """Put the rows there in both forms; return the digest of the version."""
    pixels = [random.randbytes(IMAGE_BYTES) for _ in range(1000)]
    columns = {
        "label": [row % 10 for row in range(rows)],
        "text": [f"row {row}" for row in range(rows)],
        "image": [pixels[row % 1000] for row in range(rows)],
    }
    accounts = read_settings({**server.environment, "HOME": "/"}).s3
    store = LocalDatasetStore(root, accounts=lambda: accounts)
    writer = store.begin("d", None)
    writer.put_columns(range(rows), columns)
    digest = writer.commit().manifest_digest
    store.send("d", digest, store.elsewhere(parse_object_uri(PLACE)))
    sink = pa.BufferOutputStream()
    table = pa.table({"key": list(range(rows)), **columns})
    pq.write_table(table, sink, row_group_size=1000, write_page_checksum=True)
    server.replace("rows.parquet", sink.getvalue().to_pybytes())
    return digest


def take(file: Any, ranks: list[int]) -> list[Any]:
    """Read single rows of a Parquet file by the row groups that hold them."""
    groups = sorted({rank // 1000 for rank in ranks})
    table = file.read_row_groups(groups)
    places = {group: place for place, group in enumerate(groups)}
    return table.take([places[rank // 1000] * 1000 + rank % 1000 for rank in ranks]).to_pylist()


def scan(file: Any) -> list[int]:
    """Read all rows of a Parquet file as Python values, in batches."""
    return [len(batch.to_pylist()) for batch in file.iter_batches(4096)]


def measure(wire: Wire, work: Callable[[], Any]) -> tuple[float, float]:
    """Return the kilobytes received and the milliseconds of the better of two calls."""
    best = float("inf")
    for _ in range(2):
        wire.reset()
        before = time.perf_counter()
        work()
        best = min(best, (time.perf_counter() - before) * 1000)
    return wire.received / 1000, best


if __name__ == "__main__":
    main()
