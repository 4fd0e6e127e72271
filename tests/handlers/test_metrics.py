"""`@evaluation.metrics` as a decorator: either order, what it leaves in the record, and mistakes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from starwhale.domain.job import HandlerRecord
from starwhale.domain.wanted_metrics import WantedMetrics
from starwhale.errors import NotFoundError, UsageError
from starwhale.handlers.decorators import evaluate, predict
from starwhale.handlers.metrics import metrics
from starwhale.handlers.registry import MARK, REGISTRY


def near(row: Any) -> bool:
    return bool(row)


def both_orders(*wanted: Any, **options: Any) -> list[Callable[..., Any]]:
    def inner(row: Any) -> Any:
        return row

    def outer(row: Any) -> Any:
        return row

    return [predict(metrics(*wanted, **options)(inner)), metrics(*wanted, **options)(predict(outer))]


def test_either_decorator_may_lie_further_out() -> None:
    for function in both_orders("accuracy", near, label="truth", classes=["a", "b"], by="kind"):
        record: HandlerRecord = getattr(function, MARK)
        entry = REGISTRY.get(record.name)
        assert entry is not None
        assert entry.record == record == HandlerRecord.from_json(record.to_json())
        assert record.metrics is not None
        assert WantedMetrics.from_json(record.metrics) == WantedMetrics(
            names=("accuracy",), functions=("near",), label="truth", classes=("a", "b"), by=("kind",)
        )
        step = REGISTRY.get(f"{record.name}.metrics")
        assert step is not None
        assert (step.record.kind, step.record.needs) == ("evaluate", (record.name,))


def test_metrics_of_ours_alone_need_no_step() -> None:
    for function in both_orders("accuracy", "f1"):
        assert REGISTRY.get(f"{getattr(function, MARK).name}.metrics") is None


@pytest.mark.parametrize(
    ("wanted", "options", "said"),
    [
        ((), {}, "names no metric"),
        (("accuracy", 5), {}, "was given 5"),
        (("accuracy",), {"lower_is_better": "accuracy"}, "no function among the metrics"),
    ],
)
def test_mistakes_are_named(wanted: tuple[Any, ...], options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        metrics(*wanted, **options)


def test_unknown_metrics_are_named_with_the_closest() -> None:
    with pytest.raises(NotFoundError, match="no metric 'acuracy'"):
        metrics("acuracy")


def test_it_stands_on_one_predict_once() -> None:
    def twice(row: Any) -> Any:
        return row

    with pytest.raises(UsageError, match="stands on twice twice"):
        metrics("f1")(metrics("accuracy")(twice))

    def other(results: Any) -> None:
        """Not a predict."""

    with pytest.raises(UsageError, match="a handler of the kind evaluate"):
        metrics("f1")(evaluate(needs=[both_orders("f1")[0]])(other))
