"""`swcli dataset`: build and read versioned datasets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from starwhale.cli.app import CliApp
from starwhale.cli.command import LazyCommand, SwCommand, SwGroup
from starwhale.cli.complete_names import completes
from starwhale.cli.versions import VersionKind, add_version_commands

if TYPE_CHECKING:
    from rich.console import Console

_LAZY = {
    "build": LazyCommand(
        "starwhale.cli.dataset_build:build", "Build a version from files, other tools' data, or a handler."
    ),
    "copy": LazyCommand("starwhale.cli.version_copy:dataset_copy", "Copy a version to another name or project."),
    "verify": LazyCommand("starwhale.cli.dataset_verify:verify", "Read a whole version and name what is damaged."),
    "export": LazyCommand("starwhale.cli.version_archive:dataset_export", "Write a version to one file."),
    "import": LazyCommand("starwhale.cli.version_archive:dataset_import", "Make a version of an archive."),
    "info": LazyCommand("starwhale.cli.dataset_facts:info", "Show a version, and what is in each of its columns."),
    "summary": LazyCommand(
        "starwhale.cli.dataset_facts:summary", "Show the counts of a version, and what is in each of its columns."
    ),
    "diff": LazyCommand("starwhale.cli.dataset_diff:diff", "Compare two versions: rows, columns and cells."),
}


@click.group(cls=SwGroup, name="dataset", aliases={"ls": "list", "cp": "copy", "rm": "remove"}, lazy=_LAZY)
def dataset() -> None:
    """Build and read versioned datasets."""


def _row(app: CliApp, version: Any) -> dict[str, Any]:  # Any: a VersionRecord, whose module is heavy
    from starwhale.cli.dataset_facts import describe

    return {name: value for name, value in describe(app, version).items() if name not in {"uri", "manifest"}}


_KIND = VersionKind(
    noun="dataset",
    columns=("name", "version", "tags", "rows", "size", "created_at"),
    verbs=lambda instance: instance.datasets,
    row=_row,
)
add_version_commands(dataset, _KIND)


@dataset.command("head", cls=SwCommand)
@click.argument("uri", shell_complete=completes("dataset"))
@click.option("-n", "--rows", type=click.IntRange(min=0), default=5, show_default=True, help="Number of rows.")
@click.option("-st", "--show-types", is_flag=True, help="Show the type of each value.")
@click.pass_obj
def head(app: CliApp, uri: str, rows: int, show_types: bool) -> None:
    """Show the first rows."""
    from starwhale.datasets.dataset import Dataset

    with app.at(uri).datasets.open(uri, Dataset, create="forbid", readonly=True) as opened:
        found = opened.head(rows)
    value = [{"index": row.index, "features": dict(row.features)} for row in found]

    def render(console: Console) -> None:
        for row in found:
            console.print(f"row {row.index!r}", markup=False)
            for name, cell in row.features.items():
                kind = f" ({type(cell).__name__})" if show_types else ""
                console.print(f"  {name}{kind}: {cell!r}", markup=False)

    app.emit(value, render)
