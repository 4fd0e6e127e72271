"""Tokens of servers that the user has stay where they are: no model and no submission takes one along."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from starwhale.datasets.dataset import Dataset
from starwhale.domain.job import RunRequest
from starwhale.errors import ModelSourceError, UsageError
from starwhale.instances.instance import Instance, open_instance
from starwhale.instances.jobs.server_jobs import submit_there
from starwhale.instances.own_tokens import MOST_BYTES, OwnTokens
from starwhale.instances.place.servers import write_logins
from starwhale.settings import Settings, read_settings
from starwhale.storage.remote.logins import Login, Logins

TOKEN = "0123456789-of-the-lab"
MODULE = """
from starwhale import evaluation

@evaluation.predict(env=["SW_TOKEN"])
def predict(row):
    return 1
"""


def settings_of(folder: Path, more: Mapping[str, str] | None = None) -> Settings:
    paths = {"HOME": folder, "SW_CLI_CONFIG": folder / "config.yaml", "SW_LOCAL_STORAGE": folder / "storage"}
    return read_settings(
        {"PATH": os.environ["PATH"], **{name: str(path) for name, path in paths.items()}, **(more or {})}
    )


def log_in(settings: Settings) -> None:
    write_logins(settings, Logins(servers=(Login(alias="lab", address="http://127.0.0.1:9", token=TOKEN),)))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "guess.py").write_text(MODULE, encoding="utf-8")
    return folder


def test_a_file_with_the_token_of_a_login_is_not_packaged(tmp_path: Path, project: Path) -> None:
    settings = settings_of(tmp_path)
    with open_instance(settings) as opened:
        log_in(settings)
        (project / "conf").mkdir()
        (project / "conf" / "lab.env").write_text(f"TOKEN={TOKEN}\n", encoding="utf-8")
        with pytest.raises(ModelSourceError, match=r"'conf/lab\.env' holds the token of the login to lab") as raised:
            opened.models.build(project)
        assert "--exclude '/conf/lab.env'" in raised.value.hint
        assert opened.models.list() == []
        assert opened.models.build(project, excludes=["/conf/lab.env"]).version


def test_a_model_from_before_the_login_is_not_sent_to_a_server(
    tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(tmp_path)
    with open_instance(settings) as opened:
        (project / "token.txt").write_text(TOKEN, encoding="utf-8")
        opened.models.build(project, name="guess")
        log_in(settings)
        monkeypatch.setattr(Instance, "at", lambda self, uri: self if "lab" not in str(uri) else SimpleNamespace(name="lab"))  # nobody is asked  # fmt: skip
        with pytest.raises(ModelSourceError, match=r"'token\.txt' holds the token of the login to lab"):
            opened.copy("model", "guess", "cloud://lab/project/self")


def test_a_token_of_the_environment_counts_and_large_files_are_left_alone(tmp_path: Path) -> None:
    tokens = OwnTokens(settings_of(tmp_path, {"SW_TOKEN": TOKEN}))
    assert tokens.find(f"x {TOKEN} y".encode()) == "SW_TOKEN"
    assert tokens.find(TOKEN[:-1].encode()) == ""
    assert OwnTokens(settings_of(tmp_path, {"SW_TOKEN": "a"})).find(b"a") == "", "it would be found everywhere"
    assert OwnTokens(settings_of(tmp_path)).find(TOKEN.encode()) == ""
    large: Any = SimpleNamespace(files=[SimpleNamespace(path="w", size=MOST_BYTES + 1, digest="d")])
    tokens.refuse_in_files(large, SimpleNamespace())  # type: ignore[arg-type]  # nothing of the store is asked


def test_options_and_variables_of_a_submission_hold_no_token(tmp_path: Path, project: Path) -> None:
    settings = settings_of(tmp_path, {"SW_TOKEN": TOKEN})
    with open_instance(settings) as opened:
        request = RunRequest(workdir=str(project), modules=("guess",), arguments=("--run", f"at-{TOKEN}"))
        with pytest.raises(UsageError, match="an option of the handlers holds the token of SW_TOKEN"):
            submit_there(opened, opened, request, on_stage=print)
        with opened.datasets.open("numbers", Dataset) as rows:
            rows.extend([{"n": 1}])
            rows.commit()
        opened.models.build(project, name="guess")
        asked = RunRequest(workdir="", modules=(), model_uri="guess", datasets=("numbers",))
        with pytest.raises(UsageError, match="the handlers ask for SW_TOKEN"):
            opened.jobs.submit(asked)
