"""What the API answers, asked of a real server."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import httpx
    from tests.server.conftest import Root

Ask = Callable[..., dict[str, Any]]
NUMBERS = "projects/self/datasets/numbers/versions/latest"


def test_jobs_come_with_their_metrics_sorted_filtered_and_page_by_page(ask: Ask, root: Root) -> None:
    worse, better = root.jobs
    found = ask("jobs", sort="summary/accuracy", descending=False)
    assert [each["id"] for each in found["items"]] == [worse, better]
    assert found["items"][0]["summary"]["kind"] == "parity"
    assert "summary/accuracy" in found["columns"]
    assert found["total"] == 2
    first = ask("jobs", limit=1)
    second = ask("jobs", limit=1, after=first["next"])
    assert [*first["items"], *second["items"]] == found["items"][::-1]
    assert second["next"] is None
    assert [each["name"] for each in ask("jobs", where='summary/accuracy > 0.9 and name == "better"')["items"]] == [
        "better"
    ]
    assert [each["id"] for each in ask("jobs", search=worse[:9])["items"]] == [worse]
    took = [each["finished_at"] - each["created_at"] for each in ask("jobs", sort="duration")["items"]]
    assert took == sorted(took, reverse=True)
    assert ask("jobs", where="duration > 3600")["total"] == 0


def test_one_job_tells_what_came_of_it_and_what_may_be_asked(ask: Ask, root: Root) -> None:
    found = ask(f"jobs/{root.jobs[1][:8]}")
    assert found["job"]["failed"] == 1
    assert [each["name"] for each in found["steps"]] == ["parity:is_even", "parity:score"]
    assert found["steps"][1]["needs"] == ["parity:is_even"]
    assert found["can"] == ["resume_failed", "run_again", "remove"]
    assert found["report"]["summary"]["kind"] == "parity"
    tasks = ask(f"jobs/{root.jobs[1]}/tasks")["items"]
    assert [(each["step"], each["status"], len(each["attempts"])) for each in tasks] == [
        ("parity:is_even", "success", 1),
        ("parity:score", "success", 1),
    ]


def test_rows_are_filtered_sorted_and_paged_and_no_page_overlaps(ask: Ask, root: Root) -> None:
    words = {"where": "output != input/even", "sort": "input/number", "descending": True}
    path = f"jobs/{root.jobs[0]}/rows"
    found = ask(path, **words)
    numbers = [each["input/number"] for each in found["items"]]
    assert numbers == [n for n in range(59, -1, -1) if n % 5 == 0 and n != 13]
    assert found["total"] == len(numbers)
    paged: list[int] = []
    after = ""
    while True:
        page = ask(path, **words, limit=5, after=after)
        paged += [each["input/number"] for each in page["items"]]
        after = page["next"]
        if after is None:
            break
    assert paged == numbers
    assert ask(path, **words, offset=3, limit=2)["items"] == found["items"][3:5]


def test_what_the_user_logged_and_what_failed_are_tables_too(ask: Ask, root: Root) -> None:
    tables = {each["name"]: each for each in ask(f"jobs/{root.jobs[0]}/tables")["items"]}
    assert list(tables) == ["results", "errors", "graded/by row"]
    assert tables["graded/by row"]["rows"] == 59
    graded = ask(f"jobs/{root.jobs[0]}/rows", table="graded/by row", where="correct == 0", sort="size")
    assert graded["items"][0]["id"] == "self/numbers_#@#_0"
    failed = ask(f"jobs/{root.jobs[0]}/rows", table="errors")["items"]
    assert [each["exception"] for each in failed] == ["ValueError: <script>alert(1)</script>"]
    of_a_row = ask(f"jobs/{root.jobs[0]}/row/elsewhere", id="self/numbers_#@#_0")["items"]
    assert [(each["table"], each["row"]["correct"]) for each in of_a_row] == [("graded/by row", 0.0)]
    of_a_score = ask(f"jobs/{root.jobs[0]}/row/elsewhere", id="self/numbers_#@#_2", table="graded/by row")["items"]
    assert [(each["table"], each["row"]["input/number"]) for each in of_a_score] == [("results", 2)]
    assert ask(f"jobs/{root.jobs[0]}/row/elsewhere", id="7")["items"] == []


def test_columns_are_counted_and_given_for_charts(ask: Ask, root: Root) -> None:
    path = f"jobs/{root.jobs[0]}"
    counted = ask(f"{path}/histogram", column="output")
    assert sum(each["count"] for each in counted["bins"]) == 59
    assert {each["value"] for each in counted["bins"]} == {True, False}
    ranged = ask(f"{path}/histogram", column="input/number", where="output == true", bins=4)
    assert len(ranged["bins"]) == 4
    assert ranged["bins"][0]["low"] <= 2
    series = ask(f"{path}/series", columns=["input/number", "output"], limit=10)
    assert (series["rows"], series["total"]) == (10, 59)
    assert series["columns"]["input/number"] == sorted(series["columns"]["input/number"])


def test_a_dataset_shows_columns_rows_statistics_and_what_json_cannot_hold(ask: Ask) -> None:
    assert {each["name"]: each["kind"] for each in ask(NUMBERS)["columns"]}["raw"] == "media:GrayscaleImage"
    first = ask(f"{NUMBERS}/rows", limit=8)
    assert first["total"] == 60
    rows = first["items"]
    assert rows[3]["odd"] == [{"_type": "number", "value": "nan"}, {"_type": "number", "value": str(2**60)}]
    assert rows[7]["text"]["_type"] == "long_text"
    assert rows[7]["text"]["length"] == 9005
    assert ask(f"{NUMBERS}/rows", limit=8, after=first["next"])["items"][0]["__key"] == 8
    assert ask(f"{NUMBERS}/row", key=9)["number"] == 9
    counted = {each["name"]: each for each in ask(f"{NUMBERS}/statistics")["columns"]}
    assert counted["number"]["numbers"]["maximum"] == 59
    assert [each["name"] for each in ask(f"{NUMBERS}/statistics", columns="number")["columns"]] == ["number"]


def test_raw_pixels_come_as_a_picture_that_a_browser_shows(ask: Ask, web: httpx.Client) -> None:
    row = ask(f"{NUMBERS}/row", key=9)
    answer = web.get(row["raw"]["href"])
    assert answer.headers["content-type"] == "image/png"
    width, height = struct.unpack(">II", answer.content[16:24])
    assert (width, height) == (6, 4)
    data = answer.content[answer.content.index(b"IDAT") + 4 : answer.content.index(b"IEND") - 8]
    assert zlib.decompress(data) == (b"\0" + b"\x09" * 6) * 4


def test_media_come_by_range_and_nothing_in_them_runs(ask: Ask, web: httpx.Client, root: Root) -> None:
    page = ask(f"jobs/{root.jobs[0]}/rows", limit=1, columns=["input/page", "input/raw"])["items"][0]["input/page"]
    assert page["value"] == "<script>alert(1)</script>" * 3
    whole = web.get(page["href"])
    assert whole.headers["content-type"] == "text/plain; charset=utf-8"
    assert whole.headers["x-content-type-options"] == "nosniff"
    assert whole.headers["content-security-policy"].startswith("sandbox;")
    some = web.get(page["href"], headers={"range": "bytes=8-12"})
    assert (some.status_code, some.content) == (206, whole.content[8:13])
    assert some.headers["content-range"] == f"bytes 8-12/{len(whole.content)}"
    assert web.get(page["href"], headers={"range": "bytes=-4"}).content == whole.content[-4:]
    beyond = web.get(page["href"], headers={"range": "bytes=900-"})
    assert (beyond.status_code, beyond.json()["code"]) == (416, "range")


def test_logs_are_read_from_both_ends_and_searched(ask: Ask, root: Root) -> None:
    path = f"jobs/{root.jobs[0]}/logs"
    log = ask(path)["items"][0]
    assert (log["step"], log["attempt"]) == ("parity:is_even", 1)
    words = {"step": log["step"], "task": 0}
    last = ask(f"{path}/lines", **words, limit=2)
    assert last["end"] == log["size_bytes"]
    before = ask(f"{path}/lines", **words, before=last["start"], limit=1000)
    assert before["lines"][0]["text"] == "row 0"
    whole = ask(f"{path}/lines", **words, **{"from": 0}, limit=1000)
    assert whole["lines"] == before["lines"] + last["lines"]
    found = ask(f"{path}/lines", **words, search="ROW 5")
    assert [each["text"] for each in found["lines"]] == ["row 5", *(f"row {n}" for n in range(50, 60))]


def test_two_runs_are_compared_and_their_flips_come_with_inputs(ask: Ask, root: Root) -> None:
    words = {"run": list(root.jobs), "metric": "graded/by row.correct"}
    found = ask("comparison", **words)
    assert found["sentence"].startswith("better is better than worse")
    counts = found["flips"][root.jobs[1]]
    flips = ask("comparison/flips", **words, direction="gained", limit=4)
    assert flips["total"] == counts["gained"] > 4
    row = flips["items"][0]["rows"][root.jobs[1]]
    assert row["output"] is row["input/even"]
    assert row["input/raw"]["href"].startswith("/api/v1/jobs/")
    behind = ask("comparison/flips", **words, direction="gained", limit=1000, after=flips["next"])["items"]
    assert not {each["id"] for each in flips["items"]} & {each["id"] for each in behind}
    assert ask("comparison/metrics", run=list(root.jobs))["items"][0] == "graded/by row.correct"
    assert "source_digest" in {each["name"] for each in ask("comparison/differences", run=list(root.jobs))["items"]}


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("jobs/bettr", 404, "better"),
        ("projects/slef/datasets", 404, "slef"),
        ("projects/self/datasets/numbrs/versions", 404, "did you mean 'numbers'?"),
        (f"{NUMBERS}/row?key=99", 404, "keys are such as 0, 1, 2"),
        (f"{NUMBERS}/media?key=1&column=rwa", 404, "did you mean 'raw'?"),
        (f"{NUMBERS}/media?key=1&column=number", 404, "no content"),
        (f"{NUMBERS}/rows?limit=100000", 422, "query.limit"),
        (f"{NUMBERS}/rows?after=eyJ4Ijox", 400, "where a page ends"),
        ("jobs/latest/rows?table=gradd", 404, "graded/by row"),
        ("jobs/latest/rows?where=output%20=", 400, "breaks"),
        ("jobs/latest/rows?where=outpt%20==%201", 400, "did you mean 'output'?"),
        ("jobs/latest/rows?sort=outpt", 400, "did you mean 'output'?"),
        ("jobs?sort=nmae", 400, "did you mean 'name'?"),
        ("jobs/latest/logs/lines?step=is_odd", 404, "is_even"),
        ("comparison?run=latest", 422, "query.run"),
        ("comparison?run=a.csv&run=b.csv", 404, "a.csv"),
        ("nothing", 404, "/api/v1/nothing"),
    ],
)  # fmt: skip
def test_a_mistake_is_a_problem_that_names_it(web: httpx.Client, path: str, status: int, says: str) -> None:
    answer = web.get(f"/api/v1/{path}")
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert says in answer.text
    assert set(answer.json()) == {"type", "status", "code", "title", "message", "hint", "field"}
    assert "Traceback" not in answer.text


def test_what_users_wrote_is_data_in_every_answer(web: httpx.Client, root: Root) -> None:
    for path in (f"jobs/{root.jobs[0]}", f"jobs/{root.jobs[0]}/rows?table=errors", f"{NUMBERS}/rows"):
        answer = web.get(f"/api/v1/{path}")
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        json.loads(answer.text)
