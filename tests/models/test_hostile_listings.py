"""Lists of files that somebody wrote to do harm: refused as a whole, or written inside of the folder and nowhere else."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from starwhale.errors import AlreadyExistsError, CorruptedError
from starwhale.models.extract import extract
from starwhale.models.listing import Entry, EntryKind, Listing
from starwhale.models.unpack import unpack
from starwhale.storage.blobs.local import LocalBlobStore

CONTENT = b"of the model"
PARTS = st.sampled_from(
    [
        "a",
        "b",
        "A",
        "ü",
        "..",
        ".",
        "",
        "\0",
        "c\0d",
        "x" * 300,
        "\udc80",
        "canary",
        "...",
        "a ",
        "-rf",
        "~",
        "C:",
        "a\\b",
    ]
)
NAMES = st.builds(
    lambda lead, parts: lead + "/".join(parts),
    st.sampled_from(["", "", "", "/"]),
    st.lists(PARTS, min_size=1, max_size=4),
)
TAME = st.lists(st.sampled_from(["a", "b", "A", ".."]), min_size=1, max_size=3).map("/".join)
"""Names that pass more often, so that links to links and folders in links come about."""


def entries(digest: str) -> st.SearchStrategy[list[Any]]:  # Any: JSON, as hostile as it may be
    names = st.one_of(TAME, TAME, NAMES)
    files = st.builds(lambda path: {"path": path, "kind": "file", "digest": digest, "size": len(CONTENT)}, names)
    folders = st.builds(lambda path: {"path": path, "kind": "folder"}, names)
    links = st.builds(lambda path, target: {"path": path, "kind": "link", "target": target}, names, names)
    odd = st.builds(
        lambda path, digest, size: {"path": path, "kind": "file", "digest": digest, "size": size},
        st.one_of(names, st.none(), st.integers()),
        st.sampled_from(["", "../../etc/passwd", "0" * 63, None, 5]),
        st.sampled_from([-1, 0, 1.5, "1", None]),
    )
    return st.lists(st.one_of(files, links, links, folders, odd), min_size=1, max_size=5)


def outside(box: Path) -> dict[str, bytes]:
    """Everything in the box but the target."""
    target = box / "deep" / "out"
    return {
        str(path): path.read_bytes() if path.is_file() else b""
        for path in box.rglob("*")
        if target not in (path, *path.parents)
    }


@pytest.fixture(scope="module")
def blobs(tmp_path_factory: pytest.TempPathFactory) -> LocalBlobStore:
    return LocalBlobStore(tmp_path_factory.mktemp("blobs"))


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_nothing_is_written_or_reached_outside(blobs: LocalBlobStore, data: st.DataObject) -> None:
    digest = blobs.put(CONTENT)
    with tempfile.TemporaryDirectory() as folder:
        box = Path(folder).resolve()
        (box / "canary").write_bytes(b"of somebody else")
        (box / "deep").mkdir()
        before = outside(box)
        text = json.dumps({"format": 1, "entries": data.draw(entries(digest))})
        out = box / "deep" / "out"
        if data.draw(st.booleans()):
            out.mkdir()
        try:
            extract(Listing.from_bytes(text.encode()), blobs, out)
        except CorruptedError:
            pass
        else:
            for path in out.rglob("*"):
                end = Path(os.path.realpath(path))
                assert end == out or out in end.parents, f"{path} leads to {end}"
        assert outside(box) == before


@pytest.mark.parametrize(
    "listed",
    [
        [("a", "..")],
        [("a/b", "."), ("a/c", "b/../..")],
        [("a/b", ".."), ("c", "a/b/..")],
        [("a", "b"), ("b", "c"), ("c", "/")],
        [("a", "."), ("b", "a/a/a/../..")],
        [("a", "a/../..")],
        [("a", "b/../.."), ("b", "a")],
    ],
)
def test_links_over_links_that_lead_out_are_refused(listed: list[tuple[str, str]]) -> None:
    text = json.dumps({"entries": [{"path": path, "kind": "link", "target": target} for path, target in listed]})
    with pytest.raises(CorruptedError, match="leads out"):
        Listing.from_bytes(text.encode())


def test_a_circle_of_links_that_stays_inside_is_kept() -> None:
    listed = [("a", "a"), ("b/c", "../b/c")]
    text = json.dumps({"entries": [{"path": path, "kind": "link", "target": target} for path, target in listed]})
    assert [each.path for each in Listing.from_bytes(text.encode()).entries] == ["a", "b/c"]


@pytest.mark.parametrize("path", ["x" * 256, "a/" * 2048 + "a", "ü" * 128, "\ud800"])
def test_names_that_no_file_system_takes_are_refused(path: str) -> None:
    text = json.dumps({"entries": [{"path": path, "kind": "folder"}]})
    with pytest.raises(CorruptedError, match="is no path"):
        Listing.from_bytes(text.encode())


def test_names_that_are_one_on_the_disk_overwrite_nothing(tmp_path: Path) -> None:
    """What `A` and `a` are where case is not told apart; here the same name stands for both."""
    blobs = LocalBlobStore(tmp_path / "blobs")
    first, second = (
        Entry(path="a", kind=EntryKind.FILE, digest=blobs.put(content), size=1) for content in (b"1", b"2")
    )
    with pytest.raises(AlreadyExistsError, match="'a' and another name of the model are the same"):
        unpack(Listing(entries=(first, second)), blobs, tmp_path / "out")
    assert not (tmp_path / "out").exists()
