"""Settings that are asked for often are read again when, and only when, something that counts has changed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from starwhale.settings import SettingsReader, read_settings

if TYPE_CHECKING:
    import pytest


def test_the_same_settings_come_back_until_a_variable_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = SettingsReader()
    monkeypatch.setenv("SW_LOCAL_STORAGE", str(tmp_path))
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3", raising=False)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    first = reader.read()
    assert first == read_settings()
    monkeypatch.setenv("SOMETHING_ELSE", "1")
    assert reader.read() is first
    for name, value in [
        ("SW_LOCAL_STORAGE", str(tmp_path / "b")),
        ("AWS_ENDPOINT_URL", "http://a"),
        ("AWS_ENDPOINT_URL_S3", "http://b"),
    ]:
        monkeypatch.setenv(name, value)
        assert reader.read() == read_settings() != first
    monkeypatch.delenv(
        "AWS_ENDPOINT_URL_S3"
    )  # then the other one counts, which nobody looked at while this one was there
    assert reader.read().s3.usual.endpoint == "http://a"
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://c")
    assert reader.read().s3.usual.endpoint == "http://c"
    monkeypatch.delenv("SW_LOCAL_STORAGE")
    assert reader.read().root is None


def test_a_relative_root_follows_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = SettingsReader()
    monkeypatch.setenv("SW_LOCAL_STORAGE", "root")
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        assert reader.read().root == tmp_path / name / "root"


def test_a_current_folder_that_was_deleted_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SW_LOCAL_STORAGE", str(tmp_path))
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert SettingsReader().read().root == tmp_path
