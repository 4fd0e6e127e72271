"""`swcli dataset diff` and its siblings over whole versions, as a user runs them."""

from __future__ import annotations

import json
import resource
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import swcli_command

if TYPE_CHECKING:
    from tests.conftest import Swcli


def ok(swcli: Swcli, *args: str) -> str:
    done = swcli("dataset", *args)
    assert done.returncode == 0, done.stderr
    return done.stdout


def shown(swcli: Swcli, *args: str) -> Any:
    return json.loads(ok(swcli, *args, "-o", "json"))


def rows(swcli: Swcli, name: str) -> list[tuple[int | str, dict[str, Any]]]:
    return [(row["index"], row["features"]) for row in shown(swcli, "head", name, "-n", "100")]


@pytest.fixture
def digits(swcli: Swcli, tmp_path: Path) -> None:
    """A dataset `digits` with two versions; the first one has the tag `gold`."""
    (tmp_path / "a.json").write_text(json.dumps([{"n": 0, "t": "zero"}, {"n": 1, "t": "one"}]))
    ok(swcli, "build", "--json", "a.json", "-n", "digits", "-t", "gold", "-d", "two rows")
    (tmp_path / "b.json").write_text(
        json.dumps([{"n": 0.5}, {}, {"n": 2, "long": "y" * 5000}]).replace("{}", '{"t": "1"}')
    )
    ok(swcli, "build", "--json", "b.json", "-n", "digits")


def test_an_empty_root_has_no_dataset_but_its_project(swcli: Swcli) -> None:
    done = swcli("dataset", "info", "digts")
    assert done.returncode == 1
    assert "no dataset 'digts' in project 'self'" in done.stderr


@pytest.mark.usefixtures("digits")
def test_diff_says_what_changed(swcli: Swcli) -> None:
    text = ok(swcli, "diff", "digits/version/gold", "digits", "--show-details")
    assert "rows: 1 added, 0 removed, 2 changed, 0 the same" in text
    assert "  n: 0 → 0.5" in text
    assert '  t: "one" → "1"' in text
    assert "  + column long (str)" in text
    said = shown(swcli, "diff", "digits/version/gold", "digits", "--show-details", "--limit", "1")
    assert said["rows"]["changed"] == {"count": 2, "keys": [0]}
    assert said["details"] == [{"key": 0, "cells": {"n": {"old": 0, "new": 0.5}}}]
    assert "no difference" in ok(swcli, "diff", "digits", "digits")
    done = swcli("dataset", "diff", "digits", "digit")
    assert done.returncode == 1
    assert "did you mean 'digits'?" in done.stderr


