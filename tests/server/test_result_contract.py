"""The rules of stores of results: in memory, on this machine, and on a server; and what of a server is verified here."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from starwhale.errors import ContentError, CorruptedError, UsageError
from starwhale.storage.carriers.frames import to_pieces
from starwhale.storage.catalog.catalog import open_catalog
from starwhale.storage.layout import Layout
from starwhale.storage.part import PartDraft, TableDraft
from starwhale.storage.protocols import TableQuery
from starwhale.storage.remote.remote_results import RemoteResultStore
from starwhale.storage.result_parts.memory import MemoryResultStore
from starwhale.storage.result_parts.part_codec import encode_draft
from starwhale.storage.result_parts.result_rows import ResultScope
from starwhale.storage.result_parts.results import LocalResultStore
from starwhale.storage.result_parts.segments import LocalSegments
from starwhale.testing.result_stores import ResultStoreContract, append, rows

if TYPE_CHECKING:
    from tests.server.lab import Lab

    from starwhale.storage.protocols import ResultStore


class TestMemoryResults(ResultStoreContract):
    @contextmanager
    def opened(self, folder: Path) -> Generator[ResultStore]:
        yield MemoryResultStore()


class TestLocalResults(ResultStoreContract):
    @contextmanager
    def opened(self, folder: Path) -> Generator[ResultStore]:
        layout = Layout(folder)
        catalog = open_catalog(layout.catalog, folder / ".lock")
        yield LocalResultStore(layout, catalog)
        catalog.close()


class TestRemoteResults(ResultStoreContract):
    @pytest.fixture(autouse=True)
    def _server(self, lab: Lab) -> None:
        self.lab = lab

    @contextmanager
    def opened(self, folder: Path) -> Generator[ResultStore]:
        with opened(self.lab) as store:
            yield store


@contextmanager
def opened(lab: Lab) -> Generator[RemoteResultStore]:
    with closing(lab.connection()) as connection:
        yield RemoteResultStore(connection)


def test_a_flipped_byte_on_the_server_is_found_here(lab: Lab) -> None:
    owner = "self/flipped"
    with opened(lab) as store:
        append(store, owner, "t", [1], {"raw": [b"x" * 5000]})
        append(store, owner, "whole", [1], {"n": [1]})
        (segment,) = LocalSegments(Layout(lab.root)).folder(owner).iterdir()
        torn = bytearray(segment.read_bytes())
        torn[400] ^= 1
        segment.write_bytes(torn)
        with pytest.raises(CorruptedError, match="differ from their checksum"):
            rows(store, owner, "t")
        assert rows(store, owner, "whole") == [{"id": 1, "n": 1}]
        assert [each.lost for each in store.verify(owner)] == ["1 rows of table 't', written by the evaluation"]


def test_what_was_read_ahead_is_read_again_where_it_turns_out_to_be_another(lab: Lab) -> None:
    """Bytes behind the last commit may be of a part that comes to nothing, and others are written there."""
    owner = "self/ahead"
    with opened(lab) as store:
        append(store, owner, "t", [1], {"n": [1]})
        (segment,) = LocalSegments(Layout(lab.root)).folder(owner).iterdir()
        committed = segment.stat().st_size
        with segment.open("ab") as file:
            file.write(b"of a part that comes to nothing" * 100)
        assert rows(store, owner, "t") == [{"id": 1, "n": 1}]
        with segment.open("r+b") as file:
            file.truncate(committed)
        append(store, owner, "t", [2], {"n": [2]})
        assert rows(store, owner, "t") == [{"id": 1, "n": 1}, {"id": 2, "n": 2}]


def test_a_page_goes_on_where_the_server_has_merged_the_parts_meanwhile(lab: Lab) -> None:
    owner, scope = "self/merged", ResultScope(owner="self/merged")
    with opened(lab) as store:
        for each in range(5):
            append(store, owner, "t", [each], {"n": [each]})
        page = store.reader.read_page(scope, TableQuery(table="t"), max_rows=2)
        layout = Layout(lab.root)
        catalog = open_catalog(layout.catalog, lab.root / ".lock")
        assert LocalResultStore(layout, catalog).compact(owner) == 5
        for segment in LocalSegments(layout).folder(owner).glob("*.seg"):
            segment.unlink()
        catalog.close()
        seen = [*page.columns["n"]]
        while page.next_cursor:
            page = store.reader.read_page(scope, TableQuery(table="t"), page.next_cursor, max_rows=2)
            seen += page.columns["n"]
        assert seen == [0, 1, 2, 3, 4]
        with opened(lab) as fresh:
            assert len(rows(fresh, owner, "t")) == 5


def test_a_part_that_is_sent_twice_is_committed_once(lab: Lab) -> None:
    draft = PartDraft(tables=[TableDraft(name="t", ids=[1], columns={"n": [1]})])
    header, blobs = encode_draft(draft).to_message()
    body = b"".join(to_pieces({"part": header}, blobs))
    words = {"owner": "self/twice", "holder": "log"}
    headers = {"content-type": "application/octet-stream", "idempotency-key": "one"}
    with lab.web() as web:
        first, again = (
            web.post("/results/append", content=body, params=words, headers=headers).json() for _ in range(2)
        )
        assert first == again
        found = web.post("/results/parts", json={"owners": ["self/twice"]}).json()
        assert [each["id"] for each in found["items"]] == [first["id"]]
        other = web.post("/results/append", content=body, params={**words, "owner": "self/x"}, headers=headers)
        assert (other.status_code, other.json()["code"]) == (409, "conflict")


def test_what_is_no_part_is_refused_and_nothing_is_kept(lab: Lab) -> None:
    draft = PartDraft(tables=[TableDraft(name="t", ids=[1], columns={"n": [1]})])
    header, blobs = encode_draft(draft).to_message()
    cut = bytearray(blobs[0])
    del cut[len(cut) // 2 :]
    leased = json.loads(json.dumps(header))
    leased["lease"] = {"job_id": "x"}
    more = json.loads(json.dumps(header))
    more["tables"] = [["t", 2, "arrow"]]
    bodies = {
        b"": UsageError,
        b"\0" * 40: UsageError,
        b"".join(to_pieces({"part": leased}, blobs)): UsageError,
        b"".join(to_pieces({"part": header}, [bytes(cut)])): ContentError,
        b"".join(to_pieces({"part": more}, blobs)): ContentError,
    }
    with lab.web() as web:
        for body, kind in bodies.items():
            answer = web.post(
                "/results/append",
                content=body,
                params={"owner": "self/none", "holder": "log"},
                headers={"content-type": "application/octet-stream"},
            )
            assert (answer.status_code // 100, answer.json()["code"]) == (4, kind.code), answer.text
        whole = b"".join(to_pieces({"part": header}, blobs))
        half = json.loads(json.dumps(header))
        half["tables"] = [["\ud800", 1, "arrow"]]
        for words, body in (
            ({"owner": "self/" + "ü" * 60, "holder": "log"}, whole),
            ({"owner": "self/none", "holder": "ü" * 60}, whole),
            ({"owner": "self/none", "holder": "log"}, b"".join(to_pieces({"part": half}, blobs))),
        ):
            answer = web.post(
                "/results/append", content=body, params=words, headers={"content-type": "application/octet-stream"}
            )
            assert (answer.status_code // 100, answer.json()["code"]) == (4, UsageError.code), answer.text
        assert web.get("/results/file", params={"owner": "ü" * 60, "name": "log.seg"}).status_code == 404
        assert web.post("/results/parts", json={"owners": ["self/none"]}).json() == {"items": [], "has_more": False}
        for name in ("../../catalog.db", "..", "log.seg/../../x", ""):
            assert web.get("/results/file", params={"owner": "self/none", "name": name}).status_code == 404
