"""Functions of a model answer over HTTP: forms, specification, values, streams, and what bad input gets."""

from __future__ import annotations

import base64
import io
import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.serving.conftest import read_events

if TYPE_CHECKING:
    from tests.serving.conftest import Server

NAMES = ["add", "chat", "count_to", "forever", "invert", "odd", "wait"]
EVENTS = {"accept": "text/event-stream"}


def problem(answer: httpx.Response) -> tuple[int, str, str]:
    said = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert said["status"] == answer.status_code
    return answer.status_code, said["field"], said["message"]


def test_specification_has_the_shape_that_clients_of_0_6_know(served: Server) -> None:
    spec = served.client.get("/api/spec").json()
    assert (spec["version"], spec["title"], [each["uri"] for each in spec["apis"]]) == ("0.0.2", "model", NAMES)
    assert spec["apis"][0]["components"] == [
        {"name": "a", "component_spec_value_type": "INT"},
        {
            "name": "b",
            "component_spec_value_type": "INT",
            "componentValueSpecInt": {"defaultVal": 2, "min": 0, "max": 9},
        },
        {"name": "how", "component_spec_value_type": "STRING", "componentValueSpecString": {"defaultVal": "x"}},
        {"name": "colour", "component_spec_value_type": "STRING", "componentValueSpecString": {"defaultVal": "red"}},
        {"name": "note", "component_spec_value_type": "STRING", "componentValueSpecString": {"defaultVal": "of mine"}},
    ]
    assert spec["apis"][1]["inference_type"] == "llm_chat"
    assert spec["apis"][1]["components"][2:] == [
        {"name": "top_k", "component_spec_value_type": "INT", "componentValueSpecInt": {"defaultVal": 5, "min": 0}},
        {
            "name": "temperature",
            "component_spec_value_type": "FLOAT",
            "componentValueSpecFloat": {"defaultVal": 0.5, "min": 0},
        },
    ]


def test_signature_and_hints_become_a_form(served: Server) -> None:
    (model,) = served.client.get("/models").json()["models"]
    apis = {each["name"]: each for each in model["apis"]}
    assert list(apis) == [*NAMES, "predict", "doubles", "is_even", "pixels"]
    assert apis["add"]["form"] == {
        "type": "object",
        "properties": {
            "a": {"type": "integer"},
            "b": {"type": "integer", "minimum": 0, "maximum": 9, "default": 2},
            "how": {"enum": ["x", "y"], "type": "string", "default": "x"},
            "colour": {"enum": ["red", "blue"], "type": "string", "default": "red"},
            "note": {"type": "string", "nullable": True, "default": "of mine"},
        },
        "required": ["a"],
        "additionalProperties": False,
    }
    assert apis["add"]["doc"] == "Add two numbers."
    assert apis["invert"]["form"]["properties"] == {"picture": {"x-media": "image"}}
    assert apis["invert"]["output"] == {"x-media": "image"}
    assert apis["doubles"]["form"]["properties"] == {
        "number": {"type": "integer"},
        "weight": {"type": "number", "description": "in kilograms"},
    }
    assert apis["is_even"]["form"]["properties"] == {"number": {}}  # as its source reads it
    assert (apis["is_even"]["kind"], apis["doubles"]["batch_size"], apis["chat"]["is_stream"]) == ("predict", 8, True)


def test_fields_that_are_left_out_leave_the_defaults_of_the_function(served: Server) -> None:
    assert served.ask("add", {"a": 1}).json() == {"sum": 3, "how": "x", "is_red": True, "note": "of mine"}
    assert served.ask("add", {"a": 1, "note": None, "colour": "blue"}).json() == {
        "sum": 3,
        "how": "x",
        "is_red": False,
        "note": None,
    }
    answer = served.ask("chat", {"user_input": "so", "history": [{"content": "x", "bot": True}], "top_p": 0.1})
    assert answer.json() == "so 1 turns, Message, 5, 0.5"


def test_predict_handlers_are_served_as_they_are(served: Server) -> None:
    answer = served.ask("is_even", {"number": 4})
    assert (answer.status_code, answer.json(), answer.headers["x-model"]) == (200, True, "model")
    assert "model;dur=" in answer.headers["server-timing"]
    assert served.ask("predict", {"name": "somebody"}).json() == ["Context", "somebody"]
    assert served.ask("doubles", {"number": 4, "weight": 1}).json() == 8