def full_disk(swcli: Swcli, limit: int, *args: str) -> str:
    """Run a command whose files may not grow beyond a limit, which stands for a full disk; return what it said."""
    done = subprocess.run(
        [*swcli_command(), "dataset", *args],
        env=dict(swcli.env),
        cwd=swcli.cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert "space" in said
    assert "Traceback" not in said
    return said


@pytest.mark.usefixtures("digits")
@pytest.mark.needs_time
def test_copy_takes_tags_along_and_merges_or_replaces(swcli: Swcli) -> None:
    ok(swcli, "copy", "digits/version/gold", "twin")
    assert shown(swcli, "info", "twin")["tags"] == ["gold", "latest", "v0"]
    assert "no difference" in ok(swcli, "diff", "digits/version/gold", "twin")
    assert "nothing to copy" in ok(swcli, "copy", "digits/version/gold", "twin")
    ok(swcli, "copy", "digits", "twin", "--patch")
    assert rows(swcli, "twin") == rows(swcli, "digits")
    ok(swcli, "copy", "digits/version/gold", "twin", "-o", "-i", "gold")
    assert rows(swcli, "twin") == rows(swcli, "digits/version/gold")
    done = swcli("dataset", "copy", "digits/version/gold", "local/project/self/dataset/new", "-p", "-o")
    assert done.returncode == 2
    done = swcli("-o", "json", "dataset", "copy", "digits", ".", "-dlp", "elsewhere")
    assert done.returncode == 1
    assert "no project 'elsewhere'" in json.loads(done.stdout)["error"]["message"]
    done = swcli("dataset", "copy", "digits", "twin", "-o", "json")
    assert done.returncode == 2
    error = json.loads(done.stdout)["error"]
    assert error["message"] == "Got unexpected extra argument (json): -o is --overwrite in 'swcli dataset copy'"
    assert "--output json" in error["hint"]
    assert "see 'swcli dataset copy --help'" in swcli("dataset", "copy", "digits", "twin", "-i").stderr


@pytest.mark.needs_time
def test_a_full_disk_leaves_the_last_version_of_a_copy_whole(swcli: Swcli, tmp_path: Path) -> None:
    texts = [{"text": f"{number:05}" * 40_000} for number in range(4)]
    (tmp_path / "long.json").write_text(json.dumps(texts))
    (tmp_path / "short.json").write_text(json.dumps([{"n": 1}]))
    ok(swcli, "build", "--json", "long.json", "-n", "long")
    ok(swcli, "build", "--json", "short.json", "-n", "short")
    before = rows(swcli, "short")
    folder = Path(shown(swcli, "info", "short")["path"])
    files = sorted(folder.rglob("*"))
    catalog = max(each.stat().st_size for each in (tmp_path / "storage").iterdir() if each.is_file())
    full_disk(swcli, catalog + 20_000, "copy", "long", "short")
    assert rows(swcli, "short") == before
    assert [each for each in sorted(folder.rglob("*")) if each.is_file() and each not in files] == []
    ok(swcli, "copy", "long", "short")
    assert len(rows(swcli, "short")) == 4


@pytest.mark.needs_time
@pytest.mark.usefixtures("digits")
def test_verify_exits_with_1_when_anything_is_damaged(swcli: Swcli, tmp_path: Path) -> None:
    assert "is whole: 3 rows" in ok(swcli, "verify", "digits")
    folder = Path(shown(swcli, "info", "digits")["path"])
    (pack,) = folder.glob("packs/*.pack")
    pack.write_bytes(b"?" + pack.read_bytes()[1:])
    done = swcli("dataset", "verify", "digits")
    assert done.returncode == 1
    assert "  lost: one value of 5000 bytes\n  which is: column long of row 2\n" in done.stdout
    done = swcli("dataset", "verify", "digits", "-o", "json")
    assert done.returncode == 1
    said = json.loads(done.stdout)
    assert (said["whole"], said["damages"][0]["cells"]) == (False, [{"column": "long", "key": 2}])
    assert shown(swcli, "verify", "digits/version/gold")["whole"]
    (tmp_path / "c.json").write_text(json.dumps([{"n": 7}]))
    for path in folder.glob("fragments/*"):
        path.write_bytes(path.read_bytes()[:-1])
    done = swcli("dataset", "build", "--json", "c.json", "-n", "digits")
    assert done.returncode == 1
    assert "nothing was committed" in done.stderr
    ok(swcli, "build", "--json", "c.json", "-n", "digits", "--overwrite")
    assert "is whole: 1 row" in ok(swcli, "verify", "digits")


@pytest.mark.needs_time
@pytest.mark.usefixtures("digits")
def test_an_archive_goes_out_and_comes_back(swcli: Swcli, tmp_path: Path) -> None:
    assert "swcli dataset import gold.tar" in ok(swcli, "export", "digits/version/gold", "gold.tar")
    assert "imported" in ok(swcli, "import", "gold.tar", "back")
    assert rows(swcli, "back") == rows(swcli, "digits/version/gold")
    assert shown(swcli, "import", "gold.tar", "back")["is_new"] is False
    assert shown(swcli, "export", "digits", "rows.csv", "--format", "csv")["bytes"] > 0
    (tmp_path / "cut.tar").write_bytes((tmp_path / "gold.tar").read_bytes()[:3000])
    done = swcli("dataset", "import", "cut.tar", "cut")
    assert done.returncode == 1
    assert "corrupted archive cut.tar" in done.stderr
    assert "nothing was imported" in done.stderr
    assert swcli("dataset", "export", "digits", "gold.tar").returncode == 1
    assert swcli("dataset", "export", "digits", "x/y/gold.tar").returncode == 2


@pytest.mark.needs_time
def test_a_full_disk_leaves_no_half_archive_and_no_half_import(swcli: Swcli, tmp_path: Path) -> None:
    (tmp_path / "long.json").write_text(json.dumps([{"text": f"{number:05}" * 40_000} for number in range(4)]))
    ok(swcli, "build", "--json", "long.json", "-n", "long")
    root = tmp_path / "storage"
    limit = max(each.stat().st_size for each in root.iterdir() if each.is_file()) + 20_000
    full_disk(swcli, limit, "export", "long", "long.tar")
    assert list(tmp_path.glob("*long.tar*")) == []
    ok(swcli, "export", "long", "long.tar")
    before = sorted(root.rglob("*"))
    full_disk(swcli, limit, "import", "long.tar", "again")
    assert [
        each for each in sorted(root.rglob("*")) if each not in before and each.suffix not in {".db-wal", ".db-shm"}
    ] == []
    ok(swcli, "import", "long.tar", "again")
    assert rows(swcli, "again") == rows(swcli, "long")


@pytest.mark.needs_time
def test_list_filters_and_pages(swcli: Swcli, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[{"x": 1}]')
    for name in ("alpha", "alto", "beta"):
        ok(swcli, "build", "--json", "a.json", "-n", name)
    ok(swcli, "remove", "alto", "-f")

    def names(*options: str) -> list[str]:
        return [each["name"] for each in shown(swcli, "list", *options)]

    assert names("--filter", "name=AL") == ["alpha"]
    assert names("-fl", "name=al", "--show-removed") == ["alto", "alpha"]
    assert names("-fl", "name=al", "-fl", "latest", "-sr") == ["alpha"]
    assert names("--page", "2", "--size", "1") == ["alpha"]
    assert names("--page", "3") == []
    done = swcli("dataset", "list", "-fl", "owner=me", "-fl", "nam=x", "-o", "json")
    assert len(json.loads(done.stdout)) == 2
    assert "no owners without a server" in done.stderr
    assert "did you mean 'name'?" in done.stderr
