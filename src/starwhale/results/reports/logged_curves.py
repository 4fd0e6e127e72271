"""The ROC curves that `@multi_classification` logs, a table per label."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from starwhale.results.curve import MOST_CURVES, Curve, CurveKind, thinned
from starwhale.storage.protocols import TableQuery

if TYPE_CHECKING:
    from starwhale.results.read import JobTables

_PREFIX = "roc_auc/"


def logged_curves(tables: JobTables) -> Iterator[Curve]:
    """Read the curves that a job logged; those with a label that all rows have, or none, are left out."""
    for table in [each for each in tables.names if each.startswith(_PREFIX)][:MOST_CURVES]:
        points: list[tuple[float, float]] = []
        for page in tables.reader.pages(tables.scope, TableQuery(table=table)):
            columns = (page.columns.get(name, ()) for name in ("fpr", "tpr"))
            points += [
                (x, y)
                for x, y in zip(*columns, strict=True)
                if isinstance(x, int | float) and isinstance(y, int | float)
            ]
        if len(points) > 1 and all(math.isfinite(each) for point in points for each in point):
            points.sort()
            x, y = thinned([each[0] for each in points], [each[1] for each in points])
            yield Curve(metric="auroc", kind=CurveKind.ROC, x=x, y=y, label=table.removeprefix(_PREFIX))
