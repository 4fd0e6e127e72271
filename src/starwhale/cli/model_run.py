"""`swcli model run`: evaluate a model over datasets."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import click

from starwhale.cli.app import CliApp
from starwhale.cli.command import SwOption
from starwhale.cli.complete_names import completes
from starwhale.cli.duration import TIME_LIMIT
from starwhale.cli.outcome import finish, suggest_debugging
from starwhale.cli.replicas import ReplicasType, split_replicas
from starwhale.cli.run_words import (
    RunCommand,
    knowing_own_options,
    split_words,
    suspecting_typing_errors,
    words_after,
)
from starwhale.cli.server_jobs import server_of, submit
from starwhale.domain.job import CONTAINER, THREAD, RunRequest
from starwhale.errors import NotBuiltYetError, UsageError
from starwhale.instances.jobs.target import Target, find_target

_LATER = {"validation_dataset": "fine-tuning"}


_model_option = functools.partial(click.option, cls=SwOption, panel="Model")
_rows_option = functools.partial(click.option, cls=SwOption, panel="Rows and place")


@click.command("run", cls=RunCommand)
@click.option(
    "-d",
    "--dataset",
    "datasets",
    multiple=True,
    metavar="URI",
    shell_complete=completes("dataset"),
    help="Dataset to evaluate on; repeat for several.",
)
@click.option(
    "-h",
    "--handler",
    default="",
    metavar="NAME",
    help="Handler to run: name, function or position; default: the one that no other needs.",
)
@click.option("--name", "job_name", default="", metavar="NAME", help="Name by which the job can be addressed.")
@click.option(
    "--executor",
    default=None,
    show_default="thread",
    metavar="NAME",
    help="Where tasks run: thread, process, container, ray or kubernetes.",
)
@click.option(
    "--replicas",
    type=ReplicasType(),
    metavar="N|auto",
    help="Tasks that share the rows, instead of what the handlers say; auto: as many as fit this machine.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(min=1),
    metavar="N",
    help="Calls of an async predict that each task has in flight, instead of what the handler says.",
)
@click.option(
    "--limit", type=click.IntRange(min=0), default=0, metavar="N", help="At most N rows in the whole job; 0 means all."
)
@click.option(
    "--max-errors",
    default="",
    metavar="N|P%",
    help="Record rows that fail, and fail the job after more than so many of a step.",
)
@TIME_LIMIT
@click.option("--debug", "is_debug", is_flag=True, help="One row at a time at your terminal: breakpoint() works.")
@click.option(
    "--row", default="", metavar="KEY", help="With --debug: try this row alone; NAME:KEY with several datasets."
)
@click.option("-sa", "--show-argument", is_flag=True, help="Show the options that the handlers take, and stop.")
@_model_option(
    "-w",
    "--workdir",
    type=click.Path(exists=True, file_okay=False),
    metavar="DIR",
    help="The same as a folder as TARGET.",
)
@_model_option("-u", "--uri", metavar="URI", help="The same as a packaged model as TARGET.")
@_model_option(
    "-m",
    "--module",
    "modules",
    multiple=True,
    metavar="NAME",
    help="Module to import for handlers; repeat for several.",
)
@_model_option(
    "-f", "--model-yaml", type=click.Path(), metavar="FILE", help="Default: model.yaml in the folder, if there is one."
)
@_rows_option(
    "-dh",
    "--dataset-head",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Only the first N rows of each dataset; 0 means all.",
)
@_rows_option(
    "--seed", type=int, default=0, metavar="N", show_default=True, help="From which each row's seed is derived."
)
@_rows_option("-p", "--run-project", "--project", default="", metavar="URI", help="Project that keeps the job.")
@_rows_option(
    "-lp", "--log-project", default="", metavar="URI", help="Project that keeps the results; must be the same."
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
@_rows_option(
    "-fpr", "--forbid-packaged-runtime", is_flag=True, help="Leave the runtime alone that a packaged model carries."
)
@click.option("-vd", "--validation-dataset", "--val-dataset", multiple=True, hidden=True)
@_rows_option(
    "-r",
    "--runtime",
    default="",
    metavar="URI",
    shell_complete=completes("runtime"),
    help="Run your code in the environment of this runtime.",
)
@_rows_option(
    "--address",
    default="",
    metavar="HOST:PORT",
    help="With --executor ray: the cluster. Default: RAY_ADDRESS, one that you run here, or one that is started for the job.",
)
@_rows_option("--in-container", is_flag=True, help="The same as --executor container.")
@_rows_option(
    "-i",
    "--image",
    default="",
    metavar="IMAGE",
    help="Image of the containers; default: the one that the runtime names.",
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED, shell_complete=completes("target"))
@click.pass_obj
def run(app: CliApp, /, **given: Any) -> None:  # Any: click's values, typed by the options above
    """Evaluate a model over datasets.

    TARGET is a .py file, a folder or a packaged model; the current folder where it is left out. A folder with one evaluation file
    needs no YAML. Options of the handlers stand at the end, or after -- where they are spelled like one of these.

    \b
    Example: swcli model run -d digits
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
    for name, purpose in _LATER.items():
        if given[name]:
            message = f"{purpose} (--{name.replace('_', '-')}) is not built yet"
            raise NotBuiltYetError(message, hint="evaluate in this environment: swcli model run TARGET")
    given["target"], given["loose_options"] = split_words(given["words"])
    given["arguments"] = words_after()
    with suspecting_typing_errors(given["loose_options"]):
        request = make_request(app, given)
    with knowing_own_options():
        there = server_of(app, request.project)
        if there is not None and not given["show_argument"]:
            if given["address"]:
                message = (
                    "--address is of a cluster that this machine is a node of, and the job is submitted to a server"
                )
                raise UsageError(message, hint="leave --address out: the server has its own, from SW_RAY_ADDRESS")
            submit(app, there, request, CONTAINER if given["in_container"] else given["executor"] or "")
            return
        _run(app, request, given["address"], shows_arguments=given["show_argument"])


