"""The table of all jobs with their metrics: filtered, sorted and paged in memory, and kept up to date by what changes.

A row is a few hundred bytes, so that ten thousand jobs are a few megabytes. Summaries lie in files and are read once (`kept_summaries`).
"""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starwhale.domain.job import ONLINE
from starwhale.domain.uri import DEFAULT_PROJECT, parse_project_uri
from starwhale.errors import NotFoundError, StarwhaleError, UsageError, nearest
from starwhale.instances.jobs.kept_summaries import Known, keep, read_kept
from starwhale.results.where import parse_where
from starwhale.storage.catalog.job_facts import JobFacts

if TYPE_CHECKING:
    from starwhale.instances.change_feed import ChangeFeed
    from starwhale.instances.instance import Instance
    from starwhale.storage.catalog.job_records import JobRecord

logger = logging.getLogger(__name__)
PREFIX = "summary/"
"""How columns of metrics begin."""
COLUMNS = (
    "id", "name", "project", "status", "handler", "model", "datasets", "executor", "created_at", "finished_at", "duration", "done", "failed", "rows",
    "tags", "note", "error",
)  # fmt: skip
"""What jobs can be sorted and filtered by, beside their metrics."""
_PATIENCE_S = 20.0
"""A list that is sorted by a metric waits so long for the summaries of all jobs."""
_CHUNK = 500
"""Summaries that are read together."""
Key = tuple[Any, ...]  # Any: what orders jobs


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsWanted:
    """Which jobs, and in which order."""

    project: str = ""
    """Name of the project; empty for the current one."""
    where: str = ""
    """An expression of `results.where` over `COLUMNS` and metrics; empty for all."""
    search: str = ""
    """Text that has to occur somewhere; empty for all."""
    sort: str = "created_at"
    """A column."""
    descending: bool = True
    """Whether the largest come first; jobs without a value come last either way."""
    removed: bool = False
    """The removed ones instead of the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsFound:
    """A page of jobs."""

    rows: Sequence[JobFacts]
    """The jobs."""
    next: Key | None
    """What the next page begins behind; None after the last."""
    total: int
    """Jobs that fit."""
    columns: Sequence[str]
    """Metrics of all jobs of the project."""
    is_whole: bool
    """Whether the summaries of all jobs are known."""


class JobTable:
    """All jobs of an instance; safe to use from several threads."""

    def __init__(self, instance: Instance, feed: ChangeFeed) -> None:
        self._instance = instance
        self._feed = feed
        self._rows: dict[str, JobFacts] = {}
        self._summaries: dict[str, Known] = {}
        self._intervals: dict[str, tuple[Any, Mapping[str, tuple[float, float]]]] = {}
        self._kept: Mapping[str, Known] = {}
        self._stale: set[str] | None = None
        self._lock = threading.Lock()
        self._is_whole = threading.Event()
        feed.listen(self._note)

    def _note(self, changes: Sequence[tuple[str, str]]) -> None:
        """Note which jobs have to be read again."""
        with self._lock:
            for kind, key in changes:
                if kind in {"job", "results"} and self._stale is not None:
                    self._stale.add(key)
                elif kind == "project":
                    self._stale = None

    def find(self, wanted: JobsWanted, *, after: Key | None = None, limit: int = 100) -> JobsFound:
        """Return a page of jobs.

        Args:
            wanted: Which.
            after: `next` of the page before; None for the first.
            limit: At most so many.

        Raises:
            NotFoundError: There is no such project.
            UsageError: The expression breaks, or names a column that no job has.
        """
        self._feed.look()
        self._refresh()
        where = parse_where(wanted.where) if wanted.where.strip() else None
        named = [*(where.columns if where else ()), wanted.sort]
        if any(each.casefold().startswith(PREFIX) for each in named):
            self._is_whole.wait(_PATIENCE_S)
        home = self._project(wanted.project).casefold()
        with self._lock:
            rows = [each for each in self._rows.values() if each.project.casefold() == home]
            metrics = {job_id: summary for job_id, (_, summary) in self._summaries.items()}
        rows = [_with_summary(each, metrics.get(each.id, {})) for each in rows if each.is_removed is wanted.removed]
        columns = sorted({f"{PREFIX}{name}" for each in rows for name in each.summary})
        names = [_name(each, columns) for each in named]
        if where is not None:
            rows = [each for each in rows if where.matches(_Cells(each))]
        if wanted.search:
            text = wanted.search.casefold()
            rows = [each for each in rows if text in _words(each)]
        chosen, following = _page(rows, names[-1], after, limit, is_falling=wanted.descending)
        is_whole = self._is_whole.is_set()
        return JobsFound(rows=chosen, next=following, total=len(rows), columns=columns, is_whole=is_whole)

    def one(self, job: JobRecord) -> JobFacts:
        """Return one job as the list shows it, as it stands now.

        Raises:
            NotFoundError: The catalog does not have it any more.
        """
        found = self._instance.catalog.job_facts.read([job.id])
        if not found:
            raise NotFoundError(f"no job {job.id!r}", hint="see swcli job list")
        return _with_summary(found[0], self._read_summary(job.id))

    def intervals(self, facts: JobFacts) -> Mapping[str, tuple[float, float]]:
        """Return the 95 % intervals of a job's metrics, as far as they are known: of its figures, and of an accuracy that is a share of rows."""
        key = facts.id, facts.finished_at, facts.done
        known = self._intervals.get(facts.id)
        if known is not None and known[0] == key:
            return known[1]
        found = self._find_intervals(facts)
        with self._lock:
            self._intervals[facts.id] = key, found
        return found

    def _find_intervals(self, facts: JobFacts) -> Mapping[str, tuple[float, float]]:
        from starwhale.results.figure import figures_of
        from starwhale.results.reports.job_report import accuracy_interval

        found: dict[str, tuple[float, float]] = {}
        accuracy = accuracy_interval(facts.summary, facts.done - facts.failed)
        if accuracy is not None:
            found["accuracy"] = accuracy.low, accuracy.high
        try:
            record = self._instance.catalog.jobs.find(facts.id).record
        except NotFoundError:  # it went while the list was made
            return found
        for each in figures_of(record):
            if not each.slice and not each.label:
                found[each.metric] = each.low, each.high
        return found

    def warm(self) -> None:
        """Learn the summaries of all jobs: those that were kept, and the others from the results. Lists that are sorted by a metric wait for it."""
        kept = read_kept(self._instance.stores.layout.summaries)
        self._feed.look()
        self._refresh()
        try:
            written = self._instance.catalog.job_facts.summaries()
            with self._lock:
                self._summaries = {
                    **{job: pair for job, pair in kept.items() if written.get(job) == pair[0]},
                    **self._summaries,
                }
                missing = [job for job, last in written.items() if self._summaries.get(job, (0,))[0] != last]
            for at in range(0, len(missing), _CHUNK):
                self._learn(missing[at : at + _CHUNK], written)
        finally:
            self._is_whole.set()
        self._kept = kept
        self.keep()

    def keep(self) -> None:
        """Keep the summaries that are known for the next start, where there are other ones than were kept already."""
        with self._lock:
            known = {job: pair for job, pair in self._summaries.items() if pair[0]}
        if self._is_whole.is_set() and known != self._kept:
            self._kept = known
            keep(self._instance.stores.layout.summaries, known)

    def _learn(self, jobs: Sequence[str], written: Mapping[str, int]) -> None:
        for job, found in self._instance.stores.results.reader.summaries(jobs):
            with self._lock:
                self._summaries[job] = written[job], _shown(job, found)

    def _refresh(self) -> None:
        """Read what has changed since the last time."""
        with self._lock:
            stale, self._stale = self._stale, set()
            is_new = stale is None
        if not is_new and not stale:
            return
        facts = self._instance.catalog.job_facts.read(None if stale is None else sorted(stale))
        with self._lock:
            if stale is None:
                self._rows = {each.id: each for each in facts}
            else:
                for job_id in stale:
                    self._rows.pop(job_id, None)
                self._rows.update((each.id, each) for each in facts)
        if stale:
            last = self._instance.catalog.job_facts.summaries(sorted(stale))
            for job_id in stale:
                self._know_summary(job_id, last.get(job_id, 0))

    def _know_summary(self, job_id: str, last: int) -> None:
        known = self._summaries.get(job_id)
        if known is not None and known[0] == last:
            return
        summary = self._read_summary(job_id) if last else {}
        with self._lock:
            self._summaries[job_id] = last, summary

    def _read_summary(self, job_id: str) -> Mapping[str, Any]:  # Any: values of users
        from starwhale.storage.result_parts.result_rows import ResultScope

        try:
            return self._instance.stores.results.reader.summary(ResultScope(owner=job_id))
        except StarwhaleError as error:
            return _shown(job_id, error)

    def _project(self, given: str) -> str:
        current = self._instance.projects.current
        home = parse_project_uri(given).project if given else current
        projects = self._instance.catalog.projects
        if home in {current, DEFAULT_PROJECT}:  # those two are there from the start
            projects.refuse_removed(home)
        else:
            projects.get(home)
        return home


