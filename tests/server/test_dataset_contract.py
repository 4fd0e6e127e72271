"""The rules of stores of rows: on this machine, and on a server."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from starwhale.datasets.dataset import Dataset, UncommittedChangesWarning
from starwhale.errors import ConflictError
from starwhale.storage.dataset_rows.dataset_store import LocalDatasetStore
from starwhale.storage.remote.remote_datasets import RemoteDatasetStore
from starwhale.testing.dataset_stores import DatasetStoreContract

if TYPE_CHECKING:
    from tests.server.lab import Lab

    from starwhale.storage.protocols import DatasetStore


class TestLocalDatasets(DatasetStoreContract):
    @contextmanager
    def opened(self, folder: Path) -> Generator[DatasetStore]:
        yield LocalDatasetStore(folder / "datasets")


class TestRemoteDatasets(DatasetStoreContract):
    @pytest.fixture(autouse=True)
    def _server(self, lab: Lab) -> None:
        self.lab = lab

    @contextmanager
    def opened(self, folder: Path) -> Generator[DatasetStore]:
        connection = self.lab.connection()
        yield RemoteDatasetStore(connection)
        connection.close()


def test_a_dataset_on_a_server_is_built_and_changed_from_here(lab: Lab) -> None:
    here = lab.open()
    uri = "cloud://lab/project/self/dataset/changed"
    try:
        there = here.at(uri).datasets
        with there.open(uri, Dataset) as made:
            for k in range(50):
                made[k] = {"n": k, "raw": b"x" * 9_000}
            made.commit(tags=["first"])
        sent = here.at(uri).stores.connection.sent_bytes
        other = there.open(uri, Dataset)
        with there.open(uri, Dataset) as changed:
            changed[7] = {"n": -7}
            del changed[8]
            other[7] = {"n": 70}
            changed.commit()
            with pytest.raises(ConflictError, match="7"):
                other.commit()
        with pytest.warns(UncommittedChangesWarning):
            other.close()
        assert here.at(uri).stores.connection.sent_bytes - sent < 100_000
        assert [(each.row_count, each.tags) for each in there.history(uri)] == [(49, ("latest", "v1")), (50, ("first", "v0"))]  # fmt: skip
        copied = here.copy("dataset", uri, ".").version
        assert here.datasets.reader(copied).read(7, 8).columns["n"] == [-7]
        assert here.datasets.verify(copied.uri.full).is_whole
    finally:
        here.close()


def test_resources_and_projects_of_a_server_are_found_in_python(lab: Lab) -> None:
    code = """
import starwhale
from starwhale import Resource
from starwhale.api.resource import Project

with starwhale.dataset("cloud://lab/project/self/dataset/from-python") as made:
    made.append({"n": 1})
    made.commit()
found = Resource("cloud://lab/project/self/dataset/from-python")
print(found.instance, found.project.full_uri, found.info()["dataset_summary"]["rows"])
print(Project("self", instance="lab").full_uri, Project("x", instance="local").full_uri, Project().full_uri)
print(Resource("from-python", typ="dataset", project=Project("self", instance="lab")) == found)
"""
    done = subprocess.run([sys.executable, "-c", code], env=dict(lab.env), capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == [
        "lab lab/project/self 1",
        "lab/project/self local/project/x local/project/self",
        "True",
    ], done.stderr
