"""`swcli init`: an evaluation that runs, and ten rows for it."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import click

from starwhale.cli.app import CliApp
from starwhale.cli.command import SwCommand
from starwhale.errors import AlreadyExistsError, UsageError

EVALUATION = "evaluation.py"
ROWS = "reviews.csv"
DATASET = "reviews"
TEMPLATES = {
    EVALUATION: '''"""An evaluation: what the model says of each row, and how good that is."""

from starwhale import evaluation, multi_classification

GOOD = {"great", "love", "lovely", "best"}


@evaluation.predict
def predict(row):
    """Gets one row of the dataset and returns what the model says: put yours here."""
    words = row["text"].lower().replace(",", " ").replace(".", " ").split()
    return "good" if GOOD & set(words) else "bad"


@evaluation.evaluate(needs=[predict])
@multi_classification(all_labels=["bad", "good"], show_roc_auc=False)
def score(results):
    """Gets every row with its prediction, and returns what is right and what was predicted."""
    truth, predicted = [], []
    for row in results:
        truth.append(row["input"]["label"])
        predicted.append(row["output"])
    return truth, predicted
''',
    ROWS: """text,label
"Great fit, and the colour is lovely.",good
"Broke after two days.",bad
"I love it, would buy again.",good
"Not great, not terrible.",bad
"The best purchase this year.",good
"Terrible smell, had to return it.",bad
"Lovely packaging, and it arrived early.",good
"It works.",good
"Love the idea, but it broke.",bad
"Bad zip, bad seams, bad mood.",bad
""",
}
"""What is written, by file name."""


@click.command("init", cls=SwCommand)
@click.argument("folder", default=".", metavar="[DIR]")
@click.pass_obj
def init(app: CliApp, folder: str) -> None:
    """Write evaluation.py and reviews.csv into a folder, and say how to run them.

    Nothing that is there is overwritten.
    """
    target = Path(folder).expanduser()
    written = write_templates(target)
    commands = next_commands(target)
    lines = [*(f"wrote {path}" for path in written), "next:", *(f"  {command}" for command in commands)]
    app.tell({"files": [str(path) for path in written], "next": commands}, "\n".join(lines))


def write_templates(folder: Path) -> list[Path]:
    """Write all files or none, and return where they are.

    Raises:
        AlreadyExistsError: One of them is there.
        UsageError: The folder cannot be made or written.
    """
    paths = [folder / name for name in TEMPLATES]
    for path in paths:
        if os.path.lexists(path):
            message = f"{path} is there already, and is left as it is"
            raise AlreadyExistsError(message, hint="choose another folder: swcli init DIR")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in paths:
            with path.open("x", encoding="utf-8") as file:
                file.write(TEMPLATES[path.name])
    except OSError as error:
        message = f"cannot write into {folder}: {error.strerror}"
        raise UsageError(message, hint="choose a folder that you can write: swcli init DIR") from error
    return paths


def next_commands(folder: Path) -> list[str]:
    """Return the commands that run what was written, as they are typed in the current folder."""
    build = ["swcli", "dataset", "build", "--csv", str(folder / ROWS), "--name", DATASET]
    run = ["swcli", "model", "run", *_target(folder), "-d", DATASET]
    return [
        shlex.join(build),
        shlex.join(run),
        "swcli job results latest --where 'output != input/label'",
    ]


def _target(folder: Path) -> list[str]:
    """Name the evaluation as shortly as it can be: not at all, by its folder, or, beside others, by its file."""
    from starwhale.handlers.find_modules import find_evaluation_modules

    try:
        find_evaluation_modules(folder)
    except UsageError:
        return [str(folder / EVALUATION)]
    if (folder / "model.yaml").exists():
        return [str(folder / EVALUATION)]
    return [] if folder.resolve() == Path.cwd() else [str(folder)]
