"""What user code may raise beside usual errors: each fails its row, and is told with the line that it came from."""

from __future__ import annotations

import json

import pytest
from tests.end_to_end.project import Project, assert_one_clear_message

ASYNC = """
    import asyncio
    from starwhale import evaluation

    async def inner():
        raise StopIteration  # 1

    async def stubborn():
        for _ in range(8):
            try:
                await asyncio.sleep(0.1)  # 2
            except asyncio.CancelledError:
                pass

    @evaluation.predict(fail_on_error=False, timeout_s=0.5)
    async def predict(data):
        if data["number"] == 1:
            await inner()
        if data["number"] == 2:
            await stubborn()
        if data["number"] == 3:
            raise KeyboardInterrupt  # 3
        return data["number"]
"""
PLAIN = """
    from starwhale import evaluation

    @evaluation.predict
    def predict(data):
        if data["number"] == 1:
            raise KeyboardInterrupt  # 1
        return data["number"]
"""


def marked(source: str, number: int) -> int:
    """The line of a source, from 1, that has this mark."""
    return next(n for n, line in enumerate(source.splitlines(), 1) if line.endswith(f"# {number}"))


@pytest.mark.needs_time
def test_async_calls_that_end_oddly_name_their_line(project: Project) -> None:
    project.write("odd.py", ASYNC)
    project.make_numbers(5)
    done = project.swcli("model", "run", str(project.folder / "odd.py"), "-d", "numbers")
    assert done.returncode == 0, done.stderr
    found = json.loads(project.swcli("-o", "json", "job", "results", "latest", "--failed").stdout)
    assert [row["_index"] for row in found] == [1, 2, 3]
    names = ("inner", "stubborn", "predict")
    for number, (row, name) in enumerate(zip(found, names, strict=True), 1):
        assert row["frame"] == f"{project.folder / 'odd.py'}:{marked(ASYNC, number)} in {name}"
    assert found[0]["exception"] == "RuntimeError: coroutine raised StopIteration"
    assert found[1]["exception"].startswith("RowTimeoutError: ")
    assert found[2]["exception"] == "KeyboardInterrupt"


@pytest.mark.needs_time
@pytest.mark.parametrize("executor", ["thread", "process"])
def test_a_keyboard_interrupt_of_predict_names_row_and_line(project: Project, executor: str) -> None:
    project.write("odd.py", PLAIN)
    project.make_numbers(5)
    done = project.swcli("model", "run", str(project.folder / "odd.py"), "-d", "numbers", "--executor", executor)
    place = f"odd.py:{marked(PLAIN, 1)} in predict"
    assert_one_clear_message(done, "raised KeyboardInterrupt on row numbers: 1", place, exit_code=1)


@pytest.mark.needs_time
def test_the_exception_of_a_failed_row_is_not_cut_in_a_narrow_terminal(project: Project) -> None:
    text = "the frame has 1279 columns and the network was made for 1280 of them, as the file beside it says"
    project.write(
        "long.py",
        PLAIN.replace("evaluation.predict", "evaluation.predict(fail_on_error=False)").replace(
            "raise KeyboardInterrupt", f"raise ValueError({text!r})"
        ),
    )
    project.make_numbers(3)
    assert project.swcli("model", "run", str(project.folder / "long.py"), "-d", "numbers").returncode == 0
    shown = project.swcli("job", "results", "latest", "--failed", env={"COLUMNS": "80"}).stdout
    assert max(map(len, shown.splitlines())) <= 80
    cells = " ".join(line[len("self/numbers_#@#_1") :] for line in shown.partition("─\n")[2].splitlines())
    assert " ".join(f"ValueError: {text}".split()) in " ".join(cells.split())
