"""`swcli gc` as a user types it, in this process."""

from __future__ import annotations

import fcntl
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from starwhale.cli.root import run
from starwhale.datasets.dataset import Dataset
from starwhale.instances import open_instance
from starwhale.settings import read_settings

Call = Callable[..., tuple[int, str, str]]


class Terminal(io.StringIO):
    """What somebody types at a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def call(instance_root: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Call:
    for name in ("HOME", "SW_CLI_CONFIG", "SW_LOCAL_STORAGE"):
        monkeypatch.setenv(name, instance_root[name])

    def swcli(*words: str, typed: str | None = None) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO() if typed is None else Terminal(typed))
        code = run(words)
        out, err = capfd.readouterr()
        return code, out, err

    return swcli


@pytest.fixture
def removed(call: Call) -> str:
    """The URI of a version that was removed; an earlier one was not."""
    for key in range(2):
        with open_instance(read_settings()) as instance, instance.datasets.open("digits", Dataset) as dataset:
            dataset.append((key, {"x": b"x" * 5000 * (key + 1)}))
            dataset.commit()
    with open_instance(read_settings()) as instance:
        uri = instance.datasets.remove("digits").uri.full
    assert call("dataset", "info", "digits")[0] == 0
    return uri


def shown(call: Call, *words: str) -> Any:
    code, out, err = call(*words, "-o", "json")
    assert code == 0, out + err
    return json.loads(out)


def files() -> list[Path]:
    root = read_settings().root
    assert root is not None
    return sorted(path for path in (root / "datasets").rglob("*") if path.is_file())


def test_a_dry_run_shows_exactly_what_then_goes(call: Call, removed: str) -> None:
    before = files()
    planned = shown(call, "gc", "--dry-run")
    assert files() == before
    said = call("gc", "--dry-run")[1]
    assert f"would delete dataset {removed} (" in said
    done = shown(call, "gc", "--yes")
    assert done == planned | {"dry_run": False}
    gone = [path for path in before if path not in files()]
    assert done["items"] == [{"kind": "dataset", "name": removed, "bytes": done["bytes"], "files": len(gone)}]
    assert done["bytes"] > 10_000
    assert "there is nothing to delete" in call("gc", "--yes")[1]
    assert call("dataset", "head", "digits")[0] == 0
    assert call("dataset", "recover", "digits")[0] == 1


def test_nothing_goes_unasked(call: Call, removed: str) -> None:
    before = files()
    code, out, err = call("gc")
    assert (code, out, "--dry-run" in err, "--yes" in err) == (2, "", True, True)
    code, out, err = call("gc", typed="n\n")
    assert (code, f"would delete dataset {removed}" in out) == (1, True)
    assert files() == before
    code, out, err = call("gc", typed="y\n")
    assert (code, f"deleted dataset {removed}" in out) == (0, True)
    assert files() != before
    assert call("gc")[0] == 0  # where there is nothing to ask about


def test_what_stays_is_named_with_the_reason(call: Call, removed: str) -> None:
    assert call("dataset", "recover", removed)[0] == 0
    assert call("dataset", "tag", removed, "mine")[0] == 0
    with open_instance(read_settings()) as instance:
        instance.datasets.remove(removed)
    assert f"left dataset {removed}: the tag 'mine' points at it" in call("gc", "--dry-run")[1]
    found = shown(call, "gc", "--yes")
    assert (found["items"], found["kept"]) == (
        [],
        [{"kind": "dataset", "name": removed, "reason": "the tag 'mine' points at it"}],
    )


def test_a_second_collection_is_refused(call: Call, removed: str) -> None:
    root = read_settings().root
    assert root is not None
    with (root / ".lock-gc").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        code, _, err = call("gc", "--yes")
    assert (code, "another garbage collection is at work" in err) == (1, True)
    assert removed in call("gc", "--dry-run")[1]