def _with_summary(facts: JobFacts, logged: Mapping[str, Any]) -> JobFacts:  # Any: values of users
    """Return a job with what it logged. What was tried online was handed out in no ranges of rows: its summary counts it."""
    found = dataclasses.replace(facts, summary={**facts.figures, **logged})
    if facts.executor != ONLINE or "requests" not in logged:
        return found
    requests = int(logged["requests"])
    return dataclasses.replace(found, done=requests, rows=requests, failed=int(logged.get("failed", 0)))


def _shown(job_id: str, found: Mapping[str, Any] | StarwhaleError) -> Mapping[str, Any]:
    """Return a summary; a damaged one is shown as what it is, and hides no other job."""
    if isinstance(found, StarwhaleError):
        logger.warning("job=%s: its summary cannot be read: %s", job_id, found)
        return {"error": found}
    return found


class _Cells(Mapping[str, Any]):  # Any: cells
    """A job as a row for an expression."""

    def __init__(self, facts: JobFacts) -> None:
        self._facts = facts

    def __getitem__(self, name: str) -> Any:
        if name.startswith(PREFIX) and name.removeprefix(PREFIX) in self._facts.summary:
            return self._facts.summary[name.removeprefix(PREFIX)]
        if name in COLUMNS:
            value = getattr(self._facts, name)
            return list(value) if isinstance(value, tuple) else value
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter([*COLUMNS, *(f"{PREFIX}{name}" for name in self._facts.summary)])

    def __len__(self) -> int:
        return len(COLUMNS) + len(self._facts.summary)


