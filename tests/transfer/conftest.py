"""Two instances, and ways to spoil an archive between them."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from starwhale.instances import Instance, open_instance
from starwhale.settings import Settings

Entries = list[tuple[tarfile.TarInfo, bytes]]
Rebuild = Callable[[Path, Callable[[Entries], object]], Path]


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Instance]:
    """The instance that archives come from."""
    with open_instance(Settings(config_path=tmp_path / "here.yaml", root=None, default_root=tmp_path / "here")) as each:
        yield each


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Instance]:
    """A clean one that they go to."""
    path = tmp_path / "there"
    with open_instance(Settings(config_path=tmp_path / "there.yaml", root=None, default_root=path)) as each:
        yield each


@pytest.fixture
def rebuilt(tmp_path: Path) -> Rebuild:
    """Write an archive again with its entries changed, and with checksums that fit."""

    def rebuild(archive: Path, change: Callable[[Entries], object]) -> Path:
        with tarfile.open(archive) as tar:
            entries: Entries = [(each, tar.extractfile(each).read()) for each in tar]  # type: ignore[union-attr]  # all are files
        change(entries)
        path = tmp_path / "rebuilt.tar"
        with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
            for entry, data in entries:
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))
        return path

    return rebuild


def left_behind(instance: Instance) -> list[Any]:
    """What of an archive lies in an instance, whether the catalog knows it or not."""
    root = instance.stores.layout.root
    folders = ("tmp", "datasets", "blobs", "results", "logs", "jobs")
    found = [path for folder in folders for path in (root / folder).rglob("*")]
    return sorted(path for path in found if path.is_file() and path.name != ".in-use")
