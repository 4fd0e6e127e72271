"""`--label`, `--prediction`, `--scores` and `--positive` of commands that compute metrics of files of predictions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from starwhale.cli.command import SwOption

if TYPE_CHECKING:
    from starwhale.results.compare.measured_files import FileColumns

_HELP = {
    "label": "Column of files with what is true.  [default: label, target, expected, …]",
    "prediction": "Column of files with what the model says.  [default: prediction, predicted, output, …]",
    "scores": "Column of files that says how sure the model is.  [default: scores, probability, …]",
    "positive": "The label of files that two-class metrics are about.",
}
PANEL = "Metrics of files (accuracy, f1, auroc, mae, …)"


def file_column_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options."""
    for name, text in reversed(_HELP.items()):
        metavar = "LABEL" if name == "positive" else "COLUMN"
        command = click.option(f"--{name}", default="", metavar=metavar, help=text, cls=SwOption, panel=PANEL)(command)
    return command


def file_columns(label: str, prediction: str, scores: str, positive: str) -> FileColumns:
    """Return what the options say."""
    from starwhale.results.compare.measured_files import FileColumns

    return FileColumns(label=label, prediction=prediction, scores=scores, positive=positive)
