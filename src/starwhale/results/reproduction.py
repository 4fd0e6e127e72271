"""Whether one job found what another found: row by row, metric by metric, and what differs in what they ran on."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starwhale.domain.row_id import make_row_id
from starwhale.results.agreement import Agreement, AgreementVerdict, compare_rows, compare_values
from starwhale.results.read import job_scope, summary, table_names
from starwhale.storage.protocols import ERRORS, HIDDEN_COLUMNS, RETRIED, RETRIED_ERRORS, TableQuery

if TYPE_CHECKING:
    from starwhale.storage.catalog.job_records import JobRecord
    from starwhale.storage.stores import Stores

LISTED = 20
"""Rows, metrics and facts that are listed; all are counted."""
RESULTS = "results"
_NOT_COMPARED = HIDDEN_COLUMNS | {"id", "_index", "_mode", "duration_seconds", "tries", RETRIED}
_OF_ERRORS = frozenset({"exception"})
"""What must agree of a row that failed; message and traceback name files and addresses."""
Row = Mapping[str, Any]  # Any: cells of users


@dataclass(slots=True, kw_only=True)
class Tally:
    """How many things of one kind agree, and which do not."""

    name: str
    """What they are: `rows`, `metrics`, or the name of a table."""
    counts: dict[AgreementVerdict, int] = field(default_factory=lambda: dict.fromkeys(AgreementVerdict, 0))
    """How many there are of each verdict."""
    absolute: float = 0.0
    """Largest difference of two numbers."""
    relative: float = 0.0
    """Largest difference as a share of the larger number."""
    listed: list[tuple[str, Agreement]] = field(default_factory=list[tuple[str, Agreement]])
    """Id and finding of the first ones that differ."""

    def add(self, name: str, found: Agreement) -> None:
        """Count one."""
        self.counts[found.verdict] += 1
        self.absolute, self.relative = max(self.absolute, found.absolute), max(self.relative, found.relative)
        if not found.verdict.is_good and len(self.listed) < LISTED:
            self.listed.append((name, found))

    @property
    def total(self) -> int:
        """How many there are."""
        return sum(self.counts.values())

    @property
    def verdict(self) -> AgreementVerdict:
        """The worst of all, where something that is missing or new makes a difference."""
        if any(count for each, count in self.counts.items() if not each.is_good):
            return AgreementVerdict.DIFFERENT
        return AgreementVerdict.CLOSE if self.counts[AgreementVerdict.CLOSE] else AgreementVerdict.IDENTICAL

    def to_json(self) -> dict[str, Any]:  # Any: a JSON object
        """Return counts, largest differences, and the first ones that differ."""
        return {
            "verdict": str(self.verdict),
            "compared": self.total,
            **{str(each): count for each, count in self.counts.items()},
            "largest_absolute": self.absolute,
            "largest_relative": self.relative,
            "listed": [
                {
                    "id": name,
                    "verdict": str(found.verdict),
                    "column": found.column,
                    "before": found.before,
                    "now": found.now,
                    "absolute": found.absolute,
                    "relative": found.relative,
                }
                for name, found in self.listed
            ],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduction:
    """What came of running a job again."""

    job_id: str
    """The new job."""
    of: str
    """The job that was run again."""
    rows: Tally
    """Predictions, by the ids of their rows."""
    metrics: Tally | None
    """The summary; None where only a sample was run, of which figures say nothing."""
    tables: tuple[Tally, ...]
    """Every other table that has rows."""
    record: tuple[dict[str, Any], ...]  # Any: JSON objects
    """What differs in what they ran on: `{what, before, now}`."""
    sample: int = 0
    """Rows that were drawn; 0 where all were run."""
    sample_seed: int = 0
    """From which they were drawn."""

    @property
    def tallies(self) -> tuple[Tally, ...]:
        """Everything that was compared."""
        return tuple(filter(None, (self.rows, self.metrics, *self.tables)))

    @property
    def verdict(self) -> AgreementVerdict | None:
        """The worst of all; None where there was nothing to compare."""
        found = [each.verdict for each in self.tallies if each.total]
        return max(found, key=list(AgreementVerdict).index) if found else None

    def to_json(self) -> dict[str, Any]:  # Any: a JSON object
        """Return the shape of `job reproduce -o json`."""
        return {
            "job": self.job_id,
            "of": self.of,
            "verdict": str(self.verdict or "unknown"),
            "rows": self.rows.to_json(),
            "metrics": None if self.metrics is None else self.metrics.to_json(),
            "tables": {each.name: each.to_json() for each in self.tables},
            "record": list(self.record),
            "sample": {"rows": self.sample, "seed": self.sample_seed} if self.sample else None,
        }


def compare_jobs(stores: Stores, before: JobRecord, now: JobRecord) -> Reproduction:
    """Compare what two jobs found; the second may have tried a sample of the rows of the first.

    Both are read row by row. What is held is the rows that one of them lacks.

    Args:
        stores: Where both lie.
        before: The job that was run again.
        now: The new one.
    """
    ids = _sampled_ids(stores, now) if now.request.sample else None
    names = sorted({*table_names(stores, before), *table_names(stores, now)} - {RESULTS, RETRIED_ERRORS})
    names = [each for each in names if ids is None or each == ERRORS]
    return Reproduction(
        job_id=now.id,
        of=before.id,
        rows=_compare_table(stores, before, now, RESULTS, ids),
        metrics=None if ids is not None else _compare_summaries(summary(stores, before), summary(stores, now)),
        tables=tuple(_compare_table(stores, before, now, name, ids) for name in names),
        record=tuple(record_differences(before, now)),
        sample=now.request.sample,
        sample_seed=now.request.sample_seed,
    )


def _compare_summaries(before: Row, now: Row) -> Tally:
    tally = Tally(name="metrics")
    for name in dict.fromkeys((*before, *now)):
        if name not in now:
            tally.add(name, Agreement(verdict=AgreementVerdict.MISSING, before=before[name]))
        elif name not in before:
            tally.add(name, Agreement(verdict=AgreementVerdict.ADDED, now=now[name]))
        else:
            found = compare_values(before[name], now[name])
            tally.add(name, dataclasses.replace(found, before=before[name], now=now[name]))
    return tally


def _compare_table(
    stores: Stores, before: JobRecord, now: JobRecord, table: str, ids: AbstractSet[str] | None
) -> Tally:
    tally = Tally(name="rows" if table == RESULTS else table)
    for row_id, one, other in pair_rows(_rows(stores, before, table, ids), _rows(stores, now, table, ids)):
        if other is None:
            tally.add(row_id, Agreement(verdict=AgreementVerdict.MISSING))
        elif one is None:
            tally.add(row_id, Agreement(verdict=AgreementVerdict.ADDED))
        else:
            tally.add(row_id, compare_rows(one, other))
    return tally


def _rows(stores: Stores, job: JobRecord, table: str, ids: AbstractSet[str] | None) -> Iterator[tuple[str, Row]]:
    """Read id and cells of the rows of a table, without inputs, which both jobs share."""
    scope = job_scope(stores, job)
    bare = tuple(
        dataclasses.replace(step, record=dataclasses.replace(step.record, log_features=())) for step in scope.steps
    )
    for row in stores.results.reader.rows(dataclasses.replace(scope, steps=bare), TableQuery(table=table)):
        row_id = str(row["id"])
        if ids is not None and row_id not in ids:
            continue
        yield row_id, {name: value for name, value in row.items() if _counts(name, table) and value is not None}


def _counts(column: str, table: str) -> bool:
    return column in _OF_ERRORS if table == ERRORS else column not in _NOT_COMPARED


def pair_rows(
    before: Iterable[tuple[str, Row]], now: Iterable[tuple[str, Row]]
) -> Iterator[tuple[str, Row | None, Row | None]]:
    """Pair rows by id. Both sides come in the same order but for rows that one of them lacks, so that few are held."""
    waiting: tuple[dict[str, Row], dict[str, Row]] = {}, {}
    sides = iter(before), iter(now)
    is_over = [False, False]
    while not all(is_over):
        for side, rows in enumerate(sides):
            found = next(rows, None)
            if found is None:
                is_over[side] = True
                continue
            row_id, row = found
            other = waiting[1 - side].pop(row_id, None)
            if other is None:
                waiting[side][row_id] = row
            else:
                yield (row_id, row, other) if side == 0 else (row_id, other, row)
    for row_id, row in waiting[0].items():
        yield row_id, row, None
    for row_id, row in waiting[1].items():
        yield row_id, None, row


def _sampled_ids(stores: Stores, job: JobRecord) -> set[str]:
    """Return the ids that rows of a sample have in the results."""
    suffixes = {each.step.id_step for each in stores.catalog.jobs.steps(job.id) if each.step.consumes_rows}
    found: set[str] = set()
    for dataset in job.datasets:
        if dataset.chosen:
            reader = stores.datasets.open_version(dataset.dataset_id, dataset.manifest_digest)
            keys = reader.take(list(dataset.chosen), []).keys
            found.update(make_row_id(dataset, key, suffix) for key in keys for suffix in suffixes)
    return found


_FACTS = (
    *("starwhale_version", "python_version", "platform", "host", "seed", "arguments", "source_digest", "model_digest"),
    *("hardware/cpu", "hardware/cores", "hardware/usable_cores", "hardware/memory_bytes", "hardware/gpus"),
    *("git/commit", "git/branch", "git/is_dirty", "git/diff_digest"),
)
"""Facts of a record that are compared, by path; packages and variables come besides, by name."""
_OWN = frozenset({"blake3", "msgpack", "numpy", "pyarrow"})
"""Packages that the program itself imports in workers, now and then: that one job has and the other has not says nothing."""
_NOTHING = object()


def record_differences(before: JobRecord, now: JobRecord) -> Iterator[dict[str, Any]]:  # Any: JSON objects
    """Name what differs in what two jobs ran on: program, machine, source, packages, variables, and how they were carried out.

    What the first did not record, because an older program ran it, is left out.
    """
    for path in _FACTS:
        one, other = _at(before.record, path), _at(now.record, path)
        if one is not _NOTHING and one != other:
            yield {"what": path.replace("/", " "), "before": one, "now": None if other is _NOTHING else other}
    for kind in ("runtime", "packages", "env"):
        if kind not in before.record:
            continue
        one, other = before.record[kind], now.record.get(kind) or {}
        for name in sorted({*one, *other}):
            is_ours = kind == "packages" and name in _OWN and not (name in one and name in other)
            if one.get(name) != other.get(name) and not is_ours:
                yield {"what": f"{kind} {name}", "before": one.get(name), "now": other.get(name)}
    for name in ("executor", "replicas", "concurrency"):
        one, other = getattr(before.request, name), getattr(now.request, name)
        if one != other:
            yield {"what": name, "before": one, "now": other}


def _at(record: Row, path: str) -> Any:  # Any: a JSON value
    found: Any = record
    for name in path.split("/"):
        if not isinstance(found, Mapping) or name not in found:
            return _NOTHING
        found = found[name]
    return found
