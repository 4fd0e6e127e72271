"""`starwhale.model`: packaging from a script or notebook."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from starwhale.api import model
from starwhale.errors import AlreadyExistsError, NotFoundError, UsageError
from starwhale.handlers.registry import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODULE = "pets.evaluator"
EVALUATOR = """
from starwhale import evaluation

class Pipeline:
    @evaluation.predict
    def predict(self, row):
        return row

@evaluation.predict
def predict(row):
    return row
"""


@pytest.fixture
def work(tmp_path: Path, instance_root: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A work directory whose package was imported, as a script in it would have done."""
    for name, value in instance_root.items():
        monkeypatch.setenv(name, value)
    folder = tmp_path / "zoo" / "pets"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "evaluator.py").write_text(EVALUATOR)
    monkeypatch.syspath_prepend(str(folder.parent))
    importlib.import_module(MODULE)
    yield folder.parent
    for name in (MODULE, "pets"):
        REGISTRY.forget(name)
        del sys.modules[name]


def handlers(name: str) -> set[str]:
    return set(model.info(name)["handlers"])


def test_modules_are_named_by_paths_objects_or_what_is_registered(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluator: Any = sys.modules[MODULE]
    both = {f"{MODULE}:Pipeline.predict", f"{MODULE}:predict"}
    for number, given in enumerate(
        ([MODULE], [f"{MODULE}:predict"], [evaluator], [evaluator.predict], [evaluator.Pipeline, MODULE])
    ):
        model.build(given, work, name=f"m{number}")
        assert handlers(f"m{number}") == both
        assert f"- {MODULE}" in model.info(f"m{number}")["model_yaml"]
    monkeypatch.chdir(work)
    model.build(tags=["mine"], desc="all that is registered", excludes=["*.txt"])
    (version,) = model.history("zoo")
    assert (version["tags"], model.info("zoo")["desc"]) == (["mine", "latest", "v0"], "all that is registered")
    assert handlers("zoo") == both
    model.build([evaluator], work / "pets", name="deeper")
    assert handlers("deeper") == {"evaluator:Pipeline.predict", "evaluator:predict"}
    assert {each["name"] for each in model.list()} == {"zoo", "deeper", *(f"m{number}" for number in range(5))}


def test_what_cannot_be_packaged_is_said(work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(RuntimeError, match="registered"):
        model.build(workdir=tmp_path / "empty")
    monkeypatch.setitem(sys.modules, "a_cell", ModuleType("a_cell"))

    def predict(row: object) -> object:
        return row

    predict.__module__ = "a_cell"
    with pytest.raises(UsageError, match=r"%%writefile"):
        model.build([predict], work)
    with pytest.raises(UsageError, match="outside of the work directory"):
        model.build([pytest.raises], work)
    assert list(model.list()) == []


def test_versions_are_tagged_removed_and_recovered(work: Path) -> None:
    model.build([MODULE], work)
    assert model.tag("zoo", ["good"]) == ("good", "latest", "v0")
    assert model.tag("zoo") == ("good", "latest", "v0")
    assert model.tag("zoo", ["good"], remove=True) == ("latest", "v0")
    removed = model.remove("zoo")
    with pytest.raises(NotFoundError):
        model.info("zoo")
    assert [each["is_removed"] for each in model.list(with_removed=True)] == [True]
    assert model.recover("zoo") == removed == model.info("zoo")["uri"]


def test_versions_are_compared_extracted_and_copied(work: Path, tmp_path: Path) -> None:
    from starwhale.core.model.view import ModelTermView  # pyright: ignore[reportMissingImports]  # an old path

    model.build(workdir=work, name="zoo", tags=["mine"])
    (work / "pets" / "new.py").write_text("x = 1\n")
    model.build(workdir=work, name="zoo")
    found = model.diff("zoo/version/v0", "zoo")
    assert [each.path for each in found.files if each.state == "added"] == ["pets/new.py"]
    assert ModelTermView("zoo/version/v0").diff("zoo") == found.to_json()
    model.extract("zoo/version/v0", tmp_path / "out")
    assert (tmp_path / "out/pets/evaluator.py").read_text() == EVALUATOR
    with pytest.raises(AlreadyExistsError, match="there already"):
        model.extract("zoo", tmp_path / "out")
    model.extract("zoo", tmp_path / "out", force=True)
    assert (tmp_path / "out/pets/new.py").exists()
    copied = model.copy("zoo/version/mine", "ark")
    assert (model.info(copied)["name"], model.info(copied)["tags"]) == ("ark", ["mine", "latest", "v0"])
    assert ModelTermView.copy("zoo/version/mine", "ark", force=True) == copied
    assert model.diff("zoo/version/v0", "ark").is_same
