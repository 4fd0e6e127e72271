"""Arrays made of buffers are what pyarrow makes of the same values, without pandas."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import pyarrow as pa
import pytest

from starwhale.storage.columns import arrays

CASES: dict[str, tuple[Any, Any, list[Any]]] = {
    "ints": (arrays.ints, pa.int64(), [0, -(2**63), 2**63 - 1, *range(20)]),
    "some ints": (arrays.ints, pa.int64(), [None, 1, None, None, 2, 3, 4, 5, 6, None]),
    "floats": (arrays.floats, pa.float64(), [0.5, -0.0, math.inf, None, 5e-324]),
    "bools": (arrays.bools, pa.bool_(), [True, False, None] * 11),
    "texts": (arrays.texts, pa.string(), ["a", "", "ünï 🐋", "\x00", "b" * 300]),
    "some texts": (arrays.texts, pa.string(), [None, "a", None]),
    "bytes": (arrays.binaries, pa.binary(), [b"", None, b"\x00\xff", b"x" * 300]),
    "offsets": (arrays.offsets, pa.int32(), [0, None, 4]),
    "lists of texts": (arrays.text_lists, pa.list_(pa.string()), [["a", "b"], None, [], ["c"]]),
}


@pytest.mark.parametrize("name", list(CASES))
@pytest.mark.parametrize("count", [0, 1, None])
def test_an_array_is_what_pyarrow_would_make(name: str, count: int | None) -> None:
    make, arrow_type, values = CASES[name]
    made = make(values[:count])
    made.validate(full=True)
    assert made.equals(pa.array(values[:count], arrow_type))


def test_structs_know_which_are_absent() -> None:
    arrow_type = pa.struct([("a", pa.int64())])
    made = arrays.structs(arrow_type, [arrays.ints([1, None, None])], [True, True, False])
    made.validate(full=True)
    assert made.to_pylist() == [{"a": 1}, {"a": None}, None]


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(OverflowError):
        arrays.ints([2**63])
    with pytest.raises(UnicodeEncodeError):
        arrays.texts(["\ud800"])


def test_a_dataset_is_built_and_read_without_importing_what_it_does_not_need() -> None:
    pytest.importorskip("pandas")
    script = """
import sys
from starwhale.media import Image
from starwhale.storage.columns.encode import decode_batch, encode_batch
rows = {"i": [1, None], "t": ["a", "x" * 9000], "l": [[1], None], "s": [{"a": 1.5}, None], "m": [Image(b"x"), None], "b": [True, None]}
class Sink:
    limit = 4096
    def put(self, content): return {"pack": "p", "offset": 0, "size": len(content), "digest": b""}
    def adopt(self, source): return None
batch = encode_batch(rows, sink=Sink(), keys=[1, 2])
print({"pandas", "pyarrow.compute", "pyarrow.dataset"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
