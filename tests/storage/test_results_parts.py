"""Writing parts: bytes that round-trip, segments that keep what was committed, damage that is named."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from starwhale.domain.together import Piece
from starwhale.errors import CorruptedError
from starwhale.storage.layout import Layout
from starwhale.storage.part import EncodedPart, Form, PartDraft, PartRecord, PartTable, RangeLease, TableDraft
from starwhale.storage.protocols import TablePage
from starwhale.storage.result_parts.part_codec import (
    decode_page,
    decode_table,
    encode_draft,
    encode_page,
    to_arrow,
)
from starwhale.storage.result_parts.results import LocalResultStore, describe_part

LEASE = RangeLease(job_id="j1", step="m:predict", dataset_position=0, start=0, stop=4, epoch=1, batch=1)


class MemoryParts:
    """Parts without a database."""

    def __init__(self) -> None:
        self.kept: list[PartRecord] = []

    @property
    def parts(self) -> MemoryParts:
        return self

    def add(self, connection: object, part: PartRecord) -> int:
        self.kept.append(dataclasses.replace(part, id=len(self.kept) + 1))
        return len(self.kept)

    def commit(self, part: PartRecord) -> int:
        return self.add(None, part)

    def visible(self, owner: str, *, after: int = 0) -> list[PartRecord]:
        return [part for part in self.kept if part.owner == owner and part.visible and part.id > after]

    def replace_locations(self, owner: str, locations: object) -> None:
        raise NotImplementedError


def make_draft() -> PartDraft:
    return PartDraft(
        lease=LEASE,
        stop=3,
        tables=[
            TableDraft(name="predictions", ids=[0, 2], columns={"output": ["a", None], "score": [0.5, float("inf")]}),
            TableDraft(name="logged", ids=["x"], columns={"any": [{"k": [1, (2, "t")]}], "mixed": [3]}),
            TableDraft(name="empty", ids=[]),
        ],
        rows_done=3,
        rows_failed=1,
        took_s=0.25,
        timings={"predict": 0.2},
    )


@pytest.mark.parametrize("kind", ["arrow", "msgpack"])
def test_a_part_comes_back_as_it_was(kind: Form) -> None:
    draft = make_draft()
    encoded = encode_draft(draft, kind)
    stored = to_arrow(encoded)
    assert {table.form for table in stored.tables} == {"arrow"}
    assert [decode_table(table) for table in encoded.tables] == draft.tables[:2]
    assert [decode_table(table) for table in stored.tables] == draft.tables[:2]
    assert (stored.lease, stored.stop, stored.rows_done, stored.rows_failed) == (LEASE, 3, 3, 1)
    assert (stored.took_s, stored.timings) == (0.25, {"predict": 0.2})


@pytest.mark.parametrize("kind", ["arrow", "msgpack"])
def test_a_part_crosses_as_json_and_bytes_without_a_copy(kind: Form) -> None:
    pieces = (Piece(start=0, stop=2, epoch=1), Piece(start=3, stop=4, epoch=2))
    draft = dataclasses.replace(make_draft(), lease=dataclasses.replace(LEASE, pieces=pieces), failed_ranks=(1,))
    for encoded in (encode_draft(draft, kind), encode_draft(PartDraft(), kind)):
        header, contents = encoded.to_message()
        arrived = EncodedPart.from_message(json.loads(json.dumps(header)), contents)
        assert arrived == encoded
        assert all(ours.content is theirs for ours, theirs in zip(arrived.tables, contents, strict=True))


@pytest.mark.parametrize("kind", ["arrow", "msgpack"])
@pytest.mark.parametrize("cursor", [None, "[1]"])
def test_a_page_comes_back_as_it_was(kind: Form, cursor: str | None) -> None:
    page = TablePage(columns={"id": ["a", "b"], "n": [1, None]}, row_count=2, next_cursor=cursor)
    assert decode_page(encode_page(page, kind)) == page


def test_parts_of_one_attempt_share_a_segment_and_each_is_read_back(tmp_path: Path) -> None:
    store = LocalResultStore(Layout(tmp_path), MemoryParts())
    first = store.write("j1", "j1/0/0#1", encode_draft(make_draft()))
    second = store.write("j1", "j1/0/0#1", encode_draft(make_draft()))
    assert len(list(store.folder("j1").iterdir())) == 1
    assert [table.table_name for table in first] == ["predictions", "logged"]
    assert second[0].offset == first[1].offset + first[1].length
    assert store.batch("j1", second[0]).num_rows == 2
    assert store.write("j1", "j1/0/0#1", encode_draft(PartDraft())) == ()


def test_a_torn_tail_of_a_dead_attempt_harms_nothing(tmp_path: Path) -> None:
    store = LocalResultStore(Layout(tmp_path), MemoryParts())
    first = store.write("j1", "a", encode_draft(make_draft()))
    segment = store.folder("j1") / first[0].file
    with segment.open("ab") as file:
        file.write(b"half a part")
    second = store.write("j1", "a", encode_draft(make_draft()))
    assert store.batch("j1", first[0]).equals(store.batch("j1", second[0]))


def test_every_flipped_byte_is_found_and_named(tmp_path: Path) -> None:
    catalog = MemoryParts()
    store = LocalResultStore(Layout(tmp_path), catalog)
    encoded = encode_draft(make_draft())
    tables = store.write("j1", "a", encoded)
    catalog.commit(describe_part("j1", encoded, tables, step="m:predict", task_id="t", attempt=1))
    segment = store.folder("j1") / tables[0].file
    whole = segment.read_bytes()
    for position in range(0, len(whole), 7):
        torn = bytearray(whole)
        torn[position] ^= 0x10
        segment.write_bytes(torn)
        table = tables[0] if position < tables[1].offset else tables[1]
        with pytest.raises(CorruptedError, match="differ from their checksum"):
            LocalResultStore(Layout(tmp_path), catalog).batch("j1", table)
    damage = store.verify("j1")
    assert [each.path for each in damage] == [str(segment)]
    segment.write_bytes(whole)
    assert store.verify("j1") == []


def test_a_lease_says_which_rows_a_part_holds_and_a_step_without_rows_is_provisional() -> None:
    encoded = encode_draft(make_draft())
    part = describe_part("j1", encoded, (), step="m:predict", task_id="t", attempt=2)
    assert part == PartRecord(
        owner="j1", step="m:predict", task_id="t", attempt=2, dataset_position=0, start=0, stop=3, provisional=False
    )
    assert describe_part("j1", encode_draft(PartDraft()), (), step="e", task_id="t").provisional
    assert not describe_part("self/free", encode_draft(PartDraft()), ()).provisional


def test_ids_of_evaluations_cannot_leave_the_results_folder(tmp_path: Path) -> None:
    store = LocalResultStore(Layout(tmp_path), MemoryParts())
    for owner in ("self/../../../etc", "..", "self/a b", ".", "self/ü"):
        (table,) = store.write(owner, "..", encode_draft(PartDraft(tables=[TableDraft(name="t", ids=[1])])))
        assert isinstance(table, PartTable)
        path = (store.folder(owner) / table.file).resolve()
        assert path.is_relative_to(tmp_path / "results")
        assert path.is_file()
