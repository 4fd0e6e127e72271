"""The table of importers: built-in ones, those of installed packages, and the rules that all keep to."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from starwhale.datasets.importers import BUILTIN, Importer, open_source
from starwhale.datasets.importers.registry import make_options
from starwhale.errors import MissingDependencyError, UsageError
from starwhale.plugins import load
from starwhale.testing.importers import ImporterSuite

if TYPE_CHECKING:
    from tests.conftest import Swcli

PLUGIN = """
from dataclasses import dataclass
from pathlib import Path
from starwhale.datasets.importers import Importer
from starwhale.errors import DatasetSourceError

@dataclass(frozen=True)
class Options:
    step: int = 1

def read(places, options):
    for place in places:
        try:
            count = int(Path(place).read_text())
        except OSError as error:
            raise DatasetSourceError(f"cannot read {place}", path=place) from error
        for number in range(count):
            yield number, {"number": number * options.step}

IMPORTER = Importer(read=read, options=Options)
"""


def install(folder: Path) -> Path:
    """Write what an installed package leaves: its module, and its entry points."""
    info = folder / "numbers_importer-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "numbers_importer.py").write_text(PLUGIN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: numbers-importer\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[starwhale.importer]\nnumbers = numbers_importer:IMPORTER\nwrong = json:loads\n"
    )
    return folder


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(install(tmp_path / "site")))


@pytest.mark.usefixtures("installed")
class TestAnImporterOfAPackage(ImporterSuite):
    kind = "numbers"
    options = {"step": "2"}  # noqa: RUF012 - as the suite declares it

    def places(self, folder: Path) -> Sequence[str]:
        (folder / "n").write_text("3")
        return [str(folder / "n")]


class TestCsv(ImporterSuite):
    kind = "csv"

    def places(self, folder: Path) -> Sequence[str]:
        (folder / "a.csv").write_text("x\n1\n2\n")
        return [str(folder)]


class TestJson(ImporterSuite):
    kind = "json"

    def places(self, folder: Path) -> Sequence[str]:
        (folder / "a.json").write_text(json.dumps([{"x": 1}, {"x": 2}]))
        return [str(folder)]


class TestParquet(ImporterSuite):
    kind = "parquet"

    def places(self, folder: Path) -> Sequence[str]:
        parquet.write_table(pa.table({"x": [1, 2]}), folder / "a.parquet")
        return [str(folder)]


class TestArrow(ImporterSuite):
    kind = "arrow"

    def places(self, folder: Path) -> Sequence[str]:
        with pa.ipc.new_file(str(folder / "a.arrow"), pa.schema([("x", pa.int64())])) as writer:
            writer.write_table(pa.table({"x": [1, 2]}))
        return [str(folder)]


class TestImage(ImporterSuite):
    kind = "image"

    def places(self, folder: Path) -> Sequence[str]:
        for name in ("a.png", "b.png"):
            (folder / name).write_bytes(b"x")
        return [str(folder)]


class TestWebDataset(ImporterSuite):
    kind = "webdataset"

    def places(self, folder: Path) -> Sequence[str]:
        for name in ("a.txt", "b.txt"):
            (folder / name).write_bytes(b"x")
        with tarfile.open(folder / "a.tar", "w") as shard:
            for name in ("a.txt", "b.txt"):
                shard.add(folder / name, name)
        return [str(folder / "a.tar")]


class TestCoco(ImporterSuite):
    kind = "coco"

    def places(self, folder: Path) -> Sequence[str]:
        images = [{"id": k, "file_name": f"{k}.png"} for k in range(2)]
        for each in images:
            (folder / str(each["file_name"])).write_bytes(b"x")
        (folder / "i.json").write_text(json.dumps({"images": images, "annotations": [], "categories": []}))
        return [str(folder / "i.json")]


@pytest.mark.needs_lance
class TestLance(ImporterSuite):
    kind = "lance"

    def places(self, folder: Path) -> Sequence[str]:
        pytest.importorskip("lance").write_dataset(pa.table({"x": [1, 2]}), str(folder / "a.lance"), mode="overwrite")
        return [str(folder / "a.lance")]


def test_every_built_in_importer_is_there() -> None:
    assert all(isinstance(load("importer", kind, BUILTIN), Importer) for kind in BUILTIN)


@pytest.mark.usefixtures("installed")
def test_unknown_kinds_options_and_wrong_values_are_named() -> None:
    for kind, options, says in (
        ("parqet", {}, "no importer 'parqet'; did you mean 'parquet'?"),
        ("number", {}, "did you mean 'numbers'?"),
        ("wrong", {}, "is of type function, not Importer"),
        ("csv", {"delimeter": ";"}, "no option 'delimeter'; did you mean 'delimiter'?"),
        ("csv", {"strict": "perhaps"}, "the option 'strict' of the importer 'csv' cannot be 'perhaps'"),
        ("numbers", {"step": "x"}, "cannot be 'x'; its default is 1"),
    ):
        with pytest.raises(UsageError) as caught:
            open_source(kind, ["p"], options)
        assert says in str(caught.value)
    with pytest.raises(UsageError, match="no place is given"):
        open_source("csv", [])


def test_texts_are_read_as_the_type_of_the_default() -> None:
    @dataclass(frozen=True)
    class Options:
        flag: bool = False
        names: tuple[str, ...] = ()
        share: float = 0.5
        text: str = ""

    made = make_options("k", Options, {"flag": "yes", "names": "a,b", "share": "2", "text": "3"})
    assert made == Options(flag=True, names=("a", "b"), share=2.0, text="3")


def test_the_command_line_reads_the_importer_of_a_package(swcli: Swcli, tmp_path: Path) -> None:
    env = {"PYTHONPATH": str(install(tmp_path / "site"))}
    (tmp_path / "n").write_text("3")
    done = swcli("dataset", "build", "--from", "numbers", "n", "--option", "step=5", "-o", "json", env=env)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["name"] == "n"
    found: Any = json.loads(swcli("dataset", "head", "n", "-o", "json").stdout)
    assert [row["features"] for row in found] == [{"number": 0}, {"number": 5}, {"number": 10}]


@pytest.mark.parametrize(
    ("kind", "module", "says"),
    [
        ("lance", "lance", "pip install 'starwhale-evaluation[lance]'"),
        ("huggingface", "datasets", "pip install 'starwhale-evaluation[huggingface]'"),
    ],
)
def test_a_missing_package_names_its_extra(
    kind: str, module: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(MissingDependencyError) as caught:
        list(open_source(kind, [str(tmp_path)]))
    assert says in str(caught.value)
