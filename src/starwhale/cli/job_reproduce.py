"""`swcli job reproduce`: run a job again, and say whether it finds the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from starwhale.cli.app import CliApp
from starwhale.cli.complete_names import completes
from starwhale.cli.outcome import finish
from starwhale.cli.run_words import WordsAfterCommand, words_after
from starwhale.domain.counted import counted

if TYPE_CHECKING:
    from rich.console import Console

    from starwhale.results.agreement import Agreement
    from starwhale.results.reproduction import Reproduction, Tally

SHOWN = 10
"""Rows, metrics and facts that are shown of each kind; -o json lists more."""
WIDEST = 40
"""Most characters of a value that is shown."""
CANNOT_TELL = 3


@click.command("reproduce", cls=WordsAfterCommand)
@click.argument("job_address", metavar="JOB", shell_complete=completes("job"))
@click.option(
    "--sample", type=click.IntRange(min=1), default=None, metavar="N", help="Only N rows, drawn at random; no metrics."
)
@click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="From which the rows are drawn.")
@click.option("--allow-changed", is_flag=True, help="Run a work directory whose source has changed since.")
@click.pass_obj
def reproduce(app: CliApp, job_address: str, sample: int | None, seed: int, allow_changed: bool) -> None:
    """Run a job again on what it ran on, and compare every row and metric.

    The new job stands beside the old one. Exit code 0: identical, or numbers that differ by rounding alone; 1: different; 3: nobody can
    tell. Behind -- stand options of the handlers that are secrets.
    """
    from starwhale.cli.job_results import rows_to_json
    from starwhale.cli.render.job_progress import ProgressLines
    from starwhale.errors import UsageError
    from starwhale.instances.jobs.reproduce import ReproduceOptions

    if seed and sample is None:
        message = f"--seed {seed} says nothing without --sample"
        raise UsageError(message, hint="add --sample N; the seed of the job itself is always that of the first run")
    wanted = ReproduceOptions(sample=sample or 0, seed=seed, allow_changed=allow_changed, arguments=words_after())
    with ProgressLines(app) as progress:
        done = app.at(job_address).jobs.reproduce(job_address, wanted, progress.options())
    if done.found is None:
        finish(app, done.outcome)
        return
    found = done.found
    (told,) = rows_to_json([found.to_json()])
    app.emit(told, lambda console: render(console, found))
    if found.verdict is None or not found.verdict.is_good:
        click.get_current_context().exit(CANNOT_TELL if found.verdict is None else 1)


def render(console: Console, found: Reproduction) -> None:
    """Show the verdict, what it is made of, and what differs."""
    for line in lines(found):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def lines(found: Reproduction) -> Iterator[str]:
    """Return the report line by line."""
    verdict = str(found.verdict or "nobody can tell: neither job has rows or metrics").upper()
    yield f"{verdict}: job {found.job_id[:12]} repeats job {found.of[:12]}"
    if found.sample:
        yield f"  a sample of {counted(found.sample, 'row')} (seed {found.sample_seed}); metrics are not compared: they say nothing of few rows"
    for tally in found.tallies:
        if tally.total:
            yield f"  {tally.name}: {_counts(tally)}"
            yield from _differing(tally)
    if not found.record:
        yield "  the record differs in nothing"
        return
    yield "  the record differs in:"
    for each in found.record[:SHOWN]:
        yield f"    {each['what']}: {_short(each['before'])} → {_short(each['now'])}"
    if (more := len(found.record) - SHOWN) > 0:
        yield f"    and {more} more; -o json lists them"


def _counts(tally: Tally) -> str:
    text = ", ".join(f"{count} {verdict}" for verdict, count in tally.counts.items() if count)
    if tally.absolute:
        text += f" (largest difference {tally.absolute:.3g}, relative {tally.relative:.3g})"
    return text


def _differing(tally: Tally) -> Iterator[str]:
    for name, each in tally.listed[:SHOWN]:
        yield f"    {name}: {_finding(each)}"
    differing = sum(count for verdict, count in tally.counts.items() if not verdict.is_good)
    if (more := differing - len(tally.listed[:SHOWN])) > 0:
        yield f"    and {more} more" + ("; -o json lists some of them" if len(tally.listed) > SHOWN else "")


def _finding(each: Agreement) -> str:
    if each.before is None and each.now is None:
        return "is missing now" if each.verdict == "missing" else "was not there before"
    column = f"{each.column} " if each.column else ""
    return f"{column}{_short(each.before)} → {_short(each.now)}"


def _short(value: Any) -> str:  # Any: a value of the user's, or of a record
    from starwhale.cli.job_results import show_cell

    text = (
        "nothing"
        if value is None
        else value
        if isinstance(value, str)
        else repr(value)
        if isinstance(value, float)
        else show_cell("", value)
    )
    return text if len(text) <= WIDEST else text[: WIDEST - 1] + "…"
