"""`swcli job gate`: does a run keep the rules that it has to keep?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from starwhale.cli.app import CliApp
from starwhale.cli.command import SwCommand
from starwhale.cli.complete_names import completes

if TYPE_CHECKING:
    from rich.console import Console

    from starwhale.results.gate.findings import RuleFinding
    from starwhale.results.gate.report import Gate

LINES = 7
"""Rules that are shown without `--full`; with the sentence, the notes and the flips that makes twelve lines."""
SHOWN_IDS = 5
"""Examples named per direction without `--full`."""


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
@click.option("--cluster", default="", metavar="COLUMN", help="Which rows are alike.")
@click.option("--key", default="", metavar="COLUMN", help="Which example a row of a file is.  [default: id]")
@click.option("--allow-missing", is_flag=True, help="Leave rows without a score out; they count as wrong otherwise.")
@click.option("--junit", default="", metavar="FILE", help="Write the rules as JUnit XML.")
@click.option("--markdown", default="", metavar="FILE", help="Write a summary for a pull request.")
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
    cluster: str,
    key: str,
    allow_missing: bool,
    junit: str,
    markdown: str,
    full: bool,
) -> None:
    """Judge a run by rules: accuracy >= baseline - 0.01, accuracy[lang=de] >= 0.9, rmse not worse than baseline.

    Exit code 0: every rule holds; 1: one is broken; 3: these rows cannot tell. An interval decides, never a point: it has to lie on one
    side of the bound. Files are CSV, JSON Lines or Parquet: one row per example.
    """
    from starwhale.instances.job_gate import GateOptions
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
        allow_missing=allow_missing,
    )
    found = app.instance().jobs.gate(run, options=options)
    if junit:
        _write(junit, found.to_junit())
    if markdown:
        _write(markdown, found.to_markdown())
    app.emit(found.to_json(), lambda console: _render(console, found, is_full=full))
    click.get_current_context().exit(found.exit_code)


def _write(path: str, text: str) -> None:
    from starwhale.errors import UsageError

    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror}"
        raise UsageError(message, hint="name a file in a folder that is there") from error


def _render(console: Console, found: Gate, *, is_full: bool) -> None:
    from rich.text import Text

    from starwhale.results.gate.telling import by_outcome, sentence

    console.print(Text(sentence(found), style="bold"))
    if found.notes:
        console.print(Text("; ".join(found.notes), style="dim"))
    listed = by_outcome(found)
    shown = listed if is_full else listed[:LINES]
    _render_rules(console, shown)
    if len(listed) > len(shown):
        console.print(Text(f"and {len(listed) - len(shown)} more rules: --full", style="dim"))
    count = 100 if is_full else SHOWN_IDS
    for word, ids in zip(("gained", "lost"), found.flips, strict=True):
        if ids:
            more = f" and {len(ids) - count:,} more" if len(ids) > count else ""
            console.print(Text(f"{word}: {', '.join(map(str, ids[:count]))}{more}", overflow="fold"))


def _render_rules(console: Console, shown: list[RuleFinding]) -> None:
    from starwhale.cli.render_table import Column, Kind, render_table
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
