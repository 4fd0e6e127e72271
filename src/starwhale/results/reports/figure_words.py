"""The figures of a job in words: a value, its interval, and what has to be known of both. Every form of a report says them so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from starwhale.domain.counted import counted

if TYPE_CHECKING:
    from starwhale.results.figure import Figure


def notes(figures: Sequence[Figure]) -> Iterator[str]:
    """Say what has to be known of the figures over all rows: rows that do not count, clusters, remarks."""
    whole = [each for each in figures if not each.slice] or list(figures)
    said: dict[str, list[str]] = {}
    for each in whole:
        for text in _facts(each):
            said.setdefault(text, []).append(each.metric)
    for text, names in said.items():
        different = list(dict.fromkeys(names))
        yield text if len(different) == len({each.metric for each in whole}) > 1 else f"{', '.join(different)}: {text}"


def _facts(figure: Figure) -> Iterator[str]:
    for count, what in (
        (figure.missing, "without a value"),
        (figure.not_finite, "with NaN or an infinite value"),
        (figure.failed, "failed"),
    ):
        if count:
            yield f"{counted(count, 'row')} {what}, not counted"
    if figure.bounds is not None:
        yield f"with the rows that do not count it is between {number(figure.bounds[0])} and {number(figure.bounds[1])}"
    if figure.clusters is not None:
        yield f"rows lie in {counted(figure.clusters, 'cluster')}"
    if figure.repeats > 1:
        yield f"up to {figure.repeats} results of one row, which count as alike"
    yield from figure.remarks


def number(value: float) -> str:
    """Write a value: four digits after the point, more where these show nothing.

    Example:
        >>> number(0.85), number(0.00001234), number(1234.5), number(float("nan"))
        ('0.8500', '1.23e-05', '1234.5', 'none')
    """
    if value != value:  # noqa: PLR0124 - NaN
        return "none"
    size = abs(value)
    text = (
        f"{value:.4f}" if value == 0 or 0.001 <= size < 100 else f"{value:.1f}" if 100 <= size < 1e6 else f"{value:.3g}"
    )
    return text if "e" in text else text.replace("-", "−")


def interval_text(figure: Figure) -> str:
    """Write an interval, or why there is none."""
    if not figure.has_interval:
        return f"none: {figure.method}"
    return ends_text(figure)


def ends_text(figure: Figure) -> str:
    """Write the ends of an interval that there is."""
    return f"{number(figure.low)} to {number(figure.high)}"


def sliced(figures: Sequence[Figure]) -> dict[str, list[Figure]]:
    """Return figures of some rows by what their slices are of: a column, or `dataset`, or empty for other words."""
    found: dict[str, list[Figure]] = {}
    for each in figures:
        if each.slice:
            column = each.slice.rpartition(", ")[2].partition("=")[0] if "=" in each.slice else ""
            found.setdefault(column, []).append(each)
    return found
