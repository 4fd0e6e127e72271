"""What a `Job` tells and does: frames, rows, failed ones, waiting, removal, tags, how it shows itself."""

from __future__ import annotations

import random
import threading
from types import ModuleType
from typing import TYPE_CHECKING

import pytest
from tests.api.conftest import FIRST, SECOND, TOTAL

from starwhale import Image
from starwhale.api.dataset import dataset
from starwhale.api.job import Job
from starwhale.errors import InvalidNameError, NotFoundError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_tables_come_as_frames(cell: Callable[[str], ModuleType]) -> None:
    cell("""
        from starwhale import Text, evaluation

        @evaluation.predict(log_mode="plain")
        def mixed(row):
            number = row["number"]
            evaluation.log("more", number, {"x": number * 0.5})
            output = {"number": number, "text": f"n{number}", "mixed": "a" if number == 1 else number, "media": Text("t")}
            return output if number != 2 else {"text": "two"}
    """)
    job = Job.run(datasets="numbers", dataset_head=4)
    frame = job.to_pandas()
    assert frame["input/number"].tolist() == [0, 1, 2, 3]
    assert str(frame["output/number"].dtype) == "Int64", "an integer never becomes a float"
    assert frame["output/number"].isna().tolist() == [False, False, True, False]
    assert frame["output/mixed"].tolist()[:2] == [0, "a"]
    assert frame["output/media"][0].to_str() == "t"
    assert not [name for name in frame if name.startswith("__")]
    arrow = job.to_arrow()
    assert arrow["output/number"].to_pylist() == [0, 1, None, 3]
    assert arrow["output/mixed"].to_pylist() == ["0", "a", None, "3"]
    assert job.to_arrow("more").to_pylist() == [{"id": number, "x": number * 0.5} for number in range(4)]
    assert len(job.to_pandas("summary")) == 0
    with pytest.raises(NotFoundError, match="has no table 'mor'; did you mean 'more'"):
        job.to_pandas("mor")


def test_waiting_ends_with_the_job_or_with_the_time(cell: Callable[[str], ModuleType]) -> None:
    notebook = cell(FIRST.replace("return row", "started.set(); go_on.wait(60); return row"))
    started, go_on = threading.Event(), threading.Event()
    vars(notebook).update(started=started, go_on=go_on)
    thread = threading.Thread(target=lambda: Job.run(datasets="numbers", name="slow"))
    thread.start()
    assert started.wait(60)
    job = Job.get("slow")
    with pytest.raises(TimeoutError, match=r"is still running after 0 s"):
        job.wait(timeout_s=0)
    go_on.set()
    assert job.wait(timeout_s=60).status == "SUCCESS"
    thread.join()


def test_rows_of_a_table_and_failed_ones(cell: Callable[[str], ModuleType]) -> None:
    cell("""
        from starwhale import evaluation

        @evaluation.predict(log_mode="plain", fail_on_error=False)
        def picky(row):
            return 1 / (row["number"] - 1)
    """)
    job = Job.run(datasets="numbers", dataset_head=4)
    assert [row["_index"] for row in job.results(limit=2)] == [0, 2]
    assert len(job.results(limit=0)) == 3
    (failed,) = job.results(failed=True)
    assert (failed["_index"], failed["frame"].rpartition(" ")[2]) == (1, "picky")
    with pytest.raises(NotFoundError):
        job.results("nothing")
    assert [row["_index"] for row in job.results(where="output < 0 or input/number == 3")] == [0, 3]
    assert [row["_index"] for row in job.results("Results", where="output != 5", limit=1, offset=1)] == [2]
    assert [row["_index"] for row in job.results(failed=True, where='exception contains "ZeroDivision"')] == [1]
    assert job.results(failed=True, where='message contains "nothing of the sort"') == []
    with pytest.raises(UsageError, match=r"no column 'outptu'.*did you mean 'output'"):
        job.results(where="outptu < 0")


def test_inputs_are_kept_by_reference_and_read_back_under_their_old_names(
    cell: Callable[[str], ModuleType], folder: Path
) -> None:
    """`benchmarks/inputs_by_reference.py` counts the same over 1 GB."""
    pictures = [random.Random(number).randbytes(300_000) for number in range(8)]
    with dataset("pictures") as opened:
        for number, content in enumerate(pictures):
            opened[number] = {"picture": Image(content), "label": number}
        opened.commit()

    def size() -> int:
        return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())

    cell("""
        from starwhale import evaluation

        @evaluation.predict(log_mode="plain")
        def look(row):
            return len(row["picture"].to_bytes())
    """)
    before = size()
    job = Job.run(datasets="pictures")
    assert size() - before < 300_000, "one copied picture is more"
    rows = list(job.get_table_rows("results"))
    assert [row["input/label"] for row in rows] == list(range(8))
    assert [row["input/picture"].to_bytes() for row in rows] == pictures


def test_remove_and_recover(cell: Callable[[str], ModuleType]) -> None:
    cell(FIRST)
    job = Job.run(datasets="numbers", limit=1)
    job.remove()
    with pytest.raises(NotFoundError):
        Job.get(job.id)
    assert job.status == "SUCCESS"
    Job.get(job.id, removed=True).recover()
    assert Job.get(job.id[:12]).id == job.id


def test_tags_and_a_note_of_a_job(cell: Callable[[str], ModuleType]) -> None:
    cell(FIRST)
    job = Job.run(datasets="numbers", limit=1)
    assert job.tag(["good", "old"]) == ("good", "old")
    assert job.tag(["old", "never"], remove=True) == ("good",)
    assert Job.get(job.id).tag() == ("good",)
    assert job.note("look at row 3") == "look at row 3"
    with pytest.raises(InvalidNameError):
        job.tag(["no spaces please"])


def test_a_job_shows_itself(cell: Callable[[str], ModuleType]) -> None:
    cell(FIRST + SECOND)
    job = Job.run(datasets="numbers", name="shown")
    assert repr(job) == f"<Job {job.id[:12]} SUCCESS: __main__:total, name 'shown'>"
    html = job._repr_html_()
    for part in ("SUCCESS", job.id[:12], "shown", "__main__:total", "numbers@", "double: 20 of 20 done", str(TOTAL)):
        assert part in html
    assert "&lt;b&gt;" in html
    assert "<b>" not in html.replace('<b style="color:#1a7f37">', "")