def test_values_come_back_by_their_type(served: Server) -> None:
    pil = pytest.importorskip("PIL.Image")
    written = io.BytesIO()
    pil.new("RGB", (3, 2), (255, 0, 10)).save(written, "PNG")
    data = base64.b64encode(written.getvalue()).decode()
    for given in (f"data:image/png;base64,{data}", {"_type": "image", "data": data}):
        made = served.ask("invert", {"picture": given}).json()
        assert (made["_type"], made["mime_type"], made["shape"]) == ("image", "image/png", [2, 3, 3])
        assert pil.open(io.BytesIO(base64.b64decode(made["data"]))).getpixel((0, 0)) == (0, 255, 245)
    assert served.ask("odd").json() == {
        "nan": {"_type": "number", "value": "nan"},
        "bytes": {"_type": "bytes", "size_bytes": 2, "data": "MTI="},
        "other": {"_type": "value", "value": "<class 'object'>"},
        "set": [1],
    }


@pytest.mark.parametrize(
    ("name", "body", "field", "message"),
    [
        ("add", {}, "a", "a is missing"),
        ("add", {"a": "x"}, "a", "a is 'x', not a whole number"),
        ("add", {"a": 1.5}, "a", "a is 1.5, not a whole number"),
        ("add", {"a": None}, "a", "a is null, not a whole number"),
        ("add", {"a": True}, "a", "a is True, not a whole number"),
        ("add", {"a": 1, "b": 10}, "b", "b is 10"),
        ("add", {"a": 1, "how": "z"}, "how", "how is 'z'"),
        ("add", {"a": 1, "colr": "red"}, "colr", "colr is no field of it"),
        ("add", [1], "", "the input is [1], not an object"),
        (
            "chat",
            {"user_input": "x", "history": [{"content": 3, "bot": True}]},
            "history.0.content",
            "history.0.content is 3, not text",
        ),
        ("invert", {"picture": "hello"}, "picture", "picture is no image"),
        ("invert", {"picture": "data:image/png;base64,@@"}, "picture", "picture is no base64: "),
        ("invert", {"picture": "data:image/png;base64,aGVsbG8="}, "picture", "picture does not decode as an image"),
        ("doubles", {"number": 1}, "weight", "weight is missing"),
        ("is_even", {}, "number", "number is missing"),
    ],
)
def test_input_that_does_not_fit_gets_422_with_field_and_reason(
    served: Server, name: str, body: object, field: str, message: str
) -> None:
    status, said_field, said = problem(served.ask(name, body))
    assert (status, said_field) == (422, field)
    assert said.startswith(message)


def test_bodies_that_are_no_json_or_too_large_are_refused(served: Server) -> None:
    send = served.client.post
    assert send("/api/odd").status_code == 200  # no body: nothing is given
    assert problem(send("/api/add", content=b'{"a": ', headers={"content-type": "application/json"}))[0] == 422
    deep = b'{"a": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"
    assert problem(send("/api/add", content=deep, headers={"content-type": "application/json"}))[0] == 422
    assert (
        problem(send("/api/add", content=b"a=1", headers={"content-type": "application/x-www-form-urlencoded"}))[0]
        == 415
    )
    large = b'{"a": "' + b"x" * (33 << 20) + b'"}'
    assert problem(send("/api/add", content=large, headers={"content-type": "application/json"}))[0] == 413

    def pieces() -> Any:
        yield from (large[at : at + (1 << 20)] for at in range(0, len(large), 1 << 20))

    chunked = httpx.post(
        f"{served.address}/api/add", content=pieces(), headers={"content-type": "application/json"}, timeout=30
    )
    assert chunked.status_code == 413


def test_a_handler_that_raises_gets_500_with_an_id_and_its_traceback_is_in_the_log_alone(served: Server) -> None:
    answer = served.ask("is_even", {"number": 13})
    assert answer.status_code == 500
    said = answer.json()
    number = said["message"].partition("(error ")[2].rstrip(")")
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    log = served.log.read_text()
    assert f"error={number}" in log
    assert "ValueError: secret of row 13" in log.partition(f"error={number}")[2]
    assert "printed by the model" in log  # and not among what the program says on stdout


