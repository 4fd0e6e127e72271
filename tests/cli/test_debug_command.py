"""The command that a failure ends with, and how the failure looks."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from starwhale.cli.app import CliApp
from starwhale.cli.debug_command import debug_command
from starwhale.cli.failures import report_failure
from starwhale.domain.job import DatasetInput, RunRequest
from starwhale.errors import UserCodeError
from starwhale.settings import read_settings

ONE, OTHER = (
    DatasetInput(
        uri=f"local/project/self/dataset/{name}/version/{name * 2}", given=name, dataset_id="d", project="self",
        name=name, version=name * 2, manifest_digest="m", row_count=9,
    )
    for name in ("digits", "faces")
)  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "row", "command"),
    [
        ({}, "digits:17", "ev.py -d digits --debug --row 17"),
        ({}, "digits:a b$c", "ev.py -d digits --debug --row 'a b$c'"),
        ({}, "digits:-3", "ev.py -d digits --debug --row=-3"),
        ({}, "", "ev.py -d digits --debug"),
        ({"datasets": ("digits", "faces")}, "faces:4", "ev.py -d digits -d faces --debug --row faces:4"),
        ({"handler": "ev:evaluate", "seed": 3}, "digits:1", "ev.py -h ev:evaluate -d digits --seed 3 --debug --row 1"),
        ({"handler": "0", "limit": 5, "dataset_head": 2}, "", "ev.py -h 0 -d digits -dh 2 --limit 5 --debug"),
        ({"limit": 5, "executor": "process", "replicas": 4}, "digits:1", "ev.py -d digits --debug --row 1"),
        ({"project": "mine"}, "digits:1", "ev.py -d digits -p mine --debug --row 1"),
        ({"arguments": ("--k", "a b")}, "digits:1", "ev.py -d digits --debug --row 1 -- --k 'a b'"),
        ({"modules": ("pkg.ev",)}, "digits:1", "--workdir . --module pkg.ev -d digits --debug --row 1"),
        ({"modules": ("ev", "more")}, "", "--workdir . --module ev --module more -d digits --debug"),
        ({"model_uri": "knn/version/abc"}, "digits:1", "knn/version/abc -d digits --debug --row 1"),
        (
            {
                "model_uri": f"local/project/self/model/knn/version/{'k' * 40}",
                "model_name": "knn",
                "model_version": "k" * 40,
            },
            "digits:1",
            "knn/version/kkkkkkkkkkkk -d digits --debug --row 1",
        ),
        ({"datasets": ()}, "", "ev.py --debug"),
    ],
)
def test_command_repeats_the_request(tmp_path: Path, changes: dict[str, Any], row: str, command: str) -> None:
    (tmp_path / "ev.py").touch()
    request = RunRequest(workdir=str(tmp_path), modules=("ev",), handler="", datasets=("digits",))
    request = dataclasses.replace(request, **changes)
    datasets = [ONE, OTHER] if "faces" in request.datasets else [ONE]
    made = debug_command(request, row=row, datasets=datasets, folder=tmp_path, project="self")
    assert made == f"swcli model run {command}"


def test_paths_are_written_as_seen_from_where_the_user_is(tmp_path: Path) -> None:
    (tmp_path / "my model").mkdir()
    (tmp_path / "my model" / "ev.py").touch()
    request = RunRequest(workdir=str(tmp_path / "my model"), modules=("ev",), handler="")

    def seen_from(folder: Path) -> str:
        return debug_command(request, folder=folder, project="self").removeprefix("swcli model run ")

    assert seen_from(tmp_path) == "'my model/ev.py' --debug"
    assert seen_from(tmp_path / "beside") == "'../my model/ev.py' --debug"
    assert seen_from(tmp_path / "far" / "away") == f"'{tmp_path}/my model/ev.py' --debug"


def make_error() -> UserCodeError:
    error = UserCodeError(
        "handler 'ev:predict' raised KeyError: 'numbr' on row digits: 17 at /m/ev.py:12 in predict",
        exception="KeyError: 'numbr'",
        frame="/m/ev.py:12 in predict",
        hint="did you mean 'number'?",
    )
    error.source = '    11 │ def predict(row):\n  > 12 │     return row["numbr"]'
    error.key, error.log = "digits: 17", "/logs/0-0-1.txt"
    error.command, error.resume = "swcli model run ev.py -d digits --debug --row 17", "swcli job resume abcd"
    return error


def test_failure_shows_the_users_line_first_and_the_command_last(capsys: pytest.CaptureFixture[str]) -> None:
    assert report_failure(CliApp(read_settings({})), make_error()) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        "/m/ev.py:12 in predict, row digits: 17",
        "    11 │ def predict(row):",
        '  > 12 │     return row["numbr"]',
        "Error: handler 'ev:predict' raised KeyError: 'numbr' on row digits: 17",
        "Hint:  did you mean 'number'?",
        "Log:   /logs/0-0-1.txt",
        "Later: swcli job resume abcd goes on from the rows that are done",
        "Try:   swcli model run ev.py -d digits --debug --row 17",
    ]


def test_json_has_the_same_facts(capsys: pytest.CaptureFixture[str]) -> None:
    app = CliApp(read_settings({}))
    app.wants_json = True
    report_failure(app, make_error())
    told = json.loads(capsys.readouterr().out)["error"]
    assert told["code"] == "user_code"
    assert told["hint"].endswith("--debug --row 17")
    assert told["details"] == {
        "frame": "/m/ev.py:12 in predict",
        "source": '    11 │ def predict(row):\n  > 12 │     return row["numbr"]',
        "key": "digits: 17",
        "exception": "KeyError: 'numbr'",
        "log": "/logs/0-0-1.txt",
        "command": "swcli model run ev.py -d digits --debug --row 17",
        "resume": "swcli job resume abcd",
    }
