"""`metrics`: name what is to be computed of the results of a predict, without an evaluate function."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from starwhale.domain.job import HandlerRecord
from starwhale.domain.wanted_metrics import METRICS_STEP, ROW_METRICS, WantedMetrics
from starwhale.errors import UsageError
from starwhale.handlers.call import call_metric
from starwhale.handlers.context import get_runtime_context
from starwhale.handlers.decorators import qualified_name
from starwhale.handlers.metrics_mark import METRICS_MARK, with_metrics
from starwhale.handlers.registry import MARK, REGISTRY, Registered, UserFunction
from starwhale.results.metrics.registry import check_metric_names

F = TypeVar("F", bound=UserFunction)
RowMetric = Callable[[Mapping[str, Any]], object]
"""Takes a row as evaluate gets it, and returns a number, true or false, or None where the row does not count."""


def metrics(
    *wanted: str | RowMetric,
    label: str = "label",
    prediction: str = "",
    scores: str = "",
    classes: Sequence[Any] = (),  # Any: labels of users
    positive: Any = None,  # Any: a label of the user
    cluster: str = "",
    by: Sequence[str] | str = (),
    lower_is_better: Sequence[str | RowMetric] | str | RowMetric = (),
) -> Callable[[F], F]:
    """Name the metrics that are computed of the results of a predict, with intervals; no evaluate function is needed.

    It stands above or below `predict`. Every job that runs the predict then has these figures: in its report, in its summary and in
    `Job.figures`. A function of your own is called once with every row of the results, as evaluate gets them, and the figure is the mean of
    what it returns; what it returned is in the table `metrics`, by row.

    Args:
        wanted: Names of metrics (`accuracy`, `f1`, `f1_macro`, `recall_per_class`, `auroc`, `mae`, …), and functions of a row.
        label: Column with what is true: a feature of the dataset, or a path within the output.
        prediction: Column with what the model says; left out, it is the output, or what it calls `prediction` or `label`.
        scores: Column that says how sure the model is, for `auroc`, `log_loss`, `brier`, `ece` and their like: a number for the positive
            label, a list with one per label, or a mapping by label. Left out, it is what the output calls `scores`, `probabilities`,
            `probability` or `score`.
        classes: Labels in the order of the scores; left out, they are the labels that occur, by value.
        positive: The label that two-class metrics are about; left out, it is the one that says so (`True`, `1`, `yes`).
        cluster: Column that says which rows are alike, such as frames of one video: intervals then count clusters.
        by: Columns whose values make slices.
        lower_is_better: Functions of your own of which less is better.

    Raises:
        UsageError: Nothing is named, or something is neither a name nor a function.
        NotFoundError: There is no metric of that name.
    """
    functions = [each for each in wanted if not isinstance(each, str)]
    if not wanted:
        raise UsageError("@evaluation.metrics names no metric", hint='name one: @evaluation.metrics("accuracy")')
    odd = next((each for each in functions if not callable(each) or not hasattr(each, "__name__")), None)
    if odd is not None:
        raise UsageError(
            f"@evaluation.metrics was given {odd!r}, which is no name and no function",
            hint='write @evaluation.metrics("accuracy", my_metric) above the predict function',
        )
    names = check_metric_names(each for each in wanted if isinstance(each, str))
    own = {_name(each): each for each in functions}
    found = WantedMetrics(
        names=names,
        functions=tuple(own),
        label=label,
        prediction=prediction,
        scores=scores,
        classes=tuple(classes),
        positive=positive,
        cluster=cluster,
        by=(by,) if isinstance(by, str) else tuple(by),
        lower_is_better=_lower(lower_is_better, own),
    )

    def decorate(function: F) -> F:
        if hasattr(function, METRICS_MARK):
            raise UsageError(f"@evaluation.metrics stands on {_name(function)} twice", hint="name all metrics in one")
        setattr(function, METRICS_MARK, found)
        record = getattr(function, MARK, None)
        if isinstance(record, HandlerRecord):  # predict was there first
            record = with_metrics(record, function)
            setattr(function, MARK, record)
            before = REGISTRY.get(record.name)
            REGISTRY.add(Registered(record=record, function=function if before is None else before.function))
        if own:
            _register_step(function, own)
        return function

    return decorate


def _name(function: Any) -> str:  # Any: a function of the user
    return str(getattr(function, "__name__", function))


def _lower(given: Any, own: Mapping[str, RowMetric]) -> tuple[str, ...]:  # Any: names and functions
    listed: Iterable[Any] = [given] if isinstance(given, str) or callable(given) else given
    names = tuple(each if isinstance(each, str) else _name(each) for each in listed)
    unknown = next((each for each in names if each not in own), None)
    if unknown is not None:
        raise UsageError(
            f"lower_is_better names {unknown!r}, which is no function among the metrics",
            hint="metrics with a name know their direction",
        )
    return names


def _register_step(function: UserFunction, own: Mapping[str, RowMetric]) -> None:
    """Register the step that calls the user's functions with every row; it is found by name alone."""

    def measure(results: Iterable[Any]) -> None:  # Any: result rows
        log = get_runtime_context().log_buffer
        for row in results:
            if row.step is not None and row.step != predict:
                continue
            values = {name: _call(name, metric, row) for name, metric in own.items()}
            log.log(ROW_METRICS, row["id"], values)

    predict = qualified_name(function)
    record = HandlerRecord(
        name=f"{predict}{METRICS_STEP}",
        kind="evaluate",
        module_name=function.__module__,
        func_name=f"{function.__qualname__}{METRICS_STEP}",
        needs=(predict,),
        doc=f"Call {', '.join(own)} with every row.",
    )
    REGISTRY.add(Registered(record=record, function=measure))


def _call(name: str, metric: RowMetric, row: Any) -> float | bool | int | None:  # Any: a result row
    """Call a function of the user with a row.

    Raises:
        UserCodeError: It raised; the message names the row.
        UsageError: It returned something that is no number.
    """
    value = call_metric(name, metric, row)
    if hasattr(value, "item"):  # a number of NumPy, or a tensor with one
        value = value.item()
    if value is not None and not isinstance(value, bool | int | float):
        raise UsageError(
            f"metric {name!r} returned {value!r} for row {row['id']}",
            hint="return a number, True or False, or None where the row does not count",
        )
    return value