def test_names_that_are_not_there_are_answered_with_the_nearest(served: Server) -> None:
    status, _, message = problem(served.ask("ad", {}))
    assert (status, message) == (404, "model 'model' has no api 'ad'")
    assert "did you mean 'add'?" in served.ask("ad", {}).json()["hint"]
    assert problem(served.ask("add", {"a": 1}, model="modle"))[0] == 404
    for path in ("/nothing.html", "/%2e%2e%2fapp.py", "/..%2f__main__.py", "/page%00.js"):
        assert problem(served.client.get(path))[0] == 404


def test_other_pages_are_refused(served: Server) -> None:
    assert problem(served.ask("add", {"a": 1}, headers={"origin": "https://evil.example"}))[0] == 403
    assert problem(served.ask("add", {"a": 1}, headers={"host": "evil.example"}))[0] == 421


def test_generators_are_given_out_bit_by_bit(served: Server) -> None:
    events = served.events("chat", {"user_input": "one two", "history": []})
    assert [each for each, _ in events] == ["start", "item", "item", "item", "done"]
    assert [data for event, data in events if event == "item"] == ["one ", "two ", "0 turns, None, 5, 0.5"]
    assert events[-1][1]["items"] == 3
    numbers = served.events("count_to", {"end": 4})
    assert [data for event, data in numbers if event == "item"] == [0, 1, 2, 3]
    assert served.ask("count_to", {"end": 3}).json() == [0, 1, 2]
    assert [data for event, data in served.events("add", {"a": 1}) if event == "item"] == [
        {"sum": 3, "how": "x", "is_red": True, "note": "of mine"}
    ]
    assert served.events("is_even", {"number": 13})[-1][1]["code"] == "model_error"


def test_a_stream_is_stopped_by_request_and_by_leaving(served: Server) -> None:
    with served.client.stream("POST", "/api/forever", json={}, headers=EVENTS) as answer:
        lines = answer.iter_lines()
        request = next(json.loads(line[6:])["request"] for line in lines if line.startswith("data: "))
        assert served.client.post(f"/requests/{request}/stop").json() == {"request": request, "is_stopped": True}
        rest = [line for line in lines if line]  # it ends
    assert rest[-2] == "event: done"
    assert json.loads(rest[-1][6:])["is_stopped"] is True
    assert problem(served.client.post(f"/requests/{request}/stop"))[0] == 404
    with served.client.stream("POST", "/api/forever", json={}, headers=EVENTS) as answer:
        next(answer.iter_lines())
    assert served.ask("add", {"a": 1}).status_code == 200  # the only thread is free again


def test_health_description_and_page_are_there(served: Server) -> None:
    health = served.client.get("/health")
    assert (health.status_code, health.json()["status"]) == (200, "ok")
    described = served.client.get("/openapi.json").json()
    assert described["paths"]["/api/add"]["post"]["requestBody"]["content"]["application/json"]["schema"][
        "required"
    ] == ["a"]
    assert "requestBody" in described["paths"]["/requests/{request_id}/verdict"]["post"]
    assert served.client.get("/rows").json()["hint"] == "see /openapi.json"
    page = served.client.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert "microphone=(self)" in page.headers["permissions-policy"]
    for name in ("page.js", "page.css"):
        assert served.client.get(f"/{name}").status_code == 200


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not here")
def test_curl_is_a_client_as_any_other(served: Server) -> None:
    def curl(name: str, body: str, *more: str) -> str:
        words = [
            "curl",
            "-sS",
            f"{served.address}/api/{name}",
            "-H",
            "content-type:application/json",
            "-d",
            body,
            *more,
        ]
        return subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout

    assert json.loads(curl("add", '{"a": 1}')) == {"sum": 3, "how": "x", "is_red": True, "note": "of mine"}
    told = read_events(
        curl("chat", '{"user_input": "bit by", "history": []}', "-N", "-H", f"accept:{EVENTS['accept']}")
    )
    assert [event for event, _ in told] == ["start", "item", "item", "item", "done"]
    assert curl("add", "{}", "-o", "/dev/null", "-w", "%{http_code}") == "422"
