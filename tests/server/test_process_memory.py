"""The server's process loads no pandas, though it makes arrays of Arrow."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
from starwhale.server.process_memory import keep_small
keep_small()
import pyarrow as pa, pyarrow.compute as compute
assert compute.add(pa.array([1, 2]), 1).to_numpy(zero_copy_only=False).tolist() == [2, 3]
assert "pandas" not in sys.modules
import pandas
print(pandas.Series([1]).sum())
"""


def test_arrow_loads_no_pandas_in_the_server_and_who_wants_it_has_it() -> None:
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert (ended.stdout, ended.stderr) == ("1\n", "")
