"""What `swcli dataset` and `swcli model` have in common: the commands over named things with versions and tags."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from starwhale.cli.app import CliApp
from starwhale.cli.command import SwCommand, SwGroup
from starwhale.cli.complete_names import completes
from starwhale.cli.render.render_table import Column, Kind, render_table, show_bytes
from starwhale.domain.json_shape import Json
from starwhale.domain.uri import parse_uri
from starwhale.domain.version import SHORT_VERSION
from starwhale.errors import UsageError, nearest

if TYPE_CHECKING:
    from rich.console import Console

    from starwhale.instances import Instance
    from starwhale.instances.versions import VersionVerbs
    from starwhale.storage.catalog.records import VersionRecord

FILTERS = ("name", "latest", "owner")
"""Filters of `list`."""
PAGE_SIZE = 20
"""Names of a page when only its number is given."""
SHOWN_ROWS = 100
"""Names that `list` shows to people who did not say how many; programs get all."""
HISTORY = ("version", "tags", "size", "runtime", "created_at")
"""Columns of `history`."""
MINUTES = 16
"""Characters of a moment up to its minutes."""
_TITLES = {"created_at": "created"}
_KINDS = {"version": Kind.WHOLE, "created_at": Kind.TIME, "rows": Kind.NUMBER, "size": Kind.NUMBER}


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionKind:
    """One kind of versioned thing, as its commands see it."""

    noun: str
    """`dataset` or `model`: the word for people, and the group's name."""
    columns: tuple[str, ...]
    """What `list` shows to people."""
    verbs: Callable[[Instance], VersionVerbs]
    """What can be done with it on an instance."""
    row: Callable[[CliApp, VersionRecord], Json]
    """A version as `list` gives it to programs."""


def add_version_commands(group: SwGroup, kind: VersionKind) -> None:
    """Give a group the commands `list`, `history`, `tag`, `remove` and `recover`."""
    for make in (_list, _history, _tag, _remove, _recover):
        group.add_command(make(kind))


def _list(kind: VersionKind) -> click.Command:
    def run(
        app: CliApp,
        *,
        project: str | None,
        fullname: bool,
        show_removed: bool,
        page: int,
        size: int | None,
        filters: Sequence[str],
    ) -> None:
        prefix, only_latest = _read_filters(filters)
        found = kind.verbs(app.at(project or "")).list(project, name_prefix=prefix, with_removed=show_removed)
        if only_latest:
            found = [each for each in found if "latest" in each.tags and not each.is_removed]
        if size is not None or page > 1:
            size = size or PAGE_SIZE
            found = found[(page - 1) * size : page * size]
        shown = found if app.wants_json or size is not None else found[:SHOWN_ROWS]
        rows = [kind.row(app, each) for each in shown]
        emit_table(app, rows, kind.columns, fullname=fullname)
        if len(found) > len(rows):
            app.say(f"… and {len(found) - len(rows)} more: --page 2 --size {SHOWN_ROWS}, or --filter name=<prefix>")

    return make_command(
        "list",
        f"List the newest version of each {kind.noun}.",
        run,
        click.Option(["-p", "--project"], help="Project; the current one by default."),
        click.Option(["-f", "--fullname"], is_flag=True, help="Show whole versions."),
        click.Option(["-sr", "--show-removed"], is_flag=True, help="Show removed ones too."),
        click.Option(["--page"], type=click.IntRange(min=1), default=1, show_default=True, help="Which page."),
        click.Option(["--size"], type=click.IntRange(min=1), help="Names of a page; all by default, to people 100."),
        click.Option(["-fl", "--filter", "filters"], multiple=True, help="name=<prefix>, or latest."),
    )


def _read_filters(filters: Sequence[str]) -> tuple[str, bool]:
    """Return the beginning of the names, and whether removed versions are left out; what is not known here is said and passed over."""
    prefix, only_latest = "", False
    for each in filters:
        name, sign, value = each.partition("=")
        if name == "name" and sign:
            prefix = value
        elif name == "latest":
            only_latest = True
        else:
            why = "has no meaning here: versions have no owners without a server" if name == "owner" else "is not known"
            hint = "" if name == "owner" else f"; {nearest(name, FILTERS)}"
            click.echo(f"filter {each!r} {why}{hint}", err=True)
    return prefix, only_latest


def _history(kind: VersionKind) -> click.Command:
    def run(app: CliApp, *, uri: str, fullname: bool) -> None:
        versions = kind.verbs(app.at(uri)).history(uri)
        rows = [{**kind.row(app, each), "runtime": _runtime_of(each)} for each in versions]
        shown = [{name: row.get(name, "") for name in HISTORY} for row in rows]
        if not fullname:
            shown = [{**row, "version": row["version"][:SHORT_VERSION]} for row in shown]
        emit_table(app, shown, HISTORY, fullname=True)

    return make_command(
        "history",
        f"List the versions of a {kind.noun}, the newest first.",
        run,
        click.Argument(["uri"], shell_complete=completes(kind.noun)),
        click.Option(["--fullname"], is_flag=True, help="Show whole versions."),
    )


