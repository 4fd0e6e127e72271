"""Metrics of numbers: how far predictions are from what is true."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from starwhale.results.metrics.examples import Examples, as_numbers
from starwhale.results.metrics.label_counts import mean_of
from starwhale.results.metrics.metric import Measured

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]


def measure_mae(examples: Examples) -> list[Measured]:
    """Measure the mean of |prediction − label|."""
    return [mean_of(abs(_errors(examples)))]


def measure_mse(examples: Examples) -> list[Measured]:
    """Measure the mean of (prediction − label)²."""
    return [mean_of(_errors(examples) ** 2)]


def measure_rmse(examples: Examples) -> list[Measured]:
    """Measure √ of the mean of (prediction − label)²; dRMSE = dMSE/(2·RMSE)."""
    squares = _errors(examples) ** 2
    value = math.sqrt(float(squares.mean()))
    influence = (squares - squares.mean()) / (2 * value) if value else squares
    return [
        Measured(
            value=value,
            influence=influence,
            columns={"squared_error": squares},
            no_interval="" if value else "every prediction is exact",
        )
    ]


def measure_r2(examples: Examples) -> list[Measured]:
    """Measure R² = 1 − Σ(label − prediction)²/Σ(label − mean label)²: the share of the labels' variance that is predicted.

    Source: scikit-learn, `r2_score`; NaN where labels never change.
    """
    labels = as_numbers(examples.labels, "label")
    squares = _errors(examples) ** 2
    spread = (labels - labels.mean()) ** 2
    error, variance = float(squares.mean()), float(spread.mean())
    columns = {"squared_error": squares, "label": labels}
    if not variance:
        return [Measured(value=math.nan, influence=squares * 0, columns=columns, no_interval="labels never change")]
    influence = -(squares - error) / variance + error / variance**2 * (spread - variance)
    return [Measured(value=1 - error / variance, influence=influence, columns=columns)]


def measure_mape(examples: Examples) -> list[Measured]:
    """Measure the mean of |prediction − label|/|label|; examples whose label is 0 have none, and are counted.

    Source: de Myttenaere et al. 2016, "Mean absolute percentage error for regression models".
    """
    import dataclasses

    import numpy as np

    labels, errors = as_numbers(examples.labels, "label"), _errors(examples)
    has = labels != 0
    zeros = int((~has).sum())
    if zeros == labels.size:
        return [Measured(value=math.nan, influence=errors * 0, no_interval="every label is 0")]
    shares = abs(errors[has] / labels[has])
    if not zeros:
        return [mean_of(shares)]
    value = float(shares.mean())
    influence = np.zeros(labels.size)
    influence[has] = (shares - value) * labels.size / shares.size
    remark = f"{zeros} with the label 0, of which nothing is a share, left out"
    return [dataclasses.replace(mean_of(shares), influence=influence, scores=None, value=value, remarks=(remark,))]


def _errors(examples: Examples) -> Floats:
    return as_numbers(examples.predictions, "prediction") - as_numbers(examples.labels, "label")
