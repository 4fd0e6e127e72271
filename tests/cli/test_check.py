"""`swcli check`, and what is said when the original Starwhale is in the same environment."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from starwhale.cli import original
from starwhale.cli.root import run

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(instance_root: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Call:
    for name in ("HOME", "SW_CLI_CONFIG", "SW_LOCAL_STORAGE"):
        monkeypatch.setenv(name, instance_root[name])

    def swcli(*words: str) -> tuple[int, str, str]:
        code = run(words)
        out, err = capfd.readouterr()
        return code, out, err

    return swcli


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """The folder of packages of an environment that holds both distributions."""
    folder = tmp_path / "venv" / "lib" / "python3.11" / "site-packages"
    for name in ("starwhale-0.6.15.dist-info", "starwhale_evaluation-0.1.0.dist-info", "starwhale_extra-1.dist-info"):
        (folder / name).mkdir(parents=True)
    (folder / "starwhale").mkdir()
    return folder


def shown(call: Call) -> tuple[int, dict[str, Any]]:
    code, out, err = call("check", "-o", "json")
    assert err == "" or "Warning" in err
    found = json.loads(out)
    return code, {each["name"]: each for each in found["checks"]} | {"ok": found["ok"]}


def test_a_new_machine_is_well_and_nothing_is_made(call: Call, tmp_path: Path) -> None:
    code, found = shown(call)
    assert (code, found["ok"]) == (0, True)
    assert found["root"]["found"] == f"{tmp_path / 'storage'} (made when first used)"
    assert found["file system"]["verdict"] == "ok"
    assert not (tmp_path / "storage").exists()
    assert call("project", "list")[0] == 0
    assert shown(call)[1]["catalog"]["found"].startswith("schema ")
    code, out, _ = call("check")
    assert (code, max(map(len, out.splitlines())) <= 100) == (0, True)


def test_what_is_wrong_is_named_with_the_way_out(call: Call, tmp_path: Path) -> None:
    (tmp_path / "storage" / "self").mkdir(parents=True)
    code, found = shown(call)
    assert (code, found["ok"], found["root"]["verdict"]) == (1, False, "wrong")
    assert "original Starwhale" in found["root"]["found"]
    assert "mend root: nothing was written there; choose another directory with SW_LOCAL_STORAGE" in call("check")[1]


def test_an_empty_variable_and_a_newer_catalog_are_wrong(
    call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert call("project", "list")[0] == 0
    with closing(sqlite3.connect(tmp_path / "storage" / "catalog.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    code, found = shown(call)
    assert (code, found["catalog"]["verdict"]) == (1, "wrong")
    assert "9999" in found["catalog"]["found"]
    monkeypatch.setenv("SW_LOCAL_STORAGE", "")
    code, found = shown(call)
    assert (code, found["configuration"]["verdict"]) == (1, "wrong")
    assert "unset SW_LOCAL_STORAGE" in found["configuration"]["hint"]


def test_the_original_beside_us_is_seen_at_start_and_by_check(
    call: Call, packages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(packages)])
    code, out, err = call("--version")
    assert (code, out.count("\n")) == (0, 1)
    assert str(packages / "starwhale-0.6.15.dist-info") in err
    assert "uninstall -y starwhale starwhale-evaluation && " in err or "uv pip uninstall" in err
    code, found = shown(call)
    assert (code, found["environment"]["verdict"]) == (1, "wrong")
    assert "starwhale-evaluation" in found["environment"]["hint"]


def test_only_the_distribution_of_that_very_name_counts(packages: Path, tmp_path: Path) -> None:
    alone = str(packages / "starwhale-0.6.15.dist-info")
    package = packages / "starwhale"
    assert original.find_original([str(packages), str(packages), "", str(tmp_path / "missing")], package) == (alone,)
    (packages / "starwhale-0.6.15.dist-info").rmdir()
    assert original.find_original([str(packages)], package) == ()
    (package / "utils").mkdir()
    assert original.find_original([str(packages)], package) == (str(package / "utils"),)
    assert original.warning(()) == ""


@pytest.mark.parametrize("name", ["starwhale.egg-info", "starwhale.egg-link", "Starwhale-0.5.1.egg-info"])
def test_older_ways_of_installing_count_too(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "site-packages"
    (folder / name).mkdir(parents=True)
    assert original.find_original([str(folder)], tmp_path) == (str(folder / name),)


def test_the_mending_command_fits_the_environment() -> None:
    assert original.mending_command("/venv/bin/python", has_pip=True) == (
        "/venv/bin/python -m pip uninstall -y starwhale starwhale-evaluation"
        " && /venv/bin/python -m pip install starwhale-evaluation"
    )
    assert "uv pip install --python /venv/bin/python" in original.mending_command("/venv/bin/python", has_pip=False)
