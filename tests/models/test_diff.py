"""What makes one version of another."""

from __future__ import annotations

import json

import pytest

from starwhale.domain.job import HandlerRecord
from starwhale.errors import CorruptedError
from starwhale.models.diff import FileState, ModelDiff, diff_contents, diff_files, diff_handlers
from starwhale.models.listing import Entry, EntryKind, Listing
from starwhale.models.text_diff import MOST_BYTES, MOST_LINES, diff_texts
from starwhale.storage.blobs.memory import MemoryBlobStore


def entry(path: str, content: bytes = b"", *, blobs: MemoryBlobStore, is_executable: bool = False) -> Entry:
    digest = blobs.put(content)
    return Entry(path=path, kind=EntryKind.FILE, digest=digest, size=len(content), is_executable=is_executable)


def link(path: str, target: str) -> Entry:
    return Entry(path=path, kind=EntryKind.LINK, target=target)


def test_every_path_has_one_state_and_its_reasons() -> None:
    blobs = MemoryBlobStore()
    base = Listing(
        entries=(
            entry("gone", b"1", blobs=blobs),
            entry("mode", b"1", blobs=blobs),
            entry("same", b"1", blobs=blobs),
            entry("text", b"1", blobs=blobs),
            link("kind", "same"),
            link("link", "same"),
        )
    )
    compare = Listing(
        entries=(
            Entry(path="empty", kind=EntryKind.FOLDER),
            entry("mode", b"1", blobs=blobs, is_executable=True),
            entry("same", b"1", blobs=blobs),
            entry("text", b"2", blobs=blobs, is_executable=True),
            entry("kind", b"", blobs=blobs),
            link("link", "text"),
        )
    )
    found = {each.path: (str(each.state), each.reasons) for each in diff_files(base, compare)}
    assert found == {
        "empty": ("added", ()),
        "gone": ("deleted", ()),
        "kind": ("updated", ("kind",)),
        "link": ("updated", ("target",)),
        "mode": ("updated", ("mode",)),
        "same": ("unchanged", ()),
        "text": ("updated", ("content", "mode")),
    }
    assert all(each.state is FileState.UNCHANGED for each in diff_files(base, base))


def test_handlers_differ_field_by_field() -> None:
    old = {name: HandlerRecord(name=name, kind="handler") for name in ("m:a", "m:b", "m:c")}
    new = {**old, "m:b": HandlerRecord(name="m:b", kind="handler", replicas=3, needs=("m:a",))}
    del new["m:c"]
    new["m:d"] = HandlerRecord(name="m:d", kind="handler")
    found = diff_handlers(old, new)
    assert found.to_json() == {
        "added": ["m:d"],
        "deleted": ["m:c"],
        "updated": {"m:b": {"replicas": {"old": 1, "new": 3}, "needs": {"old": (), "new": ("m:a",)}}},
    }
    assert diff_handlers(old, old).is_same
    whole = ModelDiff(base="a", compare="b", files=(), handlers=found)
    assert not whole.is_same
    assert json.loads(json.dumps(whole.to_json()))["counts"] == dict.fromkeys(map(str, FileState), 0)


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        (b"a\nb\nc\n", b"a\nB\nc\n", ("@@ -1,3 +1,3 @@", " a", "-b", "+B", " c")),
        (b"", b"a\n", ("@@ -0,0 +1 @@", "+a")),
        (b"a\n", b"", ("@@ -1 +0,0 @@", "-a")),
        (b"a\r\n", b"a\n", ("@@ -1 +1 @@", "-a␍", "+a")),
        (b"a", b"a\n", ("@@ -1 +1 @@", "-a␄", "+a")),
        ("ü\n".encode("latin-1"), "ä\n".encode(), ("@@ -1 +1 @@", "-ü", "+ä")),
        ("ü\n".encode("utf-16"), b"a\n", ("@@ -1 +1 @@", "-ü", "+a")),
        (
            b"".join(b"%d\n" % n for n in range(20)),
            b"".join(b"%d\n" % n for n in range(20) if n != 10),
            ("@@ -8,7 +8,6 @@", " 7", " 8", " 9", "-10", " 11", " 12", " 13"),
        ),
    ],
)
def test_lines_are_those_of_diff(old: bytes, new: bytes, lines: tuple[str, ...]) -> None:
    assert diff_texts("x", old, new).lines == lines


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (b"\x00\x01", b"a", "not a text"),
        (b"\xff\xfe\x00", b"a", "not a text"),
        ("ü\n".encode(), "ü\n".encode("utf-16"), "the same text, in utf-8 before and utf-16 now"),
        (b"".join(b"a%d\n" % n for n in range(3000)), b"".join(b"b%d\n" % n for n in range(3000)), "too many lines"),
    ],
)
def test_what_cannot_be_compared_says_why(old: bytes, new: bytes, why: str) -> None:
    found = diff_texts("x", old, new)
    assert (found.lines, why in found.skipped) == ((), True)


def test_a_long_difference_is_cut_and_counted() -> None:
    found = diff_texts("x", b"", b"".join(b"%d\n" % n for n in range(1000)))
    assert (len(found.lines), found.lines_left) == (MOST_LINES, 1001 - MOST_LINES)


def test_a_small_change_in_a_long_text_is_found() -> None:
    lines = [b"line %d\n" % n for n in range(40_000)]
    found = diff_texts("x", b"".join(lines), b"".join([*lines[:39_000], b"new\n", *lines[39_000:]]))
    assert [each for each in found.lines if each[0] in "+-"] == ["+new"]


def test_contents_are_read_within_bounds_and_verified() -> None:
    blobs = MemoryBlobStore()
    huge = b"x" * (MOST_BYTES + 1)
    base = Listing(entries=tuple(entry(f"{n}", b"%d" % n, blobs=blobs) for n in range(5)))
    compare = Listing(
        entries=(entry("0", huge, blobs=blobs), *(entry(f"{n}", b"new %d" % n, blobs=blobs) for n in range(1, 5)))
    )
    details, left = diff_contents(diff_files(base, compare), blobs, 3)
    assert ([each.path for each in details], left) == (["0", "1", "2"], 2)
    assert details[0].skipped == "larger than 1 MiB"
    with pytest.raises(CorruptedError, match=r"the content of '1' is damaged.*--verify"):
        diff_contents(diff_files(base, compare)[1:2], MemoryBlobStore(), 3)