def _page(
    rows: Sequence[JobFacts], name: str, after: Key | None, limit: int, *, is_falling: bool
) -> tuple[list[JobFacts], Key | None]:
    """Return the jobs of a page, and what the next one begins behind."""

    def value(each: JobFacts) -> tuple[bool, Any]:
        found = _Cells(each).get(name)
        if isinstance(found, list):
            found = ", ".join(map(str, found))
        if isinstance(found, bool | int | float) and found == found:  # noqa: PLR0124 - NaN has no place
            return True, (0, found)
        return (True, (1, found)) if isinstance(found, str) and found else (False, (2, 0))

    keyed = sorted(((value(each), each) for each in rows), key=lambda pair: pair[1].id)
    keyed.sort(key=lambda pair: pair[1].created_at, reverse=True)
    keyed.sort(key=lambda pair: pair[0][1], reverse=is_falling)
    keyed.sort(key=lambda pair: not pair[0][0])
    start = 0
    if after is not None:
        start = _behind(keyed, after, is_falling=is_falling)
    chosen = keyed[start : start + limit]
    has_more = start + limit < len(keyed)
    return [each for _, each in chosen], _key(*chosen[-1]) if chosen and has_more else None


def _key(value: tuple[bool, Any], facts: JobFacts) -> Key:
    return facts.id, value[0], list(value[1]), facts.created_at


def _behind(keyed: Sequence[tuple[tuple[bool, Any], JobFacts]], after: Key, *, is_falling: bool) -> int:
    """Return the place behind the last job of a page, also when that one has moved or gone since."""
    try:
        job_id, has_value, value, created_at = after
        order = tuple(value)
        for place, ((has, mine), facts) in enumerate(keyed):
            if facts.id == job_id and (has, mine) == (has_value, order):
                return place + 1
        for place, ((has, mine), facts) in enumerate(keyed):
            if has != has_value:
                is_behind = not has
            elif mine != order:
                is_behind = (mine < order) is is_falling
            else:
                is_behind = (-facts.created_at, facts.id) > (-created_at, job_id)
            if is_behind:
                return place
    except (TypeError, ValueError) as error:
        raise UsageError(
            "that is not where a page of jobs ends", hint="give `next` of the page before, or nothing"
        ) from error
    return len(keyed)


def _name(given: str, metrics: Sequence[str]) -> str:
    """Return the name of a column in the case that it has.

    Raises:
        UsageError: No job has it; the nearest are said.
    """
    known = [*COLUMNS, *metrics]
    found = next((each for each in known if each.casefold() == given.casefold()), None)
    if found is None and given.casefold().startswith(PREFIX):
        return given  # a metric that no job has yet
    if found is None:
        raise UsageError(f"jobs have no column {given[:80]!r}", hint=nearest(given, known))
    return found


def _words(facts: JobFacts) -> str:
    return "\n".join(
        (facts.id, facts.name, facts.handler, facts.model, *facts.datasets, *facts.tags, facts.note)
    ).casefold()
