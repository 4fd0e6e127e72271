"""The figures of `@multi_classification`, from the tables that it logs: the matrix is all that most of them need."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from starwhale.results.compare.distributions import normal_quantile
from starwhale.results.estimate import Setting, make_figures
from starwhale.results.figure import Figure
from starwhale.results.metrics.examples import Examples
from starwhale.results.metrics.registry import find_metric
from starwhale.results.read import job_scope
from starwhale.storage.protocols import TableQuery

if TYPE_CHECKING:
    from starwhale.storage.catalog.job_records import JobRecord
    from starwhale.storage.stores import Stores

MATRIX, LABELS = "confusion_matrix/binarylabel", "labels"
_NAMES = ("accuracy", "f1_macro", "kappa", "mcc", "precision_per_class", "recall_per_class", "f1_per_class")
_TOLERANCE = 1e-6
Row = dict[str, Any]  # Any: cells


def classification_figures(stores: Stores, job: JobRecord, digests: dict[str, str]) -> list[Figure]:
    """Return the figures of a classification report; none where the job logged no such report, or one of some labels only.

    The counts behind the matrix are its shares times what they are shares of, which the table `labels` has; the rows of the dataset are not
    known here, so that these figures are of independent rows.
    """
    if stores.results.reader.summary(job_scope(stores, job)).get("kind") != "multi_classification":
        return []
    matrix, by_id = (_rows(stores, job, table) for table in (MATRIX, LABELS))
    found_labels = {str(row["id"]): row for row in by_id}
    order = [str(row.get("__label")) for row in matrix]
    if set(order) != set(found_labels):
        return []
    labels = [found_labels[each] for each in order]
    counts = confusion_counts(matrix, labels)
    if not counts:
        return []
    names = [str(row["id"]) for row in labels]
    pairs = [(names[i], names[j]) for i, row in enumerate(counts) for j, count in enumerate(row) for _ in range(count)]
    examples = Examples(labels=[a for a, _ in pairs], predictions=[b for _, b in pairs])
    setting = Setting(digests=digests)
    found = [figure for name in _NAMES for figure in make_figures(find_metric(name), examples, setting)]
    return found + [_area(row, len(pairs), digests) for row in labels if isinstance(row.get("auc"), float)]


def confusion_counts(matrix: list[Row], labels: list[Row]) -> list[list[int]]:
    """Return the counts behind a matrix of shares: of everything, of each row, or of each column; empty where they cannot be found again.

    Example:
        >>> labels = [{"id": "a", "support": 1.0, "tp": 1, "fp": 1}, {"id": "b", "support": 3.0, "tp": 2, "fp": 0}]
        >>> confusion_counts([{"0": 0.25, "1": 0.0}, {"0": 0.25, "1": 0.5}], labels)
        [[1, 0], [1, 2]]
    """
    shares = [[row.get(str(column), 0.0) for column in range(len(matrix))] for row in matrix]
    if not labels or len(labels) != len(matrix):
        return []
    true = [_count(row, "support") for row in labels]
    given = [_count(row, "tp") + _count(row, "fp") for row in labels]
    size = range(len(labels))
    for base in (
        [[sum(true)] * len(labels)] * len(labels),
        [[each] * len(labels) for each in true],
        [given] * len(labels),
    ):
        counts = [[shares[i][j] * base[i][j] for j in size] for i in size]
        whole = [[round(each) for each in row] for row in counts]
        near = all(
            abs(a - b) < _TOLERANCE * max(b, 1)
            for x, y in zip(counts, whole, strict=True)
            for a, b in zip(x, y, strict=True)
        )
        if (
            near
            and [sum(row) for row in whole] == true
            and [sum(column) for column in zip(*whole, strict=True)] == given
        ):
            return whole
    return []


def _count(row: Row, name: str) -> int:
    """Return a count of the table of labels, whose columns are called `tp-true positive` and so on."""
    return round(next(value for key, value in row.items() if key.partition("-")[0] == name))


def _area(row: Row, n: int, digests: dict[str, str]) -> Figure:
    """Return the area under the curve of a label against the rest.

    Curves are logged without the points that lie on a line, so that placements are gone: the error is that of Hanley and McNeil.

    Source: Hanley & McNeil 1982, "The meaning and use of the area under a receiver operating characteristic (ROC) curve".
    """
    area, positives = row["auc"], _count(row, "support")
    negatives = n - positives
    error = math.nan
    if positives and negatives:
        q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
        spread = (positives - 1) * (q1 - area**2) + (negatives - 1) * (q2 - area**2)
        error = math.sqrt(max(area * (1 - area) + spread, 0) / (positives * negatives))
    is_known = 0 < area < 1 and error > 0 and min(positives, negatives) >= 30
    odds = math.log(area / (1 - area)) if is_known else math.nan
    half = normal_quantile(0.975) * error / (area * (1 - area)) if is_known else math.nan
    metric = find_metric("auroc")
    return Figure(
        metric="auroc_per_class",
        label=str(row["id"]),
        value=area,
        standard_error=error,
        low=1 / (1 + math.exp(half - odds)),
        high=1 / (1 + math.exp(-half - odds)),
        method="Hanley–McNeil on log odds 95%"
        if is_known
        else "too few rows of one kind, or none out of order, for an interval",
        n=n,
        direction=metric.direction.value,
        unit="share",
        meaning=f"{metric.meaning}, each label against the rest",
        digests=digests,
    )


def _rows(stores: Stores, job: JobRecord, table: str) -> list[Row]:
    return list(stores.results.reader.rows(job_scope(stores, job), TableQuery(table=table)))
