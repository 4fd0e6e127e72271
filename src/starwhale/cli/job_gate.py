"""`swcli job gate`: does a run keep the rules that it has to keep?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from starwhale.cli.app import CliApp
from starwhale.cli.command import SwCommand
from starwhale.cli.complete_names import completes
from starwhale.cli.file_columns import file_column_options, file_columns

if TYPE_CHECKING:
    from rich.console import Console

    from starwhale.results.gate.findings import RuleFinding
    from starwhale.results.gate.report import Gate

LINES = 7
"""Rules that are shown without `--full`; with the sentence, the notes and the flips that makes twelve lines."""


@click.command("gate", cls=SwCommand)
@click.argument("run", metavar="JOB|FILE", shell_complete=completes("job"))
@click.option("--baseline", default="", metavar="JOB|FILE", help="What rules mean by `baseline`.")
@click.option("--rule", "rules", multiple=True, metavar="RULE", help="A rule; may be given again.")
@click.option(
    "--rules",
    "rules_file",
    default="",
    metavar="FILE",
    help="A file of rules.  [default: gate.yaml, where no --rule is given]",
)
@click.option(
    "--lower-is-better", multiple=True, metavar="NAME", help="A metric of which less is better; may be given again."
)
@click.option(
    "--cluster",
    default=None,
    metavar="COLUMN",
    help="Which rows are alike.  [default: what the jobs name; '' for none]",
)
@click.option("--key", default="", metavar="COLUMN", help="Which example a row of a file is.  [default: id]")
@file_column_options
@click.option("--allow-missing", is_flag=True, help="Leave rows without a score out; they count as wrong otherwise.")
@click.option("--junit", default="", metavar="FILE", help="Write the rules as JUnit XML.")
@click.option("--markdown", default="", metavar="FILE", help="Write a summary for a pull request.")
@click.option("--flips", default="", metavar="FILE", help="Write the examples that changed: .csv, .jsonl or .parquet.")
@click.option("--full", is_flag=True, help="Show every rule, and more of the examples that changed.")
@click.pass_obj
def gate(
    app: CliApp,
    *,
    run: str,
    baseline: str,
    rules: tuple[str, ...],
    rules_file: str,
    lower_is_better: tuple[str, ...],
    cluster: str | None,
    key: str,
    allow_missing: bool,
    junit: str,
    markdown: str,
    flips: str,
    full: bool,
    **columns: str,
) -> None:
    """Judge a run by rules: accuracy >= baseline - 0.01, accuracy[lang=de] >= 0.9, rmse not worse than baseline.

    Exit code 0: every rule holds; 1: one is broken; 3: these rows cannot tell. An interval decides, never a point: it has to lie on one
    side of the bound. Files are CSV, JSON Lines or Parquet: one row per example.
    """
    from starwhale.cli.report_format import write_report
    from starwhale.instances.jobs.job_gate import GateOptions
    from starwhale.results.gate.rules_file import DEFAULT_NAME

    if not rules and not rules_file and Path(DEFAULT_NAME).is_file():
        rules_file = DEFAULT_NAME
    options = GateOptions(
        rules=rules,
        rules_file=rules_file,
        baseline=baseline,
        lower_is_better=lower_is_better,
        cluster=cluster,
        key=key,
        file_columns=file_columns(**columns),
        allow_missing=allow_missing,
        examples=20 if full else 10 if markdown else 0,
        flips_file=flips,
    )
    found = app.instance().gate(run, options=options)
    if junit:
        write_report(junit, found.to_junit())
    if markdown:
        write_report(markdown, found.to_markdown())
    app.emit(found.to_json(), lambda console: _render(console, found, is_full=full))
    click.get_current_context().exit(found.exit_code)


def _render(console: Console, found: Gate, *, is_full: bool) -> None:
    from rich.text import Text

    from starwhale.cli.render.render_flips import render_flips
    from starwhale.results.gate.findings import Outcome
    from starwhale.results.gate.telling import by_outcome, sentence

    console.print(Text(sentence(found), style="bold"))
    if found.notes:
        console.print(Text("; ".join(found.notes), style="dim"))
    listed = by_outcome(found)
    wanted = listed if is_full or found.is_passed else [each for each in listed if each.outcome is not Outcome.PASS]
    shown = wanted if is_full else wanted[:LINES]
    _render_rules(console, shown)
    if more := len(listed) - len(shown):
        hold = "" if found.is_passed or len(wanted) > len(shown) else ", which hold"
        console.print(Text(f"and {more} more rule{'s' if more > 1 else ''}{hold}: --full", style="dim"))
    render_flips(console, found.flips, found.examples, is_full=is_full)


def _render_rules(console: Console, shown: list[RuleFinding]) -> None:
    from starwhale.cli.render.render_table import Column, Kind, render_table
    from starwhale.results.gate.telling import figure, title, why

    kinds = {"rule": Kind.TEXT, "verdict": Kind.WHOLE, "found": Kind.TEXT, "rows": Kind.NUMBER}
    cells = [
        {
            "rule": title(each),
            "verdict": str(each.outcome),
            "found": figure(each) + (f"; {text}" if (text := why(each)) else ""),
            "rows": f"{each.n:,}",
        }
        for each in shown
    ]
    render_table(console, [Column(title=name, kind=kind) for name, kind in kinds.items()], cells)
