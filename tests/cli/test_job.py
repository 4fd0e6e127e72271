"""`swcli job` as a user types it, in this process, over one job with two failed rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from starwhale.api.dataset import Dataset
from starwhale.cli.root import run
from starwhale.domain.job import Job as Plan
from starwhale.domain.status import Status
from starwhale.instances import open_instance
from starwhale.media import Image
from starwhale.settings import read_settings

ROWS = 40
CODE = """
    from starwhale import evaluation

    @evaluation.predict(replicas=2, log_mode="plain", fail_on_error=False)
    def predict(data):
        if data["number"] in (7, 12):
            raise ValueError(f"no {data['number']}")
        return data["number"] % 10

    @evaluation.evaluate(needs=[predict])
    def evaluate(results):
        evaluation.log_summary(count=len(list(results)))
        evaluation.log("Details", 1, {"text": "x" * 200})
"""
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the instance of this file's tests lies; making one takes longer than a job."""
    return tmp_path_factory.mktemp("jobs")


@pytest.fixture
def call(folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Call:
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("SW_CLI_CONFIG", str(folder / "config.yaml"))
    monkeypatch.setenv("SW_LOCAL_STORAGE", str(folder / "storage"))

    def swcli(*words: str) -> tuple[int, str, str]:
        code = run(words)
        out, err = capfd.readouterr()
        return code, out, err

    if not (folder / "evaluation.py").exists():
        (folder / "evaluation.py").write_text(dedent(CODE))
        image = Image(b"p" * 6000, shape=(28, 28, 1))
        Dataset.from_dict_items(({"number": k, "image": image} for k in range(ROWS)), "numbers")
        words = (
            "model",
            "run",
            "-w",
            str(folder),
            "-m",
            "evaluation",
            "-h",
            "evaluation:evaluate",
            "-d",
            "numbers",
            "--name",
            "mine",
        )
        code, out, err = swcli(*words)
        assert code == 0, out + err
    return swcli


def shown(call: Call, *words: str) -> Any:
    code, out, err = call(*words, "-o", "json")
    assert code == 0, out + err
    return json.loads(out)


def test_info_draws_the_steps_with_their_rows(call: Call) -> None:
    code, out, _ = call("job", "info", "mine")
    lines = {line.split()[0]: line.split() for line in out.splitlines() if line.strip()}
    assert code == 0
    assert lines["predict"][1:5] == ["2", "40", "2", "40"]
    assert lines["evaluate"][1:3] == ["predict", "1"]
    assert lines["predict"][-1] == lines["evaluate"][-1] == "success"
    found = shown(call, "job", "info", "mine")
    assert [(each["name"], each["needs"], each["tasks"], each["done"], each["failed"]) for each in found["steps"]] == [
        ("evaluation:predict", [], 2, 40, 2),
        ("evaluation:evaluate", ["evaluation:predict"], 1, None, None),
    ]


def test_results_are_chosen_by_an_expression(call: Call) -> None:
    rows = shown(call, "job", "results", "mine", "--where", "output == 7 and input/number != 17")
    assert [row["input/number"] for row in rows] == [27, 37], "row 7 failed"
    assert rows[0]["input/image"]["shape"] == [28, 28, 1], "rows come whole, with inputs that were not asked about"
    rows = shown(call, "job", "results", "mine", "--where", "OUTPUT in [1, 2]", "-n", "2", "--offset", "1")
    assert [row["input/number"] for row in rows] == [2, 11]
    assert shown(call, "job", "results", "mine", "--where", 'output < "a"') == []


def test_results_for_people_fit_and_say_what_is_left_out(call: Call) -> None:
    code, out, _ = call("job", "results", "mine", "-n", "3")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 100
    assert "Image 28×28×1" in out
    assert "--offset 3" in out
    code, out, _ = call("job", "results", "mine", "--table", "details")
    assert code == 0
    assert "x" * 30 in out
    assert "x" * 100 not in out


def test_where_nothing_is_shown_the_reason_is(call: Call) -> None:
    _, out, _ = call("job", "results", "mine", "--where", "output == 77")
    assert "no row of table 'results' fits --where 'output == 77'" in out
    assert "tables of this job" not in out
    _, out, _ = call("job", "results", "mine", "--offset", "1000")
    assert "no rows in table 'results' behind the first 1000" in out


def test_the_row_that_ended_a_job_is_among_those_that_failed(call: Call, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "strict.py").write_text(dedent(CODE).replace("fail_on_error=False", "fail_on_error=True"))
    assert (
        call("model", "run", str(tmp_path / "strict.py"), "-d", "numbers", "--replicas", "1", "--name", "strict")[0]
        == 1
    )
    rows = shown(call, "job", "results", "strict", "--failed")
    assert [(row["id"], row["exception"]) for row in rows] == [("self/numbers_#@#_7", "ValueError: no 7")]
    assert "strict.py:7" in rows[0]["frame"]
    assert shown(call, "job", "results", "strict", "--failed", "--where", 'exception contains "no 8"') == []
    code, out, _ = call("job", "results", "strict", "--failed")
    assert (code, "ValueError: no 7" in out) == (0, True), out


def test_a_page_of_jobs_says_that_there_are_more(call: Call) -> None:
    for name in ("two", "three"):
        words = ("-w", str(Path(read_settings().config_path).parent), "-d", "numbers", "--limit", "1", "--name", name)
        assert call("model", "run", *words)[0] == 0
    _, out, _ = call("job", "list", "--size", "2")
    assert "there are more: --page 2" in out
    assert len(shown(call, "job", "list", "--size", "2")) == 2
    _, out, _ = call("job", "list", "--size", "100")
    assert "there are more" not in out


def test_failed_rows_come_in_row_order_with_their_errors(call: Call) -> None:
    rows = shown(call, "job", "results", "mine", "--failed")
    assert [row["_index"] for row in rows] == [7, 12]
    assert [row["exception"] for row in rows] == ["ValueError: no 7", "ValueError: no 12"]
    assert all("evaluation.py:7" in row["frame"] for row in rows)


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (("results", "mine", "--where", "outptu == 7"), 2, "did you mean 'output'"),
        (("results", "mine", "--where", "outptu is null", "-n", "1"), 2, "no column 'outptu'"),
        (("results", "mine", "--where", "output =="), 2, "at the end"),
        (("results", "mine", "--table", "detials"), 1, "did you mean 'Details'"),
        (("info", "mnie"), 1, "did you mean 'mine'"),
        (("info", "abc"), 1, "at least"),
        (("wait", "mnie"), 1, "did you mean 'mine'"),
        (("recover", "mine"), 1, "was not removed"),
        (("recover", "latest"), 1, "no removed jobs"),
    ],
)
def test_mistakes_name_the_way_out(call: Call, words: tuple[str, ...], code: int, expected: str) -> None:
    done, out, err = call("job", *words)
    assert (done, expected in out + err) == (code, True), out + err


