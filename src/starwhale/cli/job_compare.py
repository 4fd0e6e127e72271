"""`swcli job compare`: is one run better than another, and on which examples?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from starwhale.cli.app import CliApp
from starwhale.cli.command import SwCommand
from starwhale.cli.complete_names import completes
from starwhale.cli.file_columns import file_column_options, file_columns
from starwhale.cli.report_format import give_report, report_options, write_report

if TYPE_CHECKING:
    from rich.console import Console

    from starwhale.results.compare.findings import Comparison, MetricComparison

LINES = 8
"""Lines of tables that are shown without `--full`: with the notes and the flips that makes twelve below the sentence."""
FEWEST_SLICES = 2
"""Slices that are shown however many lines are taken."""


@click.command("compare", cls=SwCommand)
@click.argument("runs", nargs=-1, required=True, metavar="JOB|FILE...", shell_complete=completes("job"))
@click.option(
    "--baseline", default="", metavar="JOB|FILE", help="What the others are compared with.  [default: the first]"
)
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    metavar="NAME",
    help="TABLE.COLUMN of jobs, a column of files; may be given again.",
)
@click.option(
    "--lower-is-better", multiple=True, metavar="NAME", help="A metric of which less is better; may be given again."
)
@click.option("--by", multiple=True, metavar="COLUMN", help="Compare each of its values too; may be given again.")
@click.option(
    "--cluster",
    default=None,
    metavar="COLUMN",
    help="Which rows are alike: frames of one video, questions on one text.  [default: what the jobs name; '' for none]",
)
@click.option("--key", default="id", show_default=True, metavar="COLUMN", help="Which example a row of a file is.")
@click.option(
    "--margin", type=float, default=None, metavar="SIZE", help="A difference too small to matter: 0.01 is one point."
)
@click.option("--flips", default="", metavar="FILE", help="Write the examples that changed: .csv, .jsonl or .parquet.")
@click.option("--markdown", default="", metavar="FILE", help="Write a summary for a pull request.")
@file_column_options
@report_options
@click.option("--full", is_flag=True, help="Show every figure, and more of the examples that changed.")
@click.pass_obj
def compare(
    app: CliApp,
    *,
    runs: tuple[str, ...],
    baseline: str,
    metrics: tuple[str, ...],
    lower_is_better: tuple[str, ...],
    by: tuple[str, ...],
    cluster: str | None,
    key: str,
    margin: float | None,
    flips: str,
    markdown: str,
    form: str | None,
    output: str,
    full: bool,
    **columns: str,
) -> None:
    """Say whether one run is better than another, with error bars, and on which examples.

    Rows are paired by what they are; figures hold for rows like these. Files are CSV, JSON Lines or Parquet: one row per example.
    """
    from starwhale.cli.render.render_flips import FULL_EXAMPLES
    from starwhale.instances.jobs.job_compare import CompareOptions

    options = CompareOptions(
        baseline=baseline,
        metrics=metrics,
        lower_is_better=lower_is_better,
        by=by,
        cluster=cluster,
        key=key,
        file_columns=file_columns(**columns),
        margin=margin,
        examples=FULL_EXAMPLES if full or markdown or form or output else 0,
        flips_file=flips,
    )
    found = app.instance().compare(*runs, options=options)
    if markdown:
        write_report(markdown, found.to_markdown())
    give_report(app, found, form, output, lambda console: _render(console, found, is_full=full))


def _render(console: Console, found: Comparison, *, is_full: bool) -> None:
    from rich.text import Text

    from starwhale.cli.render.render_flips import render_flips
    from starwhale.results.compare.telling import best_candidate, notes

    console.print(Text(found.sentence, style="bold"))
    console.print(Text("; ".join(notes(found)), style="dim"))
    whole = [each for each in found.metrics if not each.slice]
    sliced = [each for each in found.metrics if each.slice]
    room = LINES
    for metric in whole:
        room -= _render_metric(console, found, metric, is_full=is_full, room=room)
    if sliced:
        shown = sliced if is_full else _telling_first(found, sliced)[: max(room - 2, FEWEST_SLICES)]
        _render_slices(console, found, shown, [each for each in sliced if each not in shown])
    best = best_candidate(found)
    examples = [each for each in found.examples if each.run == best.name]
    render_flips(console, found.flips[best.id], examples, is_full=is_full)


def _render_metric(console: Console, found: Comparison, metric: MetricComparison, *, is_full: bool, room: int) -> int:
    """Draw one metric over all runs, and return how many lines that took."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from starwhale.results.compare.telling import delta_cells, details, value_text

    if room <= 0 and not is_full:
        return 0
    percent = " %" if metric.is_share else ""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    heads = [f"{metric.name}{percent}", "value", "Δ", "p", "verdict"]
    if metric.ranks:
        heads.insert(2, "rank")
    for head in heads:
        table.add_column(Text(head), overflow="fold")
    for run in (found.baseline, *found.candidates):
        delta = metric.deltas.get(run.id)
        cells = [run.name, value_text(metric.values[run.id], metric)]
        if metric.ranks:
            first, last = metric.ranks[run.id]
            cells.append(f"{first}" if first == last else f"{first}–{last}")
        if delta is None:
            cells += ["baseline" if run is found.baseline else "", "", ""]
        else:
            cells += [*delta_cells(delta, metric)]
        table.add_row(*(Text(each) for each in cells))
    console.print(table)
    if is_full:
        for run in found.candidates:
            if run.id in metric.deltas:
                console.print(Text(f"{run.name}: {details(metric.deltas[run.id], metric)}", style="dim"))
    return table.row_count + 2


def _telling_first(found: Comparison, sliced: list[MetricComparison]) -> list[MetricComparison]:
    """Put the slices first on which the best candidate is worse, then better, then the others, each kind by size."""
    from starwhale.results.compare.telling import best_candidate
    from starwhale.results.compare.verdict import Outcome

    run = best_candidate(found).id
    order = (Outcome.WORSE, Outcome.BETTER)

    def place(each: MetricComparison) -> int:
        outcome = each.deltas[run].verdict.outcome if run in each.deltas else None
        return order.index(outcome) if outcome in order else len(order)

    return sorted(sliced, key=place)


def _render_slices(
    console: Console, found: Comparison, shown: list[MetricComparison], left: list[MetricComparison]
) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from starwhale.results.compare.telling import best_candidate, delta_cells

    run = best_candidate(found)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    names = ["metric"] if len({each.name for each in found.metrics}) > 1 else []
    for head in ("slice", *names, "rows", f"Δ of {run.name}", "p", "verdict"):
        table.add_column(Text(head), overflow="fold", justify="right" if head == "rows" else "left")
    for each in shown:
        delta = each.deltas.get(run.id)
        told = ("", "", "too few rows") if delta is None else delta_cells(delta, each)
        table.add_row(*(Text(cell) for cell in (each.slice, *([each.name] if names else []), f"{each.n:,}", *told)))
    console.print(table)
    few = sum(not each.deltas for each in left)
    tail = f"; {len(left)} more{f', {few} with too few rows' if few else ''}: --full" if left else ""
    console.print(Text(f"p corrected (Benjamini–Hochberg){tail}", style="dim"))
