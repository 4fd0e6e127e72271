"""Reading results back: order, merging, joined inputs, pages, damage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from starwhale.domain.job import DatasetInput, HandlerRecord, Step
from starwhale.errors import CorruptedError, NotFoundError, ResultsError
from starwhale.storage.catalog.catalog import SqlCatalog, open_catalog
from starwhale.storage.dataset_rows.dataset_store import LocalDatasetStore
from starwhale.storage.layout import Layout
from starwhale.storage.part import PartDraft, RangeLease, TableDraft
from starwhale.storage.protocols import DatasetReader, Key, TableQuery
from starwhale.storage.result_parts.part_codec import encode_draft
from starwhale.storage.result_parts.results import LocalResultStore, ResultScope, describe_part

JOB = "j" * 40


@dataclass
class Bench:
    """Real stores with one job over real datasets."""

    root: Path
    catalog: SqlCatalog
    results: LocalResultStore
    datasets: LocalDatasetStore

    def make_dataset(self, name: str, keys: Sequence[Key], **columns: Sequence[Any]) -> DatasetInput:
        writer = self.datasets.begin(name, None)
        writer.put_columns(keys, columns)
        commit = writer.commit()
        return DatasetInput(
            uri=f"project/self/dataset/{name}/version/{name}0",
            given=name,
            dataset_id=name,
            project="self",
            name=name,
            version=f"{name}0",
            manifest_digest=commit.manifest_digest,
            row_count=commit.row_count,
        )

    def open(self, dataset: DatasetInput) -> DatasetReader:
        return self.datasets.open_version(dataset.dataset_id, dataset.manifest_digest)

    def predict(
        self, step: str, position: int, start: int, stop: int, columns: dict[str, list[Any]], **more: Any
    ) -> int:
        """Commit a part of predictions for the ranks [start, stop), or for `ranks`."""
        lease = RangeLease(job_id=JOB, step=step, dataset_position=position, start=start, stop=stop, epoch=1, batch=1)
        ranks = more.pop("ranks", list(range(start, stop)))
        tables = [TableDraft(name="predictions", ids=ranks, columns=columns), *more.pop("tables", [])]
        encoded = encode_draft(PartDraft(lease=lease, tables=tables))
        stored = self.results.write(JOB, more.get("holder", "t#1"), encoded)
        with self.catalog.write() as connection:
            return self.results.record(connection, describe_part(JOB, encoded, stored, step=step, task_id="t"))

    def log(self, table: str, ids: list[Key], columns: dict[str, list[Any]]) -> None:
        self.results.append(JOB, "log", PartDraft(tables=[TableDraft(name=table, ids=ids, columns=columns)]))

    def read(self, scope: ResultScope, query: TableQuery | str, max_rows: int = 4096) -> list[dict[str, Any]]:
        """Read a table in pages; cells that are not there are left out."""
        query = TableQuery(table=query) if isinstance(query, str) else query
        rows: list[dict[str, Any]] = []
        cursor = None
        while True:
            page = self.results.reader.read_page(scope, query, cursor, max_rows=max_rows)
            assert page.row_count <= max(max_rows, 2)  # two steps may share a rank
            assert all(len(values) == page.row_count for values in page.columns.values())
            for row in range(page.row_count):
                cells = {name: values[row] for name, values in page.columns.items()}
                rows.append({name: value for name, value in cells.items() if value is not None})
            cursor = page.next_cursor
            if cursor is None:
                return rows


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    layout = Layout(tmp_path)
    catalog = open_catalog(layout.catalog, tmp_path / ".lock")
    yield Bench(tmp_path, catalog, LocalResultStore(layout, catalog), LocalDatasetStore(layout.datasets))
    catalog.close()


def make_step(name: str, id_step: str = "", **record: Any) -> Step:
    handler = HandlerRecord(name=name, kind="predict", log_mode="plain", **record)
    return Step(name=name, record=handler, consumes_rows=True, id_step=id_step)


def test_rows_come_in_row_order_with_their_inputs(bench: Bench) -> None:
    a = bench.make_dataset("a", [10, 9, 2], text=["ten", "nine", "two"], nest=[{"k": 1}, {"k": 2}, {"k": 3}])
    b = bench.make_dataset("b", ["x", "Y"], label=[1, 2])
    scope = ResultScope(owner=JOB, steps=(make_step("m:p"),), datasets=(a, b), open_dataset=bench.open)
    bench.predict("m:p", 1, 0, 2, {"_index": ["Y", "x"], "output": ["oY", "ox"]})
    bench.predict("m:p", 0, 2, 3, {"_index": [10], "output/v": [1.5], "duration_seconds": [0.5]})
    bench.predict("m:p", 0, 0, 2, {"_index": [2, 9], "output": ["o2", "o9"]})
    expected = ["self/a_#@#_2", "self/a_#@#_9", "self/a_#@#_10", "self/b_#@#_Y", "self/b_#@#_x"]
    for max_rows in (1, 2, 3, 100):
        rows = bench.read(scope, "results", max_rows)
        assert [row["id"] for row in rows] == expected
    assert rows[2] == {
        "id": "self/a_#@#_10",
        "_index": 10,
        "_mode": "plain",
        "duration_seconds": 0.5,
        "output/v": 1.5,
        "input/text": "ten",
        "input/nest/k": 1,
        "__dataset": "self/a",
        "__dataset_version": "a0",
        "__key": 10,
        "__step": "m:p",
    }
    assert rows[4]["input/label"] == 1
    assert bench.results.reader.table_names(scope) == ["results"]


def test_only_the_features_that_were_asked_for_are_joined(bench: Bench) -> None:
    a = bench.make_dataset("a", [0, 1], x=[1, 2], y=[3, 4])
    bench.predict("m:p", 0, 0, 2, {"_index": [0, 1], "output": [0, 0]})
    for wanted, expected in ((None, {"input/x", "input/y"}), (("y",), {"input/y"}), ((), set[str]())):
        scope = ResultScope(
            owner=JOB, steps=(make_step("m:p", log_features=wanted),), datasets=(a,), open_dataset=bench.open
        )
        row = bench.read(scope, "results")[1]
        assert {name for name in row if name.startswith("input/")} == expected


def test_rows_without_a_prediction_are_left_out_and_data_that_is_gone_only_costs_the_inputs(bench: Bench) -> None:
    a = bench.make_dataset("a", list(range(9)), x=list(range(9)))
    bench.predict("m:p", 0, 0, 9, {"_index": [1, 5, 8], "output": [1, 5, 8]}, ranks=[1, 5, 8])

    def gone(dataset: DatasetInput) -> DatasetReader:
        raise NotFoundError(dataset.name)

    step = make_step("m:p")
    for open_dataset in (bench.open, gone, None):
        scope = ResultScope(owner=JOB, steps=(step,), datasets=(a,), open_dataset=open_dataset)
        fresh = LocalResultStore(Layout(bench.root), bench.catalog)
        bench.results = fresh
        for max_rows in (1, 2, 10):
            rows = bench.read(scope, "results", max_rows)
            assert [row["_index"] for row in rows] == [1, 5, 8]
            assert [row.get("input/x") for row in rows] == ([1, 5, 8] if open_dataset == bench.open else [None] * 3)


def test_several_predict_steps_are_merged_by_row(bench: Bench) -> None:
    a = bench.make_dataset("a", list(range(5)), x=list(range(5)))
    steps = (make_step("m:one"), make_step("m:two", id_step="m:two"))
    scope = ResultScope(owner=JOB, steps=steps, datasets=(a,), open_dataset=bench.open)
    bench.predict("m:two", 0, 0, 5, {"_index": [0, 2, 4], "output": ["t0", "t2", "t4"]}, ranks=[0, 2, 4])
    bench.predict("m:one", 0, 3, 5, {"_index": [3, 4], "output": [3, 4]})
    bench.predict("m:one", 0, 0, 3, {"_index": [0, 1, 2], "output": [0, 1, 2]})
    expected = [0, "t0", 1, 2, "t2", 3, 4, "t4"]
    for max_rows in (2, 3, 4, 50):
        rows = bench.read(scope, "results", max_rows)
        assert [row["output"] for row in rows] == expected
    assert [row["id"] for row in rows][:2] == ["self/a_#@#_0", "self/a_#@#_0_#@#_m:two"]
    assert [row["input/x"] for row in rows] == [0, 0, 1, 2, 2, 3, 4, 4]
    between = TableQuery(table="results", start="self/a_#@#_0_#@#_m:two", end="self/a_#@#_2_#@#_m:two")
    assert [row["output"] for row in bench.read(scope, between)] == ["t0", 1, 2]
    inclusive = TableQuery(table="results", start="self/a_#@#_3", end="self/a_#@#_4", end_inclusive=True)
    assert [row["output"] for row in bench.read(scope, inclusive)] == [3, 4]


def test_rows_that_users_log_to_results_merge_into_the_predicted_ones_and_others_follow(bench: Bench) -> None:
    a = bench.make_dataset("a", [0, 1], x=[7, 8])
    scope = ResultScope(owner=JOB, steps=(make_step("m:p"),), datasets=(a,), open_dataset=bench.open)
    bench.predict("m:p", 0, 0, 2, {"_index": [0, 1], "output": ["a", "b"]})
    bench.log("results", ["zz", "self/a_#@#_1", "self/a_#@#_77"], {"score": [1, 2, 3], "output": [None, "B", None]})
    for max_rows in (1, 3, 9):
        rows = bench.read(scope, "results", max_rows)
        assert [(row["id"], row.get("output"), row.get("score")) for row in rows] == [
            ("self/a_#@#_0", "a", None),
            ("self/a_#@#_1", "B", 2),
            ("self/a_#@#_77", None, 3),
            ("zz", None, 1),
        ]
    assert [row["id"] for row in bench.read(scope, TableQuery(table="results", start="self/a_#@#_77"))] == [
        "self/a_#@#_77",
        "zz",
    ]


def test_other_tables_are_ordered_by_value_and_equal_ids_merge_by_commit(bench: Bench) -> None:
    scope = ResultScope(owner=JOB)
    bench.log("t", [10, 2], {"a": [1, 2], "b": ["x", "y"]})
    bench.log("t", [2, 1], {"a": [None, 5], "b": ["later", None]})
    for max_rows in (1, 2, 10):
        assert bench.read(scope, "t", max_rows) == [
            {"id": 1, "a": 5},
            {"id": 2, "a": 2, "b": "later"},
            {"id": 10, "a": 1, "b": "x"},
        ]
    for query, ids in (
        (TableQuery(table="t", start=2), [2, 10]),
        (TableQuery(table="t", end=10), [1, 2]),
        (TableQuery(table="t", start=2, end=10, end_inclusive=True), [2, 10]),
        (TableQuery(table="t", start=3, end=3), []),
        (TableQuery(table="t", start=9, end=3), []),
    ):
        assert [row["id"] for row in bench.read(scope, query, 1)] == ids
    assert bench.read(scope, "unknown") == []
    assert bench.results.reader.table_names(scope) == ["t"]


def test_the_summary_is_merged_and_not_among_the_tables(bench: Bench) -> None:
    scope = ResultScope(owner=JOB)
    assert bench.results.reader.summary(scope) == {}
    bench.log("summary", [JOB], {"acc": [0.5], "n": [3]})
    bench.log("summary", [JOB], {"acc": [0.75], "n": [None]})
    assert bench.results.reader.summary(scope) == {"acc": 0.75, "n": 3}
    assert bench.results.reader.table_names(scope) == []


def test_pages_see_what_was_committed_before_the_first_one(bench: Bench) -> None:
    scope = ResultScope(owner=JOB)
    bench.log("t", [1, 3], {"a": [1, 3]})
    first = bench.results.reader.read_page(scope, TableQuery(table="t"), max_rows=1)
    bench.log("t", [2], {"a": [2]})
    elsewhere = LocalResultStore(Layout(bench.root), bench.catalog)  # a process that has no view of it yet
    for store in (bench.results, elsewhere):
        rest = store.reader.read_page(scope, TableQuery(table="t"), first.next_cursor)
        assert rest.columns["id"] == [3]
    assert [row["id"] for row in bench.read(scope, "t")] == [1, 2, 3]
    with pytest.raises(ResultsError, match="not a cursor"):
        bench.results.reader.read_page(scope, TableQuery(table="t"), "nonsense")


def test_damage_is_named_with_what_is_still_readable(bench: Bench) -> None:
    scope = ResultScope(owner=JOB)
    bench.log("t", [1], {"a": ["first"]})
    bench.log("other", [1], {"a": ["second"]})
    (segment,) = bench.results.folder(JOB).iterdir()
    content = bytearray(segment.read_bytes())
    content[40] ^= 1
    segment.write_bytes(content)
    with pytest.raises(CorruptedError, match="still readable: 1 of 2 stored pieces") as caught:
        bench.read(scope, "t")
    assert caught.value.path == str(segment)
    assert bench.read(scope, "other") == [{"id": 1, "a": "second"}]
    segment.unlink()
    bench.results = LocalResultStore(Layout(bench.root), bench.catalog)
    with pytest.raises(CorruptedError, match="is missing"):
        bench.read(scope, "t")


def test_large_values_make_small_pages(bench: Bench) -> None:
    scope = ResultScope(owner=JOB)
    bench.log("t", list(range(6)), {"a": [bytes([n]) * (8 << 20) for n in range(6)]})
    page = bench.results.reader.read_page(scope, TableQuery(table="t"))
    assert page.row_count < 6
    assert page.next_cursor is not None
    assert [row["a"][0] for row in bench.read(scope, "t")] == list(range(6))


def test_large_predictions_make_small_pages_however_well_they_compress(bench: Bench) -> None:
    a = bench.make_dataset("a", list(range(6)), x=list(range(6)))
    scope = ResultScope(owner=JOB, steps=(make_step("m:p"),), datasets=(a,), open_dataset=bench.open)
    for start in (0, 3):
        values = [bytes(8 << 20) for _ in range(3)]
        bench.predict("m:p", 0, start, start + 3, {"_index": list(range(start, start + 3)), "output": values})
    page = bench.results.reader.read_page(scope, TableQuery(table="results"))
    assert page.row_count < 3
    assert [len(row["output"]) for row in bench.read(scope, "results")] == [8 << 20] * 6


def test_compaction_changes_nothing_but_where_rows_lie(bench: Bench) -> None:
    a = bench.make_dataset("a", list(range(8)), x=list(range(8)))
    scope = ResultScope(owner=JOB, steps=(make_step("m:p"),), datasets=(a,), open_dataset=bench.open)
    for start in (4, 0, 6, 2):
        logged = TableDraft(name="t", ids=[1], columns={"a": [start]})
        bench.predict(
            "m:p", 0, start, start + 2, {"_index": [start, start + 1], "output": [start, "s"]}, tables=[logged]
        )
    before = bench.read(scope, "results"), bench.read(scope, "t")
    assert [row["a"] for row in before[1]] == [2]
    first = bench.results.reader.read_page(scope, TableQuery(table="results"), max_rows=3)
    elsewhere = LocalResultStore(Layout(bench.root), bench.catalog)
    elsewhere.reader.read_page(scope, TableQuery(table="results"), max_rows=3)
    assert bench.results.compact(JOB, "m:p") == 8
    assert all(path.suffix == ".rows" for path in bench.results.folder(JOB).iterdir())
    assert (bench.read(scope, "results"), bench.read(scope, "t")) == before
    rest = elsewhere.reader.read_page(
        scope, TableQuery(table="results"), first.next_cursor
    )  # its view names the old segment
    assert rest.columns["_index"] == [3, 4, 5, 6, 7]
    assert bench.results.compact(JOB, "m:p") == 0
    assert bench.results.verify(JOB) == []
