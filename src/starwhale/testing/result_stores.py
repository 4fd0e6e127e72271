"""The rules of `ResultStore` as tests, for whatever keeps results: subclass `ResultStoreContract`, and open the store in `opened`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from starwhale.errors import ResultsError, UnsupportedValueError
from starwhale.storage.part import PartDraft, TableDraft
from starwhale.storage.protocols import Key, ResultStore, TableQuery
from starwhale.storage.result_parts.result_rows import ResultScope


class ResultStoreContract:
    """What every store of results must do; one test per rule."""

    def opened(self, folder: Path) -> AbstractContextManager[ResultStore]:
        """Open a store; subclasses do."""
        raise NotImplementedError

    def owner(self, folder: Path) -> str:
        """Return an owner whom nobody else uses."""
        return f"self/contract {folder.name}"

    def test_rows_come_back_in_the_order_of_their_ids_with_their_types(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            owner = self.owner(tmp_path)
            values = {
                "n": [1, 2.5, None],
                "x": ["text", b"raw", [1, {"k": (1, 2)}]],
                "ü/a b": [True, 2**70, float("inf")],
            }
            append(store, owner, "t", [10, 9, 2], values)
            found = rows(store, owner, "t")
            assert repr(found) == repr(
                [
                    {"id": 2, "x": [1, {"k": (1, 2)}], "ü/a b": float("inf")},
                    {"id": 9, "n": 2.5, "x": b"raw", "ü/a b": 2**70},
                    {"id": 10, "n": 1, "x": "text", "ü/a b": True},
                ]
            )

    def test_a_row_that_comes_again_adds_to_what_is_there(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            owner = self.owner(tmp_path)
            first = append(store, owner, "t", ["a", "b"], {"n": [1, 2]})
            second = append(store, owner, "t", ["b", "c"], {"n": [20, 30], "m": ["x", None]}, holder="another")
            assert second > first
            assert rows(store, owner, "t") == [
                {"id": "a", "n": 1},
                {"id": "b", "n": 20, "m": "x"},
                {"id": "c", "n": 30},
            ]

    def test_tables_of_one_part_are_seen_together_and_named(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            owner = self.owner(tmp_path)
            tables = [TableDraft(name=name, ids=[1], columns={"n": [7]}) for name in ("zeta", "alpha/beta", "summary")]
            store.append(owner, "log", PartDraft(tables=[*tables, TableDraft(name="empty", ids=[])]))
            scope = ResultScope(owner=owner)
            assert list(store.reader.table_names(scope)) == ["alpha/beta", "zeta"]
            assert store.reader.summary(scope) == {"n": 7}

    def test_pages_show_what_was_there_when_the_first_was_asked_for(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            owner, scope = self.owner(tmp_path), ResultScope(owner=self.owner(tmp_path))
            append(store, owner, "t", list(range(7)), {"n": list(range(7))})
            page = store.reader.read_page(scope, TableQuery(table="t"), max_rows=3)
            assert (page.columns["id"], page.row_count) == ([0, 1, 2], 3)
            append(store, owner, "t", [3, 50], {"n": [-3, 50]})
            seen: list[Any] = [*page.columns["n"]]
            while page.next_cursor is not None:
                page = store.reader.read_page(scope, TableQuery(table="t"), page.next_cursor, max_rows=3)
                seen += page.columns["n"]
            assert seen == list(range(7))
            assert [each["n"] for each in rows(store, owner, "t")] == [0, 1, 2, -3, 4, 5, 6, 50]
            assert isinstance(_error(lambda: store.reader.read_page(scope, TableQuery(table="t"), "x")), ResultsError)

    def test_a_query_has_ends(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            owner = self.owner(tmp_path)
            append(store, owner, "t", [1, 2, 10, 20], {"n": [0, 0, 0, 0]})
            append(store, owner, "s", ["10", "2", "b"], {"n": [0, 0, 0]})

            def ids(table: str, **ends: Any) -> list[Key]:  # Any: fields of a query
                return [each["id"] for each in rows(store, owner, TableQuery(table=table, **ends))]

            assert ids("t", start=2, end=20) == [2, 10]
            assert ids("t", start=3, end=20, end_inclusive=True) == [10, 20]
            assert ids("s", end="b") == ["10", "2"]
            assert ids("nowhere") == []

    def test_owners_are_apart_whatever_they_are_called(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            owners = [f"{self.owner(tmp_path)}{end}" for end in ("", "/../x", ".", "%2E", " ü", "#?&")]
            for place, owner in enumerate(owners):
                append(store, owner, "summary", [0], {"place": [place]}, holder=f"../a b {'ü' * 36}")
            found = dict(store.reader.summaries([*owners, "self/nobody at all"]))
            assert found == {owner: {"place": place} for place, owner in enumerate(owners)} | {"self/nobody at all": {}}

    def test_a_part_with_a_value_that_cannot_be_stored_is_refused_whole(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            owner = self.owner(tmp_path)
            good = TableDraft(name="good", ids=[1], columns={"n": [1]})
            bad = TableDraft(name="bad", ids=[1], columns={"n": [object()]})
            draft = PartDraft(tables=[good, bad])
            assert isinstance(_error(lambda: store.append(owner, "log", draft)), UnsupportedValueError)
            assert rows(store, owner, "good") == []

    def test_many_parts_and_long_values_are_whole(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            owner = self.owner(tmp_path)
            for part in range(30):
                append(
                    store,
                    owner,
                    "t",
                    [part * 2, part * 2 + 1],
                    {"n": [part, part], "raw": [bytes([part]) * 70_000, None]},
                )
            found = rows(store, owner, "t")
            assert [each["n"] for each in found] == [part for part in range(30) for _ in range(2)]
            assert [each["raw"] for each in found[::2]] == [bytes([part]) * 70_000 for part in range(30)]
            assert store.verify(owner) == []


def append(
    store: ResultStore,
    owner: str,
    table: str,
    ids: Sequence[Key],
    columns: Mapping[str, Sequence[Any]],  # Any: cells
    *,
    holder: str = "log",
) -> int:
    """Commit rows of one table, and return the number of the commit."""
    draft = TableDraft(name=table, ids=[*ids], columns={name: [*values] for name, values in columns.items()})
    return store.append(owner, holder, PartDraft(tables=[draft]))


def rows(store: ResultStore, owner: str, query: TableQuery | str) -> list[dict[str, Any]]:  # Any: cells
    """Read a table to its end, without empty cells."""
    query = TableQuery(table=query) if isinstance(query, str) else query
    found = store.reader.rows(ResultScope(owner=owner), query)
    return [{name: value for name, value in row.items() if value is not None} for row in found]


def _error(call: Any) -> Exception:  # Any: a function
    try:
        call()
    except (ResultsError, UnsupportedValueError) as error:
        return error
    raise AssertionError("nothing was raised")


__all__ = ["ResultStoreContract", "append", "rows"]
