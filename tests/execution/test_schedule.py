"""What starts, what is tried again, what is skipped, and how a job ends."""

from __future__ import annotations

import itertools
import random

import pytest

from starwhale.domain.job import TaskError, TaskUpdate
from starwhale.domain.status import Status
from starwhale.domain.wish import STOPS, Wish
from starwhale.execution import schedule
from starwhale.execution.schedule import JobState, TaskState

ERROR = TaskError(message="boom")


def job(needs: dict[str, tuple[str, ...]], replicas: int = 1) -> JobState:
    tasks = [TaskState(id=f"{step}/{index}", step=step) for step in needs for index in range(replicas)]
    return schedule.make_state(needs, tasks)


def launch(state: JobState) -> tuple[JobState, list[str]]:
    """Start everything that may start."""
    started = [task.id for task in schedule.next_tasks(state)]
    for task_id in started:
        state = schedule.start(state, task_id)
    return state, started


def end(
    state: JobState, task_id: str, status: Status = Status.SUCCESS, *, died: bool = False, counts: bool = True
) -> JobState:
    update = TaskUpdate(
        task_id=task_id,
        attempt=state.task(task_id).attempt,
        status=Status.FAILED if died else status,
        error=None if status is Status.SUCCESS and not died else ERROR,
        worker_died=died,
    )
    return schedule.apply(state, update, counts=counts)


def test_successor_starts_before_slow_sibling_ends() -> None:
    state, started = launch(job({"slow": (), "quick": (), "after_quick": ("quick",)}))
    assert started == ["slow/0", "quick/0"]
    state, started = launch(end(state, "quick/0"))
    assert started == ["after_quick/0"]
    assert schedule.step_status(state, "slow") is Status.RUNNING


def test_fan_in_waits_for_all_its_needs() -> None:
    state, _ = launch(job({"a": (), "b": (), "both": ("a", "b")}))
    state, started = launch(end(state, "a/0"))
    assert started == []
    state, started = launch(end(state, "b/0"))
    assert started == ["both/0"]
    assert schedule.end_status(end(state, "both/0")) is Status.SUCCESS


def test_step_is_done_only_when_all_its_tasks_are() -> None:
    state, started = launch(job({"predict": (), "evaluate": ("predict",)}, replicas=3))
    assert started == ["predict/0", "predict/1", "predict/2"]
    for index in range(2):
        state, started = launch(end(state, f"predict/{index}"))
        assert started == []
    _, started = launch(end(state, "predict/2"))
    assert started == ["evaluate/0", "evaluate/1", "evaluate/2"]


def test_user_error_is_never_tried_again_and_nothing_follows() -> None:
    state, _ = launch(job({"predict": (), "evaluate": ("predict",)}))
    state, started = launch(end(state, "predict/0", Status.FAILED))
    assert started == []
    assert schedule.end_status(state) is Status.FAILED
    assert schedule.first_error(state) == ERROR
    assert schedule.step_status(state, "evaluate") is Status.CREATED


def test_running_steps_end_after_a_failure_but_none_starts() -> None:
    state, _ = launch(job({"bad": (), "good": (), "later": ("good",)}))
    state = end(state, "bad/0", Status.FAILED)
    assert schedule.end_status(state) is None, "the sibling still runs"
    assert schedule.to_cancel(state) == [], "another step runs to its end"
    state, started = launch(end(state, "good/0"))
    assert started == []
    assert schedule.end_status(state) is Status.FAILED


def test_tasks_that_share_rows_with_a_failed_one_are_stopped() -> None:
    state, _ = launch(job({"predict": ()}, replicas=3))
    state = end(state, "predict/1", Status.FAILED)
    assert schedule.to_cancel(state) == ["predict/0", "predict/2"]
    state = end(end(state, "predict/0", Status.INTERRUPTED), "predict/2", Status.INTERRUPTED)
    assert schedule.end_status(state) is Status.FAILED
    assert schedule.step_status(state, "predict") is Status.FAILED


def test_worker_death_is_tried_again_up_to_three_times() -> None:
    state = job({"predict": ()})
    for attempt in (1, 2):
        state, started = launch(state)
        assert started == ["predict/0"]
        assert state.task("predict/0").attempt == attempt
        state = end(state, "predict/0", died=True)
        assert schedule.end_status(state) is None
    state, _ = launch(state)
    state = end(state, "predict/0", died=True)
    assert schedule.end_status(state) is Status.FAILED


