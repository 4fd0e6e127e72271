"""`copy` of `swcli dataset`, `model` and `runtime`: a version under another name or in another project."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from starwhale.cli.app import CliApp
from starwhale.cli.complete_names import completes
from starwhale.cli.render.archive_progress import shown_bytes
from starwhale.cli.versions import make_command
from starwhale.domain.object_uri import is_object_uri
from starwhale.errors import UsageError

if TYPE_CHECKING:
    from starwhale.storage.catalog.copies import Copied

_WHERE = (
    "DEST is a new name, the URI of a project (local/project/<project>), both, or '.' for the same name in the current project or the "
    "one of -dlp. Your tags travel. The copy has a version id of its own; between instances (cloud://<alias>/project/<project>) it "
    "keeps its id, and only what is not there yet is sent"
)


def _listed(noun: str, summary: str, after: str = ".") -> click.Command:
    def run(app: CliApp, *, src: str, dest: str, **given: Any) -> None:  # Any: one value per option
        _copy(app, noun, src, dest, given)

    return make_command("copy", f"{summary}\n\n{_WHERE}{after}", run, *_params(noun))


def _dataset() -> click.Command:
    def run(app: CliApp, *, src: str, dest: str, patch: bool, overwrite: bool, **given: Any) -> None:  # Any: as above
        if patch and overwrite:
            raise UsageError("--patch and --overwrite exclude each other", hint="give one of them")
        if (patch or overwrite) and is_object_uri(dest):
            message = f"nothing is merged or replaced in {dest}: a version is copied there as it is"
            raise UsageError(message, hint="leave --patch and --overwrite out")
        _copy(app, "dataset", src, dest, {**given, "mode": "overwrite" if overwrite else "patch" if patch else ""})

    text = (
        f"Copy a version to another name or project, sharing its files, or to and from an object store.\n\n{_WHERE}.\n\n"
        "SRC may be s3://<bucket>/<prefix>/<dataset>, and DEST s3://<bucket>/<prefix>: there the version keeps its name and id, and only "
        "what is not there yet is sent."
    )
    return make_command(
        "copy",
        text,
        run,
        *_params("dataset"),
        click.Option(["-p", "--patch"], is_flag=True, help="Merge rows into a dataset that is there; the default."),
        click.Option(["-o", "--overwrite"], is_flag=True, help="Replace the rows of a dataset that is there."),
    )


def _params(noun: str) -> tuple[click.Parameter, ...]:
    project = "Project of a destination that names none."
    return (
        click.Argument(["src"], shell_complete=completes(noun)),
        click.Argument(["dest"]),
        click.Option(["-f", "--force"], is_flag=True, help="Move tags that point at another version there."),
        click.Option(["-dlp", "--dest-local-project", "project"], default="", help=project),
        click.Option(["-i", "--ignore-tag", "ignore_tags"], multiple=True, help="Tag that stays behind."),
    )


def _copy(app: CliApp, noun: str, src: str, dest: str, given: dict[str, Any]) -> None:
    from starwhale.instances.copy_across import CopyOptions

    with shown_bytes(app) as on_bytes:
        made = app.instance().copy(noun, src, dest, CopyOptions(**given, on_bytes=on_bytes))
    tell_copied(app, made, "copied to", "copy")


def tell_copied(app: CliApp, made: Copied, did: str, verb: str, *, after: str = "") -> None:
    """Say which version came of a copy or an import.

    Args:
        app: What every command gets.
        made: What came of it.
        did: What was done: `copied to`.
        verb: What there was nothing to do of, where it was there already: `copy`.
        after: What follows the URI for people; of a dataset its rows.
    """
    version = made.version
    rows = {"rows": version.row_count or 0} if version.kind == "dataset" else {}
    value = {
        "uri": version.uri.full,
        "name": version.name,
        "project": version.project,
        "version": version.version,
        "size": version.size_bytes,
        **rows,
        "tags": list(version.tags),
        "is_new": made.is_new,
    }
    told = did if made.is_new else f"nothing to {verb}, it is there already:"
    app.tell(value, f"{told} {version.uri.full}" + (f" ({rows['rows']} rows)" if rows else after))


dataset_copy = _dataset()
model_copy = _listed(
    "model",
    "Copy a version to another name or project; the files are shared and take no space.",
)
runtime_copy = _listed(
    "runtime",
    "Copy a version to another name or project, sharing its files.",
    ", and the same environment.",
)
