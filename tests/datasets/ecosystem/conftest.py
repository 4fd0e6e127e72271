"""Datasets with every kind of column, opened as users open them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import PIL.Image
import pytest

from starwhale.api.dataset import Dataset
from starwhale.instances import Instance
from starwhale.media import (
    Audio,
    Binary,
    BoundingBox,
    ClassLabel,
    COCOObjectAnnotation,
    GrayscaleImage,
    Image,
    Line,
    Link,
    MIMEType,
    NumpyBinary,
    Point,
    Text,
    Video,
)

Made = Callable[..., Dataset]
"""Commits rows and opens them: `made(rows, "name")`."""


@pytest.fixture
def made(instance: Instance) -> Made:
    """Commit rows as a dataset, and open the version."""

    def make(rows: Iterable[Any], name: str = "ds") -> Dataset:  # Any: what append takes
        with instance.datasets.open(name, Dataset) as opened:
            for row in rows:
                opened.append(row)
            opened.commit()
        return instance.datasets.open(name, Dataset, readonly=True)

    return make


def png(size: tuple[int, int] = (3, 2), color: tuple[int, int, int] = (255, 0, 0)) -> bytes:
    """A small picture of width and height `size`."""
    out = io.BytesIO()
    PIL.Image.new("RGB", size, color).save(out, format="PNG")
    return out.getvalue()


def everything() -> list[dict[str, Any]]:
    """Rows with each kind of value; the second has none of most."""
    full: dict[str, Any] = {
        "flag": True,
        "count": 2**62,
        "score": 0.5,
        "text": 'ä,"quoted"\n日',
        "raw": b"\x00\xff",
        "numbers": [1, None, 3],
        "nested": {"a": 1, "b": ["x"]},
        "mixed": [1, "two", (3.0, None), {"k": b"\x01"}],
        "long": "long " * 2000,
        "image": Image(png(), display_name="a.png", mime_type=MIMEType.PNG),
        "gray": GrayscaleImage(bytes(range(6)), shape=(2, 3, 1)),
        "sound": Audio(b"RIFF" + bytes(5000), mime_type=MIMEType.WAV),
        "film": Video(link=Link("/films/a.mp4", offset=3, size=9)),
        "blob": Binary(b"blob"),
        "array": NumpyBinary(np.arange(6, dtype="int16").reshape(2, 3)),
        "note": Text("a note"),
        "box": BoundingBox(1, 2, 3.5, 4),
        "point": Point(1, 2),
        "line": Line([Point(0, 0), Point(1, 2)]),
        "classes": ClassLabel(["cat", "dog"]),
        "object": COCOObjectAnnotation(id=7, area=2, bbox=[1, 2, 3, 4], segmentation=[[1, 2, 3, 4]]),
        "link": Link("/data/x", size=4),
    }
    return [full, {"flag": False, "count": None, "score": float("nan"), "text": ""}]


def answer_sum(lazy: Any, answers: Any) -> None:  # Any: a LazyRows, and a queue of multiprocessing
    """Sum the column `x` in a process of its own."""
    answers.put(sum(lazy.to_table()["x"].to_pylist()))


def double_x(features: dict[str, Any]) -> dict[str, Any]:
    """A transform that worker processes can unpickle."""
    return {"x": features["x"] * 2, "size": len(features["image"].to_bytes())}
