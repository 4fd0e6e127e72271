"""Rows of runs with a score and a true class, and what a threshold over the score makes of them; from whole columns, so that millions are quick."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from starwhale.errors import UsageError
from starwhale.results.thresholds import (
    ScoredRows,
    ThresholdChanges,
    ThresholdCounts,
    count_changes,
    count_scores,
    make_thresholds,
)

if TYPE_CHECKING:
    from starwhale.results.row_index import OpenedTable, RowIndexes
    from starwhale.storage.catalog.job_records import JobRecord

compute: Any = import_module("pyarrow.compute")  # its functions are made at run time
MOST_CLASSES = 1000
"""A column of more different values holds no classes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoresWanted:
    """Which scores, and what they are about."""

    table: str
    """Table of the rows."""
    score: str
    """Column of the scores: numbers, or lists of numbers."""
    item: int | None = None
    """Which number of each list, from 0; None for numbers, and for that of the class: the class itself where all are numbers of places, else its place among them."""
    truth: str = ""
    """Column of the true class; empty where a score says how good a row is, and no class is meant."""
    positive: str = ""
    """Name of the class whose score it is; empty for the last one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunThresholds:
    """What thresholds make of one run."""

    rows: int
    """Rows of the table."""
    counts: ThresholdCounts
    """Rows between the thresholds."""
    changes: ThresholdChanges | None
    """Against the first run; None for that one itself, and where the two do not hold the same rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdsFound:
    """What thresholds make of several runs."""

    thresholds: Sequence[float]
    """Ascending."""
    are_scores: bool
    """Whether they are all scores that there are, so that every number between two of them does what the upper one does."""
    classes: Sequence[str]
    """Names of all true classes, sorted; numbers by their value."""
    positive: str
    """The class that is asked about."""
    item: int | None
    """Which number of each list was taken; None where the column holds numbers."""
    runs: Sequence[RunThresholds]
    """One per run, in their order."""


@dataclass(frozen=True, slots=True)
class _Read:
    scored: ScoredRows
    classes: tuple[str, ...]
    ids: Any  # Any: an Arrow array, or None


def find_thresholds(indexes: RowIndexes, jobs: Sequence[JobRecord], wanted: ScoresWanted) -> ThresholdsFound:
    """Count the rows of some runs between thresholds that all of them share.

    Raises:
        NotFoundError: A job has no such table.
        UsageError: A column is missing, or holds no numbers, or no classes.
    """
    opened = [indexes.open(job, wanted.table) for job in jobs]
    codes = [_classes(indexes, each, wanted) for each in opened]
    classes = sorted({name for names, _ in codes for name in names}, key=_class_order)
    if wanted.positive and wanted.positive not in classes:
        raise UsageError(
            f"no row is of class {wanted.positive[:80]!r}", hint=f"classes are {', '.join(classes[:12]) or 'none'}"
        )
    positive = wanted.positive or (classes[-1] if classes else "")
    wanted = replace(wanted, item=_item(opened[0], wanted, classes, positive))
    read = [_read(indexes, each, wanted, positive, names) for each, names in zip(opened, codes, strict=True)]
    thresholds = make_thresholds([each.scored.scores for each in read])
    first = read[0]
    return ThresholdsFound(
        thresholds=thresholds.tolist(),
        are_scores=_are_scores(thresholds, read),
        classes=classes,
        positive=positive,
        item=wanted.item,
        runs=[
            RunThresholds(
                rows=len(each.scored.scores),
                counts=count_scores(each.scored, thresholds),
                changes=count_changes(first.scored, each.scored, thresholds)
                if each is not first and _are_same(first, each)
                else None,
            )
            for each in read
        ],
    )


def _classes(
    indexes: RowIndexes, opened: OpenedTable, wanted: ScoresWanted
) -> tuple[list[str], Any]:  # Any: an Arrow array
    """Return the names of the classes of a run, and the number of its name for every row."""
    import pyarrow as pa

    if not wanted.truth:
        return [], None
    name = indexes.name_of(opened, wanted.truth)
    column = indexes.column(opened, name)
    if column is None or pa.types.is_floating(column.type):
        raise UsageError(
            f"column {name!r} of table {opened.table!r} holds no classes",
            hint="classes are texts, whole numbers, or true and false",
        )
    coded = column.dictionary_encode()
    if len(coded.dictionary) > MOST_CLASSES:
        raise UsageError(
            f"column {name!r} of table {opened.table!r} holds {len(coded.dictionary):,} different values, and no classes",
            hint="choose the column of the true class",
        )
    return [_class_name(each) for each in coded.dictionary.to_pylist()], coded.indices


def _item(opened: OpenedTable, wanted: ScoresWanted, classes: Sequence[str], positive: str) -> int | None:
    """Return which item of a list is the score of a class; None where the column holds no lists."""
    kinds = {name.casefold(): kind for name, kind in opened.columns.kinds().items()}
    if wanted.item is not None or not kinds.get(wanted.score.casefold(), "").startswith("list"):
        return wanted.item
    if not positive:
        return 0
    are_places = all(each.isdecimal() and each.isascii() and int(each) < MOST_CLASSES for each in classes)
    return int(positive) if are_places else classes.index(positive)


def _read(
    indexes: RowIndexes, opened: OpenedTable, wanted: ScoresWanted, positive: str, classes: tuple[list[str], Any]
) -> _Read:
    import numpy as np

    scores = _scores(indexes, opened, wanted)
    names, coded = classes
    if coded is None:
        is_positive = np.ones(len(scores), np.bool_)
    else:
        numbers = compute.fill_null(coded, -1).to_numpy(zero_copy_only=False)
        is_positive = numbers == (names.index(positive) if positive in names else -2)
        scores = np.where(numbers < 0, np.nan, scores)  # nothing is known of what is true
    return _Read(ScoredRows(scores=scores, positive=is_positive), tuple(names), indexes.column(opened, "id"))


def _scores(indexes: RowIndexes, opened: OpenedTable, wanted: ScoresWanted) -> Any:  # Any: an array of floats
    import numpy as np
    import pyarrow as pa

    name = indexes.name_of(opened, wanted.score)
    column = indexes.column(opened, name) if wanted.item is None else opened.columns.item(name, wanted.item)
    if column is not None and pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    if column is None or not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        of = "lists of numbers" if wanted.item is not None else "numbers"
        raise UsageError(
            f"column {name!r} of table {opened.table!r} holds no {of}",
            hint="a score is a number per row, or an item of a list of numbers",
        )
    floats = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return np.where(np.isfinite(floats), floats, np.nan)


def _are_scores(thresholds: Any, read: Sequence[_Read]) -> bool:  # Any: an array of floats
    """Whether every score is a threshold; round numbers are those of a grid, which some score is not on."""
    import numpy as np

    return all(bool(np.isin(each.scored.scores[~np.isnan(each.scored.scores)], thresholds).all()) for each in read)


def _are_same(one: _Read, other: _Read) -> bool:
    """Whether two runs hold the same rows in the same order, with the same truth."""
    import numpy as np

    if one.ids is None or other.ids is None or len(one.ids) != len(other.ids):
        return False
    return one.ids.equals(other.ids) and bool(np.array_equal(one.scored.positive, other.scored.positive))


def _class_name(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _class_order(name: str) -> tuple[int, int, str]:
    is_number = name.removeprefix("-").isdecimal() and name.isascii() and len(name) < 20
    return (0, int(name), "") if is_number else (1, 0, name)
