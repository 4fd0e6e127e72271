"""Drawings of a report as SVG within a page: no script, and as wide as there is room. Texts of users are escaped.

Whiskers and bars are as wide as there is room, in percent; squares have their size in pixels, so that texts can be read on any screen. Colours
are those of the classes in `style`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from starwhale.domain.counted import counted
from starwhale.results.confusion import Confusion
from starwhale.results.curve import Curve, CurveKind
from starwhale.results.pages.markup import visible_text

CELL, SMALL_CELL = 31, 12
"""Side of a cell of a heat map in pixels; of one whose counts are not written."""
WRITTEN_LABELS = 24
"""Of a heat map with more labels the counts are told by their tool tips only."""
COLORS = 8
"""Colours of curves; those after them are grey."""
_LABEL_CHARACTERS = 14


def axis_of(values: Sequence[float], *, is_share: bool) -> tuple[float, float]:
    """Return where an axis begins and ends that has these values on it, with some room; a share has no place beyond 0 and 1.

    Example:
        >>> axis_of([0.94, 0.98], is_share=True)
        (0.93, 0.99)
    """
    known = [each for each in values if math.isfinite(each)]
    if not known:
        return 0.0, 1.0
    low, high = min(known), max(known)
    room = (high - low) * 0.25 or abs(high) * 0.1 or 1.0
    low, high = low - room, high + room
    if is_share:
        low, high = max(low, 0.0), min(high, 1.0)
    return round(low, 12), round(high, 12)


def ticks_of(low: float, high: float, most: int = 5) -> list[float]:
    """Return round numbers between two ends.

    Example:
        >>> ticks_of(0.93, 0.99)
        [0.94, 0.96, 0.98]
    """
    if not high > low:
        return [low]
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(each * power for each in (1, 2, 5, 10) if each * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(place * step, 12) for place in range(first, math.floor(high / step + 1e-9) + 1)]


def whisker(value: float, low: float, high: float, axis: tuple[float, float], reference: float = math.nan) -> str:
    """Draw a dot with its interval.

    Args:
        value: Where the dot is; NaN for none.
        low: Where the interval begins; NaN for none.
        high: Where it ends.
        axis: Where the drawing begins and ends.
        reference: Where a line is that all of them are seen against; NaN for none.
    """

    def x(place: float) -> str:
        share = (place - axis[0]) / ((axis[1] - axis[0]) or 1.0)
        return f"{2 + 96 * min(max(share, 0.0), 1.0):.2f}%"

    lines = ['<svg class="whisker" width="100%" height="18" aria-hidden="true">']
    lines.append('<line class="rail" x1="0%" x2="100%" y1="9" y2="9"/>')
    if math.isfinite(reference):
        lines.append(f'<line class="reference" x1="{x(reference)}" x2="{x(reference)}" y1="0" y2="18"/>')
    if math.isfinite(low) and math.isfinite(high):
        lines.append(f'<line class="interval" x1="{x(low)}" x2="{x(high)}" y1="9" y2="9"/>')
        lines += [f'<line class="interval" x1="{x(end)}" x2="{x(end)}" y1="5" y2="13"/>' for end in (low, high)]
    if math.isfinite(value):
        lines.append(f'<circle class="dot" cx="{x(value)}" cy="9" r="4.5"/>')
    return "".join([*lines, "</svg>"])


def scale(axis: tuple[float, float]) -> str:
    """Draw the numbers of the axis that whiskers above it share."""
    low, high = axis
    lines = ['<svg class="scale" width="100%" height="16" aria-hidden="true">']
    for tick in ticks_of(low, high, 6):
        share = 2 + 96 * (tick - low) / ((high - low) or 1.0)
        anchor = "start" if share < 8 else "end" if share > 92 else "middle"
        lines.append(f'<text x="{share:.2f}%" y="12" text-anchor="{anchor}">{_plain(tick)}</text>')
    return "".join([*lines, "</svg>"])


def heat_map(matrix: Confusion) -> str:
    """Draw a confusion matrix: down the true label, across the predicted one, the deeper the larger a share of the true label it is."""
    k = len(matrix.labels)
    is_written = k <= WRITTEN_LABELS
    longest = min(max(map(len, matrix.labels)), _LABEL_CHARACTERS)
    has_turned = longest > 3  # labels that are longer than a cell is wide
    size = CELL if is_written else SMALL_CELL
    left, top = 14 + 7 * longest, (14 + 7 * longest if has_turned else 24)
    width, height = left + size * k + 2, top + size * k + 2
    said = "confusion matrix: true labels down, predicted ones across"
    lines = [
        f'<svg class="heat" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" aria-label="{said}">'
    ]
    for place, label in enumerate(matrix.labels):
        middle = size * (place + 0.5)
        lines.append(_name(label, left - 6, top + middle + 4, "end"))
        if has_turned:
            lines.append(_name(label, left + middle + 4, top - 6, "start", is_turned=True))
        else:
            lines.append(_name(label, left + middle, top - 7, "middle"))
    for i, (row, shares) in enumerate(zip(matrix.counts, matrix.shares, strict=True)):
        for j, (count, share) in enumerate(zip(row, shares, strict=True)):
            if count:
                what = f"{matrix.labels[i]} {'seen as such' if i == j else f'taken for {matrix.labels[j]}'}"
                told = f"{what}: {counted(count, 'row')}, {share:.1%} of its rows"
                lines.append(
                    _cell(
                        (left + size * j, top + size * i, size),
                        (count, share),
                        told,
                        is_right=i == j,
                        is_written=is_written,
                    )
                )
    lines.append(
        f'<rect class="frame" x="{left - 0.5}" y="{top - 0.5}" width="{size * k + 1}" height="{size * k + 1}"/>'
    )
    return "".join([*lines, "</svg>"])


def _name(label: str, x: float, y: float, anchor: str, *, is_turned: bool = False) -> str:
    short = label if len(label) <= _LABEL_CHARACTERS else f"{label[: _LABEL_CHARACTERS - 1]}…"
    turn = f' transform="rotate(-90 {x:g} {y:g})"' if is_turned else ""
    return f'<text class="name" x="{x:g}" y="{y:g}" text-anchor="{anchor}"{turn}>{_text(short)}<title>{_text(label)}</title></text>'


def _cell(
    place: tuple[float, float, float], cell: tuple[int, float], told: str, *, is_right: bool, is_written: bool
) -> str:
    """Draw one cell; of mistakes the few are made visible: their colour goes by the root of their share."""
    (x, y, size), (count, share) = place, cell
    depth = 0.12 + 0.83 * (share if is_right else math.sqrt(share))
    kind = "right" if is_right else "wrong"
    text = ""
    if is_written:
        shown = f"{count:,}" if count < 10_000 else f"{count / 1000:.0f}k"
        deep = " deep" if depth > 0.6 else ""
        text = f'<text class="count{deep}" x="{x + size / 2:g}" y="{y + size / 2 + 4:g}" text-anchor="middle">{shown}</text>'
    return f'<g><title>{_text(told)}</title><rect class="{kind}" x="{x:g}" y="{y:g}" width="{size}" height="{size}" fill-opacity="{depth:.2f}"/>{text}</g>'


def curve_plot(curves: Sequence[Curve]) -> str:
    """Draw curves of one kind in one square, with the line that guessing, or a perfectly calibrated model, would have."""
    side, left, bottom, top = 300, 40, 36, 10
    kind = curves[0].kind

    def x(share: float) -> str:
        return f"{left + side * share:.1f}"

    def y(share: float) -> str:
        return f"{top + side * (1 - share):.1f}"

    width, height = left + side + 12, top + side + bottom
    across, up = kind.axes
    lines = [
        f'<svg class="plot" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(up)} against {escape(across)}">'
    ]
    for tick in (0, 0.25, 0.5, 0.75, 1):
        lines.append(f'<line class="grid" x1="{x(tick)}" x2="{x(tick)}" y1="{y(0)}" y2="{y(1)}"/>')
        lines.append(f'<line class="grid" x1="{x(0)}" x2="{x(1)}" y1="{y(tick)}" y2="{y(tick)}"/>')
        lines.append(f'<text class="tick" x="{x(tick)}" y="{top + side + 15}" text-anchor="middle">{tick:g}</text>')
        lines.append(
            f'<text class="tick" x="{left - 6}" y="{float(y(tick)) + 4:.1f}" text-anchor="end">{tick:g}</text>'
        )
    lines.append(f'<text class="tick" x="{x(0.5)}" y="{height - 4}" text-anchor="middle">{across}</text>')
    turned = f"10 {y(0.5)}"
    lines.append(
        f'<text class="tick" x="10" y="{y(0.5)}" text-anchor="middle" transform="rotate(-90 {turned})">{up}</text>'
    )
    if kind is not CurveKind.PRECISION_RECALL:
        lines.append(f'<line class="reference" x1="{x(0)}" x2="{x(1)}" y1="{y(0)}" y2="{y(1)}"/>')
    for number, curve in reversed(list(enumerate(curves))):  # the first lies on top
        color = f"c{number}" if number < COLORS else "rest"
        points = " ".join(f"{x(a)},{y(b)}" for a, b in zip(curve.x, curve.y, strict=True))
        lines += [
            f'<line class="interval {color}" x1="{x(a)}" x2="{x(a)}" y1="{y(low)}" y2="{y(high)}"/>'
            for a, low, high in zip(curve.x, curve.low, curve.high, strict=False)
        ]
        lines.append(
            f'<polyline class="curve {color}" points="{points}"><title>{_text(curve.label or curve.metric)}</title></polyline>'
        )
        for a, b, n in zip(curve.x, curve.y, curve.n, strict=False):
            lines.append(
                f'<circle class="dot {color}" cx="{x(a)}" cy="{y(b)}" r="4"><title>{counted(n, "row")}: {a:.2f} sure, {b:.2f} right</title></circle>'
            )
    return "".join([*lines, "</svg>"])


def stacked_bar(shares: Mapping[str, float]) -> str:
    """Draw shares of a whole side by side; the classes of its parts are their names."""
    lines = ['<svg class="stack" width="100%" height="16" role="img" aria-label="shares of the time">']
    at = 0.0
    for name, share in shares.items():
        lines.append(
            f'<rect class="t-{escape(name)}" x="{at * 100:.3f}%" width="{share * 100:.3f}%" height="16"><title>{escape(name)}: {share:.1%}</title></rect>'
        )
        at += share
    return "".join([*lines, "</svg>"])


def _plain(value: float) -> str:
    return f"{value:g}".replace("-", "−")


def _text(text: str) -> str:
    return escape(visible_text(text))
