"""Which job a word means: an id, a name, `latest`, `latest~N`, a unique beginning of an id, or a URI."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import Connection, Select, select

from starwhale.domain.status import Status
from starwhale.domain.uri import DEFAULT_PROJECT, parse_uri
from starwhale.domain.version import SHORT_VERSION, SHORTEST_PREFIX
from starwhale.errors import ConflictError, NotFoundError, nearest
from starwhale.storage.catalog.projects import get_project
from starwhale.storage.catalog.schema import jobs, projects

_LATEST = re.compile(r"^latest(?:~(\d+))?$")


def find_job(connection: Connection, text: str, *, project: str, removed: bool) -> str:
    """Return the id of the job: a whole id first, then a name (of several jobs the newest), then the beginning of an id.

    Raises:
        NotFoundError: Nothing fits.
        ConflictError: Several ids begin so.
    """
    uri = parse_uri(text, kind="job", default_project=project)
    word = uri.name
    found = _find(connection, word, uri.project, removed=removed)
    if found is None:
        raise _missing(connection, word, uri.project, removed=removed)
    return found


def _find(connection: Connection, word: str, project: str, *, removed: bool) -> str | None:
    everywhere, within = _queries(project, removed=removed)
    latest = _LATEST.match(word)
    if latest:
        return connection.execute(within.offset(int(latest[1] or 0)).limit(1)).scalars().first()
    return (
        connection.execute(everywhere.where(jobs.c.id == word)).scalars().first()
        or connection.execute(within.where(jobs.c.name == word).limit(1)).scalars().first()
        or _by_prefix(connection, everywhere, word)
    )


def _queries(project: str, *, removed: bool) -> tuple[Select[Any], Select[Any]]:  # Any: as SQLAlchemy types queries
    """Return the ids of all jobs, and those of one project with the newest first."""
    state = jobs.c.removed_at.is_not(None) if removed else jobs.c.removed_at.is_(None)
    everywhere = (
        select(jobs.c.id)
        .join(projects, jobs.c.project_id == projects.c.id)
        .where(state, projects.c.removed_at.is_(None))
    )
    within = everywhere.where(projects.c.name_folded == project.casefold())
    return everywhere, within.order_by(jobs.c.created_at.desc(), jobs.c.id)


def _by_prefix(
    connection: Connection, everywhere: Select[Any], word: str
) -> str | None:  # Any: as SQLAlchemy types queries
    if len(word) < SHORTEST_PREFIX:
        return None
    found = (
        connection.execute(everywhere.where(jobs.c.id.startswith(word.lower(), autoescape=True)).limit(6))
        .scalars()
        .all()
    )
    if len(found) > 1:
        shown = ", ".join(each[: max(SHORT_VERSION, len(word) + 2)] for each in found[:5])
        message = f"{word!r} begins several job ids: {shown}"
        raise ConflictError(message, hint="give more characters")
    return found[0] if found else None


def _missing(connection: Connection, word: str, project: str, *, removed: bool) -> NotFoundError:
    if project.casefold() != DEFAULT_PROJECT:  # that one is there from the start
        get_project(connection, project)
    other = None if _LATEST.match(word) else _find(connection, word, project, removed=not removed)
    if other is not None:
        return _elsewhere(connection, other, is_removed=not removed)
    known = connection.execute(
        _queries(project, removed=removed)[1].with_only_columns(jobs.c.name, jobs.c.id).limit(50)
    ).all()
    if not known:
        what, hint = ("removed jobs", "see swcli job list") if removed else ("jobs", "start one with swcli model run")
        return NotFoundError(f"no job {word!r}: project {project!r} has no {what}", hint=hint)
    hint = nearest(word, [row.name or row.id[:SHORT_VERSION] for row in known])
    if len(word) < SHORTEST_PREFIX:
        hint = f"give at least {SHORTEST_PREFIX} characters of the id; {hint}"
    what = "removed job" if removed else "job"
    return NotFoundError(f"no {what} {word!r} in project {project!r}", hint=hint)


def _elsewhere(connection: Connection, job_id: str, *, is_removed: bool) -> NotFoundError:
    """Say that a job was removed, or was not, and what is meant then."""
    short = job_id[:SHORT_VERSION]
    if is_removed:
        return NotFoundError(f"job {short} was removed", hint=f"bring it back with: swcli job recover {short}")
    status = Status(connection.execute(select(jobs.c.status).where(jobs.c.id == job_id)).scalar_one())
    if status is Status.SUCCESS:
        return NotFoundError(f"job {short} was not removed; it has succeeded", hint=f"see swcli job info {short}")
    message = f"job {short} was not removed; recover only brings removed jobs back"
    return NotFoundError(message, hint=f"to go on with it: swcli job resume {short}")
