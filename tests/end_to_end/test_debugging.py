"""`model run --debug` at a real terminal, as a person uses it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from tests.conftest import swcli_command
from tests.end_to_end.terminal import open_terminal

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from tests.end_to_end.project import Project
    from tests.end_to_end.terminal import Terminal

EVALUATION = """
    import json, threading
    from starwhale import evaluation

    @evaluation.predict(replicas=3, log_mode="plain")
    def predict(data):
        number = data["number"]
        if number == 1:
            breakpoint()
        if number == 3:
            json.loads("{" * number)
        if number == 5:
            print("waiting in the main thread:", threading.current_thread() is threading.main_thread())
            threading.Event().wait()
        return number

    @evaluation.evaluate(needs=[predict])
    def evaluate(results):
        evaluation.log_summary({"count": len(list(results))})
"""
PROMPT = "(Pdb) "


def debug(project: Project, *options: str) -> AbstractContextManager[Terminal]:
    """Run the evaluation with `--debug` at a terminal."""
    command = ["model", "run", "--workdir", ".", "--module", "evaluation", "-d", "numbers", "--debug", *options]
    return open_terminal([*swcli_command(), *command], env=project.swcli.env, cwd=project.folder)


def test_breakpoint_and_post_mortem_at_a_terminal(project: Project) -> None:
    project.write("evaluation.py", EVALUATION)
    project.make_numbers(10)
    failed = project.run("-d", "numbers", "-dh", "5", module="evaluation")
    assert failed.returncode == 1, failed.stderr
    jobs = project.jobs()

    with debug(project) as terminal:
        terminal.read_until(PROMPT)
        terminal.answer("p 'number', number")
        assert "('number', 1)" in terminal.read_until(PROMPT)
        terminal.interrupt(PROMPT)  # nothing ends: it is for the debugger
        terminal.answer("c")
        said = terminal.read_until(PROMPT)
        assert "JSONDecodeError" in said
        assert '-> json.loads("{" * number)' in said, "the debugger does not begin at the user's line"
        terminal.answer("p 'number', number")
        assert "('number', 3)" in terminal.read_until(PROMPT)
        terminal.answer("q")
        assert terminal.wait() == 1
        last = terminal.rest().strip().splitlines()
        assert last[-1].endswith("swcli model run evaluation.py -d numbers --debug --row 3")
        assert any("raised JSONDecodeError" in line for line in last)
    assert project.jobs() == jobs, "the debug run is to be seen"


@pytest.mark.needs_time
def test_leaving_the_debugger_and_ctrl_c_end_the_run_with_one_line(project: Project) -> None:
    project.write("evaluation.py", EVALUATION)
    project.make_numbers(10)
    with debug(project) as terminal:
        terminal.read_until(PROMPT)
        terminal.answer("q")
        assert terminal.wait() == 130
        (line,) = terminal.rest().strip().splitlines()[1:]  # behind what was typed
        assert "the debug run was stopped" in line
    with debug(project, "--row", "5") as terminal:
        said = terminal.read_until("waiting in the main thread: True")
        assert "evaluate is left out" in said
        terminal.press_ctrl_c()
        assert terminal.wait() == 130
        assert "the debug run was stopped" in terminal.rest()
        assert "Traceback" not in terminal.said


@pytest.mark.needs_time
def test_without_a_terminal_the_failure_is_shown_and_nothing_waits(project: Project) -> None:
    project.write("evaluation.py", EVALUATION.replace("breakpoint()", "pass"))
    project.make_numbers(5)
    failed = project.run("-d", "numbers", module="evaluation")
    assert failed.returncode == 1, failed.stderr
    path = os.path.relpath(project.folder / "evaluation.py", project.swcli.cwd)
    last = failed.stderr.strip().splitlines()[-1]
    assert last.partition("Try:")[2].strip() == f"swcli model run {path} -d numbers --debug --row 3"
    again = project.run("-d", "numbers", "--debug", "--row", "3", module="evaluation")
    assert again.returncode == 1
    assert "JSONDecodeError" in again.stderr
    assert "(Pdb)" not in again.stdout + again.stderr
    fine = project.run("-d", "numbers", "--debug", "--row", "4", module="evaluation")
    assert fine.returncode == 0, fine.stderr
    assert "output: 4" in fine.stdout
