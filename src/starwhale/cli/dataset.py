"""`swcli dataset`: build and read versioned datasets."""

from __future__ import annotations

import importlib
import secrets
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from starwhale.cli.app import CliApp
from starwhale.cli.command import LazyCommand, SwCommand, SwGroup
from starwhale.cli.complete_names import completes
from starwhale.cli.versions import VersionKind, add_version_commands, emit_pairs
from starwhale.domain.version import SHORT_VERSION
from starwhale.errors import DatasetSourceError, NotBuiltYetError, UsageError, nearest

if TYPE_CHECKING:
    from rich.console import Console

Row = tuple[Any, Any]  # Any: keys and features of users, checked by the dataset
_LATER = ("huggingface", "runtime", "push")
_LAZY = {
    "copy": LazyCommand("starwhale.cli.dataset_copy:copy", "Copy a version to another name or project."),
    "diff": LazyCommand("starwhale.cli.dataset_diff:diff", "Compare two versions: rows, columns and cells."),
}
_SOURCES = ("image", "audio", "video", "handler", "json_files", "csv_files")


@click.group(cls=SwGroup, name="dataset", aliases={"ls": "list", "cp": "copy", "rm": "remove"}, lazy=_LAZY)
def dataset() -> None:
    """Build and read versioned datasets."""


def _row(app: CliApp, version: Any) -> dict[str, Any]:  # Any: a VersionRecord, whose module is heavy
    return {name: value for name, value in _describe(app, version).items() if name not in {"uri", "manifest"}}


_KIND = VersionKind(
    noun="dataset",
    columns=("name", "version", "tags", "rows", "size", "created_at"),
    verbs=lambda app: app.instance().datasets,
    row=_row,
)
add_version_commands(dataset, _KIND)


@dataset.command("build", cls=SwCommand)
@click.option("-if", "--image", "--image-folder", "image", help="Folder of images.")
@click.option("-af", "--audio", "--audio-folder", "audio", help="Folder of sounds.")
@click.option("-vf", "--video", "--video-folder", "video", help="Folder of videos.")
@click.option("-h", "--handler", "--python-handler", "handler", help="module:object that yields rows.")
@click.option("-w", "--workdir", default=".", help="Directory of the handler's module.")
@click.option(
    "-f", "--yaml", "--dataset-yaml", "dataset_yaml", help="File that names a handler; dataset.yaml by default."
)
@click.option("-jf", "--json", "json_files", multiple=True, help="JSON or JSON Lines file, directory or address.")
@click.option("-hf", "--huggingface", help="Not built yet.")
@click.option("-c", "--csv", "csv_files", multiple=True, help="CSV file, directory or address.")
@click.option("-pt/-ow", "--patch/--overwrite", "patch", default=True, help="Add to the rows, or replace them.")
@click.option("-n", "--name", default="", help="Name of the dataset.")
@click.option("-p", "--project", default="", help="Project of the dataset.")
@click.option("-d", "--desc", default="", help="Message of the version.")
@click.option("-t", "--tag", "tags", multiple=True, help="Tag of the version.")
@click.option("-as", "--alignment-size", hidden=True, help="Accepted for old scripts; this format has no such setting.")
@click.option("-vs", "--volume-size", hidden=True, help="Accepted for old scripts; this format has no such setting.")
@click.option("--encoding", help="Encoding of text files.")
@click.option("-r", "--runtime", help="Not built yet.")
@click.option("--push", help="Not built yet.")
@click.option("--force-push", is_flag=True, hidden=True)
@click.option("--auto-label/--no-auto-label", default=True, help="Label files by their directory.")
@click.option("--field-selector", default="", help="Where the rows lie in JSON: a.b.c.")
@click.option("--subset", multiple=True, hidden=True)
@click.option("--split", hidden=True)
@click.option("--revision", default="main", hidden=True)
@click.option("--add-hf-info/--no-add-hf-info", default=True, hidden=True)
@click.option("--cache/--no-cache", default=True, hidden=True)
@click.option("--dialect", default="excel", type=click.Choice(["excel", "excel-tab", "unix"]), help="Of CSV.")
@click.option("--delimiter", default=",", help="Of CSV.")
@click.option("--quotechar", default='"', help="Of CSV.")
@click.option("--skipinitialspace", is_flag=True, help="Drop spaces after a delimiter of CSV.")
@click.option("--strict", is_flag=True, help="Refuse misplaced quotes in CSV.")
@click.pass_obj
def build(app: CliApp, **options: Any) -> None:  # Any: one value per option
    """Build a version from files or a Python handler."""
    from starwhale.datasets.build import build_version
    from starwhale.datasets.dataset import Dataset

    for name in _LATER:
        if options[name]:
            message = f"'swcli dataset build --{name.replace('_', '-')}' is not built yet"
            raise NotBuiltYetError(message, hint="use --csv, --json, a media folder or --python-handler")
    options = _with_yaml(options)
    default_name, rows = _source(options)
    name = options["name"] or default_name
    uri = f"local/project/{options['project']}/dataset/{name}" if options["project"] else name
    app.say(f"building a version of dataset {name} from {_said_source(options)}")
    made = app.instance().datasets.open(uri, Dataset)
    app.say(f"uri: {made.uri}")
    mode = "patch" if options["patch"] else "overwrite"
    progress = _progress(app)
    with made:
        count = build_version(
            made,
            _refuse_none(rows(), _said_source(options)),
            mode=mode,
            tags=options["tags"],
            message=options["desc"],
            progress=progress,
        )
    if progress is not None:
        click.echo("\r\x1b[K", err=True, nl=False)
    app.say(f"update {count} record{'' if count == 1 else 's'}")
    short = made.committed_version[:SHORT_VERSION]
    value = {"uri": str(made.uri), "name": made.name, "version": made.committed_version, "updated_rows": count}
    app.tell(value, f"done; see: swcli dataset info {made.name}/version/{short}")


