"""`swcli runtime`: lock environments as versions, look at them, and run in them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from starwhale.cli.app import CliApp
from starwhale.cli.command import LazyCommand, SwCommand, SwGroup, add_not_built
from starwhale.cli.complete_names import completes
from starwhale.cli.versions import VersionKind, add_version_commands
from starwhale.domain.json_shape import Json
from starwhale.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from starwhale.instances.runtimes import RuntimeVerbs
    from starwhale.storage.catalog.records import VersionRecord

FILTERS = ("basic", "runtime_yaml", "manifest", "lock", "all")
"""Parts of a version that `info` can show."""
_NOT_BUILT = {"dockerize": "Make an image of a runtime", "quickstart": "Begin a runtime"}
_LAZY = {
    "export": LazyCommand("starwhale.cli.version_archive:runtime_export", "Write a version to one file."),
    "import": LazyCommand("starwhale.cli.version_archive:runtime_import", "Make a version of an archive."),
    "copy": LazyCommand("starwhale.cli.version_copy:runtime_copy", "Copy a version to another name or project."),
    "diff": LazyCommand("starwhale.cli.runtime_diff:diff", "Compare two versions: packages, Python, image."),
    "build": LazyCommand("starwhale.cli.runtime_build:build", "Lock an environment as a new version."),
    "lock": LazyCommand("starwhale.cli.runtime_build:lock", "Write a lock, without keeping a version."),
    "run": LazyCommand("starwhale.cli.runtime_use:run", "Run a command in the environment of a version."),
    "activate": LazyCommand("starwhale.cli.runtime_use:activate", "Open a shell in the environment of a version."),
    "restore": LazyCommand("starwhale.cli.runtime_use:restore", "Make the environment of a version, or mend it."),
}
_ALIASES = {"ls": "list", "cp": "copy", "rm": "remove", "actv": "activate", "qs": "quickstart"}


@click.group(cls=SwGroup, name="runtime", aliases=_ALIASES, lazy=_LAZY)
def runtime() -> None:
    """Lock environments, and run in them."""


def _row(app: CliApp, version: VersionRecord) -> Json:
    from starwhale.runtimes.describe import describe_runtime

    return describe_runtime(version, path=app.at(version.uri.full).runtimes.path(version))


_KIND = VersionKind(
    noun="runtime",
    columns=("name", "version", "tags", "python", "size", "created_at"),
    verbs=lambda instance: instance.runtimes,
    row=_row,
)
add_version_commands(runtime, _KIND)
add_not_built(runtime, _NOT_BUILT)


@runtime.command("info", cls=SwCommand)
@click.argument("uri", shell_complete=completes("runtime"))
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
    """Show a version: its Python, what it pins, and the files that it was built from."""
    verbs = app.at(uri).runtimes
    version = verbs.info(uri)
    parts = _parts(verbs, version)
    value = parts if output_filter in {"basic", "all"} else {"data": parts[_PART[output_filter]]}
    app.emit(value, lambda console: _render(console, parts, version, output_filter))


_PART = {"runtime_yaml": "yaml", "manifest": "manifest", "lock": "lock"}


def _parts(verbs: RuntimeVerbs, version: VersionRecord) -> Json:
    from starwhale.runtimes.describe import describe_basic

    basic = describe_basic(version, workdir=str(verbs.environments), path=verbs.path(version))
    return {
        "basic": basic,
        "manifest": dict(version.manifest),
        "yaml": verbs.text(version, "runtime.yaml"),
        "lock": verbs.lock_texts(version),
    }


def _render(console: Console, parts: Json, version: VersionRecord, wanted: str) -> None:
    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    if wanted in {"basic", "all"}:
        for name, each in _facts(parts, version).items():
            if each:
                say(f"{name}: {each}")
    if wanted in {"runtime_yaml", "all"}:
        say(parts["yaml"].rstrip())
    if wanted in {"lock", "all"}:
        for text in parts["lock"].values():
            say(text.rstrip())
    if wanted in {"manifest", "all"}:
        import json

        say(json.dumps(parts["manifest"], indent=2, sort_keys=True, ensure_ascii=False))


def _facts(parts: Json, version: VersionRecord) -> Json:
    environment: Json = parts["manifest"]["environment"]
    lock: Json = environment["lock"]
    locked = (
        f"{lock['distributions']} distributions on {lock['platform']}" if environment["auto_lock_dependencies"] else ""
    )
    return {
        "name": version.name,
        "uri": version.uri.full,
        "tags": ", ".join(version.tags),
        "python": environment["python"],
        "arch": ", ".join(environment["arch"]),
        "locked": locked or "no",
        "cuda": environment["cuda"],
        "image": parts["manifest"]["base_image"],
        "left out": ", ".join(parts["manifest"].get("left_out", ())),
        "files": parts["basic"]["bundle_path"],
    }


@runtime.command("extract", cls=SwCommand)
@click.argument("uri", shell_complete=completes("runtime"))
@click.argument("target", required=False)
@click.option("--target-dir", help="The same as TARGET; the name of the runtime by default.")
@click.option("-f", "--force", is_flag=True, help="Replace what was extracted there before.")
@click.pass_obj
def extract(app: CliApp, uri: str, target: str | None, target_dir: str | None, *, force: bool) -> None:
    """Write the files of a version: runtime.yaml, its lock, wheels and native files."""
    if target and target_dir:
        raise UsageError("TARGET and --target-dir are two ways to name the folder", hint="give one of them")
    verbs = app.at(uri).runtimes
    named = target or target_dir
    place = Path(named) if named else Path(verbs.info(uri).name)
    version, written = verbs.extract(uri, place, force=force)
    value = {"uri": version.uri.full, "path": str(written.absolute())}
    app.tell(value, f"extracted {version.uri.full} to {written.absolute()}")