def _tag(kind: VersionKind) -> click.Command:
    def run(app: CliApp, *, uri: str, tags: Sequence[str], remove: bool, quiet: bool, force_add: bool) -> None:
        from starwhale.errors import StarwhaleError

        del force_add
        verbs = kind.verbs(app.at(uri))
        if not tags:
            found = list(verbs.tags(uri))
            app.emit(found, lambda console: console.print(",".join(found), markup=False))
        for each in tags:
            try:
                version = (verbs.remove_tags if remove else verbs.add_tags)(uri, [each])
            except StarwhaleError as error:
                if not quiet:
                    raise
                app.say(f"left out {each}: {error.message}")
            else:
                did = "removed {} from" if remove else "added {} to"
                app.say(f"{did.format(each)} {version.name}/version/{version.version[:SHORT_VERSION]}")
        if tags and app.wants_json:
            app.emit(list(verbs.tags(uri)), lambda _: None)

    return make_command(
        "tag",
        "Add, remove or list the tags of a version.",
        run,
        click.Argument(["uri"], shell_complete=completes(kind.noun)),
        click.Argument(["tags"], nargs=-1),
        click.Option(["-r", "--remove"], is_flag=True, help="Take the tags away."),
        click.Option(["-q", "--quiet"], is_flag=True, help="Ignore tags that fail."),
        click.Option(["-f", "--force-add"], is_flag=True, hidden=True),
    )


def _remove(kind: VersionKind) -> click.Command:
    def run(app: CliApp, *, uri: str, force: bool, all_versions: bool) -> None:
        verbs = kind.verbs(app.at(uri))
        found = verbs.resolve(uri)
        parsed = verbs.parse(uri)
        if all_versions and (parsed.version or parsed.name.casefold() != found.name.casefold()):
            message = f"{uri!r} names one version, and --all-versions all of them"
            raise UsageError(message, hint="give the name alone, or leave --all-versions out")
        doomed = list(verbs.history(found.uri)) if all_versions else [found]
        what = _named(kind, doomed)
        if not force and not app.wants_json and sys.stdin.isatty():
            click.confirm(f"remove {what}?", abort=True, err=True)
        for each in doomed:
            verbs.remove(each.uri)
        uris = [each.uri.full for each in doomed]
        newest = f"{doomed[0].name}/version/{doomed[0].version[:SHORT_VERSION]}"
        if doomed[0].instance != "local":
            newest = uris[0]
        app.tell(
            {"removed": uris if all_versions else uris[0]},
            f"removed {what}; bring {'one' if len(doomed) > 1 else 'it'} back with: swcli {kind.noun} recover {newest}",
        )

    return make_command(
        "remove",
        "Hide a version; `recover` brings it back.\n\nA name alone means its newest version, and no other.",
        run,
        click.Argument(["uri"], shell_complete=completes(kind.noun)),
        click.Option(
            ["-f", "--force", "-y", "--yes"], is_flag=True, help="Do not ask. `swcli gc` frees the space later."
        ),
        click.Option(["--all-versions"], is_flag=True, help="Every version of the name, not the newest alone."),
    )


def _recover(kind: VersionKind) -> click.Command:
    def run(app: CliApp, *, uri: str, force: bool) -> None:
        del force
        recovered = kind.verbs(app.at(uri)).recover(uri).uri.full
        app.tell({"recovered": recovered}, f"recovered {recovered}")

    return make_command(
        "recover",
        "Bring a removed version back.",
        run,
        click.Argument(["uri"], shell_complete=completes(kind.noun)),
        click.Option(["-f", "--force"], is_flag=True, hidden=True),
    )


def make_command(name: str, text: str, run: Callable[..., None], *params: click.Parameter) -> click.Command:
    """Return a command that gives what every command gets, and its parameters by name, to a function."""
    return SwCommand(name, params=list(params), callback=click.pass_obj(run), help=text)


def _runtime_of(version: VersionRecord) -> str:
    """Say which runtime a model carries, or the handler of a dataset ran in; nothing where there is none."""
    manifest = version.manifest
    said = manifest.get("packaged_runtime") or (manifest.get("build") or {}).get("runtime")
    if not said:
        return ""
    uri = parse_uri(said["uri"])
    return f"{uri.name}/version/{uri.version[:SHORT_VERSION]}"


def _named(kind: VersionKind, versions: Sequence[VersionRecord]) -> str:
    """Say which versions are meant, and of what."""
    first = versions[0]
    if len(versions) > 1:
        return f"all {len(versions)} versions of {kind.noun} {first.name!r}"
    tags = ", ".join(each for each in first.tags if each != "latest")
    return f"one version of {kind.noun} {first.name!r}: {first.version[:SHORT_VERSION]}" + (
        f" ({tags})" if tags else ""
    )


def emit_table(app: CliApp, rows: list[Json], columns: Sequence[str], *, fullname: bool) -> None:
    """Give out rows: as they are to programs, as a table with these columns to people."""

    def render(console: Console) -> None:
        shown = [Column(title=_TITLES.get(each, each), kind=_KINDS.get(each, Kind.TEXT)) for each in columns]
        cells = [
            {_TITLES.get(each, each): _cell(each, row[each], fullname=fullname) for each in columns} for row in rows
        ]
        render_table(console, shown, cells)

    app.emit(rows, render)


def _cell(name: str, value: Any, *, fullname: bool) -> str:  # Any: a value of JSON
    if name == "tags":
        return ", ".join(value)
    if name == "version" and not fullname:
        return str(value)[:SHORT_VERSION]
    if name == "created_at":
        return str(value)[:MINUTES]
    return show_bytes(value) if name == "size" else str(value)


def emit_pairs(app: CliApp, value: Json) -> None:
    """Give out an object: to people a line for each of its values that is not an object itself."""
    app.emit(value, lambda console: print_pairs(console, value))


def print_pairs(console: Console, value: Json) -> None:
    """Write a line for each value of an object that is not an object itself."""
    for name, each in value.items():
        if isinstance(each, dict):
            continue
        text = ", ".join(map(str, each)) if isinstance(each, list) else each
        line = f"{name}: {text}"
        console.print(line, markup=False, soft_wrap=True)  # what is copied from here stays in one piece