@dataset.command("info", cls=SwCommand)
@click.argument("uri", shell_complete=completes("dataset"))
@click.pass_obj
def info(app: CliApp, uri: str) -> None:
    """Show a version."""
    emit_pairs(app, _describe(app, app.instance().datasets.info(uri)))


@dataset.command("summary", cls=SwCommand)
@click.argument("uri", shell_complete=completes("dataset"))
@click.pass_obj
def summary(app: CliApp, uri: str) -> None:
    """Show the counts of a version."""
    emit_pairs(app, dict(app.instance().datasets.info(uri).manifest["dataset_summary"]))


@dataset.command("head", cls=SwCommand)
@click.argument("uri", shell_complete=completes("dataset"))
@click.option("-n", "--rows", type=click.IntRange(min=0), default=5, show_default=True, help="Number of rows.")
@click.option("-st", "--show-types", is_flag=True, help="Show the type of each value.")
@click.pass_obj
def head(app: CliApp, uri: str, rows: int, show_types: bool) -> None:
    """Show the first rows."""
    from starwhale.datasets.dataset import Dataset

    with app.instance().datasets.open(uri, Dataset, create="forbid", readonly=True) as opened:
        found = opened.head(rows)
    value = [{"index": row.index, "features": dict(row.features)} for row in found]

    def render(console: Console) -> None:
        for row in found:
            console.print(f"row {row.index!r}", markup=False)
            for name, cell in row.features.items():
                kind = f" ({type(cell).__name__})" if show_types else ""
                console.print(f"  {name}{kind}: {cell!r}", markup=False)

    app.emit(value, render)


def _source(options: dict[str, Any]) -> tuple[str, Callable[[], Any]]:
    """Return the default name and what opens the rows."""
    from starwhale.datasets.importers import CsvOptions, read_csv, read_folder, read_json

    given = [name for name in _SOURCES if options[name]]
    if len(given) != 1:
        message = "give exactly one source" if given else "no source is given"
        raise UsageError(
            message,
            hint="use one of --csv, --json, --image, --audio, --video, --python-handler, or write a dataset.yaml",
        )
    kind = given[0]
    value = options[kind]
    if kind == "csv_files":
        same = ("dialect", "delimiter", "quotechar", "skipinitialspace", "strict", "encoding")
        form = CsvOptions(**{name: options[name] for name in same})
        return f"csv-{secrets.token_hex(4)}", lambda: read_csv(value, form)
    if kind == "json_files":
        selector, encoding = options["field_selector"], options["encoding"]
        return f"json-{secrets.token_hex(4)}", lambda: read_json(value, field_selector=selector, encoding=encoding)
    if kind == "handler":
        return Path(options["workdir"]).absolute().name, lambda: _handler_rows(options["workdir"], value)
    label: Any = kind
    return Path(value).absolute().name, lambda: read_folder(value, label, auto_label=options["auto_label"])


