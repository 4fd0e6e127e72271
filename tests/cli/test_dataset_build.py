"""`swcli dataset build` from every kind of source, with its modes, as a user runs it."""

from __future__ import annotations

import io
import json
import signal
import tarfile
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from pyarrow import feather, parquet

from starwhale.cli.dataset_source import refuse_bare
from starwhale.errors import UsageError

if TYPE_CHECKING:
    from tests.conftest import Swcli


def built(swcli: Swcli, *args: str) -> dict[str, Any]:
    done = swcli("dataset", "build", *args, "-o", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def rows(swcli: Swcli, name: str) -> dict[int | str, dict[str, Any]]:
    done = swcli("dataset", "head", name, "-n", "100", "-o", "json")
    assert done.returncode == 0, done.stderr
    return {row["index"]: row["features"] for row in json.loads(done.stdout)}


def refused(swcli: Swcli, *args: str) -> str:
    done = swcli("dataset", "build", *args)
    assert done.returncode in {1, 2}
    assert "Traceback" not in done.stderr
    return " ".join(done.stderr.split())


@pytest.mark.needs_time
def test_parquet_is_named_after_its_file_patched_and_overwritten(swcli: Swcli, tmp_path: Path) -> None:
    parquet.write_table(pa.table({"x": [1, 2], "y": ["a", None]}), tmp_path / "numbers.parquet")
    parquet.write_table(pa.table({"z": [1.5]}), tmp_path / "more.parquet")
    assert built(swcli, "--parquet", "numbers.parquet")["name"] == "numbers"
    built(swcli, "--parquet", "more.parquet", "--name", "numbers")
    assert rows(swcli, "numbers") == {0: {"x": 1, "y": "a", "z": 1.5}, 1: {"x": 2}}
    built(swcli, "--parquet", "more.parquet", "--name", "numbers", "--overwrite")
    assert rows(swcli, "numbers") == {0: {"z": 1.5}}


@pytest.mark.needs_time
def test_arrow_coco_and_webdataset_patched_and_overwritten(swcli: Swcli, tmp_path: Path) -> None:
    feather.write_feather(pa.table({"x": [1, 2], "y": [3, 4]}), str(tmp_path / "a.feather"))
    built(swcli, "--arrow", "a.feather", "--column", "y", "-n", "arrow")
    assert rows(swcli, "arrow") == {0: {"y": 3}, 1: {"y": 4}}

    images = [{"id": k, "file_name": f"{k}.png", "width": 1, "height": 1} for k in range(2)]
    (tmp_path / "pictures").mkdir()
    for each in images:
        (tmp_path / "pictures" / str(each["file_name"])).write_bytes(b"x")
    marks = [
        {"id": 1, "image_id": 1, "category_id": 3, "bbox": [0, 0, 1, 1], "area": 1, "iscrowd": 0, "segmentation": []}
    ]
    document = {"images": images, "annotations": marks, "categories": [{"id": 3, "name": "cat"}]}
    (tmp_path / "small.json").write_text(json.dumps(document))
    built(swcli, "--coco", "small.json", "--coco-images", "pictures")
    found = rows(swcli, "small")
    assert (found["0.png"]["categories"], found["1.png"]["categories"]) == ([], ["cat"])
    (tmp_path / "small.json").write_text(json.dumps({**document, "images": images[1:]}))
    built(swcli, "--coco", "small.json", "--coco-images", "pictures", "--overwrite")
    assert set(rows(swcli, "small")) == {"1.png"}

    for number in range(2):
        with tarfile.open(tmp_path / f"s-{number}.tar", "w") as shard:
            member = tarfile.TarInfo("one.cls")
            member.size = 1
            shard.addfile(member, io.BytesIO(b"%d" % number))
    built(swcli, "--webdataset", "s-{0..1}.tar", "--shard-keys", "-n", "shards")
    assert rows(swcli, "shards") == {"s-0/one": {"cls": 0}, "s-1/one": {"cls": 1}}
    built(swcli, "--webdataset", "s-1.tar", "-n", "one", "--patch")
    assert rows(swcli, "one") == {"one": {"cls": 1}}


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Serves the folder of the test over HTTP on loopback."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.needs_time
def test_addresses_of_every_kind_of_file(swcli: Swcli, tmp_path: Path, address: str) -> None:
    (tmp_path / "a.csv").write_text("x\n1\n")
    (tmp_path / "a.json").write_text('{"rows": [{"x": "1"}]}')
    parquet.write_table(pa.table({"x": ["1"]}), tmp_path / "a.parquet")
    feather.write_feather(pa.table({"x": ["1"]}), str(tmp_path / "a.feather"))
    for option, name, *more in (
        ("--csv", "a.csv"),
        ("--json", "a.json", "--field-selector", "rows"),
        ("--parquet", "a.parquet"),
        ("--arrow", "a.feather"),
    ):
        built(swcli, option, f"{address}/{name}", "-n", name.replace(".", "_"), *more)
        assert rows(swcli, name.replace(".", "_")) == {0: {"x": "1"}}
    assert "404" in refused(swcli, "--csv", f"{address}/missing.csv", "-n", "m")


@pytest.mark.needs_time
def test_a_dataset_yaml_with_every_field(swcli: Swcli, tmp_path: Path) -> None:
    (tmp_path / "rows.py").write_text("def function():\n    yield {'x': 1}\n    yield 'no', 3\n    yield {'x': 2}\n")
    (tmp_path / "fine.py").write_text("def function():\n    yield 'b', {'x': 1}\n    yield 'a', {'x': 2}\n")
    assert swcli("project", "create", "other").returncode == 0
    text = (
        "name: y\nhandler: fine:function\ndesc: why\nversion: '1.0'\nproject_uri: local/project/other\n"
        "attr:\n  volume_size: 64M\n  alignment_size: 4k\nunknown: 1\n"
    )
    (tmp_path / "dataset.yaml").write_text(text)
    assert built(swcli)["uri"].startswith("local/project/other/dataset/y/version/")
    assert rows(swcli, "local/project/other/dataset/y") == {"a": {"x": 2}, "b": {"x": 1}}
    assert built(swcli, "-p", "self", "-n", "z", "-d", "mine")["uri"].startswith("local/project/self/dataset/z/")
    (tmp_path / "dataset.yaml").write_text(text.replace("fine:", "rows:"))
    assert "the features of item 1 are of type 'int'" in refused(swcli, "-n", "w")
    for old, new, says in (
        ("version: '1.0'", "version: 3", "version is 3, and only the form 1.0 is known"),
        ("desc: why", "desc: [a]", "desc is ['a'], and should be text"),
        ("attr:\n", "attr: 3\nx:\n", "attr is 3"),
        ("handler:", "handlr:", "did you mean 'handlr'?"),
        ("unknown: 1", "runtime_uri: pytorch", "no runtime 'pytorch' in project"),
        ("unknown: 1", "runtime_uri: [", "cannot read dataset.yaml"),
    ):
        (tmp_path / "dataset.yaml").write_text(text.replace(old, new))
        assert says in refused(swcli)
    assert "name another file: --dataset-yaml code/dataset.yaml" in refused(swcli, "--workdir", "code")


def test_keys_that_come_twice_are_said(swcli: Swcli, tmp_path: Path) -> None:
    (tmp_path / "twice.py").write_text("def rows():\n    for k in 'abab':\n        yield k, {k: 1}\n")
    done = swcli("dataset", "build", "--handler", "twice:rows", "-n", "twice")
    assert done.returncode == 0
    assert "Warning: 2 rows have a key that came before" in done.stderr


def test_a_build_that_is_interrupted_says_so_and_leaves_nothing(swcli: Swcli, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        "import pathlib, time\ndef rows():\n    yield {'x': 1}\n    pathlib.Path('began').touch()\n    time.sleep(100)\n"
    )
    child = swcli.start("dataset", "build", "--handler", "slow:rows", "-n", "slow")
    deadline = time.monotonic() + 60
    while not (tmp_path / "began").exists():
        assert time.monotonic() < deadline
        assert child.poll() is None
        threading.Event().wait(0.02)
    child.send_signal(signal.SIGINT)
    _, stderr = child.communicate(timeout=60)
    assert (child.returncode, stderr.strip().splitlines()[-1]) == (130, "Error: interrupted")
    assert "no dataset 'slow' in project 'self'" in swcli("dataset", "info", "slow").stderr


@pytest.mark.parametrize(
    ("place", "hint"),
    [
        ("rows.csv", "write --csv rows.csv"),
        ("rows.tsv", "write --dialect excel-tab --csv rows.tsv"),
        ("rows.JSONL", "write --json rows.JSONL"),
        ("shard-{000..009}.tar", "write --webdataset shard-{000..009}.tar"),
        ("a.lance", "write --lance a.lance"),
        ("rows:make", "write --handler rows:make"),
        (".", "write --image ., --audio ., --video . or --huggingface ., after what lies in it"),
        ("reviews", "use one of --csv, --json"),
    ],
)
def test_a_place_without_an_option_is_refused_with_the_option(place: str, hint: str) -> None:
    with pytest.raises(UsageError, match="stands without an option") as refusal:
        refuse_bare([place])
    assert hint in refusal.value.hint


@pytest.mark.needs_time
def test_wrong_words_are_refused_with_what_to_do(swcli: Swcli, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x\n1\n")
    (tmp_path / "empty.csv").write_text("x\n")
    for words, says in (
        ((), "no source is given"),
        (("--csv", "a.csv", "--json", "a.json"), "give exactly one source, not --csv and --json"),
        (("--csv", "a.csv", "--field-selector", "a"), "--field-selector says nothing about the source --csv"),
        (("--csv", "a.csv", "--option", "strict=1"), "--option says nothing about the source --csv"),
        (("--from", "csv", "a.csv", "--from", "json", "a.csv"), "names the importers 'csv' and 'json'"),
        (("--from", "csv", "a.csv", "--option", "strict"), "has no value Try: write it as name=value"),
        (("--from", "cvs", "a.csv"), "no importer 'cvs' Try: did you mean 'csv'?"),
        (("--csv", "empty.csv"), "empty.csv has no rows"),
        (("--csv", "a.cvs"), "there is no file a.cvs"),
        (("--csv", "a.csv", "-p", "no/such"), "no instance 'no'"),
        (("--csv", "a.csv", "-n", "a/b"), "'a/b' is not a valid dataset name Try: use 1 to 80 letters"),
        (("--image", "1st"), "'1st' is not a valid dataset name Try: give it one with --name; use 1 to 80"),
        (("--csv", "a.csv", "--push", "x"), "--push 'x' names no server Try: write cloud://ALIAS/project/NAME"),
        (("--parquet", "a.csv"), "it is cut off, damaged, or not a Parquet file"),
        (("--arrow", "a.csv"), "it is cut off, damaged, or not an Arrow IPC or Feather file"),
        (("a.csv",), "'a.csv' stands without an option that says what it is Try: write --csv a.csv"),
    ):
        assert says in refused(swcli, *words), words
    assert json.loads(swcli("dataset", "list", "-o", "json").stdout) == []
