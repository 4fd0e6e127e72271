"""Texts of users in Markdown: they stay the texts that they are, on one line, cut, and without a meaning of their own."""

from __future__ import annotations

import re
from collections.abc import Sequence

SHOWN_CHARACTERS = 200
"""Of one value."""
_SPECIAL = re.compile(r"[\\`*_{}\[\]<>#|~@&$]|(?<=www)\.|:(?=//)|^[-+=]|(?<=^\d)[.)](?=\s|$)")
"""What may become markup, a mention, a formula or a link; at the beginning also a list."""
_HIDDEN = {"@": "\\@\u200b", "&": "&amp;", "<": "&lt;", ">": "&gt;"}
_UNSEEN = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def escaped(text: str, most: int = SHOWN_CHARACTERS) -> str:
    r"""Write a text of a user's so that it stays that text: on one line, without markup, mentions and links.

    Example:
        >>> escaped("a|b <img> 2 - 1")
        'a\\|b &lt;img&gt; 2 - 1'
    """
    return _SPECIAL.sub(lambda found: _HIDDEN.get(found[0], f"\\{found[0]}"), one_line(text, most))


def code(text: str, most: int = SHOWN_CHARACTERS) -> str:
    r"""Write a text of a user's as code, which nothing is read into; also in the cell of a table.

    Example:
        >>> code("numbers_#@#_59"), code("a`b")
        ('`numbers_#@#_59`', '``a`b``')
    """
    line = one_line(text, most).replace("|", "\\|")
    fence = "`" * (max((len(each) for each in re.findall("`+", line)), default=0) + 1)
    pad = " " if line.startswith("`") or line.endswith("`") or not line else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def one_line(text: str, most: int = SHOWN_CHARACTERS) -> str:
    """Write a text on one line, and cut it."""
    line = " ".join(visible_text(text).split())
    return line if len(line) <= most else f"{line[:most]}…"


def visible_text(text: str) -> str:
    """Write what turns the direction of a line, and other characters that nobody sees, as a mark."""
    return _UNSEEN.sub("�", text)


def diff_block(lines: Sequence[str]) -> list[str]:
    """Write lines of a diff as a block that a reader sees in colours, and that nothing in them can end."""
    fence = "`" * max(3, *(len(each) + 1 for line in lines for each in re.findall("`+", line)), 3)
    return [f"{fence}diff", *lines, fence]
