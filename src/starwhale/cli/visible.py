"""What a terminal would obey is shown instead: names and messages may come from anybody, by an archive or in a row."""

from __future__ import annotations

import re

_HALVES = re.compile("[\ud800-\udfff]")
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters but tabs and line feeds, those that turn the direction of a line, and halves of characters, which no terminal takes."""


def visible(text: str) -> str:
    r"""Write what a terminal would obey as it stands in a Python text; lines stay lines.

    Example:
        >>> visible("a\x1b[31mb")
        'a\\x1b[31mb'
    """
    return _OBEYED.sub(_spelled, text)


def visible_line(text: str) -> str:
    r"""Write a name on one line: line feeds and tabs are spelled too.

    Example:
        >>> visible_line("two\nlines")
        'two\\nlines'
    """
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")


def _spelled(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


def json_halves(text: str) -> str:
    r"""Spell halves of characters in a JSON text, which UTF-8 cannot hold: a name of a file that is none has them.

    Example:
        >>> json_halves('"\udce9"')
        '"\\udce9"'
    """
    return _HALVES.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


__all__ = ["json_halves", "visible", "visible_line"]
