"""Compare formats for dataset rows: Lance, Lance with checksums of ours, Parquet under a manifest of ours, Delta Lake.

Needs, in an environment of its own: pyarrow, blake3, pylance, deltalake, moto[server], boto3.

    python benchmarks/dataset_format.py            # prints one Markdown table; every ratio comes from this one run

Each candidate stores the same rows (an integer key, an integer, a float, a short text, an image of 784 bytes), syncs what
it wrote, and is asked the same questions. CPU is user plus system time of the whole process, every thread included.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import multiprocessing
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

ROWS = 100_000
FLIPS = 70
FLIP_ROWS = 5_000
ROW_GROUP = 4096
BUCKET = "bench"


def make_table(rows: int) -> Any:
    """Make the rows, the same in every run."""
    import pyarrow as pa

    seed = random.Random(7)
    keys = list(range(rows))
    return pa.table(
        {
            "key": pa.array(keys, pa.int64()),
            "i": pa.array([seed.randrange(1 << 40) for _ in keys], pa.int64()),
            "f": pa.array([seed.random() for _ in keys], pa.float64()),
            "t": pa.array([f"text {seed.randrange(1 << 30)} of row {key}" for key in keys], pa.string()),
            "image": pa.array([seed.randbytes(784) for _ in keys], pa.binary()),
        }
    )


def file_digest(path: Path) -> str:
    """Return the BLAKE3 of a whole file."""
    from blake3 import blake3

    return blake3(path.read_bytes()).hexdigest()


def with_key(columns: list[str] | None) -> list[str] | None:
    """Add the key, which the order needs."""
    return None if columns is None else list(dict.fromkeys(["key", *columns]))


def sync_tree(root: Path) -> None:
    """Sync every file and folder, as a promise to survive a power cut asks."""
    for path in [root, *root.rglob("*")]:
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


class Candidate:
    """One format; `root` is a folder, or a place in the bucket when `options` are given."""

    name = ""
    packages: tuple[str, ...] = ()

    def __init__(self, root: str, options: dict[str, str] | None = None) -> None:
        self.root = root
        self.options = options

    def build(self, table: Any) -> None:
        """Write the first version."""
        raise NotImplementedError

    def read_ordered(self, columns: list[str] | None = None) -> Any:
        """Read all rows in key order."""
        raise NotImplementedError

    def open_rows(self) -> Callable[[int, int], Any]:
        """Open once, and return a function that reads rows [start, stop)."""
        raise NotImplementedError

    def update(self, key: int, text: str) -> None:
        """Change one cell."""
        raise NotImplementedError

    def natural_order(self) -> list[int]:
        """Read the keys as the format itself returns them."""
        raise NotImplementedError

    def old_version(self) -> Any:
        """Read the first version again."""
        raise NotImplementedError


class Lance(Candidate):
    """Lance as it is; nothing in it is covered by a checksum."""

    name = "Lance"
    packages = ("lance", "lance_namespace", "lance_namespace_urllib3_client", "pydantic", "pydantic_core", "urllib3")

    def _open(self, version: int | None = None) -> Any:
        import lance

        return lance.dataset(self.root, version=version, storage_options=self.options)

    def build(self, table: Any) -> None:
        import lance

        lance.write_dataset(table, self.root, storage_options=self.options)

    def read_ordered(self, columns: list[str] | None = None) -> Any:
        return self._open().to_table(columns=with_key(columns)).sort_by("key")

    def open_rows(self) -> Callable[[int, int], Any]:
        dataset = self._open()
        return lambda start, stop: dataset.take(list(range(start, stop)))

    def update(self, key: int, text: str) -> None:
        self._open().update({"t": f"'{text}'"}, where=f"key = {key}")

    def natural_order(self) -> list[int]:
        return self._open().to_table(columns=["key"])["key"].to_pylist()

    def old_version(self) -> Any:
        return self._open(version=1).to_table().sort_by("key")


class LanceChecked(Lance):
    """Lance with a BLAKE3 of ours per file, verified when a version is opened (it offers no hook at a finer grain)."""

    name = "Lance + our checksums"
    packages = (*Lance.packages, "blake3")

    def _seal(self) -> None:
        root = Path(self.root)
        files = sorted(path for path in root.rglob("*") if path.is_file() and path.name != "digests.json")
        digests = {str(path.relative_to(root)): file_digest(path) for path in files}
        body = json.dumps(digests)
        (root / "digests.json").write_text(f"{hashlib.sha256(body.encode()).hexdigest()}\n{body}")

    def _open(self, version: int | None = None) -> Any:
        if self.options is None:
            root = Path(self.root)
            seal, _, body = (root / "digests.json").read_text().partition("\n")
            if hashlib.sha256(body.encode()).hexdigest() != seal:
                raise OSError("digests.json is damaged")
            for path, digest in json.loads(body).items():
                if file_digest(root / path) != digest:
                    raise OSError(f"{path} is damaged")
        return super()._open(version)

    def build(self, table: Any) -> None:
        super().build(table)
        if self.options is None:
            self._seal()

    def update(self, key: int, text: str) -> None:
        super().update(key, text)
        self._seal()


class Delta(Candidate):
    """Delta Lake: Parquet files under a log of JSON; its writer offers no page checksums."""

    name = "Delta Lake"
    packages = ("deltalake", "arro3", "pyarrow")

    def _open(self, version: int | None = None) -> Any:
        from deltalake import DeltaTable

        return DeltaTable(self.root, version=version, storage_options=self.options)

    def build(self, table: Any) -> None:
        from deltalake import WriterProperties, write_deltalake

        properties = WriterProperties(max_row_group_size=ROW_GROUP)
        write_deltalake(self.root, table, storage_options=self.options, writer_properties=properties)

    def read_ordered(self, columns: list[str] | None = None) -> Any:
        return self._open().to_pyarrow_table(columns=with_key(columns)).sort_by("key")

    def open_rows(self) -> Callable[[int, int], Any]:
        from pyarrow import dataset as ds

        dataset = self._open().to_pyarrow_dataset()
        return lambda start, stop: dataset.to_table(filter=(ds.field("key") >= start) & (ds.field("key") < stop))

    def update(self, key: int, text: str) -> None:
        self._open().update(updates={"t": f"'{text}'"}, predicate=f"key = {key}")

    def natural_order(self) -> list[int]:
        return self._open().to_pyarrow_table(columns=["key"])["key"].to_pylist()

    def old_version(self) -> Any:
        return self._open(version=0).to_pyarrow_table().sort_by("key")


class Fragments(Candidate):
    """Parquet fragments with page checksums; a manifest names each with its keys, its counts and its BLAKE3.

    The shape of what was built from this record, without its overlays of more than one layer and without packs.
    """

    name = "Parquet fragments + our manifest"
    packages = ("pyarrow", "blake3")
    per_fragment = 16_384

    def _files(self) -> Any:
        from pyarrow import fs

        if self.options is None:
            return fs.SubTreeFileSystem(self.root, fs.LocalFileSystem())
        endpoint = self.options["AWS_ENDPOINT_URL"].removeprefix("http://")
        key, secret = self.options["AWS_ACCESS_KEY_ID"], self.options["AWS_SECRET_ACCESS_KEY"]
        remote = fs.S3FileSystem(
            access_key=key, secret_key=secret, region="us-east-1", endpoint_override=endpoint, scheme="http"
        )
        return fs.SubTreeFileSystem(self.root.removeprefix("s3://"), remote)

    def _put(self, files: Any, table: Any) -> dict[str, Any]:
        import pyarrow as pa
        from blake3 import blake3
        from pyarrow import parquet as pq

        sink = pa.BufferOutputStream()
        pq.write_table(
            table, sink, row_group_size=ROW_GROUP, write_page_checksum=True, use_dictionary=False, compression="zstd"
        )
        data = sink.getvalue()
        name = blake3(data).hexdigest()
        with files.open_output_stream(f"{name}.parquet") as out:
            out.write(data)
        keys = table["key"]
        return {"name": name, "rows": table.num_rows, "low": keys[0].as_py(), "high": keys[-1].as_py()}

    def _commit(self, files: Any, version: int, manifest: dict[str, Any]) -> None:
        from blake3 import blake3

        body = json.dumps(manifest, sort_keys=True)
        with files.open_output_stream(f"v{version}.json") as out:
            out.write(f"{blake3(body.encode()).hexdigest()}\n{body}".encode())

    def _manifest(self, files: Any, version: int) -> dict[str, Any]:
        from blake3 import blake3

        with files.open_input_stream(f"v{version}.json") as source:
            digest, _, body = source.read().partition(b"\n")
        if blake3(body).hexdigest().encode() != digest:
            raise OSError("the manifest is damaged")
        return json.loads(body)

    def _newest(self, files: Any) -> int:
        from pyarrow import fs

        found = files.get_file_info(fs.FileSelector("", allow_not_found=True))
        return max(int(info.base_name[1:-5]) for info in found if info.base_name.startswith("v"))

    def _parquet(self, files: Any, name: str) -> Any:
        import pyarrow as pa
        from pyarrow import parquet as pq

        if self.options is not None:  # ranges only: the pages that are read carry checksums, and are verified
            return pq.ParquetFile(files.open_input_file(f"{name}.parquet"), page_checksum_verification=True)
        path = Path(self.root) / f"{name}.parquet"
        if file_digest(path) != name:
            raise OSError(f"{name} is damaged")
        return pq.ParquetFile(pa.memory_map(str(path)), page_checksum_verification=True)

    def build(self, table: Any) -> None:
        files = self._files()
        if self.options is None:
            Path(self.root).mkdir(parents=True)
        step = self.per_fragment
        run = [self._put(files, table.slice(start, step)) for start in range(0, table.num_rows, step)]
        self._commit(files, 1, {"run": run, "overlay": []})

    def _read(self, version: int, columns: list[str] | None) -> Any:
        import pyarrow as pa

        files = self._files()
        manifest = self._manifest(files, version)
        names = with_key(columns)
        table = pa.concat_tables([self._parquet(files, part["name"]).read(columns=names) for part in manifest["run"]])
        for part in manifest["overlay"] if "t" in table.column_names else []:
            patch = self._parquet(files, part["name"]).read().to_pydict()
            for key, text in zip(patch["key"], patch["t"], strict=True):
                texts = pa.chunked_array([table["t"][:key], pa.array([text]), table["t"][key + 1 :]])
                table = table.set_column(table.schema.get_field_index("t"), "t", texts)
        return table

    def read_ordered(self, columns: list[str] | None = None) -> Any:
        return self._read(self._newest(self._files()), columns)

    def open_rows(self) -> Callable[[int, int], Any]:
        files = self._files()
        run = self._manifest(files, self._newest(files))["run"]
        opened: dict[str, Any] = {}
        groups: dict[tuple[str, int], Any] = {}

        def read(start: int, stop: int) -> Any:
            part = run[start // self.per_fragment]
            name, group = part["name"], (start - part["low"]) // ROW_GROUP
            if name not in opened:
                opened[name] = self._parquet(files, name)
            if (name, group) not in groups:
                groups[name, group] = opened[name].read_row_group(group, use_threads=False)
            first = start - part["low"] - group * ROW_GROUP
            return groups[name, group].slice(first, stop - start)

        return read

    def update(self, key: int, text: str) -> None:
        import pyarrow as pa

        files = self._files()
        version = self._newest(files)
        manifest = self._manifest(files, version)
        manifest["overlay"].append(self._put(files, pa.table({"key": [key], "t": [text]})))
        self._commit(files, version + 1, manifest)

    def natural_order(self) -> list[int]:
        return self.read_ordered(["key"])["key"].to_pylist()

    def old_version(self) -> Any:
        return self._read(1, None)


CANDIDATES: dict[str, type[Candidate]] = {kind.name: kind for kind in (Fragments, Lance, LanceChecked, Delta)}


def timed(call: Callable[[], Any]) -> tuple[float, float, Any]:
    """Return CPU seconds, wall seconds and the result."""
    cpu, wall = time.process_time(), time.perf_counter()
    result = call()
    return time.process_time() - cpu, time.perf_counter() - wall, result


def tree_size(root: Path) -> int:
    """Count the bytes of every file below a folder."""
    return sum(path.stat().st_size for path in root.rglob("*") if path.is_file())


def install_size(packages: tuple[str, ...]) -> int:
    """Count the bytes of the installed packages that a format brings."""
    total = 0
    for package in packages:
        spec = importlib.util.find_spec(package)
        for place in (spec.submodule_search_locations or []) if spec else []:
            total += tree_size(Path(place))
    return total


def flip_reader(kind: str, pipe: Connection) -> None:
    """Read trees in a process of its own, since a damaged file may end the process."""
    import pyarrow as pa

    while True:
        root = pipe.recv()
        try:
            table = CANDIDATES[kind](root).read_ordered()
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, table.schema) as out:
                out.write_table(table.combine_chunks())
            pipe.send(hashlib.sha256(sink.getvalue()).hexdigest())
        except BaseException as error:  # noqa: BLE001  a panic of a Rust library derives from BaseException
            pipe.send(f"error: {type(error).__name__}")


def count_flips(kind: str, folder: Path) -> dict[str, int]:
    """Flip one bit in a copy, read everything, and count what came of it, `FLIPS` times."""
    origin = folder / "origin"
    CANDIDATES[kind](str(origin)).build(make_table(FLIP_ROWS))
    seed = random.Random(11)
    files = sorted((path for path in origin.rglob("*") if path.is_file()), key=str)
    counts = {"caught": 0, "harmless": 0, "wrong": 0, "crashed": 0}
    worker: Any = None
    pipe: Any = None
    expected = ""
    for number in range(FLIPS + 1):
        copy = folder / f"copy{number}"
        shutil.copytree(origin, copy)
        if number:
            offset = seed.randrange(sum(path.stat().st_size for path in files))
            for path in files:
                if offset < path.stat().st_size:
                    break
                offset -= path.stat().st_size
            target = copy / path.relative_to(origin)
            data = bytearray(target.read_bytes())
            data[offset] ^= 1 << seed.randrange(8)
            target.write_bytes(data)
        if worker is None:
            pipe, far = multiprocessing.get_context("spawn").Pipe()
            worker = multiprocessing.get_context("spawn").Process(target=flip_reader, args=(kind, far), daemon=True)
            worker.start()
            far.close()
        try:
            pipe.send(str(copy))
            answer = pipe.recv() if pipe.poll(60) else "error: timeout"
        except (EOFError, OSError):
            answer, worker = "crashed", None
        shutil.rmtree(copy)
        if not number:
            expected = answer
        else:
            counts[
                "caught"
                if answer.startswith("error")
                else "crashed"
                if answer == "crashed"
                else "harmless"
                if answer == expected
                else "wrong"
            ] += 1
    if worker is not None:
        worker.terminate()
        worker.join()
    return counts


def free_port() -> int:
    """Ask the system for a port on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class CountingProxy:
    """Forward TCP to a port, counting bytes that come back."""

    def __init__(self, target: int) -> None:
        self.received = 0
        self.target = target
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            client, _ = self.server.accept()
            upstream = socket.create_connection(("127.0.0.1", self.target))
            for source, sink, counted in ((client, upstream, False), (upstream, client, True)):
                threading.Thread(target=self._pump, args=(source, sink, counted), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, counted: bool) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                self.received += len(data) if counted else 0
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


