"""Building and reading take bounded memory, whatever the dataset holds."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

MOST_MIB = 500
"""Memory of the whole process, what it maps included."""

SCRIPT = """
import json, random, re, sys
from pathlib import Path
from starwhale import Binary, dataset

shape, operation, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
pool = random.Random(0).randbytes(4 << 20)

def rows():
    for i in range(count):
        if shape == "scalars":
            yield {"i": i, "f": i * 0.5, "t": f"text {i}"}
        else:
            start = i * 104729 % (len(pool) - 102_400)
            yield {"blob": Binary(pool[start : start + 102_396] + i.to_bytes(4, "big")), "name": f"f{i}"}

if operation == "build":
    with dataset(shape, create="empty") as opened:
        for row in rows():
            opened.append(row)
        opened.commit()
    seen = count
else:
    seen = 0
    for row in dataset(shape, readonly=True):
        value = row.features
        if shape == "scalars":
            assert value["i"] == seen and value["t"] == f"text {seen}"
        else:
            assert value["blob"].to_bytes()[-4:] == seen.to_bytes(4, "big")
        seen += 1
# ru_maxrss would count what the process that started this one had in memory
print(json.dumps([seen, int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) // 1024]))
"""


@pytest.mark.parametrize(
    ("shape", "count", "needed_bytes"),
    [
        pytest.param("scalars", 300_000, 100 << 20, marks=pytest.mark.needs_time),
        pytest.param("blobs", 10_000, 3 << 30, marks=pytest.mark.needs_time),
        pytest.param("scalars", 10_000_000, 2 << 30, marks=pytest.mark.soak),
        pytest.param("blobs", 200_000, 24 << 30, marks=pytest.mark.soak),
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="/proc says how much memory a process took")
def test_building_and_reading_take_less_than_500_mib(tmp_path: Path, shape: str, count: int, needed_bytes: int) -> None:
    free = shutil.disk_usage(tmp_path).free
    if free < needed_bytes:
        pytest.skip(f"{free >> 20} MiB are free here, and {count} {shape} take {needed_bytes >> 20}")
    env = {**os.environ, "SW_LOCAL_STORAGE": str(tmp_path / "root"), "SW_CLI_CONFIG": str(tmp_path / "config.yaml")}
    try:
        for operation in ("build", "read"):
            command = [sys.executable, "-c", SCRIPT, shape, operation, str(count)]
            done = subprocess.run(command, env=env, check=True, capture_output=True, text=True)
            seen, peak_mib = json.loads(done.stdout)
            assert seen == count
            assert peak_mib < MOST_MIB, f"{operation} took {peak_mib} MiB"
    finally:
        shutil.rmtree(tmp_path / "root", ignore_errors=True)  # pytest would keep it for three runs
