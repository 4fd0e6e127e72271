"""`export` and `import` of `swcli dataset`, `model` and `runtime`: a version as one file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from starwhale.cli.app import CliApp
from starwhale.cli.complete_names import completes
from starwhale.cli.render.archive_progress import shown_bytes
from starwhale.cli.render.render_table import show_bytes
from starwhale.cli.version_copy import tell_copied
from starwhale.cli.versions import make_command

if TYPE_CHECKING:
    from starwhale.instances import Instance
    from starwhale.instances.datasets import DatasetVerbs
    from starwhale.instances.listed_versions import ListedVerbs

ARCHIVE = "archive"
"""The form of a file that can be imported again."""
_FORMAT = click.Option(
    ["--format", "form"],
    type=click.Choice([ARCHIVE, "parquet", "csv"]),
    default=ARCHIVE,
    show_default=True,
    help="An archive can be imported again, with tags and all; the others hold the rows alone.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Archived:
    """One kind of version, as the two commands see it."""

    noun: str
    verbs: Callable[[Instance], DatasetVerbs | ListedVerbs]
    holds: str
    """What an archive holds, for people."""
    promise: str = "Everything is verified before anything is kept."
    forms: tuple[click.Option, ...] = ()
    """The option with which `export` writes something else than an archive."""


def _export(kind: _Archived) -> click.Command:
    def run(app: CliApp, *, uri: str, file: Path, **given: Any) -> None:  # Any: one value per option
        with shown_bytes(app) as on_bytes:
            size = kind.verbs(app.at(uri)).export(uri, file, **given, on_bytes=on_bytes)
        tell_written(app, kind.noun, file, size, form=given.get("form"))

    return make_command(
        "export",
        "Write a version to one file; every byte is verified on the way.",
        run,
        click.Argument(["uri"], shell_complete=completes(kind.noun)),
        click.Argument(["file"], type=click.Path(path_type=Path)),
        *kind.forms,
        click.Option(["-f", "--force"], is_flag=True, help="Replace a file that is there."),
    )


def tell_written(app: CliApp, noun: str, file: Path, size: int, *, form: str | None = None) -> None:
    """Say that a file was written, and how it comes in again.

    Args:
        app: What every command gets.
        noun: `dataset`, `model`, `runtime` or `job`.
        file: The file.
        size: Its bytes.
        form: What it is, where it could have been something else than an archive.
    """
    again = f"; bring it in elsewhere with: swcli {noun} import {file}" if form in {None, ARCHIVE} else ""
    value = {"file": str(file.absolute()), **({"format": form} if form else {}), "bytes": size}
    app.tell(value, f"wrote {file} ({show_bytes(size)}){again}")


def _import(kind: _Archived) -> click.Command:
    def run(app: CliApp, *, file: Path, name: str, **given: Any) -> None:  # Any: one value per option
        with shown_bytes(app) as on_bytes:
            made = kind.verbs(app.instance()).import_archive(file, name, **given, on_bytes=on_bytes)
        size = "" if kind.noun == "dataset" else f" ({show_bytes(made.version.size_bytes)})"
        tell_copied(app, made, "imported", "import", after=size)

    text = (
        f"Make a version of an archive: {kind.holds}, with the id that it had where that is free.\n\n{kind.promise} An archive that was "
        "imported before changes nothing, but by --force: then files that were damaged since are written again."
    )
    return make_command(
        "import",
        text,
        run,
        click.Argument(["file"], type=click.Path(path_type=Path)),
        click.Argument(["name"], default=""),
        *import_options(kind.noun, "Tag that is left out."),
    )


def import_options(noun: str, ignored: str) -> tuple[click.Option, ...]:
    """Return the options that every `import` has.

    Args:
        noun: `dataset`, `model`, `runtime` or `job`.
        ignored: What `--ignore-tag` says of itself.
    """
    force = "Move tags that point at another version there; mend damaged files."
    return (
        click.Option(["-p", "--project"], default="", help=f"Project of the {noun}; the current one by default."),
        click.Option(["-i", "--ignore-tag", "ignore_tags"], multiple=True, help=ignored),
        click.Option(["-f", "--force"], is_flag=True, help=force),
    )


_DATASET = _Archived(
    noun="dataset",
    verbs=lambda instance: instance.datasets,
    holds="rows, info, message and tags",
    forms=(_FORMAT,),
)
_MODEL = _Archived(
    noun="model",
    verbs=lambda instance: instance.models,
    holds="files, handlers, message and tags",
    promise="Everything is verified before anything is kept, and no code of the model runs.",
)
_RUNTIME = _Archived(
    noun="runtime",
    verbs=lambda instance: instance.runtimes,
    holds="lock, wheels, files and tags",
    promise="Everything is verified before anything is kept. No environment is made, and no command of the runtime runs.",
)
dataset_export, dataset_import = _export(_DATASET), _import(_DATASET)
model_export, model_import = _export(_MODEL), _import(_MODEL)
runtime_export, runtime_import = _export(_RUNTIME), _import(_RUNTIME)
