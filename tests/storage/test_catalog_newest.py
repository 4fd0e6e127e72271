"""What a name means is found without SQLAlchemy, and is the same as what the catalog's nouns say."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from starwhale.errors import CorruptedError
from starwhale.storage.catalog.catalog import SqlCatalog, open_catalog
from starwhale.storage.catalog.newest import Newest
from starwhale.storage.catalog.records import VersionDraft, VersionRecord


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[SqlCatalog]:
    with closing(open_catalog(tmp_path / "catalog.db", tmp_path / ".lock")) as opened:
        yield opened


def add(catalog: SqlCatalog, project: str, name: str, *, kind: str = "dataset", number: int = 0) -> VersionRecord:
    bundle = catalog.bundles.ensure(project, kind, name)
    draft = VersionDraft(
        content_digest=f"d{number}",
        manifest={"a": [number, {"ü": None}]},
        message="",
        row_count=number or None,
        tags=("best",),
    )
    return catalog.versions.add(bundle, draft)


def said(catalog: SqlCatalog, project: str, kind: str, name: str) -> Newest:
    """The same, of the nouns."""
    there = {each.name.casefold() for each in catalog.projects.list()}
    bundle = catalog.bundles.find(project, kind, name)
    return Newest(
        has_project=project.casefold() in there,
        bundle=bundle,
        version=catalog.versions.newest(bundle.id) if bundle else None,
    )


def check(catalog: SqlCatalog) -> list[Newest]:
    asked = [
        (project, kind, name)
        for project in ("self", "Demo", "none")
        for kind in ("dataset", "model")
        for name in ("MNIST", "x")
    ]
    found = [catalog.find_newest(*each) for each in asked]
    assert found == [said(catalog, *each) for each in asked]
    return found


def test_a_name_means_what_the_nouns_say_whatever_happened_to_it(catalog: SqlCatalog) -> None:
    assert {each.has_project for each in check(catalog)} == {False}
    catalog.bundles.ensure("demo", "dataset", "Mnist")  # a first build that failed
    assert [each.version for each in check(catalog) if each.bundle] == [None]
    first, second = (add(catalog, "demo", "Mnist", number=number) for number in (0, 1))
    add(catalog, "self", "mnist", kind="model")
    assert second in [each.version for each in check(catalog)]
    catalog.versions.remove(second.version)
    assert [each.version.version for each in check(catalog) if each.version and each.version.project == "demo"] == [
        first.version
    ]
    catalog.versions.remove(first.version)
    assert [each.version for each in check(catalog) if each.bundle and each.bundle.project == "demo"] == [None]
    catalog.versions.recover(second.version)
    catalog.projects.remove("demo")
    assert not catalog.find_newest("demo", "dataset", "mnist").has_project
    assert check(catalog)
    catalog.projects.recover("demo")
    assert second.version in [each.version.version for each in check(catalog) if each.version]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE versions SET message = 'other' WHERE sequence = 1",
        "UPDATE versions SET manifest = '{' WHERE sequence = 1",
        "UPDATE versions SET removed_at = 1 WHERE sequence = 0",  # harmless: nobody asks for it
        "UPDATE tags SET tag = 'worst' WHERE tag = 'best'",
        "UPDATE bundles SET name = 'other'",
        "DROP TABLE tags",
    ],
)
def test_damage_is_reported(tmp_path: Path, catalog: SqlCatalog, change: str) -> None:
    newest = [add(catalog, "self", "mnist", number=number) for number in (0, 1)][-1]
    with closing(sqlite3.connect(tmp_path / "catalog.db")) as connection:
        connection.execute(change)
        connection.commit()
    if "sequence = 0" in change:
        assert catalog.find_newest("self", "dataset", "mnist").version == newest
        return
    with pytest.raises(CorruptedError, match=r"catalog\.db is damaged") as raised:
        catalog.find_newest("self", "dataset", "mnist")
    assert raised.value.path == str(tmp_path / "catalog.db")


def test_a_lost_entry_of_an_index_does_not_show_an_older_version(tmp_path: Path, catalog: SqlCatalog) -> None:
    for number in (0, 1):
        add(catalog, "self", "mnist", number=number)
    with closing(sqlite3.connect(tmp_path / "catalog.db")) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("DELETE FROM sqlite_schema WHERE name = 'sqlite_autoindex_versions_2'")
        connection.execute("UPDATE versions SET sequence = -1 WHERE sequence = 1")
        connection.commit()
    with pytest.raises(CorruptedError):
        catalog.find_newest("self", "dataset", "mnist")


def test_a_column_whose_name_has_got_another_case_is_found(tmp_path: Path, catalog: SqlCatalog) -> None:
    """One flipped bit in the schema does it, and SQL takes no notice."""
    newest = add(catalog, "self", "mnist")
    catalog.close()
    content = (tmp_path / "catalog.db").read_bytes()
    for found, changed in (
        (b"sequence INTEGER", b"Sequence INTEGER"),
        (b"tag VARCHAR(80) NOT NULL, \n", b"Tag VARCHAR(80) NOT NULL, \n"),
    ):
        assert found in content
        content = content.replace(found, changed)
    (tmp_path / "catalog.db").write_bytes(content)
    with closing(open_catalog(tmp_path / "catalog.db", tmp_path / ".lock")) as opened:
        assert opened.find_newest("self", "dataset", "mnist").version == newest


def test_many_threads_ask_while_another_commits(catalog: SqlCatalog) -> None:
    def ask(_number: int) -> int:
        found = catalog.find_newest("self", "dataset", "mnist").version
        return -1 if found is None else found.sequence

    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(ask, number) for number in range(200)]
        for number in range(5):
            add(catalog, "self", "mnist", number=number)
        seen = [each.result() for each in asked]
    assert set(seen) <= set(range(-1, 5))
    assert ask(0) == 4


def test_reading_a_dataset_imports_no_sqlalchemy(tmp_path: Path) -> None:
    program = """
import sys
from starwhale import dataset
if sys.argv[1] == "build":
    with dataset("ds") as made:
        made.append({"x": 1})
        made.commit()
else:
    assert [row.features["x"] for row in dataset("ds", readonly=True)] == [1]
    assert dataset("ds", readonly=True).to_arrow()["x"].to_pylist() == [1]
    print([name for name in ("sqlalchemy", "alembic") if name in sys.modules])
"""
    env = {**os.environ, "SW_LOCAL_STORAGE": str(tmp_path / "root"), "SW_CLI_CONFIG": str(tmp_path / "config.yaml")}
    for operation in ("build", "read"):
        command = [sys.executable, "-c", program, operation]
        done = subprocess.run(command, env=env, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
