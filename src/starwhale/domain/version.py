"""Version ids and the rule for names and tags."""

from __future__ import annotations

import base64
import re

from starwhale.errors import InvalidNameError

NAME = re.compile(r"^[a-zA-Z_][a-zA-Z0-9_.-]*\Z")
"""One rule for the names of projects, datasets, models, runtimes and tags."""
NAME_LENGTH = 80
"""Longest name, in characters."""
SHORT_VERSION = 12
"""Characters of a version id as it is shown."""
SHORTEST_PREFIX = 4
"""Fewest characters by which a version or a job may be addressed."""

_AUTO_TAG = re.compile(r"^v\d+\Z")
_JOB_ID = re.compile(r"^[a-z0-9]{4,40}\Z")
_VERSION = re.compile(r"^[a-z2-7]{40}\Z")


def make_version(random_bytes: bytes) -> str:
    """Turn 25 random bytes into a version id of 40 lower-case base32 characters."""
    return base64.b32encode(random_bytes[:25]).decode("ascii").lower()


def is_version(text: str) -> bool:
    """Whether `text` has the form of a whole version id."""
    return _VERSION.match(text) is not None


def check_job_id(job_id: str) -> str:
    """Return an id that a caller chose for a job, when it can be addressed and lies in a folder of its own.

    Raises:
        InvalidNameError: It has other characters or another length.
    """
    if not _JOB_ID.match(job_id):
        message = f"{job_id!r} is not a valid job id"
        raise InvalidNameError(message, hint="use 4 to 40 lower-case letters and digits")
    return job_id


def is_reserved_tag(tag: str) -> bool:
    """Whether a tag is given by the system alone: `latest` and `v0`, `v1`, …."""
    return tag == "latest" or _AUTO_TAG.match(tag) is not None


def check_name(kind: str, name: str) -> str:
    """Return `name` when it keeps the rule.

    Args:
        kind: What is named, for the message: "dataset", "tag", ….
        name: What the user wrote.

    Raises:
        InvalidNameError: The name is empty, too long or has other characters.
    """
    if not NAME.match(name) or len(name) > NAME_LENGTH:
        message = f"{name!r} is not a valid {kind} name"
        hint = f"use 1 to {NAME_LENGTH} letters, digits, '_', '-' or '.', beginning with a letter or '_'"
        raise InvalidNameError(message, hint=hint)
    return name


def check_user_tag(tag: str) -> str:
    """Return `tag` when a user may set it.

    Raises:
        InvalidNameError: The tag breaks the naming rule or is reserved.
    """
    check_name("tag", tag)
    if is_reserved_tag(tag):
        message = f"tag {tag!r} is reserved: 'latest' and v0, v1, … are given by the system"
        raise InvalidNameError(message, hint="choose another tag")
    return tag