def _run(app: CliApp, request: RunRequest, address: str, *, shows_arguments: bool) -> None:
    if shows_arguments:
        show_arguments(app, request)
        return
    from starwhale.cli.render.job_progress import ProgressLines

    with suggest_debugging(app, request), ProgressLines(app, is_debug=request.is_debug) as progress:
        options = dataclasses.replace(progress.options(), address=address)
        outcome = app.instance().jobs.run(request, options)
    finish(app, outcome)


def make_request(app: CliApp, given: dict[str, Any]) -> RunRequest:
    """Turn the options into a request; checks what can be checked without opening anything.

    Raises:
        UsageError: Options are missing or contradict each other.
    """
    target = _target(given)
    project = given["run_project"]
    if given["log_project"] and given["log_project"] != (project or given["log_project"]):
        message = f"--run-project {project!r} and --log-project {given['log_project']!r} differ"
        raise UsageError(message, hint="a job and its results live in one project: give --run-project alone")
    replicas, fits_replicas = split_replicas(given["replicas"])
    return RunRequest(
        **target.fields(),
        runtime_uri=given["runtime"],
        forbids_packaged_runtime=given["forbid_packaged_runtime"],
        keeps_snapshot=not given["cleanup_snapshot"],
        handler=given["handler"],
        datasets=tuple(given["datasets"]) or app.settings.datasets,
        loose_options=given["loose_options"],
        arguments=given["arguments"],
        executor=_executor(given),
        image=given["image"],
        replicas=replicas,
        fits_replicas=fits_replicas,
        concurrency=given["concurrency"],
        dataset_head=given["dataset_head"],
        limit=given["limit"],
        max_errors=given["max_errors"],
        time_limit_s=given["time_limit"] or 0,
        seed=given["seed"],
        is_debug=given["is_debug"],
        row=given["row"],
        project=project or given["log_project"],
        name=given["job_name"],
        job_id=given["job_id"],
        step=given["step"],
        task_index=given["task_index"],
        task_count=given["task_count"],
    )


def _executor(given: dict[str, Any]) -> str:
    """Return where tasks run."""
    said: str | None = given["executor"]
    if given["in_container"]:
        if said not in {None, CONTAINER}:
            message = f"--in-container and --executor {said} are two places"
            raise UsageError(message, hint="leave one of them out")
        return CONTAINER
    return said or THREAD


def _target(given: dict[str, Any]) -> Target:
    """Return what is to be run: TARGET, or what one of the old options says; the current folder where neither is there."""
    named = {"TARGET": given["target"], "--workdir": given["workdir"], "--uri": given["uri"]}
    ways = [f"{way} {word}" if way.startswith("-") else str(word) for way, word in named.items() if word]
    if len(ways) > 1:
        message = f"{' and '.join(ways)} are two ways to name what to run"
        raise UsageError(message, hint="--workdir and --uri are other ways to give TARGET: leave one out")
    if given["uri"]:
        if given["modules"] or given["model_yaml"]:
            option = "--module" if given["modules"] else "--model-yaml"
            message = f"{option} is for folders: a packaged model has its modules"
            raise UsageError(message, hint=f"leave {option} out")
        return Target(model_uri=given["uri"])
    word = given["target"] or given["workdir"] or "."
    return find_target(word, modules=given["modules"], model_yaml=given["model_yaml"], handler=given["handler"])


def show_arguments(app: CliApp, request: RunRequest) -> None:
    """Print the options that the handlers declare."""
    from starwhale.handlers.argument import describe_arguments

    handlers = app.instance().jobs.discover(request)
    schemas = {name: record.arguments for name, record in handlers.items() if record.arguments}
    app.emit(schemas, lambda console: console.print(describe_arguments(handlers), markup=False))
