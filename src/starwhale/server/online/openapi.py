"""The description of what is served (OpenAPI 3.1): one path per function, made of the forms of the models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starwhale.domain.json_shape import Json, JsonView
from starwhale.handlers.form import MEDIA
from starwhale.settings import VERSION
from starwhale.wire.problem import PROBLEM_TYPE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starwhale.serving.endpoint import Endpoint
    from starwhale.serving.served_model import ServedModel

_PROBLEM = {
    "type": "object",
    "properties": {
        **{name: {"type": "string"} for name in ("type", "code", "title", "message", "hint", "field")},
        "status": {"type": "integer"},
    },
    "required": ["status", "code", "message"],
}
_TEXT = {"type": "string"}
_BUILD: Json = {
    "type": "object",
    "properties": {"job": _TEXT, "name": _TEXT},
    "required": ["job", "name"],
    "additionalProperties": False,
}
_VERDICT: Json = {
    "type": "object",
    "properties": {"verdict": {"enum": ["good", "bad", ""]}, "corrected": {}, "note": {**_TEXT, "maxLength": 10_000}},
    "additionalProperties": False,
}
_CONTENT: Json = {
    "type": "object",
    "properties": {"_type": _TEXT, "data": {**_TEXT, "contentEncoding": "base64"}, "mime_type": _TEXT},
    "required": ["_type"],
}
_TRIAL: Json = {
    "name": "trial",
    "in": "query",
    "required": False,
    "description": "Which requests, of several models, are of one input: they become rows with one id.",
    "schema": {**_TEXT, "maxLength": 64, "pattern": "^[A-Za-z0-9._-]*$"},
}
_REFUSALS = {
    "413": "The body is too large.",
    "422": "A field does not fit; `field` names it.",
    "429": "Too many requests wait; `Retry-After` says when to come again.",
    "500": "The code of the model failed; the log of the server has the traceback under the id.",
    "503": "The process of the model ended while it had the request.",
}


def describe(title: str, models: Mapping[str, ServedModel]) -> Json:
    """Return the description."""
    paths: Json = {
        "/health": {"get": _plain("health", "Whether every model takes requests.")},
        "/api/spec": {"get": _plain("spec", "The specification of a model.", _model(models))},
        "/datasets": {
            "get": _plain("datasets", "The datasets of the current project."),
            "post": _plain("build", "Make a version of what a job has kept; corrections become labels.", body=_BUILD),
        },
        "/evaluations": {
            "get": _plain(
                "evaluations",
                "The jobs that tried rows of a dataset.",
                {"name": "dataset", "in": "query", "required": True, "schema": {"type": "string"}},
            )
        },
        "/rows": {
            "get": _plain(
                "rows",
                "Rows of a dataset, in the shape in which they are sent.",
                {"name": "dataset", "in": "query", "required": True, "schema": {"type": "string"}},
                {"name": "offset", "in": "query", "schema": {"type": "integer", "minimum": 0}},
                {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 20}},
                {"name": "job", "in": "query", "schema": {"type": "array", "items": {"type": "string"}}},
            )
        },
        "/requests/{request_id}/verdict": {
            "post": _plain(
                "verdict",
                "Say what you think of an answer: verdict (good or bad), corrected, note.",
                {"name": "request_id", "in": "path", "required": True, "schema": {"type": "string"}},
                body=_VERDICT,
            )
        },
        "/models": {"get": _plain("models", "The models and what their functions take and give.")},
        "/requests/{request_id}/stop": {
            "post": _plain(
                "stop",
                "Stop a request that is not answered yet.",
                {"name": "request_id", "in": "path", "required": True, "schema": {"type": "string"}},
            )
        },
    }
    for model in models.values():
        for endpoint in model.offer.endpoints:
            paths.setdefault(f"/api/{endpoint.name}", {"post": _call(endpoint, models)})
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": VERSION},
        "paths": paths,
        "components": {"schemas": {"Problem": _PROBLEM}},
    }


def _call(endpoint: Endpoint, models: Mapping[str, ServedModel]) -> Json:
    answers = {
        "application/json": {"schema": _spelled(endpoint.output)},
        "text/event-stream": {"schema": {"type": "string"}},
    }
    return {
        "operationId": endpoint.name,
        "summary": endpoint.doc or endpoint.name,
        "parameters": [_model(models, endpoint.name), _TRIAL],
        "requestBody": {"required": True, "content": {"application/json": {"schema": _spelled(endpoint.form)}}},
        "responses": {"200": {"description": "What the function returns.", "content": answers}, **_refusals()},
    }


def _spelled(schema: JsonView) -> Json:
    """Return the schema of a form in the words of OpenAPI 3.1, which knows neither `nullable` nor content of ours."""
    made: Json = {name: each for name, each in schema.items() if name != "nullable"}
    if MEDIA in schema:
        url = {"type": "string", "description": "A data: URL."}
        made["anyOf"] = [url, {**_CONTENT, "description": f"Content: `_type` is {schema[MEDIA]}."}]
    if isinstance(inner := schema.get("properties"), dict):
        made["properties"] = {name: _spelled(each) for name, each in inner.items()}
    if isinstance(inner := schema.get("items"), dict):
        made["items"] = _spelled(inner)
    if isinstance(inner := schema.get("anyOf"), list):
        made["anyOf"] = [_spelled(each) for each in inner]
    return {"anyOf": [made, {"type": "null"}]} if schema.get("nullable") else made


def _plain(name: str, summary: str, *parameters: Json, body: JsonView | None = None) -> Json:
    answers = {
        "200": {"description": "A JSON object.", "content": {"application/json": {"schema": {"type": "object"}}}}
    }
    asked = (
        {} if body is None else {"requestBody": {"required": True, "content": {"application/json": {"schema": body}}}}
    )
    return {
        "operationId": f"_{name}",
        "summary": summary,
        "parameters": list(parameters),
        **asked,
        "responses": {**answers, **({} if body is None else _refusals("422"))},
    }


def _model(models: Mapping[str, ServedModel], api: str = "") -> Json:
    names = [name for name, each in models.items() if not api or each.offer.find(api) is not None]
    said = {"type": "string", "enum": names}
    return {"name": "model", "in": "query", "required": False, "schema": said}


def _refusals(*statuses: str) -> Json:
    content = {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": _REFUSALS[status], "content": content} for status in statuses or _REFUSALS}
