"""A report in words: what job it was, what it logged, its confusion matrix. Every form of a report says them so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from starwhale.domain.counted import counted
from starwhale.results.figure import figure_values

if TYPE_CHECKING:
    from starwhale.results.reports.job_report import JobReport

SHORT = 12
"""Characters of an id that are shown and accepted."""
Row = Mapping[str, Any]  # Any: cells of users


def title(report: JobReport) -> str:
    """Name a job: by its name, or by what it ran and its id."""
    manifest = report.manifest
    return str(manifest.get("name") or f"{manifest['handler_name']} {str(manifest['version'])[:SHORT]}")


def label_table(report: JobReport) -> tuple[list[str], list[list[str]]]:
    """Return the figures by label as headings and lines of text; the label stands first."""
    rows = list(report.labels.values())
    names = list(dict.fromkeys(name for row in rows for name in row if name != "id"))
    cells = [[str(row.get("id", "")), *(show_value(name, row.get(name)) for name in names)] for row in rows]
    return ["label", *map(heading, names)], cells


def heading(name: str) -> str:
    """Shorten `tp-true positive` and its likes."""
    head, dash, _ = name.partition("-")
    return head if dash and head in {"tp", "tn", "fp", "fn"} else name


def matrix_rows(report: JobReport) -> list[Row]:
    """Return the rows of the confusion matrix with labels in place of numbers, as far as they are known and not the numbers."""
    labels, rows = report.matrix_labels, report.confusion_matrix
    if len(labels) != len(rows) or len(set(labels)) != len(labels):
        return list(rows)
    numbers = [str(number) for number in range(len(labels))]
    named = zip(labels, rows, strict=True)
    return [
        {"id": label, **{labels[int(each)]: row.get(each) for each in numbers if each in row}} for label, row in named
    ]


def about_lines(report: JobReport, *, is_whole: bool = False) -> Iterator[tuple[str, str]]:
    """Return what job it was, by title; what has no text is left out by whoever draws it."""
    manifest = report.manifest
    version = str(manifest["version"])
    yield "version", " ".join(filter(None, (version if is_whole else version[:SHORT], manifest.get("name"))))
    yield "status", str(manifest["status"])
    yield "handler", str(manifest["handler_name"])
    yield "model", _model(manifest)
    yield "datasets", "\n".join(manifest.get("dataset_uris", ()) if is_whole else report.inputs)
    yield "time", " to ".join(filter(None, (manifest["created_at"], manifest["finished_at"])))
    went_on = [each["executor"] for each in manifest.get("resumes") or () if each.get("executor")]
    found = [f"{', then '.join(dict.fromkeys([manifest['executor'], *went_on]))} executor"]
    for text, name in (("Python", "python_version"), ("starwhale", "starwhale_version"), ("", "platform")):
        if manifest.get(name):
            found.append(f"{text} {manifest[name]}".strip())
    if image := (manifest.get("container") or {}).get("image"):
        found.insert(1, f"image {image}")
    yield "ran on", ", ".join(found)
    yield "error", str(manifest["error_message"] or "")


def _model(manifest: Row) -> str:
    name = str(manifest.get("model_name") or manifest["model"])
    if version := str(manifest.get("model_version") or "")[:SHORT]:
        return f"{name}@{version}"  # where it was unpacked says nothing: that copy goes when the job has succeeded
    folder = str(manifest.get("model_src_dir") or "")
    return f"{name}  ({folder})" if folder else name


def summary_lines(report: JobReport) -> Iterator[tuple[str, str]]:
    """Return what the job logged, by name, less what stands among the figures."""
    told = figure_values(report.figures)
    for name, value in report.summary.items():
        if name in told and value == told[name]:  # it stands among the figures, with its interval
            continue
        if name == "accuracy" and report.accuracy is not None:
            found = report.accuracy
            method = found.method.removesuffix(" 95%")
            interval = f"95 % interval {found.low:.4f} to {found.high:.4f}"
            yield name, f"{found.value:.4f}   {interval} ({method}, n = {found.count})"
        elif name != "kind":
            yield name, show_value(name, value)


def failure_lines(report: JobReport) -> Iterator[str]:
    """Return the first failed rows with what they failed with and where, and how many more there are."""
    for row in report.errors:
        where = f" ({row['frame']})" if row.get("frame") else ""
        yield f"{row.get('id', '')}: {row.get('exception') or row.get('message') or ''}{where}"
    if (more := report.failed_rows - len(report.errors)) > 0 and report.errors:
        yield f"and {more:,} more in the table 'errors'"


def progress_lines(report: JobReport) -> Iterator[str]:
    """Return how many rows of each step were tried, and how many of them failed."""
    for step in report.progress:
        failed = f", {step.failed} failed" if step.failed else ""
        again = f", {step.retried} tried again ({step.recovered} succeeded then)" if step.retried else ""
        yield f"{step.step}: {step.done:,} of {counted(step.total, 'row')}{failed}{again}"


def show_value(name: str, value: object, digits: int = 4) -> str:
    """Write a cell for people: few decimals, whole numbers whole.

    Example:
        >>> show_value("f1", 0.5), show_value("support", 99.0), show_value("n", 3), show_value("tiny", 1.5e-7)
        ('0.5000', '99', '3', '1.5e-07')
    """
    if isinstance(value, float):
        if name.rpartition("/")[2] == "support" and value.is_integer():
            return str(int(value))
        return f"{value:.{digits}f}" if value == 0 or 10**-digits <= abs(value) < 1e9 else f"{value:.{digits}g}"
    if isinstance(value, list | tuple):
        return ", ".join(show_value("", each) for each in value)
    return "" if value is None else str(value)