def _refuse_none(rows: Iterable[Row], source: str) -> Iterator[Row]:
    """Pass rows on, and fail when there is none: a version without a row comes from a mistake.

    Raises:
        DatasetSourceError: The source has no rows.
    """
    count = 0
    for row in rows:
        count += 1
        yield row
    if not count:
        raise DatasetSourceError(f"{source} has no rows", path=source, hint="a header alone makes no dataset")


def _said_source(options: dict[str, Any]) -> str:
    """Name the files or the handler that the rows come from."""
    given = next(options[name] for name in _SOURCES if options[name])
    return ", ".join(given) if isinstance(given, tuple) else str(given)


def _with_yaml(options: dict[str, Any]) -> dict[str, Any]:
    """Fill in what a dataset.yaml says, where no source is given; options of the command line win."""
    path = Path(options["dataset_yaml"] or "dataset.yaml")
    if any(options[name] for name in _SOURCES) or not (options["dataset_yaml"] or path.is_file()):
        return options
    import yaml

    try:
        said: Any = yaml.safe_load(path.read_text(encoding="utf-8"))  # Any: whatever the user wrote
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        said_error = error.strerror if isinstance(error, OSError) else " ".join(str(error).split())
        message = f"cannot read {path}: {said_error}"
        raise UsageError(message, hint="mend it; it should hold: handler: module:object") from error
    if not isinstance(said, dict) or not said.get("handler"):
        message = f"{path} names no handler"
        raise UsageError(message, hint="write it like: handler: module:object")
    own = {"name": "name", "desc": "desc", "project": "project_uri"}
    filled = {name: options[name] or str(said.get(key) or "") for name, key in own.items()}
    return {**options, **filled, "handler": str(said["handler"]), "workdir": str(path.absolute().parent)}


def _handler_rows(workdir: str, handler: str) -> Any:
    from starwhale.datasets.importers import read_handler
    from starwhale.errors import StarwhaleError

    module, _, path = handler.partition(":")
    if not path:
        message = f"{handler!r} is not a handler"
        raise UsageError(message, hint="write it as module:object")
    sys.path.insert(0, str(Path(workdir).absolute()))
    try:
        yield from read_handler(_find_handler(module, path, workdir))
    except StarwhaleError:
        raise
    except (Exception, SystemExit) as error:  # whatever user code raises
        from starwhale.handlers.failures import user_code_error

        raise user_code_error(f"handler {handler!r}", error) from error


def _find_handler(module: str, path: str, workdir: str) -> Any:  # Any: whatever the user wrote
    from starwhale.errors import HandlerError

    try:
        found: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        message = f"no module {module!r} in {Path(workdir).absolute()}"
        known = [file.stem for file in Path(workdir).glob("*.py")]
        raise HandlerError(message, hint=nearest(module, known) or "name its folder with --workdir") from error
    for part in path.split("."):
        if not hasattr(found, part):
            message = f"{module!r} has no {path!r}"
            known = [name for name in vars(found) if not name.startswith("_")]
            raise HandlerError(message, hint=nearest(part, known) or "write it as module:object")
        found = getattr(found, part)
    return found


def _progress(app: CliApp) -> Callable[[int], None] | None:
    if not (sys.stderr.isatty() and app.settings.progress):
        return None
    return lambda count: click.echo(f"\r{count} row{'' if count == 1 else 's'}\x1b[K", err=True, nl=False)


def _describe(app: CliApp, version: Any) -> dict[str, Any]:  # Any: a VersionRecord, whose module is heavy
    from starwhale.datasets.describe import describe_version

    return describe_version(version, path=app.instance().datasets.folder(version))
