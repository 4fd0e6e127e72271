"""What a model offers online is declared, and recorded at build, without serving it."""

from __future__ import annotations

import inspect
import json
from typing import TYPE_CHECKING

import pytest

from starwhale.api import service
from starwhale.cli.root import run
from starwhale.domain.job import HandlerRecord
from starwhale.errors import HandlerError, UsageError
from starwhale.handlers.discover import select

if TYPE_CHECKING:
    from pathlib import Path

MODULE = """
from starwhale import evaluation
from starwhale.api.service import LLMChat, api

@evaluation.predict
def predict(row):
    return 1

@api(inference_type=LLMChat(top_k=5))
def chat(user_input, history, top_k=3, temperature: float = 0.5):
    return user_input

class Math:
    @api()
    def double(self, number: int, loud=False, *args, **kwargs):
        return number * 2
"""


def test_the_specification_has_its_documented_shape() -> None:
    offered = service.Service()

    @offered.api(inference_type=service.LLMChat(top_k=5))
    def chat(user_input: str, history: object, top_k: int = 3, temperature: float = 0.5) -> str:
        return f"{user_input}{history}{top_k}{temperature}"

    def upper(text: str = "a") -> str:
        return text.upper()

    offered.add_api(upper, "/loud")
    assert chat("a", []) == "a[]30.5"
    assert offered.get_spec(title="mine") == {
        "version": "0.0.2",
        "title": "mine",
        "description": "",
        "apis": [
            {
                "uri": "chat",
                "inference_type": "llm_chat",
                "components": [
                    {"name": "user_input", "component_spec_value_type": "STRING"},
                    {"name": "history", "component_spec_value_type": "LIST"},
                    {
                        "name": "top_k",
                        "component_spec_value_type": "INT",
                        "componentValueSpecInt": {"defaultVal": 5, "min": 0},
                    },
                    {
                        "name": "temperature",
                        "component_spec_value_type": "FLOAT",
                        "componentValueSpecFloat": {"defaultVal": 0.5, "min": 0},
                    },
                ],
            },
            {
                "uri": "loud",
                "inference_type": None,
                "components": [
                    {
                        "name": "text",
                        "component_spec_value_type": "STRING",
                        "componentValueSpecString": {"defaultVal": "a"},
                    },
                ],
            },
        ],
    }


def test_a_function_is_offered_without_parentheses_too() -> None:
    offered = service.Service()

    @offered.api
    def upper(text: str) -> str:
        return text.upper()

    assert upper("b") == "B"
    assert list(offered.apis()) == ["upper"]


def test_what_cannot_be_offered_is_refused_where_it_is_declared() -> None:
    offered = service.Service()

    def chat(user_input: str, warmth: float) -> str:
        return f"{user_input}{warmth}"

    with pytest.raises(UsageError, match="'warmth', which llm_chat does not have"):
        offered.add_api(chat, inference_type=service.LLMChat())
    with pytest.raises(UsageError, match="no field 'topk'"):
        service.LLMChat(topk=3)
    offered.add_api(chat)
    with pytest.raises(UsageError, match="both offer 'chat'"):
        offered.add_api(inspect.getsource, "chat")

    class Outer:
        class Inner:
            def deep(self) -> None:
                pass

    with pytest.raises(HandlerError, match="a class within a class"):
        offered.add_api(Outer.Inner.deep)


def test_no_job_runs_what_is_offered() -> None:
    predict = HandlerRecord(name="m:predict", kind="predict")
    serving = HandlerRecord(name="serving", kind="serving", virtual=True)
    assert select({"m:predict": predict, "serving": serving}, "") == "m:predict"
    for handlers, wanted in (({"serving": serving}, ""), ({"m:predict": predict, "serving": serving}, "1")):
        with pytest.raises(UsageError, match="what the model offers online"):
            select(handlers, wanted)


def test_a_build_records_what_is_offered_and_info_shows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SW_LOCAL_STORAGE", str(tmp_path / "root"))
    monkeypatch.setenv("SW_CLI_CONFIG", str(tmp_path / "config.yaml"))
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "evaluation.py").write_text(MODULE)

    assert run(["model", "build", str(tmp_path / "work"), "--name", "m"]) == 0
    assert "serving (serving)  offers chat, double" in capsys.readouterr().out
    assert run(["-o", "json", "model", "info", "m", "--output-filter", "handlers"]) == 0
    (step,) = json.loads(capsys.readouterr().out)["handlers"]["serving"]
    assert (step["virtual"], step["expose"], step["replicas"]) == (True, 8080, 1)
    assert [each["uri"] for each in step["service_spec"]["apis"]] == ["chat", "double"]
    assert [each["name"] for each in step["service_spec"]["apis"][1]["components"]] == ["number", "loud"]
