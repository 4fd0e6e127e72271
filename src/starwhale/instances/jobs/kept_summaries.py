"""Summaries of jobs that were read before, kept below the root: ten thousand are known at once when a console starts.

A summary is kept with the number of the last commit that wrote to it, so that one which has changed since is read anew. The file is disposable:
where it is gone, damaged, or of another program, every summary is read from the results.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from blake3 import blake3

logger = logging.getLogger(__name__)
FORMAT = 1
MOST_CHARACTERS = 20_000
"""A longer summary is not kept, but read every time."""
Known = tuple[int, Mapping[str, Any]]  # Any: values of users
"""Number of the last commit that wrote to a summary, and the summary."""


def read_kept(path: Path) -> dict[str, Known]:
    """Return what was kept, by job; nothing where it cannot be used."""
    try:
        digest, _, body = path.read_bytes().partition(b"\n")
    except FileNotFoundError:
        return {}
    except OSError as error:
        logger.info("summaries kept in %s cannot be read (%s); they are read from the results", path, error)
        return {}
    if digest != blake3(body).hexdigest().encode():
        logger.info("summaries kept in %s are damaged; they are read from the results", path)
        return {}
    said: Any = json.loads(body)  # Any: JSON that a program of this kind has written
    if said["format"] != FORMAT:
        return {}
    return {job: (last, summary) for job, (last, summary) in said["jobs"].items()}


def keep(path: Path, known: Mapping[str, Known]) -> None:
    """Keep summaries for the next start; a disk that is full keeps nobody from anything."""
    jobs = {job: pair for job, pair in known.items() if _can_be_kept(pair[1])}
    body = json.dumps({"format": FORMAT, "jobs": jobs}, separators=(",", ":")).encode()
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_bytes(blake3(body).hexdigest().encode() + b"\n" + body)
        draft.replace(path)
    except OSError as error:
        logger.info("summaries cannot be kept in %s: %s", path, error)
        draft.unlink(missing_ok=True)


def _can_be_kept(summary: Mapping[str, Any]) -> bool:
    return _is_json(summary) and len(json.dumps(summary)) <= MOST_CHARACTERS


def _is_json(value: Any) -> bool:  # Any: a value of a user
    """Whether JSON gives back the very same value."""
    if value is None or type(value) in {bool, int, float}:
        return True
    if type(value) is str:
        return value.isascii() or not any("\ud800" <= each <= "\udfff" for each in value)
    if type(value) is list:
        return all(map(_is_json, value))
    if isinstance(value, Mapping):
        return all(type(name) is str and _is_json(each) for name, each in value.items())
    return False
