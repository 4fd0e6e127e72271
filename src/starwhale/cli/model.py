"""`swcli model`: run the evaluation of a model."""

from __future__ import annotations

import click

from starwhale.cli.command import LazyCommand, SwGroup, add_not_built

_NOT_BUILT = {
    "build": "Package a model",
    "copy": "Copy a model to another instance",
    "diff": "Compare two versions of a model",
    "extract": "Write the files of a packaged model",
    "history": "List the versions of a model",
    "info": "Show a packaged model",
    "list": "List packaged models",
    "recover": "Bring a removed model back",
    "remove": "Remove a model",
    "serve": "Evaluate online",
    "tag": "Tag a version of a model",
}
_LAZY = {"run": LazyCommand("starwhale.cli.model_run:run", "Evaluate a model over datasets.")}


@click.group(cls=SwGroup, name="model", aliases={"ls": "list", "cp": "copy", "rm": "remove"}, lazy=_LAZY)
def model() -> None:
    """Run the evaluation of a model."""


add_not_built(model, _NOT_BUILT)
