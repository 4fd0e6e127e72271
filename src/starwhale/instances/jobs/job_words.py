"""What users write on jobs: tags, and a note. Both are kept in the record of the job, so that they travel with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from starwhale.domain.json_shape import JsonView
from starwhale.domain.version import SHORT_VERSION, check_name
from starwhale.errors import UsageError
from starwhale.storage.catalog.job_facts import NOTE, TAGS

if TYPE_CHECKING:
    from starwhale.storage.catalog.job_records import JobRecord
    from starwhale.storage.stores import Stores

MOST_TAGS = 50
"""Tags of one job."""
LONGEST_NOTE = 10_000
"""Characters of a note."""


def tags_of(job: JobRecord) -> tuple[str, ...]:
    """Return the tags of a job, sorted."""
    return tuple(job.record.get(TAGS) or ())


def note_of(job: JobRecord) -> str:
    """Return the note on a job; empty where there is none."""
    return str(job.record.get(NOTE) or "")


def tag_job(stores: Stores, job: JobRecord, *, add: Sequence[str], remove: Sequence[str]) -> tuple[str, ...]:
    """Add and take away tags; see `JobVerbs.tag`.

    Raises:
        UsageError: It would have too many tags.
    """
    for each in add:
        check_name("tag", each)
    found: tuple[str, ...] = ()

    def change(record: JsonView) -> JsonView:
        nonlocal found
        found = tuple(sorted({*(record.get(TAGS) or ()), *add} - set(remove)))
        if len(found) > MOST_TAGS:
            message = f"job {job.id[:SHORT_VERSION]} would have {len(found)} tags"
            raise UsageError(message, hint=f"{MOST_TAGS} are enough; take some away")
        return {TAGS: list(found)}

    if set(add) <= set(tags_of(job)) and not set(remove) & set(tags_of(job)):
        return tags_of(job)
    stores.catalog.jobs.write_on(job.id, change, kind="tagged", detail={"added": list(add), "removed": list(remove)})
    return found


def note_job(stores: Stores, job: JobRecord, text: str) -> str:
    """Write a note; see `JobVerbs.note`.

    Raises:
        UsageError: The note is too long.
    """
    if len(text) > LONGEST_NOTE:
        raise UsageError(f"the note has {len(text):,} characters", hint=f"at most {LONGEST_NOTE:,}")
    text = text.encode("utf-8", "replace").decode()
    if text != note_of(job):
        stores.catalog.jobs.write_on(job.id, lambda _record: {NOTE: text}, kind="noted", detail={"length": len(text)})
    return text
