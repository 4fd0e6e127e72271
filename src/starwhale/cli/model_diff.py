"""`swcli model diff`: what differs between two versions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from starwhale.cli.app import CliApp
from starwhale.cli.command import SwCommand
from starwhale.cli.complete_names import completes
from starwhale.cli.render.render_table import show_bytes
from starwhale.cli.visible import visible, visible_line

if TYPE_CHECKING:
    from rich.console import Console

    from starwhale.models.diff import FileChange, ModelDiff
    from starwhale.models.listing import Entry
    from starwhale.models.text_diff import TextDiff

LIMIT = 50
"""Files that are listed by default."""
SHORT_DIGEST = 12
"""Characters of a digest that are shown."""
_SIGNS = {"added": "+", "deleted": "-", "updated": "~"}
_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


@click.command("diff", cls=SwCommand)
@click.argument("base", shell_complete=completes("model"))
@click.argument("compare", shell_complete=completes("model"))
@click.option("--show-details", is_flag=True, help="Show the lines that differ of texts that were updated.")
@click.option("--limit", type=click.IntRange(min=0), default=LIMIT, show_default=True, help="Files that are listed.")
@click.pass_obj
def diff(app: CliApp, base: str, compare: str, *, show_details: bool, limit: int) -> None:
    """Compare two versions, of one model or of two: files by content, links, modes, and handlers.

    Under -o json every file is listed, with its state: unchanged, added, updated or deleted.
    """
    found = app.at(base).models.diff(base, compare, show_details=show_details, limit=limit)
    app.emit(found.to_json(), lambda console: _render(console, found, limit))


def _render(console: Console, found: ModelDiff, limit: int) -> None:
    counts = {str(state): count for state, count in found.counts.items()}
    _print(console, f"base:    {found.base}")
    _print(console, f"compare: {found.compare}")
    changed = [each for each in found.files if each.state != "unchanged"]
    if found.is_same:
        count = len(found.files)
        _print(console, f"no difference: {count} file{'' if count == 1 else 's'}")
        return
    shown = [f"{counts.get(word, 0)} {word}" for word in ("added", "updated", "deleted", "unchanged")]
    _print(console, f"files: {', '.join(shown)}")
    for each in changed[:limit]:
        _print(console, f"  {_SIGNS[each.state]} {visible_line(each.path)}  {_what(each)}")
    if len(changed) > limit:
        _print(console, f"  … and {len(changed) - limit} more; see more with --limit, or all with -o json")
    _render_handlers(console, found)
    for text in found.details or ():
        _render_text(console, text)
    if found.details_left:
        _print(console, f"… and {found.details_left} more files with other content; see more with --limit")


def _what(change: FileChange) -> str:
    """Say in a few words what became of a file."""
    old, new = change.old, change.new
    if old is None or new is None:
        return _kind(new or old)
    words: list[str] = []
    for reason in change.reasons:
        match reason:
            case "content":
                digests = f"{old.digest[:SHORT_DIGEST]} → {new.digest[:SHORT_DIGEST]}"
                words.append(f"{show_bytes(old.size)} → {show_bytes(new.size)} ({digests})")
            case "mode":
                words.append("is executable now" if new.is_executable else "is not executable any more")
            case "target":
                words.append(f"{visible_line(old.target)} → {visible_line(new.target)}")
            case _:
                words.append(f"{_kind(old)} → {_kind(new)}")
    return ", ".join(words)


def _kind(entry: Entry | None) -> str:
    if entry is None:
        return ""
    if entry.kind == "link":
        return f"link to {visible_line(entry.target)}"
    return show_bytes(entry.size) if entry.kind == "file" else "empty folder"


def _render_handlers(console: Console, found: ModelDiff) -> None:
    changes = found.handlers
    if changes.is_same:
        return
    _print(console, "handlers:")
    for name in changes.added:
        _print(console, f"  + {name}")
    for name in changes.deleted:
        _print(console, f"  - {name}")
    for name, fields in changes.updated.items():
        told = ", ".join(f"{field} {_json(old)} → {_json(new)}" for field, (old, new) in fields.items())
        _print(console, f"  ~ {name}: {told}")


def _render_text(console: Console, text: TextDiff) -> None:
    from rich.text import Text

    console.print()
    _print(console, visible_line(text.path) + (f": {text.skipped}" if text.skipped else ""))
    if len(set(text.encodings)) > 1:
        _print(console, f"  read as {text.encodings[0]} before, as {text.encodings[1]} now")
    for line in text.lines:
        console.print(Text(visible(line), style=_COLOURS.get(line[:1], "")), soft_wrap=True, highlight=False)
    if text.lines_left:
        _print(console, f"… and {text.lines_left} more lines")


def _json(value: Any) -> str:  # Any: JSON
    return json.dumps(value, ensure_ascii=False)


def _print(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)
