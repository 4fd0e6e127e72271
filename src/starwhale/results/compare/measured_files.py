"""Metrics of files of predictions that are computed of labels, predictions and scores, as those of jobs are."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starwhale.errors import NotFoundError, UsageError, nearest
from starwhale.results.compare.measured_jobs import row_scores
from starwhale.results.compare.runs import RowMeasure, Run, odd_rows
from starwhale.results.metrics.examples import Examples, settled
from starwhale.results.metrics.metric import Direction, Field
from starwhale.results.metrics.registry import find_metric, metric_names

_USUAL = {
    Field.LABEL: ("label", "target", "expected", "truth", "gold"),
    Field.PREDICTION: ("prediction", "predicted", "pred", "output"),
    Field.SCORES: ("scores", "probabilities", "probability", "score", "probs"),
}
"""Where a column is looked for when nobody says where it is."""
_PER_CLASS = "_per_class"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileColumns:
    """Where files of predictions have what metrics look at; empty for the usual names."""

    label: str = ""
    """Column with what is true: `label`, `target`, `expected`, …"""
    prediction: str = ""
    """Column with what the model says: `prediction`, `predicted`, `output`, …"""
    scores: str = ""
    """Column that says how sure the model is: `scores`, `probability`, …"""
    positive: str = ""
    """The label that two-class metrics are about, as it is written."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing was said."""
        return not any(dataclasses.astuple(self))


def with_measures(run: Run, names: Iterable[str], columns: FileColumns) -> Run:
    """Add the metrics that are no column of a file, and that its labels, predictions and scores give.

    Args:
        run: The file.
        names: Metrics that are asked for; those that are a column, or no metric of ours, are left alone.
        columns: Where it has what they look at.

    Raises:
        NotFoundError: A column is not there; the message names those that are.
        UsageError: A metric cannot take what stands there.
    """
    metrics, measures, directions, odd = dict(run.metrics), dict(run.measures), dict(run.directions), dict(run.odd)
    for name in names:
        if name in metrics or not _is_metric(name):
            continue
        metric = find_metric(name)
        if name.endswith(_PER_CLASS):
            raise UsageError(
                f"{name} is one value per label", hint=f"compare one value: {name.removesuffix(_PER_CLASS)}_macro"
            )
        found = {need: _find(run, need, _named(columns, need), name) for need in metric.needs}
        examples = Examples(
            labels=found.get(Field.LABEL, ()),
            predictions=found.get(Field.PREDICTION, ()),
            scores=found.get(Field.SCORES, ()),
            positive=_positive(found.get(Field.LABEL, ()), columns.positive),
        )
        try:
            scores, is_mean = row_scores(metric, settled(examples))
        except UsageError as error:
            raise UsageError(
                f"{run.id} cannot give {name}: {error.message}",
                hint=error.hint.replace("positive=…", "--positive LABEL"),
            ) from error
        metrics[name] = scores
        directions[name] = metric.direction is Direction.HIGHER
        measures |= {} if is_mean else {name: RowMeasure(metric=metric, examples=examples)}
        odd |= {name: rows} if (rows := odd_rows(examples.predictions or examples.scores, run.ids)) else {}
    return dataclasses.replace(run, metrics=metrics, measures=measures, directions=directions, odd=odd)


def has_labels(run: Run, columns: FileColumns) -> bool:
    """Whether a file has labels and predictions that can be right or wrong: no fractions."""
    found = [
        next((each for each in ((named,) if named else _USUAL[need]) if each in run.columns), None)
        for need, named in ((Field.LABEL, columns.label), (Field.PREDICTION, columns.prediction))
    ]
    return all(each is not None for each in found) and not any(
        isinstance(value, float) for each in found if each is not None for value in run.columns[each]
    )


def _is_metric(name: str) -> bool:
    try:
        find_metric(name)
    except NotFoundError:
        return False
    return True


def _named(columns: FileColumns, need: Field) -> str:
    return {Field.LABEL: columns.label, Field.PREDICTION: columns.prediction, Field.SCORES: columns.scores}[need]


def _find(run: Run, need: Field, named: str, metric: str) -> Sequence[Any]:  # Any: cells
    """Return a column by the name that was given, or by a usual one."""
    there: Mapping[str, Sequence[Any]] = run.columns
    found = next((each for each in ((named,) if named else _USUAL[need]) if each in there), None)
    if found is not None:
        return there[found]
    why = f"no column {named!r}" if named else f"nobody said which column is the {need}"
    close = nearest(named, there) if named else f"columns are {', '.join(list(there)[:12])}"
    raise NotFoundError(f"{run.id} cannot give {metric}: {why}", hint=f"say it: --{need} COLUMN; {close}")


def _positive(labels: Sequence[Any], said: str) -> Any:  # Any: labels of users
    """Return the label that is written so."""
    return next((each for each in labels if str(each) == said), said) if said else None


def nearest_metric(name: str, columns: Iterable[str]) -> str:
    """Return what may be meant by the name of a metric of files; empty where nothing is close."""
    close = nearest(name, [*columns, *metric_names()])
    return close if close.startswith("did you mean") else ""
