"""The rows of a job that metrics look at: the columns that `@evaluation.metrics` names, in row order, and nothing else."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starwhale.domain.wanted_metrics import ROW_METRICS, WantedMetrics
from starwhale.errors import NotFoundError, UsageError, nearest
from starwhale.results.metrics.examples import Examples
from starwhale.results.metrics.registry import find_metric
from starwhale.results.read import job_scope
from starwhale.storage.protocols import HIDDEN_COLUMNS, TableQuery

if TYPE_CHECKING:
    from starwhale.domain.job import Step
    from starwhale.storage.catalog.job_records import JobRecord
    from starwhale.storage.result_parts.result_rows import ResultScope
    from starwhale.storage.stores import Stores

Columns = dict[str, list[Any]]  # Any: cells
_PREDICTIONS = ("output", "output/prediction", "output/label", "output/answer", "output/text")
"""Where a prediction is looked for when nobody says where it is."""
_SCORES = ("output/scores", "output/probabilities", "output/probability", "output/score", "output/probs")
_RESULTS = "results"
_NOT_COLUMNS = HIDDEN_COLUMNS | {"id", "_index", "_mode", "_retried", "duration_seconds"}


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricRows:
    """Rows of one predict step, column by column, in row order."""

    ids: list[Any]  # Any: ids of rows
    """What each row is."""
    datasets: list[tuple[str, str]]
    """Name and version of the dataset of each row."""
    examples: Examples
    """Labels, predictions and scores, as far as metrics need them."""
    clusters: list[Any] = field(default_factory=list[Any])  # Any: cells
    """What each row belongs to; empty where nobody asked."""
    by: Mapping[str, list[Any]] = field(default_factory=dict[str, list[Any]])  # Any: cells
    """What rows are sliced by."""
    own: Mapping[str, list[Any]] = field(default_factory=dict[str, list[Any]])  # Any: cells
    """What the user's functions said of each row."""


def read_metric_rows(stores: Stores, job: JobRecord, step: Step, wanted: WantedMetrics) -> MetricRows:
    """Read what metrics need of the rows of a predict step.

    Args:
        stores: Where the job is kept.
        job: The job.
        step: Its step, which predicts.
        wanted: Names of the metrics, and of the columns that they are about; empty ones are guessed.

    Raises:
        UsageError: A column is not there, or holds what only Python can read; the message names those that are there.
    """
    needs = {need.value for name in wanted.names for need in find_metric(name).needs}
    sources = {wanted.label} if needs else set[str]()
    sources |= {wanted.prediction, wanted.scores, wanted.cluster, *wanted.by} - {""}
    columns = _read(stores, job, step, sources)
    finder = _Finder(columns, step.name, _features(stores, job))
    count = len(columns["id"])
    taken: dict[str, list[Any]] = {}
    if needs and count:
        if "label" in needs:
            taken["labels"] = finder.find(wanted.label, "label", ("input/", "", "output/"))
        if "prediction" in needs:
            taken["predictions"] = finder.find_output(wanted.prediction, "prediction", _PREDICTIONS)
            finder.refuse_same(wanted.label)
        if "scores" in needs:
            taken["scores"] = finder.find_output(wanted.scores, "scores", (*_SCORES, "output"))
    of_slices = ("input/", "", "output/")
    return MetricRows(
        ids=columns["id"],
        datasets=list(zip(columns["__dataset"], columns["__dataset_version"], strict=True)),
        examples=Examples(
            labels=_plain(taken.get("labels", [])),
            predictions=_plain(taken.get("predictions", [])),
            scores=_plain(taken.get("scores", [])),
            classes=wanted.classes,
            positive=wanted.positive,
        ),
        clusters=finder.find(wanted.cluster, "cluster", of_slices) if wanted.cluster and count else [],
        by={each: finder.find(each, "by", of_slices) for each in wanted.by} if count else {},
        own=_own(stores, job, wanted, columns["id"]) if wanted.functions else {},
    )


def check_sources(step: Step, features: Sequence[str]) -> None:
    """Look whether the columns that metrics need may be there, before predict costs anything.

    A column that is no feature of the datasets may be a part of what predict will return, which nobody knows yet. One that is nearly called as a
    feature is taken for misspelt; `output/NAME` says that it is none.

    Args:
        step: A predict that names metrics, or does not.
        features: Columns of the datasets.

    Raises:
        UsageError: A column is misspelt; the message names the nearest.
    """
    wanted = WantedMetrics.from_json(step.record.metrics) if step.record.metrics else None
    if wanted is None or not features:
        return
    needs = {need.value for name in wanted.names for need in find_metric(name).needs}
    asked = {"label": wanted.label if "label" in needs else "", "cluster": wanted.cluster}
    for what, name in (*asked.items(), *(("by", each) for each in wanted.by)):
        plain = name.removeprefix("input/")
        if not name or plain.startswith("output") or {plain, plain.partition("/")[0]} & set(features):
            continue
        close = nearest(plain, features)
        if close.startswith("did you mean"):
            raise UsageError(
                f"metrics of {step.name}: no {what}: the datasets have no column {name!r}",
                hint=f'{close} Where predict returns it: @evaluation.metrics(…, {what}="output/{name}")',
            )


