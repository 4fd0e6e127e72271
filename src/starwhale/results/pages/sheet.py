"""A page that needs nothing else: no script, no file beside it, no network. And the pieces that pages are made of; texts are escaped by them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from starwhale.results.pages.markup import visible_text
from starwhale.results.pages.style import DARK, LIGHT, MIDDLE, rules, variables

ROOT = "starwhale-report"
"""The class of the element that holds everything."""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""What the page may fetch or run: nothing."""


def whole_page(title: str, sections: Iterable[str]) -> str:
    """Write a page, light or dark as the reader's system is.

    Args:
        title: What stands in the tab of a browser.
        sections: HTML, one below the other.
    """
    dark = f"@media(prefers-color-scheme:dark){{:root{{{variables(DARK)}}}}}"
    colors = f":root{{{variables(LIGHT)};color-scheme:light dark}}{dark}"
    body = "body{margin:0;background:var(--ground)}main{max-width:1280px;margin:0 auto;padding:1.5rem clamp(16px,3vw,40px) 3rem}"
    head = (
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        f"<title>{text(title)}</title>",
        f"<style>{colors}{body}{rules(ROOT)}</style>",
    )
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            f"<head>{''.join(head)}</head>",
            f'<body><main class="{ROOT}">',
            *(each for each in sections if each),
            "</main></body>",
            "</html>",
            "",
        ]
    )


def fragment(sections: Iterable[str]) -> str:
    """Write a part of another page, such as the output of a notebook's cell."""
    style = f".{ROOT}{{{variables(MIDDLE)}}}{rules(ROOT)}"
    return f'<style>{style}</style><div class="{ROOT}">{"".join(sections)}</div>'


def section(heading: str, body: str) -> str:
    """Write a section; nothing where it has no body."""
    return f"<section><h2>{text(heading)}</h2>{body}</section>" if body else ""


def columns(*sections: str) -> str:
    """Write sections side by side where there is room."""
    shown = [each for each in sections if each]
    return f'<div class="columns">{"".join(shown)}</div>' if len(shown) > 1 else "".join(shown)


def pairs(lines: Iterable[tuple[str, str]]) -> str:
    """Write names with their texts, those without a text left out."""
    told = "".join(f"<dt>{text(name)}</dt><dd>{text(said)}</dd>" for name, said in lines if said)
    return f"<dl>{told}</dl>" if told else ""


def cards(lines: Iterable[tuple[str, str]]) -> str:
    """Write names with short texts, several beside one another where there is room."""
    told = "".join(f"<div><dt>{text(name)}</dt><dd>{text(said)}</dd></div>" for name, said in lines if said)
    return f'<dl class="many">{told}</dl>' if told else ""


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], numbers: int | None = None) -> str:
    """Write a table that scrolls by itself where it is too wide.

    Args:
        heads: Of its columns.
        rows: Texts.
        numbers: So many of its last columns are numbers; None for all but the first.
    """
    first = len(heads) - (len(heads) - 1 if numbers is None else numbers)

    def line(tag: str, cells: Sequence[str]) -> str:
        kinds = (' class="num"' if place >= first else "" for place in range(len(cells)))
        return "".join(f"<{tag}{kind}>{text(each)}</{tag}>" for kind, each in zip(kinds, cells, strict=True))

    body = "".join(f"<tr>{line('td', row)}</tr>" for row in rows)
    return scrolling(f"<table><thead><tr>{line('th', heads)}</tr></thead><tbody>{body}</tbody></table>")


def scrolling(inner: str) -> str:
    """Write what scrolls by itself where it is too wide; the keyboard reaches it too."""
    return f'<div class="scroll" tabindex="0">{inner}</div>'


def said(lines: Iterable[str]) -> str:
    """Write what has to be known, a small paragraph each."""
    return "".join(f'<p class="soft small">{text(each)}</p>' for each in lines)


def text(value: str) -> str:
    """Escape a text, and write characters that nobody sees as a mark."""
    return escape(visible_text(value))
