"""`swcli model`: package models, look at them, run their evaluation, and try them online."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from starwhale.cli.app import CliApp
from starwhale.cli.command import LazyCommand, SwCommand, SwGroup
from starwhale.cli.complete_names import completes
from starwhale.cli.push import check_push, push, push_options
from starwhale.cli.render.render_table import show_bytes
from starwhale.cli.render.stage_line import StageLine
from starwhale.cli.versions import VersionKind, add_version_commands
from starwhale.cli.visible import visible_line
from starwhale.domain.json_shape import Json
from starwhale.domain.version import SHORT_VERSION

if TYPE_CHECKING:
    from rich.console import Console

    from starwhale.domain.job import HandlerRecord
    from starwhale.instances.models import ModelVerbs
    from starwhale.models.listing import Listing
    from starwhale.storage.catalog.records import VersionRecord

_LAZY = {
    "run": LazyCommand("starwhale.cli.model_run:run", "Evaluate a model over datasets."),
    "serve": LazyCommand("starwhale.cli.model_serve:serve", "Try models online: over HTTP and on a page."),
    "export": LazyCommand("starwhale.cli.version_archive:model_export", "Write a version to one file."),
    "import": LazyCommand("starwhale.cli.version_archive:model_import", "Make a version of an archive."),
    "diff": LazyCommand("starwhale.cli.model_diff:diff", "Compare two versions: files, their lines, and handlers."),
    "extract": LazyCommand("starwhale.cli.model_extract:extract", "Write the files of a version into a folder."),
    "copy": LazyCommand("starwhale.cli.version_copy:model_copy", "Copy a version to another name or project."),
}
LEFT_OUT = 5
"""Names of what was left out that `build` shows."""
PROGRESS_S = 0.1
"""Seconds between two lines of progress."""
FILTERS = ("basic", "model_yaml", "handlers", "files", "all")
"""Parts of a version that `info` can show."""


@click.group(cls=SwGroup, name="model", aliases={"ls": "list", "cp": "copy", "rm": "remove"}, lazy=_LAZY)
def model() -> None:
    """Package models, run their evaluation, and try them online."""


def _row(app: CliApp, version: VersionRecord) -> Json:
    from starwhale.models.describe import describe_model

    return describe_model(version, path=app.at(version.uri.full).models.path(version))


_KIND = VersionKind(
    noun="model",
    columns=("name", "version", "tags", "size", "created_at"),
    verbs=lambda instance: instance.models,
    row=_row,
)
add_version_commands(model, _KIND)


@model.command("build", cls=SwCommand)
@click.argument("workdir", type=click.Path(exists=True, file_okay=False), default=".")
@click.option("-m", "--module", "modules", multiple=True, help="Module with handlers; repeat for several.")
@click.option("-n", "--name", default="", help="Name of the model; the directory's by default.")
@click.option("-p", "--project", default="", help="Project of the model; the current one by default.")
@click.option("-d", "--desc", default="", help="Message of the version.")
@click.option("-t", "--tag", "tags", multiple=True, help="Tag of the version; repeat for several.")
@click.option("-e", "--exclude", "excludes", multiple=True, help="Leave files out, as a line in .swignore does.")
@click.option(
    "--add-all", is_flag=True, help="Package caches, environments and .git too; .swignore holds all the same."
)
@click.option("-f", "--model-yaml", type=click.Path(), help="Default: model.yaml in WORKDIR, if there is one.")
@click.option("--verify", is_flag=True, help="Read every file, also those that look as they did at the last build.")
@click.option(
    "-r", "--runtime", default="", shell_complete=completes("runtime"), help="Import the modules in this runtime."
)
@click.option(
    "--package-runtime/--no-package-runtime",
    default=True,
    show_default=True,
    help="With --runtime: let the model carry it, and run in it by default.",
)
@push_options
@click.pass_obj
def build(app: CliApp, /, **given: Any) -> None:  # Any: one value per option
    """Package a directory as a new version of a model.

    Everything in WORKDIR is taken but what --exclude and .swignore (also in folders below) name, and caches, environments and .git.

    \b
    Example: swcli model build . --name digits
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
    check_push(app, given)
    workdir = Path(given["workdir"])
    verbs = app.instance().models
    app.say(f"packaging {workdir.resolve()}")
    progress = _progress(app)
    with StageLine(app) as line:
        version = verbs.build(
            workdir,
            modules=given["modules"],
            name=given["name"],
            project=given["project"],
            desc=given["desc"],
            tags=given["tags"],
            excludes=given["excludes"],
            add_all=given["add_all"],
            model_yaml=Path(given["model_yaml"]) if given["model_yaml"] else None,
            verify=given["verify"],
            runtime=given["runtime"],
            packages_runtime=given["package_runtime"],
            on_file=progress,
            on_stage=line.on_stage,
        )
    if progress is not None:
        click.echo("\r\x1b[K", err=True, nl=False)
    pushed = push(app, "model", version.uri.full, given)
    app.emit({**_built(version), **pushed}, lambda console: _tell_built(console, app, version, verbs.handlers(version)))