class _Finder:
    """Finds the columns that a user means, within outputs that are mappings too."""

    def __init__(self, columns: Columns, step: str, features: Sequence[str]) -> None:
        self._columns = columns
        self._step = step
        self._features = features
        outputs = columns.get("output", [])
        first = next((each for each in outputs if each is not None), None)
        self._keys = list(map(str, first)) if isinstance(first, Mapping) else []
        self._sources: dict[str, str] = {}

    def find(self, name: str, what: str, heads: Iterable[str]) -> list[Any]:  # Any: cells
        """Return a column by its name, or by the end of it."""
        for head in heads:
            if (found := self._column(f"{head}{name}")) is not None:
                self._sources[what] = f"{head}{name}"
                return found
        raise self._missing(f"there is no column {name!r}", what, name)

    def find_output(self, name: str, what: str, usual: Iterable[str]) -> list[Any]:  # Any: cells
        """Return a column of the output: the one that is named, or the first that is usually meant."""
        pickled = self._columns.get("__pickled")
        if pickled is not None and any(pickled):
            raise UsageError(
                f"what {self._step} returned is an object that only Python can read, and no {what}",
                hint='return a plain value, or a dict of such: {"label": …, "scores": …}',
            )
        if name:
            return self.find(name, what, ("output/", "", "input/"))
        for each in usual:
            if (found := self._column(each)) is not None:
                self._sources[what] = each
                return found
        raise self._missing("nobody said which column it is", what, "")

    def refuse_same(self, label: str) -> None:
        """Refuse a label that is the prediction itself, of which every one would be right: the dataset has no such column, and the output has.

        Raises:
            UsageError: It is so.
        """
        source = self._sources.get("label")
        if source is not None and source == self._sources.get("prediction"):
            raise self._missing(f"the datasets have no column {label!r}, and {source} is the prediction", "label", "")

    def _column(self, name: str) -> list[Any] | None:  # Any: cells
        if name in self._columns and not (name == "output" and self._keys):
            return self._columns[name]
        head, _, rest = name.partition("/")
        if head != "output" or rest.partition("/")[0] not in self._keys:
            return None
        return [_within(each, rest) for each in self._columns["output"]]

    def _missing(self, why: str, what: str, name: str) -> UsageError:
        own = [each for each in self._columns if each not in _NOT_COLUMNS and not (each == "output" and self._keys)]
        there = list(dict.fromkeys([*own, *(f"output/{each}" for each in self._keys), *self._features]))
        listed = ", ".join(there[:12]) or "none"
        close = nearest(name, [each.rpartition("/")[2] for each in there]) if name else ""
        tail = f"; {close}" if close.startswith("did you mean") else ""
        return UsageError(
            f"metrics of {self._step}: no {what}: {why}",
            hint=f'columns are {listed}; name one: @evaluation.metrics(…, {what}="…"){tail}',
        )


def _read(stores: Stores, job: JobRecord, step: Step, sources: set[str]) -> Columns:
    """Read the outputs of a step with some features of its rows beside them."""
    scope = narrowed(job_scope(stores, job), sources)
    columns: Columns = {"id": [], "__dataset": [], "__dataset_version": []}
    count = 0
    for page in stores.results.reader.pages(scope, TableQuery(table=_RESULTS)):
        steps = page.columns.get("__step", [None] * page.row_count)
        chosen = [position for position, each in enumerate(steps) if each == step.name]
        is_whole = len(chosen) == page.row_count
        for name, values in page.columns.items():
            found = columns.setdefault(name, [None] * count)
            found += values if is_whole else [values[each] for each in chosen]
        count += len(chosen)
        for values in columns.values():
            values += [None] * (count - len(values))
    return columns


def _features(stores: Stores, job: JobRecord) -> list[str]:
    """Return the columns of the datasets of a job, as results call them; those of a dataset that is gone are left out."""
    found: dict[str, None] = {}
    scope = job_scope(stores, job)
    for each in job.datasets:
        with contextlib.suppress(NotFoundError, FileNotFoundError):
            if scope.open_dataset is not None:
                found.update((f"input/{name}", None) for name in scope.open_dataset(each).columns)
    return list(found)


def narrowed(scope: ResultScope, sources: Iterable[str]) -> ResultScope:
    """Return a scope that joins only the features that are asked for; media that nobody looks at stay unread."""
    features = tuple(sorted({each.removeprefix("input/").partition("/")[0] for each in sources}))
    steps = tuple(
        dataclasses.replace(each, record=dataclasses.replace(each.record, log_features=features))
        for each in scope.steps
    )
    return dataclasses.replace(scope, steps=steps)


def _own(stores: Stores, job: JobRecord, wanted: WantedMetrics, ids: Sequence[Any]) -> Columns:  # Any: ids
    """Return what the user's functions said, in the order of the rows; None where they were not called."""
    found: dict[str, dict[Any, Any]] = {name: {} for name in wanted.functions}
    for page in stores.results.reader.pages(job_scope(stores, job), TableQuery(table=ROW_METRICS)):
        for name, by_id in found.items():
            by_id.update(zip(page.columns["id"], page.columns.get(name, [None] * page.row_count), strict=True))
    return {name: [by_id.get(each) for each in ids] for name, by_id in found.items()}


def _within(value: Any, path: str) -> Any:  # Any: a cell
    """Return what lies within an output, by a path; None where it does not."""
    if isinstance(value, Mapping):
        found: Mapping[str, Any] = value  # Any: a cell
        if path in found:
            return found[path]
        head, _, rest = path.partition("/")
        return _within(found.get(head), rest) if rest else None
    return None


def _plain(values: list[Any]) -> list[Any]:  # Any: cells
    """Return plain values of Python for numbers and arrays of NumPy, and for texts that lie in a file."""
    if not any(hasattr(each, "tolist") or hasattr(each, "to_str") for each in values):
        return values
    return [
        each.tolist() if hasattr(each, "tolist") else each.to_str() if hasattr(each, "to_str") else each
        for each in values
    ]