@contextmanager
def object_storage() -> Iterator[tuple[CountingProxy, dict[str, str]]]:
    """Start moto_server on loopback, behind a proxy that counts bytes."""
    import boto3

    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.1)
        proxy = CountingProxy(port)
        options = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{proxy.port}",
            "AWS_ACCESS_KEY_ID": "k",
            "AWS_SECRET_ACCESS_KEY": "s",
            "AWS_REGION": "us-east-1",
            "AWS_ALLOW_HTTP": "true",
            "AWS_S3_ALLOW_UNSAFE_RENAME": "true",
        }
        boto3.client(
            "s3",
            endpoint_url=options["AWS_ENDPOINT_URL"],
            aws_access_key_id="k",
            aws_secret_access_key="s",  # noqa: S106  made up
            region_name="us-east-1",
        ).create_bucket(Bucket=BUCKET)
        yield proxy, options
    finally:
        server.terminate()
        server.wait()


def measure(
    kind: type[Candidate], folder: Path, table: Any, storage: tuple[CountingProxy, dict[str, str]]
) -> dict[str, Any]:
    """Ask one candidate every question."""
    root = folder / "data"
    found: dict[str, Any] = {}
    candidate = kind(str(root))

    def build() -> None:
        candidate.build(table)
        sync_tree(root)

    found["build, CPU s"], found["build, wall s"], _ = timed(build)
    found["stored, MB"] = tree_size(root) / 1e6
    found["ordered read as dict rows, CPU s"], _, rows = timed(lambda: candidate.read_ordered().to_pylist())
    assert [row["key"] for row in rows] == list(range(ROWS))
    found["ordered read of one short column, CPU s"], _, _ = timed(
        lambda: candidate.read_ordered(["f"])["f"].to_pylist()  # noqa: PLW0108  the read is timed as well
    )
    seed = random.Random(3)
    _, found["open and first row, wall ms"], _ = timed(
        lambda: candidate.open_rows()(ROWS // 2, ROWS // 2 + 1).to_pylist()
    )
    reader = candidate.open_rows()
    picks = [seed.randrange(ROWS) for _ in range(300)]
    _, wall, rows = timed(lambda: [reader(pick, pick + 1).to_pylist()[0]["key"] for pick in picks])
    assert rows == picks
    found["random row, wall ms"] = wall * 1000 / len(picks)
    found["open and first row, wall ms"] *= 1000
    before = tree_size(root)

    def update() -> None:
        candidate.update(5, "changed")
        sync_tree(root)

    _, found["one-cell update, wall ms"], _ = timed(update)
    found["one-cell update, wall ms"] *= 1000
    found["one-cell update, KB written"] = (tree_size(root) - before) / 1000
    found["keys in order after it, without a sort"] = "yes" if candidate.natural_order() == list(range(ROWS)) else "no"
    new, old = candidate.read_ordered()["t"][5].as_py(), candidate.old_version()["t"][5].as_py()
    found["old version still reads"] = "yes" if (new == "changed") and (old == table["t"][5].as_py()) else "no"
    proxy, options = storage
    remote = kind(f"s3://{BUCKET}/{kind.__name__}", options)
    remote.build(table)
    proxy.received = 0
    _, wall, rows = timed(lambda: remote.open_rows()(ROWS // 2 + 16, ROWS // 2 + 66).to_pylist())
    assert len(rows) == 50
    found["50 rows from object storage, wall ms"] = wall * 1000
    found["50 rows from object storage, KB received"] = proxy.received / 1000
    flips = count_flips(kind.name, folder / "flips")
    found[f"of {FLIPS} flipped bits: caught"] = flips["caught"]
    found["… harmless"] = flips["harmless"]
    found["… wrong data, no error"] = flips["wrong"]
    found["… process ended"] = flips["crashed"]
    found["packages it brings, MB"] = install_size(kind.packages) / 1e6
    return found


def show(value: object) -> str:
    """Print three figures."""
    return (
        f"{value:.3g}"
        if isinstance(value, float) and value < 1000
        else f"{value:.0f}"
        if isinstance(value, float)
        else str(value)
    )


def main() -> None:
    """Print the table."""
    table = make_table(ROWS)
    results: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder, object_storage() as storage:
        for name, kind in CANDIDATES.items():
            warm = kind(str(Path(folder) / kind.__name__ / "warm"))
            (Path(folder) / kind.__name__ / "flips").mkdir(parents=True)
            warm.build(make_table(10))  # imports are not part of any figure
            warm.read_ordered()
            results[name] = measure(kind, Path(folder) / kind.__name__, table, storage)
            print(f"measured {name}", file=sys.stderr)
    names = list(results)
    print(f"{ROWS:,} rows; CPython {sys.version.split()[0]}\n")
    print("| | " + " | ".join(names) + " |")
    print("|---|" + "---|" * len(names))
    for question in results[names[0]]:
        values = [results[name][question] for name in names]
        first = values[0]
        cells = [show(values[0])]
        for value in values[1:]:
            ratio = (
                f" ({show(value / first)}×)" if isinstance(value, float) and isinstance(first, float) and first else ""
            )
            cells.append(show(value) + ratio)
        print(f"| {question} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
