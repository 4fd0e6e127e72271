"""Evaluations outside of jobs: log, flush, read back."""

from __future__ import annotations

from pathlib import Path

import pytest

from starwhale.api import evaluation
from starwhale.errors import ArgumentTypeError, FieldNameError, HandlerError


@pytest.fixture(autouse=True)
def isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SW_CLI_CONFIG", str(tmp_path / "config.yaml"))
    monkeypatch.setenv("SW_LOCAL_STORAGE", str(tmp_path / "storage"))


def test_a_script_reads_what_it_wrote_before_and_after_the_flush() -> None:
    with evaluation.Evaluation("my-id", project="self") as found:
        found.log("t", 2, {"a": 1, "n": {"x": None}})
        found.log_summary({"acc": 0.5}, extra=1)
        assert list(found.scan("t")) == [{"id": 2, "a": 1}]
        assert found.get_summary() == {"acc": 0.5, "extra": 1}
        found.flush_all()
        found.log("t", 1, {"a": 0})
        found.log("t", 2, {"b": "more"})
        assert list(found.scan("t")) == [{"id": 1, "a": 0}, {"id": 2, "a": 1, "b": "more"}]
    again = evaluation.Evaluation("my-id", project="self")
    assert list(again.scan("t", start=2)) == [{"id": 2, "a": 1, "b": "more"}]
    assert list(again.scan("t", end=2, keep_none=True)) == [{"id": 1, "a": 0, "n/x": None, "b": None}]
    assert again.get_tables() == ["t"]
    assert again.get_summary() == {"acc": 0.5, "extra": 1}
    assert list(again.scan("unknown")) == []


def test_what_a_flush_could_not_keep_waits_for_the_next_one(tmp_path: Path) -> None:
    found = evaluation.Evaluation("kept", project="self")
    assert found.get_tables() == []  # the root is made
    results = tmp_path / "storage" / "results"
    if results.is_dir():
        results.rmdir()
    results.write_text("in the way")
    found.log("t", 1, {"a": 1, "empty": None})
    found.log("t", 2, {"b": "x"})
    with pytest.raises(OSError, match="results"):
        found.flush_all()
    found.log("t", 1, {"a": 3, "c": True})
    results.unlink()
    found.flush_all()
    again = evaluation.Evaluation("kept", project="self")
    assert list(again.scan("t", keep_none=True)) == [
        {"id": 1, "a": 3, "empty": None, "b": None, "c": True},
        {"id": 2, "a": None, "empty": None, "b": "x", "c": None},
    ]


def test_bad_metrics_raise_at_the_call_and_lose_nothing() -> None:
    found = evaluation.Evaluation("x")
    found.log("t", 1, {"a": 1})
    with pytest.raises(FieldNameError):
        found.log("t", 2, {"id": 3})
    with pytest.raises(ArgumentTypeError):
        found.log("t", "text", {"a": 1})
    for wrong in (({"a": 1}, {"b": 2}), (3,)):
        with pytest.raises(ArgumentTypeError):
            found.log_summary(*wrong)
    assert list(found.scan("t")) == [{"id": 1, "a": 1}]


def test_module_functions_outside_of_a_task_say_what_to_do() -> None:
    with pytest.raises(HandlerError, match="outside of a task"):
        evaluation.log_summary({"a": 1})


def test_names_keep_their_case_and_two_that_differ_only_in_it_are_refused() -> None:
    with evaluation.Evaluation("cased", project="self") as found:
        found.log("Table", "row", {"MaxF1": 1, "größe": 2, "@x/y.z": 3})
        with pytest.raises(FieldNameError, match="case"):
            found.log("Table", "row", {"maxf1": 2})
        with pytest.raises(FieldNameError, match="case"):
            found.log("Table", "other", {"A": 1, "a": 2})
        with pytest.raises(FieldNameError, match="'TABLE' differs from 'Table' only in case"):
            found.log("TABLE", "other", {"b": 1})
    again = evaluation.Evaluation("cased", project="self")
    assert again.get_tables() == ["Table"]
    assert list(again.scan("table")) == [{"id": "row", "MaxF1": 1, "größe": 2, "@x/y.z": 3}], (
        "a table is found in any case"
    )
