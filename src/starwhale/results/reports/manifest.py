"""The manifest of a job: what it ran, on what, and how it ended."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from starwhale.domain.wanted_metrics import FIGURES

if TYPE_CHECKING:
    from starwhale.storage.catalog.job_records import JobRecord


def job_manifest(job: JobRecord) -> dict[str, Any]:  # Any: a JSON object
    """Return the manifest of a job: the keys that scripts rely on, and ours."""
    request = job.request
    added = {
        key: value
        for key, value in job.record.items()
        if key not in {"model", "datasets", "version", "project", "status", FIGURES}
    }
    return {
        **added,
        "version": job.id,
        "name": job.name,
        "project": job.project,
        "model": request.model_uri or request.model_name,
        "model_name": request.model_name,
        "model_version": request.model_version,
        "model_src_dir": request.workdir,
        "handler_name": job.handler,
        "datasets": list(request.datasets),
        "dataset_uris": [each.uri for each in job.datasets],
        "finetune_validation_datasets": [],
        "scheduler_run_args": {
            "step_name": request.step,
            "task_index": request.task_index,
            "task_num": request.task_count,
        },
        "executor": request.executor,
        "seed": request.seed,
        "reproduces": request.reproduces,
        "status": str(job.status),
        "created_at": format_time(job.created_at),
        "finished_at": format_time(job.finished_at),
        "error_message": "" if job.error is None else job.error.message,
    }


def format_time(seconds: float | None) -> str:
    """Write a time in the local zone; empty for none."""
    return "" if seconds is None else time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(seconds))
