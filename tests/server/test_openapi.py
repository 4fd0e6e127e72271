"""The description of the API: as it is checked in, and complete."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from starwhale.server.openapi import describe_api

FILE = Path(__file__).parents[2] / "openapi.json"


def test_the_description_is_that_of_the_program() -> None:
    assert FILE.read_text(encoding="utf-8") == describe_api(), "run: make docs"


def test_every_list_is_bounded_and_every_text_of_a_query_too() -> None:
    paths: dict[str, dict[str, Any]] = json.loads(describe_api())["paths"]
    for path, operations in paths.items():
        for operation in operations.values():
            for each in operation.get("parameters", []):
                if each["name"] == "limit":
                    assert "maximum" in each["schema"], path
                kinds = [each["schema"], *each["schema"].get("anyOf", [])]
                if each["in"] == "query" and any(kind.get("type") in {"string", "array"} for kind in kinds):
                    assert "maxLength" in str(each["schema"]) or "maxItems" in str(each["schema"]) or "enum" in str(each["schema"]), (path, each)  # fmt: skip
