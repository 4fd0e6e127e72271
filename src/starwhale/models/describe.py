"""Versions of models as plain JSON objects, in the shapes that scripts read."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from starwhale.domain.graph import StepGraph
from starwhale.domain.job import HandlerRecord
from starwhale.domain.json_shape import Json
from starwhale.models.listing import EntryKind, Listing
from starwhale.storage.catalog.records import VersionRecord


def describe_model(version: VersionRecord, *, path: str = "") -> Json:
    """Return the row of `list`; `path` is where the list of its files lies."""
    return {
        "name": version.name,
        "version": version.version,
        "project": version.project,
        "path": path,
        "tags": list(version.tags),
        "created_at": time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(version.created_at)),
        "is_removed": version.is_removed,
        "size": version.size_bytes,
    }


def describe_details(version: VersionRecord) -> Json:
    """Return what `info` says beside that row: the URI, the message, and the runtime that the model carries, if it carries one."""
    carried: Json | None = version.manifest.get("packaged_runtime")
    return {
        "uri": version.uri.full,
        "desc": version.message,
        **({"packaged_runtime": dict(carried)} if carried else {}),
    }


def describe_files(listing: Listing) -> list[Json]:
    """Return the files of a version, and its links and empty folders, by path."""
    return [
        {
            "name": PurePosixPath(each.path).name,
            "path": each.path,
            "arcname": f"src/{each.path}",
            "kind": str(each.kind),
            "desc": each.desc,
            "signature": each.digest,
            "size": each.size,
            "duplicate_check": each.desc == "MODEL",
            "mode": "0755" if each.is_executable or each.kind is EntryKind.FOLDER else "0644",
            **({"target": each.target} if each.target else {}),
        }
        for each in listing.entries
    ]


def describe_handlers(handlers: Mapping[str, HandlerRecord]) -> dict[str, list[Json]]:
    """Return, for each handler by name, the records of its steps: what it needs first, itself last."""
    graph = StepGraph({name: record.needs for name, record in handlers.items()})
    return {name: [_describe_step(handlers[each]) for each in graph.closure(name)] for name in sorted(handlers)}


def read_handlers(version: VersionRecord) -> dict[str, HandlerRecord]:
    """Return the handlers that were recorded when the version was built, by name."""
    recorded: Mapping[str, Any] = version.manifest.get("handlers") or {}  # Any: JSON
    return {name: HandlerRecord.from_json(each) for name, each in sorted(recorded.items())}


def _describe_step(record: HandlerRecord) -> Json:
    extra: Json = dict(record.extra_kwargs)
    if record.kind == "predict":
        extra |= {
            "predict_batch_size": record.batch_size,
            "ignore_error": not record.fail_on_error,
            "predict_auto_log": record.auto_log,
            "predict_log_mode": record.log_mode,
            "predict_log_dataset_features": None if record.log_features is None else list(record.log_features),
            "dataset_uris": list(record.datasets),
        }
    elif record.kind == "evaluate":
        extra |= {"predict_auto_log": record.auto_log}
    step: Json = {
        "name": record.name,
        "show_name": record.show_name or record.name,
        "kind": record.kind,
        "module_name": record.module_name,
        "cls_name": record.cls_name,
        "func_name": record.func_name,
        "replicas": record.replicas,
        "concurrency": record.concurrency,
        "needs": list(record.needs),
        "resources": list(record.resources),
        "expose": record.expose,
        "virtual": record.virtual,
        "require_dataset": record.require_dataset,
        "extra_args": list(record.extra_args),
        "extra_kwargs": extra,
        "arguments": record.arguments,
        "service_spec": record.service_spec,
    }
    return {key: value for key, value in step.items() if value is not None}
