"""What the shell offers after Tab where a name is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from starwhale.settings import read_settings

if TYPE_CHECKING:
    import click
    from click.shell_completion import CompletionItem


def completes(noun: str) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """Return what offers names.

    Args:
        noun: `dataset`, `model` or `job`; or `target`, which is a file, that the shell completes itself, or a model.
    """

    def complete(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        if noun == "target":
            return [CompletionItem(incomplete, type="file"), *_names("model", incomplete)]
        return _names(noun, incomplete)

    return complete


def _names(noun: str, incomplete: str) -> list[CompletionItem]:
    """Return the names that begin so; nothing where there is no instance to ask."""
    from click.shell_completion import CompletionItem

    from starwhale.instances import open_instance

    try:
        with open_instance(read_settings()) as opened:
            if noun == "job":
                found = [each.name or each.id[:12] for each in opened.jobs.list(limit=50)]
            else:
                found = [each.name for each in opened.catalog.versions.list_newest(opened.project, noun)]
    except Exception:  # noqa: BLE001 - the shell asked in the middle of a line: whatever is wrong is told when the command runs
        return []
    return [CompletionItem(name) for name in dict.fromkeys(found) if name.startswith(incomplete)]
