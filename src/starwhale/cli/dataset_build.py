"""`swcli dataset build`: a new version from other people's data, or from a Python handler."""

from __future__ import annotations

import functools
import sys
import warnings
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import Any

import click
from click.core import ParameterSource

from starwhale.cli.app import CliApp
from starwhale.cli.command import SwCommand, SwOption
from starwhale.cli.complete_names import completes
from starwhale.cli.dataset_source import FROM_JOB, BuildSource, find_source, pick_name, read_yaml, refuse_bare
from starwhale.cli.push import check_push, push, push_options
from starwhale.domain.uri import as_instance, parse_project_uri
from starwhale.domain.version import SHORT_VERSION

_source_option = functools.partial(click.option, cls=SwOption, panel="Source (one of them)")
_ABOUT = "About the source"
_about_option = functools.partial(click.option, cls=SwOption, panel=_ABOUT)


@click.command("build", cls=SwCommand, context_settings={"allow_extra_args": True})
@_source_option("-c", "--csv", "csv_files", multiple=True, help="CSV file, directory or address.")
@_source_option("-jf", "--json", "json_files", multiple=True, help="JSON or JSON Lines file, directory or address.")
@_source_option("--parquet", multiple=True, help="Parquet file, directory or address.")
@_source_option("--arrow", multiple=True, help="Arrow IPC or Feather file, directory or address.")
@_source_option("--lance", multiple=True, help="Lance data set.")
@_source_option("-if", "--image", "--image-folder", "image", help="Folder of images.")
@_source_option("-af", "--audio", "--audio-folder", "audio", help="Folder of sounds.")
@_source_option("-vf", "--video", "--video-folder", "video", help="Folder of videos.")
@_source_option("--coco", help="Annotations of COCO: a JSON file of instances.")
@_source_option("--webdataset", multiple=True, help="Tar shard of WebDataset; {000..009} stands for ten.")
@_source_option("-hf", "--huggingface", help="Hugging Face repository, or a folder of its package `datasets`.")
@_source_option("-h", "--handler", "--python-handler", "handler", help="module:object that yields rows.")
@_source_option(
    "-f", "--yaml", "--dataset-yaml", "dataset_yaml", help="File that names a handler; dataset.yaml by default."
)
@_source_option(
    "--from", "sources", nargs=2, multiple=True, metavar="KIND PLACE", help="Importer by name, as packages add them."
)
@_source_option(
    "--from-job",
    default="",
    metavar="JOB",
    shell_complete=completes("job"),
    help="What a job recorded, such as requests of model serve --record; what people said is right becomes the label.",
)
@click.option("-n", "--name", default="", help="Name of the dataset.")
@click.option("-p", "--project", default="", help="Project of the dataset.")
@click.option("-pt/-ow", "--patch/--overwrite", "patch", default=True, help="Add to the rows, or replace them.")
@click.option("-d", "--desc", default="", help="Message of the version.")
@click.option("-t", "--tag", "tags", multiple=True, help="Tag of the version.")
@click.option("-as", "--alignment-size", hidden=True, help="Accepted for old scripts; this format has no such setting.")
@click.option("-vs", "--volume-size", hidden=True, help="Accepted for old scripts; this format has no such setting.")
@click.option(
    "-r", "--runtime", default="", shell_complete=completes("runtime"), help="Run the handler in this runtime."
)
@push_options
@_about_option("-w", "--workdir", default=".", help="Directory of the handler's module.")
@_about_option("--auto-label/--no-auto-label", default=True, help="Label files by their directory.")
@_about_option("--coco-images", default="", help="Folder of COCO's images; by default where COCO itself has it.")
@_about_option("--shard-keys", is_flag=True, help="Put the shard's name before each key of WebDataset.")
@_about_option("--column", "columns", multiple=True, help="Read only this column of Parquet, Arrow or Lance.")
@_about_option("--field-selector", default="", help="Where the rows lie in JSON: a.b.c.")
@_about_option("--encoding", help="Encoding of text files; UTF-8 by default.")
@_about_option("--dialect", default="excel", type=click.Choice(["excel", "excel-tab", "unix"]), help="Of CSV.")
@_about_option("--delimiter", default=",", help="Of CSV.")
@_about_option("--quotechar", default='"', help="Of CSV.")
@_about_option("--skipinitialspace", is_flag=True, help="Drop spaces after a delimiter of CSV.")
@_about_option("--strict", is_flag=True, help="Refuse misplaced quotes in CSV.")
@_about_option("--subset", multiple=True, help="Of Hugging Face; all by default.")
@_about_option("--split", help="Of Hugging Face; all by default.")
@_about_option("--revision", default="main", show_default=True, help="Of a Hugging Face repository.")
@_about_option("--add-hf-info/--no-add-hf-info", default=True, help="Add the columns _hf_subset and _hf_split.")
@_about_option("--cache/--no-cache", default=True, help="Use what was fetched of Hugging Face before.")
@_about_option("--option", "source_options", multiple=True, metavar="NAME=VALUE", help="Of the importer of --from.")
@click.pass_context
def build(ctx: click.Context, **options: Any) -> None:  # Any: one value per option
    """Build a version from files, data sets of other tools, or a Python handler.

    All rows become one version, or none. Media are kept as they are; nothing of a source is executed, except your own handler.
    """
    from starwhale.datasets.build import build_version, refuse_none
    from starwhale.datasets.dataset import Dataset

    app: CliApp = ctx.obj
    refuse_bare(ctx.args)
    check_push(app, options)
    typed = frozenset(name for name in options if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE)
    options = read_yaml(options)
    source = find_source(options, _about_sources(ctx.command), typed)
    name = pick_name(options, source)
    app.say(f"building a version of dataset {name} from {source.shown}")
    rows, facts = _rows(app, source, options["project"])
    uri = _uri(app, name, options["project"])
    made = app.at(uri).datasets.open(uri, Dataset)
    made.build_facts = facts
    app.say(f"uri: {made.uri}")
    progress = _progress(app)
    try:
        with made, _told_warnings():
            count = build_version(
                made,
                refuse_none(rows, source.shown),
                mode="patch" if options["patch"] else "overwrite",
                tags=options["tags"],
                message=options["desc"],
                progress=progress,
            )
    finally:
        if progress is not None:
            click.echo("\r\x1b[K", err=True, nl=False)
    app.say(f"update {count} record{'' if count == 1 else 's'}")
    short = made.committed_version[:SHORT_VERSION]
    value = {"uri": str(made.uri), "name": made.name, "version": made.committed_version, "updated_rows": count}
    version = f"{made.uri}".partition("/version/")[0] + f"/version/{made.committed_version}"
    value |= push(app, "dataset", version, options)
    app.tell(value, f"done; see: swcli dataset info {made.name}/version/{short}")


