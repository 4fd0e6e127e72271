"""A job as one JSON text, and back: what it is, what it was run on, its steps and tasks, and where the rows of its results lie.

    {"job": {…}, "status": …, "rows": {table: [row, …]}}

Equal jobs have equal texts, on whatever machine: the digest of the text is the digest of the job's content. Results lie in one file, `rows`;
stretches of it are covered by digests in the text. Logs are left out of it, since they may be tidied away.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, cast

from starwhale.domain.dataset_place import is_elsewhere
from starwhale.domain.job import DatasetInput, RunRequest, Step, TaskError
from starwhale.domain.json_shape import Json, check_shape
from starwhale.domain.ledger import RangeState
from starwhale.domain.status import Status, is_active
from starwhale.domain.version import check_job_id, is_version
from starwhale.storage.catalog.jobs import check_job_name
from starwhale.storage.catalog.whole_job import check_rows, is_time, read_job_rows
from starwhale.storage.part import PartTable
from starwhale.transfer.archive_index import canonical
from starwhale.transfer.typed_json import read_typed

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from starwhale.storage.catalog.job_records import JobRecord
    from starwhale.storage.catalog.whole_job import Rows

ROWS = "rows"
"""The file of the results."""
_RECORD = {
    **{f"?{name}": (str, None) for name in ("starwhale_version", "python_version", "platform", "host", "reproduces")},
    **{f"?{name}": (str, None) for name in ("source_digest", "model_digest")},
    "?argv": [str],
    "?arguments": [str],
    "?packages": {str: str},
    "?env": {str: (str, None)},
    "?inputs": [{"uri": str, "version": str, "manifest_digest": str}],
    "?git": (None, {"?is_dirty": bool, **{f"?{name}": str for name in ("commit", "branch", "remote", "diff_digest")}}),
    "?hardware": {
        **{f"?{name}": (int, None) for name in ("cores", "usable_cores", "memory_bytes")},
        "?gpus": [{"name": str, "memory": str, "driver": str}],
    },
    "?runtime": {str: object},
    "?resumes": [{str: object}],
    "?reproduction": {"?verdict": str},
}
"""What is relied on when a record is shown and compared."""
_PLACE = ("file", "offset", "length", "digest")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobText:
    """A job as text."""

    text: bytes
    """The text."""
    stretches: tuple[PartTable, ...]
    """Where the results lie now, in the order of the file `rows`."""

    @property
    def row_bytes(self) -> int:
        """Bytes of the file `rows`."""
        return sum(each.length for each in self.stretches)


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeJob:
    """A job that was read from text and looked at."""

    job: Json
    """Values of its row in the catalog."""
    rows: Rows
    """Rows of the other tables."""
    datasets: tuple[DatasetInput, ...]
    """Its datasets."""
    row_bytes: int
    """Bytes of the file `rows`."""


def write_job_text(connection: Connection, record: JobRecord) -> JobText:
    """Write a job down.

    Args:
        connection: A transaction, so that all of it is of one moment.
        record: The job.
    """
    job, rows = read_job_rows(connection, record.id)
    job["record"] = {key: value for key, value in job["record"].items() if key != "imported"}
    job["error"] = _with_log(job["error"], "")
    for row in rows["attempts"]:
        row["error"] = _with_log(row["error"], "")
    stretches = _move_together(rows["part_tables"])
    status = record.status.value
    return JobText(text=canonical({"job": job, "status": status, "rows": rows}), stretches=stretches)


def read_job_text(text: bytes) -> WholeJob:
    """Read what `write_job_text` wrote, looking at everything that is relied on later.

    Raises:
        TypeError: Something is of another type than it should be.
        ValueError: A value is not one of those that it may be.
        StarwhaleError: A name or id is none.
    """
    try:
        state: Any = json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(state, dict) or set(state) != {"job", "status", "rows"} or not isinstance(state["job"], dict):
        raise TypeError("it has other parts than it should")
    said = cast("Json", state["job"])
    rows = check_rows(state["rows"])
    job, datasets = _check_job(said, Status(state["status"]))
    _check_steps(rows, job["id"])
    return WholeJob(job=job, rows=rows, datasets=datasets, row_bytes=_check_parts(rows, job["id"]))


def with_logs(job: WholeJob, folder: str) -> WholeJob:
    """Say where the logs lie from now on."""
    attempts = [{**row, "error": _with_log(row["error"], folder)} for row in job.rows["attempts"]]
    return dataclasses.replace(
        job,
        job={**job.job, "error": _with_log(job.job["error"], folder)},
        rows={**job.rows, "attempts": attempts},
    )


def stretches_of(rows: Rows) -> dict[tuple[int, int], str]:
    """Return (offset, length) → digest of each stretch of the file `rows`."""
    return {(row["offset"], row["length"]): row["digest"] for row in rows["part_tables"]}


def _move_together(tables: Sequence[Json]) -> tuple[PartTable, ...]:
    """Put the stretches of all files one behind the other, and say so in the rows."""
    found: dict[tuple[Any, ...], PartTable] = {}
    offsets: dict[tuple[Any, ...], int] = {}
    size = 0
    for row in tables:
        place = tuple(row[name] for name in _PLACE)
        if place not in found:
            found[place] = PartTable(**_columns(row))
            offsets[place] = size
            size += row["length"]
        row["file"], row["offset"] = ROWS, offsets[place]
    return tuple(found.values())


def _columns(row: Json) -> Json:
    columns = {key: value for key, value in row.items() if key != "part_id"}
    return {**columns, "digest": bytes.fromhex(row["digest"])}


def _with_log(error: Json | None, folder: str) -> Json | None:
    if not error or not error.get("log"):
        return error
    name = PurePosixPath(str(error["log"])).name
    return {**error, "log": f"{folder}/{name}" if folder else name}


def _check_job(said: Json, status: Status) -> tuple[Json, tuple[DatasetInput, ...]]:
    if is_active(status) or status is Status.CREATED:
        raise ValueError(f"its status is {status}")
    texts = [said.get(name) for name in ("id", "name", "handler")]
    times = [said.get("created_at"), said.get("finished_at") or 0.0]
    if not all(type(each) is str for each in texts) or not all(map(is_time, times)):
        raise TypeError("the job is not described as it should be")
    if not isinstance(said.get("record"), dict) or not isinstance(said.get("datasets"), list):
        raise TypeError("the job is not described as it should be")
    check_shape(said["record"], _RECORD, "its record")
    check_job_name(said["name"])
    request = read_typed(RunRequest, said["request"])
    datasets = tuple(read_typed(DatasetInput, each) for each in said["datasets"])
    for each in datasets:
        if not (is_version(each.dataset_id) or is_elsewhere(each.dataset_id)) or not is_version(each.version):
            raise ValueError("the id of a dataset is none")
    error = None if said.get("error") is None else read_typed(TaskError, said["error"])
    job: Json = {
        "id": check_job_id(said["id"]),
        "name": said["name"],
        "handler": said["handler"],
        "status": status.value,
        "request": request.to_json(),
        "datasets": [each.to_json() for each in datasets],
        "record": said["record"],
        "driver": None,
        "created_at": float(said["created_at"]),
        "finished_at": said.get("finished_at"),
        "error": None if error is None else error.to_json(),
        "removed_at": None,
    }
    return job, datasets


def _check_steps(rows: Rows, job_id: str) -> None:
    for row in rows["steps"]:
        Status(row["status"])
        if read_typed(Step, row["step"]).name != row["name"]:
            raise ValueError("a step has two names")
    known: set[str] = set()
    for row in rows["tasks"]:
        Status(row["status"])
        known.add(row["id"])
        if not row["id"].startswith(f"{job_id}/"):
            raise ValueError("a task belongs to another job")
    for row in rows["attempts"]:
        Status(row["status"])
        if row["task_id"] not in known:
            raise ValueError("an attempt belongs to no task")
        if row["error"] is not None:
            read_typed(TaskError, row["error"])
        if not all(type(each) in {int, float} for each in (row["timings"] or {}).values()):
            raise TypeError("the timings of an attempt are no numbers")
    for row in rows["ranges"]:
        RangeState(row["state"])


def _check_parts(rows: Rows, job_id: str) -> int:
    """Make sure that parts and their tables fit each other and the file, and return the bytes of the file."""
    count = len(rows["parts"])
    ends: dict[int, tuple[int, str]] = {}
    for name in ("ranges", "part_tables"):
        for row in rows[name]:
            number = row["part_id"]
            if number is None and name == "ranges":
                continue
            if type(number) is not int or number >= count:
                raise ValueError(f"a row of {name} belongs to no part")
    for row in rows["parts"]:
        if row["task_id"] and not row["task_id"].startswith(f"{job_id}/"):
            raise ValueError("a part belongs to another job")
        if (row["start"] is None) != (row["stop"] is None) or (row["start"] or 0) > (row["stop"] or 0):
            raise ValueError("a part has no range")
    for row in rows["part_tables"]:
        if row["file"] != ROWS or len(bytes.fromhex(row["digest"])) != 32:
            raise ValueError("the results lie in another file")
        place = row["length"], row["digest"]
        if ends.setdefault(row["offset"], place) != place:
            raise ValueError("two stretches of results overlap")
    return _tile({offset: length for offset, (length, _) in ends.items()})


def _tile(lengths: Mapping[int, int]) -> int:
    size = 0
    for offset in sorted(lengths):
        if offset != size or not lengths[offset]:
            raise ValueError("the stretches of the results leave gaps")
        size += lengths[offset]
    return size


__all__ = ["ROWS", "JobText", "WholeJob", "read_job_text", "stretches_of", "with_logs", "write_job_text"]
