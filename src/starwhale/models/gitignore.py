r"""One line of a `.gitignore` as a regular expression, meaning what it means to git (gitignore(5); the matching is that of wildmatch).

As there, `?` and `[…]` stand for a byte of the UTF-8 name: texts are matched as their bytes, one character each. A pattern that can match
nothing (`[` without an end, `\` at the end) matches nothing here too. The tests ask a real git.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_NOTHING = r"(?!)"
_CLASSES = {
    "alnum": "a-zA-Z0-9",
    "alpha": "a-zA-Z",
    "blank": r" \t",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": r"!-/:-@\[-`{-~",
    "space": r" \t-\r",
    "upper": "A-Z",
    "xdigit": "0-9a-fA-F",
}
"""Names between `[:` and `:]`, as in the locale C."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GitLine:
    """What one line asks for."""

    excludes: bool
    """Whether it leaves out; otherwise it brings back."""
    folders_only: bool
    """Whether it speaks of folders alone."""
    whole_path: bool
    """Whether it speaks of the whole path; otherwise of the last name in it."""
    pattern: re.Pattern[str]
    """Matches the whole of what it speaks of."""

    def fits(self, path: str, *, is_folder: bool) -> bool:
        """Whether the line speaks of this very path, which has slashes between its names and none at its ends."""
        if self.folders_only and not is_folder:
            return False
        spoken_of = path if self.whole_path else path.rpartition("/")[2]
        return self.pattern.fullmatch(spoken_of if spoken_of.isascii() else _as_bytes(spoken_of)) is not None


def read_lines(text: str) -> list[str]:
    """Cut the text of a file as git does: at line feeds alone, with or without a carriage return, and without a mark at its beginning."""
    return [line.removesuffix("\r") for line in text.removeprefix("\ufeff").split("\n")]


def parse_line(line: str) -> GitLine | None:
    r"""Read one line; None for an empty one and a comment.

    Example:
        >>> [
        ...     bool(parse_line("data/**/*.bin").fits(path, is_folder=False))
        ...     for path in ("data/a.bin", "data/b/c.bin", "a.bin")
        ... ]
        [True, True, False]
    """
    if line.startswith("#"):
        return None
    text = _as_bytes(_without_blanks(line))
    excludes = not text.startswith("!")
    text = text if excludes else text[1:]
    folders_only = text.endswith("/")
    text = text.removesuffix("/")
    if not text:
        return None
    whole_path = "/" in text
    return GitLine(
        excludes=excludes,
        folders_only=folders_only,
        whole_path=whole_path,
        pattern=re.compile(_translate(text.removeprefix("/"), whole_path=whole_path), re.DOTALL),
    )


def _as_bytes(text: str) -> str:
    """Return a text with one character for each byte of its UTF-8."""
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


def _without_blanks(line: str) -> str:
    r"""Take spaces from the end, but for those behind a `\`."""
    end = place = 0
    while place < len(line):
        place += 2 if line[place] == "\\" else 1
        if line[place - 1 : place] != " " or line[place - 2 : place - 1] == "\\":
            end = place
    return line[:end]


def _translate(text: str, *, whole_path: bool) -> str:
    found: list[str] = []
    place = 0
    while place < len(text):
        sign = text[place]
        if sign == "*":
            stop = place + len(text[place:]) - len(text[place:].lstrip("*"))
            piece, place = _stars(text, place, stop, whole_path=whole_path)
        elif sign == "?":
            piece, place = "[^/]", place + 1
        elif sign == "[":
            piece, place = _bracket(text, place + 1)
        elif sign == "\\":
            piece, place = (re.escape(text[place + 1]) if place + 1 < len(text) else _NOTHING), place + 2
        else:
            piece, place = re.escape(sign), place + 1
        found.append(piece)
    return "".join(found)


def _stars(text: str, start: int, stop: int, *, whole_path: bool) -> tuple[str, int]:
    """Translate a run of stars; two or more between slashes stand for any number of folders."""
    is_alone = (start == 0 or text[start - 1] == "/") and (stop == len(text) or text[stop] == "/")
    if not whole_path or stop - start < 2 or not is_alone:
        return "[^/]*", stop
    return (".*", stop) if stop == len(text) else ("(?:.*/)?", stop + 1)


def _bracket(text: str, place: int) -> tuple[str, int]:
    """Translate what follows a `[`; also return where the rest begins."""
    is_negated = text[place : place + 1] in {"!", "^"}
    place += is_negated
    start, pieces = place, list[str]()
    while place < len(text) and (text[place] != "]" or place == start):
        if text.startswith("[:", place) and (end := text.find("]", place + 2)) > 0 and text[end - 1] == ":":
            name = text[place + 2 : end - 1]
            if name not in _CLASSES:
                return _NOTHING, len(text)
            pieces.append(_CLASSES[name])
            place = end + 1
            continue
        first, place = _member(text, place)
        if text[place : place + 1] == "-" and text[place + 1 : place + 2] not in {"", "]"}:
            last, place = _member(text, place + 1)
            if first <= last:
                pieces.append(f"{re.escape(first)}-{re.escape(last)}")
                continue
        pieces.append(re.escape(first) if first else "")
    if place >= len(text):
        return _NOTHING, len(text)
    inside = "".join(pieces)
    if is_negated:
        return f"[^/{inside}]", place + 1
    return (f"(?!/)[{inside}]" if inside else _NOTHING), place + 1


def _member(text: str, place: int) -> tuple[str, int]:
    if text[place] == "\\":
        return text[place + 1 : place + 2], place + 2
    return text[place], place + 1


__all__ = ["GitLine", "parse_line", "read_lines"]
