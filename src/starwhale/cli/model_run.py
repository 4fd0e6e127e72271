"""`swcli model run`: evaluate a model over datasets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from starwhale.cli.app import CliApp
from starwhale.cli.command import SwCommand
from starwhale.cli.outcome import finish, suggest_debugging
from starwhale.domain.job import RunRequest
from starwhale.errors import NotBuiltYetError, UsageError
from starwhale.models.model_yaml import read_model_yaml

_LATER = {
    "validation_dataset": "fine-tuning",
    "runtime": "running inside a locked runtime",
    "in_container": "running in a container",
    "image": "running in a container",
}


@click.command("run", cls=SwCommand, context_settings={"ignore_unknown_options": True})
@click.option("-w", "--workdir", type=click.Path(exists=True, file_okay=False), help="Directory of the model's source.")
@click.option("-u", "--uri", help="Packaged model: name, version or URI.")
@click.option(
    "-h",
    "--handler",
    default="0",
    show_default=True,
    help="Handler to run: its full name, or its position in the list.",
)
@click.option("-m", "--module", "modules", multiple=True, help="Module to import for handlers; repeat for several.")
@click.option(
    "-f", "--model-yaml", type=click.Path(), help="Default: model.yaml in the work directory, if there is one."
)
@click.option("-d", "--dataset", "datasets", multiple=True, help="Dataset to evaluate on; repeat for several.")
@click.option(
    "-dh",
    "--dataset-head",
    type=click.IntRange(min=0),
    default=0,
    help="Only the first N rows of each dataset; 0 means all.",
)
@click.option("--limit", type=click.IntRange(min=0), default=0, help="At most N rows in the whole job; 0 means all.")
@click.option("--executor", default="thread", show_default=True, help="Where tasks run: thread or process.")
@click.option(
    "--replicas", type=click.IntRange(min=1), help="Tasks that share the rows, instead of what the handlers say."
)
@click.option("--debug", "is_debug", is_flag=True, help="One row at a time at your terminal: breakpoint() works.")
@click.option(
    "--row", default="", metavar="KEY", help="With --debug: try this row alone; NAME:KEY with several datasets."
)
@click.option("--seed", type=int, default=0, show_default=True, help="From which each row's seed is derived.")
@click.option("--name", "job_name", default="", help="Name by which the job can be addressed.")
@click.option("-p", "--run-project", "--project", default="", help="Project that keeps the job.")
@click.option("-lp", "--log-project", default="", help="Project that keeps the results; must be the same.")
@click.option(
    "-sa", "--show-argument", is_flag=True, help="Show the options that the handlers take after --, and stop."
)
@click.option("--version", "job_id", default="", hidden=True, help="Job id to use.")
@click.option("--step", default="", hidden=True, help="Run one step without its needs.")
@click.option("--task-index", type=int, default=-1, hidden=True, help="Run one task of the step.")
@click.option("--override-task-num", "task_count", type=int, default=0, hidden=True, help="Tasks of the step.")
@click.option(
    "-fs", "--forbid-snapshot", is_flag=True, hidden=True, help="Without effect: a packaged version never changes."
)
@click.option(
    "--cleanup-snapshot/--no-cleanup-snapshot",
    default=True,
    hidden=True,
    help="Whether the copy of a packaged model goes when its job has succeeded.",
)
@click.option(
    "--resource-pool", type=click.Choice(["default"]), default="default", hidden=True, help="Servers have others."
)
@click.option("-fpr", "--forbid-packaged-runtime", is_flag=True, hidden=True, help="A work directory has none.")
@click.option("-vd", "--validation-dataset", "--val-dataset", multiple=True, hidden=True)
@click.option("-r", "--runtime", hidden=True)
@click.option("--in-container", is_flag=True, hidden=True)
@click.option("-i", "--image", hidden=True)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def run(app: CliApp, /, **given: Any) -> None:  # Any: click's values, typed by the options above
    """Evaluate a model over datasets; options after -- go to the handlers.

    \b
    Example: swcli model run --workdir . --module evaluation --dataset digits
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
    for name, purpose in _LATER.items():
        if given[name]:
            message = f"{purpose} (--{name.replace('_', '-')}) is not built yet"
            raise NotBuiltYetError(message, hint="evaluate a work directory: swcli model run --workdir DIR")
    request = make_request(app, given)
    if given["show_argument"]:
        show_arguments(app, request)
        return
    from starwhale.cli.job_progress import ProgressLines

    with suggest_debugging(app, request), ProgressLines(app, is_debug=request.is_debug) as progress:
        outcome = app.instance().jobs.run(request, progress.options())
    finish(app, outcome)


def make_request(app: CliApp, given: dict[str, Any]) -> RunRequest:
    """Turn the options into a request; checks what can be checked without opening anything.

    Raises:
        UsageError: Options are missing or contradict each other.
    """
    workdir, modules, name = _model(given)
    project = given["run_project"]
    if given["log_project"] and given["log_project"] != (project or given["log_project"]):
        message = f"--run-project {project!r} and --log-project {given['log_project']!r} differ"
        raise UsageError(message, hint="a job and its results live in one project: give --run-project alone")
    return RunRequest(
        workdir=workdir,
        modules=modules,
        model_uri=given["uri"] or "",
        keeps_snapshot=not given["cleanup_snapshot"],
        handler=given["handler"],
        datasets=tuple(given["datasets"]) or app.settings.datasets,
        arguments=tuple(given["arguments"]),
        executor=given["executor"],
        replicas=given["replicas"],
        dataset_head=given["dataset_head"],
        limit=given["limit"],
        seed=given["seed"],
        is_debug=given["is_debug"],
        row=given["row"],
        project=project or given["log_project"],
        name=given["job_name"],
        model_name=name,
        job_id=given["job_id"],
        step=given["step"],
        task_index=given["task_index"],
        task_count=given["task_count"],
    )


def _model(given: dict[str, Any]) -> tuple[str, tuple[str, ...], str]:
    """Return work directory, modules and name of what is to be run; a packaged model says them itself later."""
    if bool(given["workdir"]) == bool(given["uri"]):
        message = "--workdir and --uri are two ways to name a model" if given["uri"] else "nothing to run"
        raise UsageError(message, hint="name a directory with --workdir DIR, or a packaged model with --uri NAME")
    if given["uri"]:
        if given["modules"]:
            message = "--module is for work directories: a packaged model has its modules"
            raise UsageError(message, hint="leave --module out")
        return "", (), ""
    workdir = Path(given["workdir"]).resolve()
    yaml = read_model_yaml(workdir, given["model_yaml"])
    modules = tuple(given["modules"]) or yaml.modules
    if not modules:
        message = f"no modules to look for handlers in {workdir}"
        raise UsageError(message, hint="name them with --module, or under run.modules of a model.yaml")
    return str(workdir), modules, yaml.name or workdir.name


def show_arguments(app: CliApp, request: RunRequest) -> None:
    """Print the options that the handlers declare."""
    from starwhale.handlers.argument import describe_arguments

    handlers = app.instance().jobs.discover(request)
    schemas = {name: record.arguments for name, record in handlers.items() if record.arguments}
    app.emit(schemas, lambda console: console.print(describe_arguments(handlers), markup=False))