def test_deaths_do_not_count_while_suspects_become_fewer() -> None:
    state = job({"predict": ()})
    for _ in range(10):
        state, started = launch(state)
        assert started == ["predict/0"]
        state = end(state, "predict/0", died=True, counts=False)
    state, _ = launch(state)
    assert schedule.end_status(end(state, "predict/0")) is Status.SUCCESS


def test_late_update_of_an_earlier_attempt_changes_nothing() -> None:
    state, _ = launch(job({"predict": ()}))
    late = TaskUpdate(task_id="predict/0", attempt=1, status=Status.SUCCESS)
    state, _ = launch(end(state, "predict/0", died=True))
    assert state.task("predict/0").attempt == 2
    assert schedule.apply(state, late) == state


def test_cautious_job_runs_one_task_at_a_time() -> None:
    state, _ = launch(job({"predict": ()}, replicas=3))
    for index in range(3):
        state = end(state, f"predict/{index}", died=True)
    cautious = schedule.JobState(needs=state.needs, tasks=state.tasks, is_cautious=True)
    cautious, started = launch(cautious)
    assert started == ["predict/0"]
    assert launch(cautious)[1] == []
    bold = schedule.JobState(needs=cautious.needs, tasks=cautious.tasks)
    assert launch(bold)[1] == ["predict/1", "predict/2"]


def test_stopped_job_starts_nothing_and_is_interrupted() -> None:
    state, _ = launch(job({"predict": (), "evaluate": ("predict",)}))
    state = schedule.stop(state)
    assert schedule.to_cancel(state) == ["predict/0"]
    assert schedule.end_status(state) is None
    state = end(state, "predict/0", Status.INTERRUPTED)
    assert launch(state)[1] == []
    assert schedule.end_status(state) is Status.INTERRUPTED
    assert schedule.step_status(state, "predict") is Status.INTERRUPTED


def test_the_strongest_reason_to_stop_decides_what_a_job_ends_as() -> None:
    state, _ = launch(job({"predict": (), "evaluate": ("predict",)}))
    for wish in (Wish.CANCEL, Wish.PAUSE):
        state = schedule.stop(state, STOPS[wish])
    assert schedule.stop(state) is state, "Ctrl-C is no news any more"
    state = end(state, "predict/0", Status.INTERRUPTED)
    assert schedule.end_status(state) is Status.CANCELED
    assert [schedule.step_status(state, each) for each in ("predict", "evaluate")] == [Status.CANCELED, Status.CREATED]


def test_job_that_was_done_when_it_was_stopped_is_a_success() -> None:
    state, _ = launch(job({"predict": ()}))
    assert schedule.end_status(end(schedule.stop(state), "predict/0")) is Status.SUCCESS


def test_death_while_stopping_is_an_interruption() -> None:
    state, _ = launch(job({"predict": ()}))
    state = end(schedule.stop(state), "predict/0", died=True)
    assert schedule.end_status(state) is Status.INTERRUPTED


def test_user_error_is_named_before_the_death_of_a_worker() -> None:
    machine = TaskError(message="killed", is_user_error=False)
    state, _ = launch(job({"a": (), "b": ()}))
    state = schedule.fail(schedule.fail(state, "a/0", machine), "b/0", ERROR)
    assert schedule.first_error(state) == ERROR


def test_needs_outside_the_graph_are_taken_as_done() -> None:
    _, started = launch(job({"evaluate": ("predict",)}))
    assert started == ["evaluate/0"]


@pytest.mark.parametrize("seed", range(300))
def test_every_random_graph_ends_and_keeps_its_order(seed: int) -> None:
    """Whatever order tasks end in and whichever workers die, needs come first and every task succeeds once."""
    rng = random.Random(seed)
    names = [f"s{number}" for number in range(rng.randint(1, 6))]
    needs = {name: tuple(rng.sample(names[:position], rng.randint(0, position))) for position, name in enumerate(names)}
    state = job(needs, replicas=rng.randint(1, 3))
    done: list[str] = []
    for _ in itertools.count():
        state, started = launch(state)
        for task_id in started:
            step = state.task(task_id).step
            assert all(task.id in done for need in needs[step] for task in state.of_step(need))
        if schedule.end_status(state) is not None:
            break
        running = [task.id for task in state.tasks if task.status is Status.RUNNING]
        assert running, "a job that has not ended has something that runs"
        chosen = rng.choice(running)
        died = rng.random() < 0.3 and state.task(chosen).deaths < schedule.MAX_DEATHS - 1
        state = end(state, chosen, died=died)
        if not died:
            done.append(chosen)
    assert schedule.end_status(state) is Status.SUCCESS
    assert sorted(done) == sorted(task.id for task in state.tasks)
