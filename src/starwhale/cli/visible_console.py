"""A console on which nothing but its own styles is obeyed."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from starwhale.cli.visible import visible


class VisibleConsole(Console):
    """Shows control characters of texts, wherever they come from."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render as ever, with the texts made visible."""
        for each in super().render(renderable, options):
            shown = each.text if each.control else visible(each.text)
            yield each if shown == each.text else Segment(shown, each.style)


__all__ = ["VisibleConsole"]