@model.command("info", cls=SwCommand)
@click.argument("uri", shell_complete=completes("model"))
@click.option(
    "-of",
    "--output-filter",
    type=click.Choice(FILTERS, case_sensitive=False),
    default="basic",
    show_default=True,
    help="What to show.",
)
@click.pass_obj
def info(app: CliApp, uri: str, output_filter: str) -> None:
    """Show a version: its handlers, with the numbers that `model run --handler` takes, and its files."""
    from starwhale.models.describe import describe_details

    verbs = app.at(uri).models
    version = verbs.info(uri)
    value = _info(app, verbs, version, output_filter)

    def render(console: Console) -> None:
        if output_filter in {"basic", "all"}:
            for name, each in {**_row(app, version), **describe_details(version)}.items():
                console.print(f"{name}: {_spell(name, each)}", markup=False, soft_wrap=True)
        if output_filter in {"basic", "handlers", "all"}:
            render_handlers(console, verbs.handlers(version))
        if output_filter in {"files", "all"}:
            _render_files(console, verbs.files(version))
        if output_filter in {"model_yaml", "all"}:
            console.print(version.manifest["model_yaml"].rstrip(), markup=False, soft_wrap=True)

    app.emit(value, render)


def _info(app: CliApp, verbs: ModelVerbs, version: VersionRecord, wanted: str) -> Json:
    from starwhale.models.describe import describe_details, describe_files, describe_handlers

    parts: dict[str, Callable[[], Any]] = {  # Any: JSON
        "handlers": lambda: describe_handlers(verbs.handlers(version)),
        "files": lambda: describe_files(verbs.files(version)),
        "model_yaml": lambda: version.manifest["model_yaml"],
    }
    if wanted == "model_yaml":
        return {"data": parts[wanted]()}
    if wanted in parts:
        return {wanted: parts[wanted]()}
    described = {**_row(app, version), **describe_details(version)}
    return {**described, **{name: make() for name, make in parts.items()}}


def _spell(name: str, value: Any) -> str:  # Any: JSON
    if name == "packaged_runtime":
        return f"{value['uri']} (Python {value['python']})"
    return ", ".join(value) if name == "tags" else str(value)


def _built(version: VersionRecord) -> Json:
    manifest = version.manifest
    return {
        "uri": version.uri.full,
        "name": version.name,
        "version": version.version,
        "tags": list(version.tags),
        "size": version.size_bytes,
        "files": manifest["file_count"],
        "new_bytes": manifest["new_bytes"],
        "left_out": manifest["left_out"],
        "handlers": sorted(manifest["handlers"]),
    }


def _tell_built(console: Console, app: CliApp, version: VersionRecord, handlers: dict[str, HandlerRecord]) -> None:
    count, fresh = version.manifest["file_count"], version.manifest["new_bytes"]
    files = f"{count} file" if count == 1 else f"{count} files"
    news = f"{show_bytes(fresh)} of it new" if fresh else "all of it stored already"
    lines = [f"{files}, {show_bytes(version.size_bytes)}, {news}", f"uri: {version.uri.full}"]
    if left_out := version.manifest["left_out"]:
        more = version.manifest["left_out_count"] - len(left_out[:LEFT_OUT])
        lines.insert(
            1, f"left out: {', '.join(map(visible_line, left_out[:LEFT_OUT]))}" + (f" and {more} more" if more else "")
        )
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    render_handlers(console, handlers)
    is_near = version.project == app.instance().project
    name = version.name if is_near else f"local/project/{version.project}/model/{version.name}"
    dataset = " -d DATASET" if any(each.require_dataset for each in handlers.values()) else ""
    where = f"{name}/version/{version.version[:SHORT_VERSION]}"
    console.print(f"next: swcli model run {name}{dataset}", markup=False, highlight=False, soft_wrap=True)
    console.print(f"      swcli model info {where}", markup=False, highlight=False, soft_wrap=True)


def render_handlers(console: Console, handlers: dict[str, HandlerRecord]) -> None:
    """Print the handlers with the numbers by which they can be chosen, and what each needs."""
    console.print("handlers:", markup=False, highlight=False)
    for number, (name, record) in enumerate(sorted(handlers.items())):
        tasks = f", {record.replicas} tasks" if record.replicas > 1 else ""
        tasks += f", {record.concurrency} calls at a time" if record.concurrency > 1 else ""
        needs = f"  needs {', '.join(record.needs)}" if record.needs else ""
        offers = ", ".join(str(each["uri"]) for each in (record.service_spec or {}).get("apis", ()))
        line = f"  {number}: {name} ({record.kind}{tasks}){needs}" + (f"  offers {offers}" if offers else "")
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _render_files(console: Console, listing: Listing) -> None:
    console.print("files:", markup=False, highlight=False)
    for each in listing.entries:
        size = show_bytes(each.size) if each.kind == "file" else str(each.kind)
        arrow = f" -> {visible_line(each.target)}" if each.target else ""
        line = f"{size:>12}  {each.desc:5}  {visible_line(each.path)}{arrow}"
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _progress(app: CliApp) -> Callable[[int, int], None] | None:
    if not (sys.stderr.isatty() and app.settings.progress):
        return None
    shown_at = 0.0

    def show(files: int, size: int) -> None:
        nonlocal shown_at
        if time.monotonic() - shown_at >= PROGRESS_S:  # a line for each of 100,000 files would take longer than they do
            shown_at = time.monotonic()
            click.echo(f"\r{files} files, {show_bytes(size)}\x1b[K", err=True, nl=False)

    return show
