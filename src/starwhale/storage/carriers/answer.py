"""The stores' side of a carrier: what one request of a task comes to, whatever brought it."""

from __future__ import annotations

import dataclasses
from typing import Any

from starwhale.domain.json_shape import Json
from starwhale.errors import ExecutionError
from starwhale.media import codec
from starwhale.storage.part import EncodedPart, RangeLease, RequestMark
from starwhale.storage.protocols import TableQuery
from starwhale.storage.task_contract import ServedTaskStores


def answer_request(
    stores: ServedTaskStores, header: Json, blobs: list[memoryview], mark: RequestMark | None = None
) -> tuple[Any, list[bytes | memoryview]]:
    """Do what a request asks for, and return the value and the byte strings of its answer.

    Args:
        stores: What answers for the attempt.
        header: The request; `op` says which.
        blobs: Its byte strings.
        mark: Its number, over a carrier by which requests may come twice.

    Raises:
        StarwhaleError: Whatever the stores raise.
    """
    match header["op"]:
        case "next_range":
            done = None if header["draft"] is None else EncodedPart.from_message(header["draft"], blobs)
            lease = stores.next_range_encoded(done, header["queue"], header["wanted"], mark)
            return None if lease is None else dataclasses.asdict(lease), []
        case "split":
            pieces = stores.split(RangeLease.from_json(header["lease"]), header["cuts"], mark)
            return [dataclasses.asdict(each) for each in pieces], []
        case "commit":
            stores.commit_encoded(EncodedPart.from_message(header["draft"], blobs), mark)
            return None, []
        case "read_rows":
            content, folder = stores.read_rows_encoded(RangeLease.from_json(header["lease"]), header["form"])
            return folder, [content]
        case "read_source":
            ref = {**header["ref"], "digest": bytes.fromhex(header["ref"]["digest"])}
            return None, [stores.read_source(header["position"], ref, header["offset"], header["size"])]
        case "read_page":
            return None, [stores.read_page_encoded(TableQuery(**header["query"]), header["cursor"], header["form"])]
        case "dataset_info":
            return None, [codec.pack(dict(stores.dataset_info(header["position"])))]
        case "table_names":
            return stores.table_names(), []
        case "sync":  # messages without an answer are taken in where they arrive, so all of them have been
            return None, []
        case _:
            message = f"unknown request {header['op']!r}"
            raise ExecutionError(message)
