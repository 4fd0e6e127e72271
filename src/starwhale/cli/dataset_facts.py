"""`swcli dataset info` and `summary`: what the catalog knows of a version, and what is in its columns."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import click

from starwhale.cli.app import CliApp, make_console
from starwhale.cli.command import SwCommand
from starwhale.cli.complete_names import completes
from starwhale.cli.render.render_table import show_bytes
from starwhale.cli.versions import print_pairs
from starwhale.domain.json_shape import Json

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from starwhale.datasets.statistics.facts import DatasetStatistics
    from starwhale.domain.uri import Uri

QUIET_S = 0.5
"""Seconds that reading may take before progress is shown."""
_BYTES = ("blobs_byte_size", "increased_blobs_byte_size")


@click.command("info", cls=SwCommand)
@click.argument("uri", shell_complete=completes("dataset"))
@click.pass_obj
def info(app: CliApp, uri: str) -> None:
    """Show a version, and what is in each of its columns.

    The first call reads the version once; the statistics are kept beside it.
    """
    verbs = app.at(uri).datasets
    version = verbs.info(uri)
    facts = describe(app, version)
    found, state = _try_statistics(app, version.uri)

    def render(console: Console) -> None:
        print_pairs(console, facts)
        _render_table(console, found, state)

    app.emit({**facts, **state}, render)


@click.command("summary", cls=SwCommand)
@click.argument("uri", shell_complete=completes("dataset"))
@click.option("-c", "--column", metavar="NAME", help="Show everything that is known of one column.")
@click.pass_obj
def summary(app: CliApp, uri: str, column: str | None) -> None:
    """Show the counts of a version, and what is in each of its columns.

    The first call reads the version once; the statistics are kept beside it. With --column: the whole histogram, frequent values with
    their shares, and the balance of classes of one column, or of one field with a dot before its name.
    """
    from starwhale.datasets.commit import SUMMARY_KEYS

    version = app.at(uri).datasets.info(uri)
    found_counts = version.manifest["dataset_summary"]
    counts = {name: found_counts[name] for name in SUMMARY_KEYS}  # from an object store they come by name
    if column is not None:
        _show_column(app, version.uri, counts, column)
        return
    found, state = _try_statistics(app, version.uri)

    def render(console: Console) -> None:
        shown = {name: f"{each} ({show_bytes(each)})" if name in _BYTES else each for name, each in counts.items()}
        print_pairs(console, shown)
        _render_table(console, found, state)

    app.emit({**counts, **state}, render)


def describe(app: CliApp, version: Any) -> Json:  # Any: a VersionRecord, whose module is heavy
    """Return what the catalog knows of a version."""
    from starwhale.datasets.describe import describe_version

    return describe_version(version, path=app.at(version.uri.full).datasets.folder(version))


class ReadingProgress:
    """Draws how much of a version has been read, on a terminal's stderr, when that takes a while."""

    def __init__(self, app: CliApp) -> None:
        self._is_shown = sys.stderr.isatty() and app.settings.progress
        self._began = time.monotonic()
        self._progress: Progress | None = None
        self._line: TaskID | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del kind, error, trace
        if self._progress is not None:
            self._progress.stop()

    def __call__(self, done: int, whole: int) -> None:
        """Show that so many of all cells are read."""
        if not self._is_shown or time.monotonic() - self._began < QUIET_S:
            return
        if self._progress is None:
            from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

            columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
            self._progress = Progress(*columns, console=make_console(is_terminal=True, stderr=True), transient=True)
            self._progress.start()
            self._line = self._progress.add_task("reading columns", total=whole)
        if self._line is not None:
            self._progress.update(self._line, completed=done, total=whole)


def _statistics(app: CliApp, uri: Uri, columns: Sequence[str] | None = None) -> DatasetStatistics:
    with ReadingProgress(app) as progress:
        return app.at(uri).datasets.statistics(uri, columns, on_progress=progress)


def _try_statistics(app: CliApp, uri: Uri) -> tuple[DatasetStatistics | None, Json]:
    """Return the statistics and their JSON; where rows are damaged or out of reach, what the catalog knows is shown all the same."""
    from starwhale.errors import StarwhaleError

    try:
        found = _statistics(app, uri)
    except StarwhaleError as error:
        return None, {"statistics": None, "statistics_error": error.message}
    return found, {"statistics": found.to_json()}


def _render_table(console: Console, found: DatasetStatistics | None, state: Json) -> None:
    from starwhale.cli.render.render_statistics import render_statistics

    if found is None:
        console.print(f"statistics: none, {state['statistics_error']}", markup=False, highlight=False, soft_wrap=True)
    elif found.columns:
        console.print()
        render_statistics(console, found)


def _show_column(app: CliApp, uri: Uri, counts: Json, name: str) -> None:
    from starwhale.cli.render.render_statistics import find_column, render_column

    found = _statistics(app, uri, None)
    column = find_column(found, name)
    state = {**counts, "statistics": {"rows": found.rows, "columns": [column.to_json()]}}
    app.emit(state, lambda console: render_column(console, column))