def test_a_removed_job_is_found_by_recover_alone(call: Call) -> None:
    assert call("job", "remove", "mine", "--yes")[0] == 0
    for verb in ("info", "resume", "remove", "results"):
        code, _, err = call("job", verb, "mine")
        assert (code, "was removed" in err, "swcli job recover" in err) == (1, True, True), err
    assert call("job", "recover", "latest")[0] == 0
    assert call("job", "info", "mine")[0] == 0


def test_wait_says_how_a_job_ended(call: Call) -> None:
    assert shown(call, "job", "wait", "mine", "--timeout", "5")["manifest"]["status"] == "success"


def test_recover_of_an_interrupted_job_means_resume(call: Call) -> None:
    with open_instance(read_settings()) as instance:
        job = instance.jobs.get("mine")
        request, datasets, steps = job.request, job.datasets, instance.stores.catalog.jobs.steps(job.id)
        plan = Plan(
            id="b" * 40, handler=job.handler, request=request, datasets=datasets, steps=tuple(s.step for s in steps)
        )
        instance.stores.catalog.jobs.create(plan, {}, None)
        instance.stores.catalog.jobs.set_status(plan.id, Status.RUNNING)
        instance.stores.catalog.jobs.record_step(plan.id, steps[0].step.name, Status.RUNNING)
        instance.stores.catalog.jobs.set_status(plan.id, Status.INTERRUPTED)
    code, _, err = call("job", "recover", "bbbbbb")
    assert (code, "swcli job resume bbbbbbbbbbbb" in err) == (1, True), err
    assert shown(call, "job", "info", "bbbbbb")["steps"][0]["status"] == "interrupted"
    assert "swcli job resume bbbbbbbbbbbb" in call("job", "info", "bbbbbb")[1]
    assert shown(call, "job", "results", "bbbbbb") == []
    assert call("job", "wait", "bbbbbb")[0] == 1
