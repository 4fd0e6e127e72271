"""A report in which everything occurs, and its forms: what `tests/golden/report` holds.

`python -m tests.cli.report_cases` from the root of the clone writes the golden files anew; read them before they are kept.
"""

from __future__ import annotations

import io
import random
from pathlib import Path

from rich.console import Console

from starwhale.cli.render.render_report import render_report
from starwhale.results.confusion import confusion_of
from starwhale.results.estimate import Setting, make_figures
from starwhale.results.figure import Figure
from starwhale.results.measure_curves import measure_curves
from starwhale.results.metrics.examples import Examples
from starwhale.results.metrics.label_counts import count_labels
from starwhale.results.metrics.registry import find_metric
from starwhale.results.reports.job_report import JobReport, Row, StepReport
from starwhale.results.reports.usage import StepUsage, TaskUsage
from starwhale.storage.protocols import StepProgress

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "report"
HOSTILE = "<script>alert(1)</script>"
LABELS = (HOSTILE, "cat & dog", "zebra | *x*")
METRICS = ("accuracy", "f1_macro", "recall_per_class", "auroc", "average_precision", "log_loss", "ece")


def make_examples() -> tuple[Examples, list[str]]:
    """Return 600 rows with labels, predictions and scores, and a value of each to slice by."""
    rng = random.Random(7)
    labels = rng.choices(LABELS, [5, 3, 2], k=600)
    kinds = ["easy" if n % 3 else "hard" for n in range(600)]
    scores: list[list[float]] = []
    for label, kind in zip(labels, kinds, strict=True):
        drawn = [rng.random() ** 2 + (each == label) * (1.0 if kind == "easy" else 0.3) for each in LABELS]
        scores.append([each / sum(drawn) for each in drawn])
    said = [LABELS[each.index(max(each))] for each in scores]
    return Examples(labels=labels, predictions=said, scores=scores, classes=LABELS), kinds


def make_figures_of(examples: Examples, kinds: list[str]) -> list[Figure]:
    """Return the figures of all rows, and of each kind."""
    found: list[Figure] = []
    parts = {
        "": list(range(600)),
        **{f"kind={kind}": [n for n in range(600) if kinds[n] == kind] for kind in ("easy", "hard")},
    }
    for part, places in parts.items():
        for name in METRICS if not part else METRICS[:2]:
            found += make_figures(
                find_metric(name), examples.take(places), Setting(slice=part, failed=0 if part else 3)
            )
    return found


def make_report() -> JobReport:
    """Return a report with figures, labels, a matrix, curves, slices, failed rows and times."""
    examples, kinds = make_examples()
    counts = count_labels(examples)
    matrix = confusion_of([str(each) for each in counts.labels], counts.table().tolist())
    assert matrix is not None
    labels: dict[str, Row] = {label: {"id": label, **row} for label, row in matrix.label_rows().items()}
    curves = [curve for name in METRICS for curve in measure_curves(find_metric(name), examples)]
    usage = StepUsage(
        executor="thread",
        seconds={"predict": 6.0, "read": 2.5, "write": 1.0, "start": 0.5},
        elapsed_s=5.0,
        rows_per_second=120.6,
        cores=1.3,
        peak_bytes=220 << 20,
        tasks=(TaskUsage(index=0, attempts=1, rows=603, seconds={"predict": 6.0}, cpu_s=6.1, peak_bytes=220 << 20),),
        note="",
    )
    step = StepReport(
        name="model:predict", needs=(), tasks=1, status="success", done=603, failed=3, total=603, retried=0, recovered=0,
        started_at=0.0, finished_at=5.0, usage=usage,
    )  # fmt: skip
    return JobReport(
        manifest={
            "version": "k3x5" * 10,
            "name": "nightly | *x*",
            "status": "success",
            "handler_name": "model:predict",
            "model": "words",
            "dataset_uris": ["local/project/self/dataset/mails/version/abcd"],
            "executor": "thread",
            "created_at": "2026-11-23 23:43:28 UTC",
            "finished_at": "2026-11-23 23:43:33 UTC",
            "python_version": "3.11.7",
            "source_digest": "139b7e5e0c98",
            "error_message": "",
        },
        summary={"note": HOSTILE, "cost": 0.125, **{each.metric: each.value for each in make_figures_of(examples, kinds)[:1]}},
        labels=labels,
        confusion_matrix=tuple({"id": i, **{str(j): share for j, share in enumerate(row)}} for i, row in enumerate(matrix.shares)),
        accuracy=None,
        inputs=("mails@kz43lqivfak2, 603 rows",),
        progress=(StepProgress(step="model:predict", done=603, failed=3, total=603),),
        errors=({"id": "self/mails_#@#_7", "exception": f"ValueError: {HOSTILE}", "frame": "model.py:6 in predict"},),
        steps=(step,),
        figures=tuple(make_figures_of(examples, kinds)),
        matrix_labels=matrix.labels,
        confusions=(matrix,),
        curves=tuple(curves),
    )  # fmt: skip


def forms(report: JobReport) -> dict[str, str]:
    """Return the forms that are read as text, by the name of their golden file."""
    console = Console(width=80, file=io.StringIO(), record=True, color_system=None)
    render_report(console, report, has_steps=True)
    return {"report.md": report.to_markdown(), "report.txt": console.export_text()}


def main() -> None:
    """Write the golden files."""
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for name, text in forms(make_report()).items():
        (GOLDEN / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
