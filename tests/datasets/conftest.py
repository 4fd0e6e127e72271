"""Datasets on a real instance of the test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from starwhale.datasets.dataset import Dataset
from starwhale.instances import Instance, open_instance
from starwhale.settings import Settings

Open = Callable[..., Dataset]
"""Opens a dataset of the instance by name or URI."""
Build = Callable[..., str]
"""Commits rows as a dataset and returns the version."""


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    """An empty instance."""
    with open_instance(
        Settings(config_path=tmp_path / "config.yaml", root=None, default_root=tmp_path / "root")
    ) as opened:
        yield opened


@pytest.fixture
def open_(instance: Instance) -> Open:
    """Open a dataset."""

    def open_dataset(uri: str, **options: Any) -> Dataset:  # Any: options of `open`
        return instance.datasets.open(uri, Dataset, **options)

    return open_dataset


@pytest.fixture
def build(open_: Open) -> Build:
    """Commit rows: dicts, or pairs of key and features."""

    def build_dataset(rows: Iterable[Any], name: str = "ds") -> str:  # Any: what append takes
        with open_(name) as opened:
            for row in rows:
                opened.append(row)
            return opened.commit()

    return build_dataset
