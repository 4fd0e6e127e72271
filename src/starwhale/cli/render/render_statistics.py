"""Statistics for people: a table with a line per column, and everything about one column."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from starwhale.cli.render.render_table import Column, Kind, render_table, show_bytes

if TYPE_CHECKING:
    from rich.console import Console

    from starwhale.datasets.statistics.facts import (
        ColumnStatistics,
        DatasetStatistics,
        Distinct,
        Number,
        Numbers,
        ValueCount,
    )

BARS = "▁▂▃▄▅▆▇█"
"""Heights of a small histogram; a bin with anything in it is never empty to the eye."""
SMALL_BINS = 10
"""Bins of a small histogram, at most."""
BAR_COLUMNS = 30
"""Width of the longest bar of a large histogram."""
SHORT_TEXT = 16
"""Characters of a value in the table."""
LONG_TEXT = 48
"""Characters of a value among those of one column."""
SHOWN_VALUES = 3
"""Frequent values in the table."""
_TITLES = (
    Column(title="column"),
    Column(title="kind"),
    Column(title="count", kind=Kind.NUMBER),
    Column(title="missing", kind=Kind.NUMBER),
    Column(title="distinct", kind=Kind.NUMBER),
    Column(title="values"),
    Column(title="histogram", kind=Kind.WHOLE),
)


def render_statistics(console: Console, found: DatasetStatistics) -> None:
    """Draw a line per column; fields of structs and kinds of mixed columns follow theirs."""
    rows: list[dict[str, str]] = []
    for name, column in _lines(found.columns):
        rows.append(
            {
                "column": name,
                "kind": column.kind.partition("<")[0].removeprefix("media:"),
                "count": str(column.count),
                "missing": str(column.missing),
                "distinct": _distinct(column.distinct),
                "values": _values(column),
                "histogram": small_histogram(_spread(column)),
            }
        )
    render_table(console, _TITLES, rows)


def render_column(console: Console, column: ColumnStatistics) -> None:
    """Write everything that is known of one column."""
    for line in _detail(column):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    for each in column.fields:
        console.print()
        render_column(console, replace(each, name=f"{column.name}{_joint(column)}{each.name}"))


def find_column(found: DatasetStatistics, name: str) -> ColumnStatistics:
    """Return a column by its name in any case, or a field by the name that the table gives it.

    Raises:
        UsageError: There is no such column; the nearest names are said.
    """
    for known, column in _lines(found.columns):
        if known.casefold() == name.casefold():
            return replace(column, name=known)
    return found[name]


def small_histogram(counts: Sequence[int]) -> str:
    """Draw counts as a line of small bars.

    Example:
        >>> small_histogram([1, 0, 4, 8])
        '▁ ▄█'
    """
    step = max(1, math.ceil(len(counts) / SMALL_BINS))
    groups = [counts[start : start + step] for start in range(0, len(counts), step)]
    heights = [sum(each) / len(each) for each in groups]  # the last group may have fewer bins
    highest = max(heights, default=0)
    return "".join(BARS[max(0, math.ceil(len(BARS) * each / highest) - 1)] if each else " " for each in heights)


def show_number(value: Number) -> str:
    """Write a number with few digits; integers of up to ten digits are whole.

    Example:
        >>> show_number(1234567), show_number(2**63), show_number(0.123456), show_number(1e300)
        ('1234567', '9.223e+18', '0.1235', '1e+300')
    """
    if isinstance(value, int):
        return str(value) if abs(value) < 10**10 else f"{Decimal(value):.4g}"
    return f"{value:.4g}"


def _lines(columns: Sequence[ColumnStatistics], prefix: str = "") -> Iterator[tuple[str, ColumnStatistics]]:
    for column in columns:
        name = f"{prefix}{column.name}"
        yield name, column
        yield from _lines(column.fields, f"{name}{_joint(column)}")


def _joint(column: ColumnStatistics) -> str:
    """What stands between a column and what it consists of."""
    return ":" if column.kind == "variant" else "."


def _spread(column: ColumnStatistics) -> Sequence[int]:
    """Return what the small histogram shows: numbers, else the largest classes, else sizes."""
    if column.numbers is None and column.balance is not None:
        return [each.count for each in column.balance.classes[:SMALL_BINS]]
    spread = column.numbers or column.sizes
    return () if spread is None else spread.histogram.counts


def _distinct(found: Distinct | None) -> str:
    if found is None:
        return ""
    return str(found.count) if not found.error else f"~{show_number(float(f'{found.count:.3g}'))}"


def _values(column: ColumnStatistics) -> str:
    """Say in a few words what the values are."""
    words: list[str] = []
    if column.numbers is not None:
        ends = _ends(column.numbers)
        words.append(f"{ends}, mean {show_number(column.numbers.mean)}" if "…" in ends else f"always {ends}")
    words += [f"{count} {name}" for name, count in _special(column) if count]
    shares = _short_shares(column)
    if shares and column.numbers is None:
        words.append(shares)
    elif column.sizes is not None:
        words.append(_sizes(column))
    if column.mime_types:
        words.append(_shares(column.mime_types, 1))
    if column.linked:
        words.append(f"{column.linked} linked")
    return "; ".join(words)


def _short_shares(column: ColumnStatistics) -> str:
    """Name the most frequent values where they say something: there are few, or they are frequent."""
    if column.balance is not None:
        return _shares(column.balance.classes, SHOWN_VALUES)
    if column.kinds:
        return _shares(column.kinds, SHOWN_VALUES)
    if column.top is not None and column.top.values and column.top.values[0].share >= 0.01:
        frequent = [each for each in column.top.values if each.count > 1 or column.count <= SHOWN_VALUES]
        return _shares(frequent, SHOWN_VALUES)
    return ""


def _shares(values: Sequence[ValueCount], limit: int) -> str:
    shown = ", ".join(f"{_show(each.value, SHORT_TEXT)} {_percent(each.share)}" for each in values[:limit])
    return f"{shown}, …" if len(values) > limit else shown


def _sizes(column: ColumnStatistics) -> str:
    sizes = column.sizes
    if sizes is None:
        return ""
    if column.size_unit == "bytes":
        ends = [show_bytes(int(sizes.minimum)), show_bytes(int(sizes.maximum))]
        return f"{' … '.join(dict.fromkeys(ends))}, {show_bytes(column.total_size)} in all"
    return f"{_ends(sizes)} {column.size_unit}"


def _ends(numbers: Numbers) -> str:
    """Write a range; of equal numbers, one."""
    if numbers.minimum == numbers.maximum:
        return show_number(numbers.minimum)
    return f"{show_number(numbers.minimum)} … {show_number(numbers.maximum)}"


def _special(column: ColumnStatistics) -> list[tuple[str, int]]:
    return [("NaN", column.nan), ("+∞", column.positive_infinity), ("−∞", column.negative_infinity)]


def _detail(column: ColumnStatistics) -> Iterator[str]:
    yield f"{column.name} ({column.kind})"
    rows = column.count + column.missing
    missing = f" ({_percent(column.missing / rows)})" if column.missing else ""
    yield f"  count       {column.count}"
    yield f"  missing     {column.missing}{missing}"
    if column.distinct is not None:
        error = column.distinct.error
        yield f"  distinct    {column.distinct.count}" + (f" (about: ± {_percent(error)})" if error else "")
    for name, count in _special(column):
        if count:
            yield f"  {name:<11} {count}"
    if column.numbers is not None:
        yield from _range(column.numbers, "values", "")
    if column.sizes is not None:
        total = show_bytes(column.total_size) if column.size_unit == "bytes" else str(column.total_size)
        yield from _range(column.sizes, column.size_unit, f", {total} in all")
    if column.linked:
        yield f"  linked      {column.linked} (their sizes are not known here)"
    yield from _tables(column)


def _tables(column: ColumnStatistics) -> Iterator[str]:
    if column.balance is not None:
        balance = column.balance
        about = f"evenness {balance.evenness:.3f}, largest : smallest {balance.ratio:.4g} : 1"
        what = f"{len(balance.classes)} classes ({about})" if len(balance.classes) > 1 else "one class"
        yield from _counted(f"balance of {what}", balance.classes)
    elif _is_unique(column):
        yield "  no value occurs twice"
    elif column.top is not None and column.top.values:
        error = f" (each count may be up to {column.top.error} higher)" if column.top.error else ""
        yield from _counted(f"most frequent{error}", column.top.values)
    for title, values in (("types", column.mime_types), ("shapes", column.shapes), ("kinds", column.kinds)):
        if values:
            yield from _counted(title, values)


def _is_unique(column: ColumnStatistics) -> bool:
    distinct = column.distinct
    return column.top is not None and distinct is not None and not distinct.error and distinct.count == column.count > 1


def _range(numbers: Numbers, title: str, more: str) -> Iterator[str]:
    yield f"  {title:<11} {numbers.minimum} … {numbers.maximum}, mean {numbers.mean:.6g}, deviation {numbers.std:.6g}{more}"
    histogram = numbers.histogram
    edges = [show_number(edge) for edge in histogram.edges]
    highest, last = max(histogram.counts), len(histogram.counts) - 1
    width, digits = max(map(len, edges)), max(len(str(count)) for count in histogram.counts)
    for place, count in enumerate(histogram.counts):
        is_closed = place == last and isinstance(histogram.edges[-1], float)
        limits = f"[{edges[place]:>{width}}, {edges[place + 1]:>{width}}{']' if is_closed else ')'}"
        yield f"    {limits} {count:>{digits}} {_bar(count, highest)}".rstrip()


def _counted(title: str, values: Sequence[ValueCount]) -> Iterator[str]:
    yield f"  {title}"
    names = [_show(each.value, LONG_TEXT) for each in values]
    width, digits = max(map(len, names)), max(len(str(each.count)) for each in values)
    highest = max(each.count for each in values)
    for name, each in zip(names, values, strict=True):
        bar = _bar(each.count, highest)
        yield f"    {name:<{width}} {each.count:>{digits}} {_percent(each.share):>6} {bar}".rstrip()


def _bar(count: int, highest: int) -> str:
    return "█" * math.ceil(BAR_COLUMNS * count / highest)


def _percent(share: float) -> str:
    """Write a share; what is not all, or not nothing, never looks like it."""
    if 0 < share < 0.001:
        return "<0.1%"
    if 0.999 < share < 1:
        return ">99.9%"
    return f"{100 * share:.3g}%"


def _show(value: object, width: int) -> str:
    """Write a value in one line of printable characters."""
    text = value if isinstance(value, str) else str(value)
    if isinstance(value, float):
        text = show_number(value)
    elif isinstance(value, str) and (not text or not text.isprintable() or text.strip() != text):
        text = json.dumps(text, ensure_ascii=False)
        text = text if text.isprintable() else ascii(value)
    return text if len(text) <= width else f"{text[: width - 1]}…"