def _about_sources(command: click.Command) -> frozenset[str]:
    """Return the names of the options that say something about a source; `--option` goes to the importers of packages as it is."""
    panels = {str(each.name): each.panel for each in command.params if isinstance(each, SwOption)}
    return frozenset(name for name, panel in panels.items() if panel == _ABOUT) - {"source_options"}


def _rows(app: CliApp, source: BuildSource, project: str) -> tuple[Iterable[Any], Mapping[str, Any]]:  # Any: rows, JSON
    """Return the rows, and what the version says of how it was built; the environment of a runtime is made here."""
    if source.kind == FROM_JOB:
        jobs = app.at(source.places[0]).jobs
        found = jobs.get(source.places[0])
        return jobs.labelled_rows(found.id), {"job": found.id}
    if source.kind != "handler":
        return source.rows(), {}
    from starwhale.cli.render.stage_line import StageLine
    from starwhale.instances.dataset_handler import HandlerWanted

    wanted = HandlerWanted(
        handler=source.places[0],
        workdir=str(source.options["workdir"]),
        runtime=source.options["runtime"],
        project=project,
    )
    with StageLine(app) as line:
        found = app.instance().datasets.handler_rows(wanted, say=line.say, on_stage=line.on_stage)
    return found.rows, found.build


@contextmanager
def _told_warnings() -> Generator[None]:
    """Tell on stderr what a build warns of keys and files; other warnings are left alone."""
    from starwhale.datasets.build import RepeatedKeysWarning
    from starwhale.datasets.importers.folder import LeftOutWarning

    told = (RepeatedKeysWarning, LeftOutWarning)
    with warnings.catch_warnings(record=True) as caught:
        for kind in told:
            warnings.simplefilter("always", kind)
        yield
    for each in caught:
        if issubclass(each.category, told):
            click.echo(f"Warning: {each.message}", err=True)
        else:
            warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)


def _uri(app: CliApp, name: str, project: str) -> str:
    if not project:
        return name
    there = app.at(project)
    home = parse_project_uri(project, instances=("local",) if there.login is None else there.names)
    place = home.instance if there.login is None else as_instance(there.name)
    return f"{place}/project/{home.project}/dataset/{name}"


def _progress(app: CliApp) -> Callable[[int], None] | None:
    if not (sys.stderr.isatty() and app.settings.progress):
        return None
    return lambda count: click.echo(f"\r{count} row{'' if count == 1 else 's'}\x1b[K", err=True, nl=False)
