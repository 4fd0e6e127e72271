"""A report as Markdown, fit for a pull request: one line, the figures, and the rest folded. Texts of users stay texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from starwhale.domain.counted import counted
from starwhale.results.pages.markup import code, escaped
from starwhale.results.reports.figure_words import interval_text, notes, number
from starwhale.results.reports.record_words import record_lines
from starwhale.results.reports.report_words import (
    about_lines,
    failure_lines,
    label_table,
    matrix_rows,
    progress_lines,
    summary_lines,
    title,
)
from starwhale.results.reports.usage_words import usage_lines

if TYPE_CHECKING:
    from starwhale.results.figure import Figure
    from starwhale.results.reports.job_report import JobReport

SHOWN_LABELS = 20
"""Labels of a matrix that is written; of more, the most frequent mistakes are named."""
SHOWN_MISTAKES = 10
SHOWN_SLICES = 50
"""Lines of the table of slices."""


def report_to_markdown(report: JobReport) -> str:
    """Write a report for a pull request."""
    status = "" if report.manifest["status"] == "success" else f" ({escaped(str(report.manifest['status']))})"
    lines = [
        f"**{escaped(title(report))}**{status}: {escaped('; '.join([*report.inputs, *progress_lines(report)]), 500)}"
    ]
    if report.manifest["error_message"]:
        lines += ["", f"> {escaped(str(report.manifest['error_message']), 1_000)}"]
    lines += _figures([each for each in report.figures if not each.slice and not (report.labels and each.label)])
    if report.figures:
        lines += [f"<sub>{escaped(each, 500)}</sub>  " for each in notes(report.figures)]
    if told := list(summary_lines(report)):
        lines += _folded(
            f"{counted(len(told), 'logged figure')}",
            _table(["name", "value"], ([code(name), escaped(text)] for name, text in told), numbers=0),
        )
    lines += _labels(report)
    lines += _confusions(report)
    lines += _slices([each for each in report.figures if each.slice and not (report.labels and each.label)])
    if report.errors:
        lines += _folded(
            f"{counted(report.failed_rows, 'row')} failed", [f"- {code(each, 500)}" for each in failure_lines(report)]
        )
    lines += _folded("where the time went", _pairs(usage_lines(report.steps)))
    lines += _folded("what it ran on", _pairs((*about_lines(report), *record_lines(report.manifest))))
    return "\n".join([*lines, ""])


def _figures(figures: Sequence[Figure]) -> list[str]:
    if not figures:
        return []
    confidence = f"{figures[0].confidence:.0%}".replace("%", " %")
    rows = ([code(each.name), number(each.value), escaped(interval_text(each)), f"{each.n:,}"] for each in figures)
    return ["", *_table(["figure", "value", f"{confidence} interval", "n"], rows), ""]


def _labels(report: JobReport) -> list[str]:
    if not report.labels:
        return []
    heads, rows = label_table(report)
    told = ([code(row[0]), *row[1:]] for row in rows)
    return _folded(counted(len(report.labels), "label"), _table(heads, told))


def _confusions(report: JobReport) -> list[str]:
    lines: list[str] = []
    for each in report.confusions:
        part = f" ({escaped(each.slice)})" if each.slice else ""
        if len(each.labels) <= SHOWN_LABELS:
            rows = (
                [code(label), *(f"{count:,}" if count else "·" for count in row)]
                for label, row in zip(each.labels, each.counts, strict=True)
            )
            lines += _folded(
                f"confusion matrix{part}: down the true label, across the predicted one",
                _table(["", *map(code, each.labels)], rows),
            )
        elif wrong := each.mistakes():
            rows = ([code(true), code(predicted), f"{count:,}"] for true, predicted, count in wrong[:SHOWN_MISTAKES])
            lines += _folded(f"most frequent mistakes{part}", _table(["true", "predicted", "rows"], rows, numbers=1))
    if not report.confusions and report.confusion_matrix:
        found = matrix_rows(report)
        names = [name for name in found[0] if name != "id"][:SHOWN_LABELS]
        rows = (
            [code(str(row["id"])), *(f"{row.get(name) or 0:.3f}" for name in names)] for row in found[:SHOWN_LABELS]
        )
        lines += _folded(
            "confusion matrix: down the true label, across the predicted one", _table(["", *map(code, names)], rows)
        )
    return lines


def _slices(figures: Sequence[Figure]) -> list[str]:
    if not figures:
        return []
    rows = [
        [code(each.slice), code(each.name), number(each.value), escaped(interval_text(each)), f"{each.n:,}"]
        for each in figures[:SHOWN_SLICES]
    ]
    if (more := len(figures) - SHOWN_SLICES) > 0:
        rows.append([f"and {more:,} more", "", "", "", ""])
    return _folded(
        counted(len(figures), "figure") + " of slices",
        _table(["rows of", "figure", "value", "interval", "n"], rows, numbers=3),
    )


def _folded(summary: str, body: Iterable[str]) -> list[str]:
    inside = list(body)
    return ["", "<details>", f"<summary>{summary}</summary>", "", *inside, "", "</details>"] if inside else []


def _pairs(lines: Iterable[tuple[str, str]]) -> Iterator[str]:
    yield from (f"- {escaped(name)}: {escaped('; '.join(text.splitlines()), 1_000)}" for name, text in lines if text)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], numbers: int | None = None) -> list[str]:
    """Write a table; so many of its last columns are numbers, all but the first where nobody says."""
    first = len(heads) - (len(heads) - 1 if numbers is None else numbers)
    rule = "|".join("---:" if place >= first else "---" for place in range(len(heads)))
    return [f"| {' | '.join(heads)} |", f"|{rule}|", *(f"| {' | '.join(row)} |" for row in rows)]
