"""The catalog for other programs: a route per method of `storage.catalog.contract`, made of its annotations."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Header
from fastapi.responses import JSONResponse
from pydantic import create_model

from starwhale.server.paging import page_of
from starwhale.server.state import MOST_ITEMS, After, Here, Limit
from starwhale.storage.catalog.contract import Operation, operations
from starwhale.wire import Page

if TYPE_CHECKING:
    from pydantic import BaseModel

router = APIRouter(prefix="/stores/catalog", tags=["stores"])
Key = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        max_length=200,
        description="Names the request: one that comes again is answered as it was, and changes nothing.",
    ),
]
"""Parameter of an operation that changes something."""


class RecordResponse(JSONResponse):
    """A record as it was kept: with numbers that are infinite, which a figure may be, and texts that are no Unicode; programs of ours read it."""

    def render(self, content: Any) -> bytes:  # Any: JSON
        return json.dumps(content, separators=(",", ":")).encode()


def _add(operation: Operation) -> None:
    """Add the route of an operation."""
    words = f"{operation.part}_{operation.name}"
    fields: dict[str, Any] = {
        name: (each.annotation, ... if each.default is each.empty else each.default)
        for name, each in operation.parameters.items()
    }
    body = create_model("".join(part.title() for part in words.split("_")), **fields)
    call, returns = _listed(operation) if operation.order is not None else _plain(operation)
    call.__annotations__ |= {"body": body, "return": returns}
    router.add_api_route(
        f"/{operation.part}/{operation.name}",
        call,
        methods=["POST"],
        name=f"catalog_{words}",
        description=operation.text,
        response_model=returns,
        response_class=RecordResponse,
    )


def _plain(operation: Operation) -> tuple[Callable[..., Any], Any]:  # Any: as the contract says
    def call(here: Here, body: Any, key: Any = "") -> Any:
        return here.stores.ask_catalog(operation, _given(body), key)

    call.__annotations__ = {"here": Here, "key": Key}
    return call, operation.returns


def _listed(operation: Operation) -> tuple[Callable[..., Any], Any]:  # Any: as above
    order = operation.order
    assert order is not None  # noqa: S101 - the caller has looked

    def call(here: Here, body: Any, after: Any = "", limit: Any = MOST_ITEMS) -> Any:
        found = here.stores.ask_catalog(operation, _given(body))
        return page_of(found, order, after, limit, lambda each: each)

    call.__annotations__ = {"here": Here, "after": After, "limit": Limit}
    return call, Page[operation.returns]


def _given(body: BaseModel) -> dict[str, Any]:  # Any: as above
    return {name: getattr(body, name) for name in type(body).model_fields}


for _operation in operations().values():
    _add(_operation)
