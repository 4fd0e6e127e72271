"""Rows by columns are the rows that `swcli job results` finds, in every order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from starwhale.errors import UsageError
from starwhale.instances.instance import Instance
from starwhale.results.row_index import RowIndexes, RowsWanted
from starwhale.results.scan import scan

if TYPE_CHECKING:
    import httpx
    from tests.server.conftest import Answer, Root


@pytest.fixture
def opened(root: Root) -> Iterator[Instance]:
    with root.open() as found:
        yield found


@pytest.mark.parametrize(
    "where",
    [
        "",
        "output == true",
        "output != input/even",
        "input/number > 50 or input/number == 3",
        'input/text contains "more"',  # one text is long and lies elsewhere
        "input/odd == 7",  # a column of several kinds
        'id == "self/numbers_#@#_7"',
        "input/box/name is not null",
        "_index < 5 and _mode == 'pickle'",
        "input/even and not output",
        "input/box/at/1 > 30 and input/box/at/2 is null",  # items of lists
    ],
)
@pytest.mark.parametrize("table", ["results", "graded/by row"])
def test_the_same_rows_are_found(opened: Instance, root: Root, where: str, table: str) -> None:
    job = opened.jobs.get(root.jobs[0])
    if table != "results":
        where = where.replace("input/number", "size").replace("output == true", "correct == 1")
        if "input" in where or "output" in where or "_" in where.replace("_#@#_", ""):
            return
    wanted = scan(opened.stores, job, table, where=where, limit=None).rows
    found = RowIndexes(opened.stores).read(job, RowsWanted(table=table, where=where), limit=1000)
    assert [repr(each) for each in found.rows] == [repr(each) for each in wanted]
    assert found.total == len(wanted)


@pytest.mark.parametrize(
    "column",
    ["input/number", "duration_seconds", "input/text", "input/odd", "output", "input/box/name", "input/box/at/0"],
)
@pytest.mark.parametrize("falling", [False, True])
def test_every_column_sorts_all_rows(opened: Instance, root: Root, column: str, falling: bool) -> None:
    job = opened.jobs.get(root.jobs[0])
    indexes = RowIndexes(opened.stores)
    found = indexes.read(job, RowsWanted(sort=column, descending=falling), limit=1000)
    assert sorted(row["id"] for row in found.rows) == sorted(
        row["id"] for row in indexes.read(job, RowsWanted(), limit=1000).rows
    )
    values = [row[column] for row in found.rows if column in row and isinstance(row[column], int | float | str)]
    comparable = [each for each in values if isinstance(each, type(values[0]))]
    assert comparable == sorted(comparable, reverse=falling)
    assert [
        row["id"] for row in indexes.read(job, RowsWanted(sort=column, descending=falling), start=20, limit=7).rows
    ] == [row["id"] for row in found.rows[20:27]]


def test_a_column_that_no_row_has_is_named(opened: Instance, root: Root) -> None:
    with pytest.raises(UsageError, match="did you mean 'output'"):
        RowIndexes(opened.stores).read(opened.jobs.get(root.jobs[0]), RowsWanted(where="outpt == 1"))


def test_what_is_kept_is_bounded(opened: Instance, root: Root) -> None:
    indexes = RowIndexes(opened.stores, kept_bytes=2000)
    job = opened.jobs.get(root.jobs[0])
    for number in range(40):
        assert indexes.read(job, RowsWanted(where=f"input/number == {number}"), limit=5).total == (number != 13)
    assert sum(size for _, size in indexes._kept.values()) <= 2000


def test_counts_by_threshold_are_those_of_the_rows(root: Root, ask: Callable[..., Answer]) -> None:
    found = ask("comparison/thresholds", run=root.jobs, score="input/number", truth="input/even", positive="true")
    rows = ask(f"jobs/{root.jobs[0]}/rows", limit=1000)["items"]
    assert found["classes"] == ["false", "true"]
    assert found["thresholds"] == [float(each) for each in range(60) if each in {row["input/number"] for row in rows}]
    for run in found["runs"]:
        assert run["rows"] == len(rows)
        assert sum(run["positive"]) == sum(row["input/even"] for row in rows)
        at_50 = found["thresholds"].index(50) + 1
        assert sum(run["negative"][at_50:]) == 5
    assert found["runs"][1]["gained"] == [0] * len(found["thresholds"])
    plain = ask("comparison/thresholds", run=root.jobs[0], score="size", table="graded/by row")
    assert plain["classes"] == []
    assert sum(plain["runs"][0]["positive"]) + plain["runs"][0]["missing"] == plain["runs"][0]["rows"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"score": "input/text"}, "holds no numbers"),
        ({"score": "nothing"}, "no column 'nothing'"),
        ({"score": "input/number", "item": 3}, "holds no lists"),
        ({"score": "input/number", "truth": "input/even", "positive": "maybe"}, "no row is of class"),
        ({"score": "size", "truth": "size", "table": "graded/by row"}, "holds no classes"),
    ],
)
def test_columns_that_are_no_scores_are_named(root: Root, web: httpx.Client, words: Answer, said: str) -> None:
    answer = web.get("/api/v1/comparison/thresholds", params={"run": root.jobs[0], **words})
    assert answer.status_code == 400
    assert said in answer.json()["message"]
