"""What it costs to have a server between: a model of one large file there and back, and a dataset read by ranges, each beside the same on this machine.

python benchmarks/server_stores.py [--mib 256] [--rows 20000]

Prints seconds, MB/s, and the ratio to what is measured beside it in the same run.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from starwhale.datasets.dataset import Dataset
from starwhale.instances.instance import Instance, open_instance
from starwhale.instances.place import servers
from starwhale.media import Binary
from starwhale.settings import read_settings
from starwhale.storage.blobs.local import LocalBlobStore

CODE = "from starwhale import evaluation\n\n@evaluation.predict\ndef predict(row):\n    return row\n"
SWCLI = str(Path(sys.executable).parent / "swcli")


def environment(folder: Path) -> dict[str, str]:
    """Return an environment whose instance lies below a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SW_", "STARWHALE_"))}
    return kept | {
        "HOME": str(folder),
        "SW_CLI_CONFIG": str(folder / "config.yaml"),
        "SW_LOCAL_STORAGE": str(folder / "storage"),
    }


class Meter:
    """Times what is done, here and in the server's process."""

    def __init__(self, pid: int) -> None:
        self._stat = Path(f"/proc/{pid}/stat")

    def served_s(self) -> float:
        """Return the CPU seconds that the server has used."""
        fields = self._stat.read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def timed(self, what: str, size: int, do: Callable[[], Any], beside: float = 0.0) -> float:
        """Do something, and print how long it took; returns the seconds."""
        began, used, served = time.perf_counter(), time.process_time(), self.served_s()
        do()
        took, cpu = time.perf_counter() - began, time.process_time() - used
        ratio = f"   {took / beside:5.1f} times" if beside else ""
        print(
            f"{what:46} {took:7.2f} s {size / took / 1e6:8.0f} MB/s   {cpu:6.2f} s CPU here {self.served_s() - served:6.2f} s there{ratio}"
        )
        return took


def measure_model(meter: Meter, here: Instance, second: Instance, folder: Path, size: int) -> None:
    """A model of one file."""
    timed = meter.timed
    work = folder / "work"
    work.mkdir()
    (work / "evaluation.py").write_text(CODE)
    content = os.urandom(size)
    (work / "weights.bin").write_bytes(content)
    here.models.build(work, modules=("evaluation",), name="large")
    alone = timed("a blob into the local store", size, lambda: LocalBlobStore(folder / "blobs").put(content))
    timed("model copy to the server", size, lambda: here.copy("model", "large", "cloud://lab/project/self"), alone)
    timed(
        "the same again (nothing to send)", size, lambda: here.copy("model", "large", "cloud://lab/project/self"), alone
    )
    uri = "cloud://lab/project/self/model/large"
    timed("model copy from the server", size, lambda: second.copy("model", uri, "."), alone)


def measure_dataset(meter: Meter, here: Instance, second: Instance, rows: int) -> None:
    """A dataset with a picture of 10 KB in each row."""
    timed = meter.timed
    with here.datasets.open("pictures", Dataset) as made:
        for k in range(rows):
            made[k] = {"label": k % 10, "text": f"row {k}", "picture": Binary(os.urandom(10_000))}
        made.commit()
    size = here.datasets.resolve("pictures").size_bytes
    uri = "cloud://lab/project/self/dataset/pictures"
    timed("dataset copy to the server", size, lambda: here.copy("dataset", "pictures", "cloud://lab/project/self"))
    timed("dataset copy from the server", size, lambda: second.copy("dataset", uri, "."))

    def read(instance: Instance, name: str, columns: list[str] | None) -> None:
        verbs = instance.at(name).datasets
        for each in verbs.reader(verbs.resolve(name)).iter_batches(columns):
            for picture in each.columns.get("picture", ()):
                picture.to_bytes()

    for what, columns in (("labels", ["label"]), ("everything", None)):
        local = timed(f"read {what}, local", size, lambda columns=columns: read(here, "pictures", columns))
        before = here.at(uri).stores.connection.received_bytes
        timed(f"read {what}, on the server", size, lambda columns=columns: read(here, uri, columns), local)
        received = here.at(uri).stores.connection.received_bytes - before
        print(f"{'':46} {received / 1e6:.1f} MB were fetched of {size / 1e6:.1f}")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=256)
    parser.add_argument("--rows", type=int, default=20_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = environment(folder / "server")
        started = [SWCLI, "-o", "json", "server", "start", "-d", "--port", "0"]
        said = json.loads(subprocess.run(started, env=server, check=True, capture_output=True).stdout)
        try:
            client = read_settings(environment(folder / "client"))
            servers.login(client, said["address"], token=said["token"], alias="lab")
            other = read_settings({**environment(folder / "client"), "SW_LOCAL_STORAGE": str(folder / "second")})
            with open_instance(client) as here, open_instance(other) as second:
                status = [SWCLI, "-o", "json", "server", "status"]
                found = json.loads(subprocess.run(status, env=server, check=True, capture_output=True).stdout)
                meter = Meter(found["pid"])
                measure_model(meter, here, second, folder, given.mib << 20)
                measure_dataset(meter, here, second, given.rows)
        finally:
            subprocess.run([SWCLI, "server", "stop"], env=server, check=True, capture_output=True)


if __name__ == "__main__":
    main()
