"""Media by what is kept beside their content: sizes, types, shapes and digests. No content is opened."""

from __future__ import annotations

from collections import Counter
from importlib import import_module
from typing import Any

import msgpack

from starwhale.datasets.statistics.counting import ValueCounts, count_pairs, counted_array
from starwhale.datasets.statistics.parts import Facts, Sized, content_digests, content_sizes

compute: Any = import_module("pyarrow.compute")  # its functions are made at run time


class Media(Sized):
    """Media values of one class."""

    unit = "bytes"

    def __init__(self) -> None:
        super().__init__()
        self._types: Counter[str] = Counter()
        self._shapes = ValueCounts()
        self._linked = 0

    def add(self, values: Any, kind: str) -> None:
        """Count them by content, or by state where they have no content of their own."""
        metas, data, refs = values.flatten()
        self._add_states(metas)
        self.counts.add(content_digests(data, refs, metas))
        self.sizes.add(self.measure(values))

    def measure(self, values: Any) -> Any:
        """Return the sizes of those that have content here."""
        _, data, refs = values.flatten()
        return content_sizes(data, refs).drop_null()

    def facts(self) -> Facts:
        """Tell types, shapes, sizes and how many are different."""
        sizes = self.size_facts() if self.sizes.counts.total else {}
        return {
            **sizes,
            "distinct": self.counts.distinct(),
            "mime_types": count_pairs(self._types),
            "shapes": self._shapes.top().values,
            "linked": self._linked,
        }

    def _add_states(self, metas: Any) -> None:
        """Look at each different state once."""
        counted = compute.value_counts(metas)
        shapes: Counter[str] = Counter()
        for meta, count in zip(counted.field(0).to_pylist(), counted.field(1).to_pylist(), strict=True):
            state = msgpack.unpackb(meta, strict_map_key=False, unicode_errors="surrogatepass")
            if state.get("mime_type"):
                self._types[state["mime_type"]] += count
            shape = state.get("shape")
            if shape and state.get("has_shape", True) and all(isinstance(each, int) for each in shape):
                shapes["×".join(map(str, shape))] += count
            self._linked += count if state.get("link") else 0
        if shapes:
            self._shapes.add_counts(*counted_array(list(shapes), list(shapes.values())))


__all__ = ["Media"]
