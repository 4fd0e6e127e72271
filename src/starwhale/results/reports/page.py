"""A report as one page that needs nothing else: no script, no file beside it, no network. Texts of users are escaped.

What stands in it is what the other forms say, in the same words; drawings are added. Sections that have nothing to say are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING

from starwhale.domain.counted import counted
from starwhale.results.pages.drawings import COLORS, curve_plot, heat_map, stacked_bar
from starwhale.results.pages.sheet import (
    cards,
    columns,
    fragment,
    pairs,
    said,
    scrolling,
    section,
    table,
    text,
    whole_page,
)
from starwhale.results.reports.figure_grid import figure_groups, label_groups, slice_groups
from starwhale.results.reports.figure_words import notes, number
from starwhale.results.reports.record_words import record_lines
from starwhale.results.reports.report_words import (
    about_lines,
    failure_lines,
    label_table,
    matrix_rows,
    summary_lines,
    title,
)
from starwhale.results.reports.usage_words import LEAST, WORDS, speed_line

if TYPE_CHECKING:
    from starwhale.results.confusion import Confusion
    from starwhale.results.curve import Curve
    from starwhale.results.reports.job_report import JobReport, StepReport

SHOWN_LABELS = 60
"""Labels of a heat map that is drawn; of more, the most frequent mistakes are named."""
SHOWN_MISTAKES = 10


def report_page(report: JobReport) -> str:
    """Write a report as a whole page, light or dark as the reader's system is."""
    return whole_page(title(report), _sections(report))


def report_fragment(report: JobReport) -> str:
    """Write a report as a part of another page, such as the output of a notebook's cell."""
    return fragment(_sections(report))


def _sections(report: JobReport) -> Iterator[str]:
    yield _head(report)
    yield _figures(report)
    yield section("Summary", cards(summary_lines(report)))
    yield _failures(report)
    yield columns(_labels(report), *(_confusion(each) for each in report.confusions), _shares(report))
    yield columns(*_curves(report))
    yield _slices(report)
    yield _time(report.steps)
    yield section("What it ran on", pairs((*about_lines(report), *record_lines(report.manifest))))
    command = f"swcli job info {str(report.manifest['version'])[:12]} -o json"
    yield f'<p class="soft small">The same facts for a program: <code>{text(command)}</code></p>'


def _head(report: JobReport) -> str:
    manifest = report.manifest
    status = str(manifest["status"])
    color = {"success": "good", "failed": "bad"}.get(status, "soft")
    facts = (str(manifest["handler_name"]), *report.inputs, str(manifest["finished_at"] or manifest["created_at"]))
    error = f'<p class="bad">{text(str(manifest["error_message"]))}</p>' if manifest["error_message"] else ""
    return f'<h1>{text(title(report))}</h1><p class="soft"><b class="{color}">{text(status)}</b> · {text(" · ".join(filter(None, facts)))}</p>{error}'


def _figures(report: JobReport) -> str:
    groups = figure_groups(report.figures, has_labels=bool(report.labels))
    return section("Figures", f"{groups}{said(notes(report.figures))}" if groups else "")


def _failures(report: JobReport) -> str:
    lines = [f"<pre>{text(line)}</pre>" for line in failure_lines(report)]
    count = f"<p>{counted(report.failed_rows, 'row')} failed</p>" if report.failed_rows else ""
    return section("Rows that failed", "".join([count, *lines]))


def _labels(report: JobReport) -> str:
    if not report.labels:
        return ""
    heads, rows = label_table(report)
    told = label_groups(report.figures)
    more = f"<details><summary>with intervals</summary>{told}</details>" if told else ""
    return section("Labels", f"{table(heads, rows)}{more}")


def _confusion(matrix: Confusion) -> str:
    of = f" ({matrix.slice})" if matrix.slice else ""
    drawn = ""
    if len(matrix.labels) <= SHOWN_LABELS:
        key = '<p class="soft small">Down: the true label. Across: the predicted one. Blue is right, red a mistake.</p>'
        drawn = f"{key}{scrolling(heat_map(matrix))}"
    wrong = matrix.mistakes()
    rows = [[true, predicted, f"{count:,}"] for true, predicted, count in wrong[:SHOWN_MISTAKES]]
    listed = f"<h3>Most frequent mistakes</h3>{table(['true', 'predicted', 'rows'], rows, numbers=1)}" if rows else ""
    return section(f"Confusion matrix{of}", f"{drawn}{listed}")


def _shares(report: JobReport) -> str:
    """Write the matrix as it was logged, where the counts behind it are not known."""
    if report.confusions or not report.confusion_matrix:
        return ""
    rows = matrix_rows(report)
    names = [name for name in rows[0] if name != "id"]
    cells = [[str(row["id"]), *(f"{row.get(name) or 0:.3f}" for name in names)] for row in rows]
    return section("Confusion matrix", table(["true", *names], cells, numbers=len(names)))


def _curves(report: JobReport) -> Iterator[str]:
    titles = {
        "roc": "ROC curve",
        "precision-recall": "Precision and recall",
        "reliability": "Calibration",
    }
    areas = {each.label: each.value for each in report.figures if each.metric == "auroc_per_class" and not each.slice}
    by_kind: dict[tuple[str, str], list[Curve]] = {}
    for each in report.curves:
        listed = by_kind.setdefault((str(each.kind), each.slice), [])
        if each.kind != "reliability" or not listed:  # two calibration errors have one diagram
            listed.append(each)
    for (kind, part), curves in by_kind.items():
        named = "".join(
            f'<li><i class="{f"c{place}" if place < COLORS else "rest"}"></i>{text(each.label)}{f" {number(areas[each.label])}" if each.label in areas else ""}</li>'
            for place, each in enumerate(curves)
            if each.label
        )
        legend = f'<ul class="legend">{named}</ul>' if named else ""
        yield section(f"{titles[kind]}{f' ({part})' if part else ''}", f"{scrolling(curve_plot(curves))}{legend}")


def _slices(report: JobReport) -> str:
    return section("Slices", slice_groups(report.figures, has_labels=bool(report.labels)))


def _time(steps: Sequence[StepReport]) -> str:
    told: list[str] = []
    for step in steps:
        if step.usage is None:
            continue
        shares = {name: share for name, share in step.usage.shares.items() if share >= LEAST}
        name = step.name.rpartition(":")[2]
        legend = "".join(
            f'<li><i class="t-{escape(each)}"></i>{text(WORDS.get(each, name))} {share:.0%}</li>'
            for each, share in shares.items()
        )
        note = f'<p class="small">{text(step.usage.note)}</p>' if step.usage.note else ""
        told.append(
            f'<h3>{text(name)} <span class="soft small">{text(speed_line(step.usage))}</span></h3>{stacked_bar(shares)}<ul class="legend">{legend}</ul>{note}'
        )
    return section("Where the time went", "".join(told))
