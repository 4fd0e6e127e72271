"""The lines by which two texts differ, within bounds: what is no text, or too much, is said and not shown."""

from __future__ import annotations

import codecs
import difflib
import re
from dataclasses import dataclass
from typing import Any

MOST_BYTES = 1 << 20
"""A larger file is not compared by lines."""
MOST_LINES = 400
"""Lines of one file that are given out."""
_MOST_COMPARED = 2_000
"""Lines of a stretch in which the differences are looked for; comparing takes the square of it at worst."""
_CONTEXT = 3
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NO_TEXT = re.compile(rb"[\x00-\x06\x0e-\x1a\x1c-\x1f\x7f]")
"""Bytes that no text in an 8-bit encoding holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDiff:
    """How the content of one file differs."""

    path: str
    """Below the model root."""
    lines: tuple[str, ...] = ()
    """As `diff -u` writes them, without ends of lines: `@@ … @@`, then ` `, `-` or `+` and the line."""
    encodings: tuple[str, str] = ("", "")
    """How the first and the second text are read."""
    lines_left: int = 0
    """Lines beyond those that are given."""
    skipped: str = ""
    """Why there are no lines, or empty."""

    def to_json(self) -> dict[str, Any]:  # Any: a JSON object
        """Return it as a plain object."""
        if self.skipped:
            return {"path": self.path, "skipped": self.skipped}
        return {
            "path": self.path,
            "encodings": list(self.encodings),
            "lines": list(self.lines),
            "lines_left": self.lines_left,
        }


def diff_texts(path: str, old: bytes, new: bytes) -> TextDiff:
    r"""Compare two contents by lines, each read in the encoding that its bytes show.

    Example:
        >>> diff_texts("a.py", b"x = 1\n", b"x = 2\n").lines
        ('@@ -1 +1 @@', '-x = 1', '+x = 2')
    """
    texts = [_read(content) for content in (old, new)]
    if any(each is None for each in texts):
        return TextDiff(path=path, skipped="not a text")
    (old_text, old_encoding), (new_text, new_encoding) = [each for each in texts if each is not None]
    encodings = (old_encoding, new_encoding)
    if old_text == new_text:
        return TextDiff(path=path, skipped=f"the same text, in {old_encoding} before and {new_encoding} now")
    lines = _compare(_split(old_text), _split(new_text))
    if lines is None:
        return TextDiff(path=path, skipped="too many lines differ")
    left = max(len(lines) - MOST_LINES, 0)
    return TextDiff(path=path, lines=tuple(lines[:MOST_LINES]), encodings=encodings, lines_left=left)


def _read(content: bytes) -> tuple[str, str] | None:
    """Return text and encoding, or None for what is no text."""
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            try:
                return content.decode(encoding), encoding
            except UnicodeDecodeError:
                return None
    if _NO_TEXT.search(content):
        return None
    try:
        return content.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        return content.decode("latin-1"), "latin-1"


def _split(text: str) -> list[str]:
    r"""Cut at `\n` alone, so that `\r\n` and `\n` differ; a last line without an end says so."""
    lines = text.split("\n")
    last = lines.pop()
    shown = [line[:-1] + "␍" if line.endswith("\r") else line for line in lines]
    return [*shown, *([last + "␄"] if last else [])]


def _compare(old: list[str], new: list[str]) -> list[str] | None:
    """Return what `diff -u` would write, without names; None where that would take too long."""
    start = _common(old, new)
    end = _common(old[start:][::-1], new[start:][::-1])
    if max(len(old), len(new)) - start - end > _MOST_COMPARED:
        return None
    near = max(start - _CONTEXT, 0)
    cut_old = old[near : len(old) - max(end - _CONTEXT, 0)]
    cut_new = new[near : len(new) - max(end - _CONTEXT, 0)]
    found: list[str] = []
    for group in difflib.SequenceMatcher(None, cut_old, cut_new).get_grouped_opcodes(_CONTEXT):
        (_, i1, _, j1, _), (_, _, i2, _, j2) = group[0], group[-1]
        found.append(f"@@ -{_range(near + i1, near + i2)} +{_range(near + j1, near + j2)} @@")
        for tag, a1, a2, b1, b2 in group:
            if tag == "equal":
                found += [f" {line}" for line in cut_old[a1:a2]]
                continue
            found += [f"-{line}" for line in cut_old[a1:a2]]
            found += [f"+{line}" for line in cut_new[b1:b2]]
    return found


def _common(old: list[str], new: list[str]) -> int:
    """Number of lines that both begin with."""
    count = 0
    for before, after in zip(old, new, strict=False):
        if before != after:
            break
        count += 1
    return count


def _range(start: int, stop: int) -> str:
    count = stop - start
    if count == 1:
        return str(start + 1)
    return f"{start + 1 if count else start},{count}"


__all__ = ["MOST_BYTES", "TextDiff", "diff_texts"]
