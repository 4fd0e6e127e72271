"""From a request to a job: everything that can be wrong is found before anything runs."""

from __future__ import annotations

import dataclasses

import pytest

from starwhale.domain.job import DatasetInput, HandlerRecord, Job, RunRequest, Step, Task
from starwhale.errors import GraphError, HandlerError, NotBuiltYetError, UsageError
from starwhale.execution import plan

PREDICT = HandlerRecord(name="m:predict", kind="predict", func_name="predict", require_dataset=True, replicas=2)
EVALUATE = HandlerRecord(name="m:evaluate", kind="evaluate", func_name="evaluate", needs=("m:predict",))
HANDLERS = {"m:predict": PREDICT, "m:evaluate": EVALUATE}


def pinned(name: str = "digits", version: str = "a" * 40, rows: int = 100) -> DatasetInput:
    return DatasetInput(
        uri=f"self/dataset/{name}/version/{version}",
        given=name,
        dataset_id=name,
        project="self",
        name=name,
        version=version,
        manifest_digest=version,
        row_count=rows,
    )


def request(**changes: object) -> RunRequest:
    return RunRequest(**{"workdir": "/m", "modules": ("m",), **changes})  # type: ignore[arg-type] # fields by name


def test_plan_is_the_handler_with_everything_that_it_needs() -> None:
    asked = request(datasets=("digits",))
    job = plan.plan_job(asked, HANDLERS, "m:evaluate", [pinned()], job_id="j")
    predict = Step(name="m:predict", record=PREDICT, replicas=2, consumes_rows=True)
    evaluate = Step(name="m:evaluate", record=EVALUATE, needs=("m:predict",))
    assert job == Job(id="j", request=asked, handler="m:evaluate", steps=(predict, evaluate), datasets=(pinned(),))
    assert plan.plan_tasks(job, predict, {1: 4}) == (
        Task(id="j/0/0", job_id="j", step=predict, index=0, total=2, attempt=1, request=asked, datasets=(pinned(),)),
        Task(id="j/0/1", job_id="j", step=predict, index=1, total=2, attempt=4, request=asked, datasets=(pinned(),)),
    )


def test_task_survives_the_way_through_json() -> None:
    job = plan.plan_job(request(arguments=("--x", "1")), HANDLERS, "m:evaluate", [pinned()], job_id="j")
    task = plan.plan_tasks(job, job.steps[1])[0]
    assert Task.from_json(task.to_json()) == task


def test_replicas_of_the_request_hold_for_steps_with_rows_only() -> None:
    job = plan.plan_job(request(replicas=7), HANDLERS, "m:evaluate", [pinned()], job_id="j")
    assert [step.replicas for step in job.steps] == [7, 1]


@pytest.mark.parametrize("changes", [{"replicas": 10_001}, {"task_count": 2**31}])
def test_more_tasks_than_memory_has_room_for_are_refused(changes: dict[str, int]) -> None:
    plan.check_request(request(replicas=plan.MOST_TASKS))
    with pytest.raises(UsageError, match=f"{next(iter(changes.values())):,}") as refused:
        plan.check_request(request(**changes))
    assert "10,000 tasks at most" in refused.value.hint
    many = {"m:predict": dataclasses.replace(HANDLERS["m:predict"], needs=(), replicas=10_001)}
    with pytest.raises(UsageError, match="replicas of 'm:predict'"):
        plan.plan_job(request(), many, "m:predict", [pinned()], job_id="j")


def test_second_predict_step_has_ids_of_its_own() -> None:
    handlers = {
        "m:a": HandlerRecord(name="m:a", kind="predict", func_name="a"),
        "m:b": HandlerRecord(name="m:b", kind="predict", func_name="b"),
        "n:b": HandlerRecord(name="n:b", kind="predict", func_name="b"),
        "m:e": HandlerRecord(name="m:e", kind="evaluate", needs=("m:a", "m:b", "n:b")),
    }
    job = plan.plan_job(request(), handlers, "m:e", [pinned()], job_id="j")
    assert [step.id_step for step in job.steps] == ["", "b", "n:b", ""]


def test_cycle_and_unknown_need_are_refused() -> None:
    circle = {
        "a": HandlerRecord(name="a", kind="handler", needs=("b",)),
        "b": HandlerRecord(name="b", kind="handler", needs=("a",)),
    }
    with pytest.raises(GraphError, match="circle"):
        plan.plan_job(request(), circle, "a", [], job_id="j")
    unknown = {"a": HandlerRecord(name="a", kind="handler", needs=("x",))}
    with pytest.raises(GraphError, match="'x'"):
        plan.plan_job(request(), unknown, "a", [], job_id="j")


def test_missing_dataset_is_refused() -> None:
    with pytest.raises(UsageError, match="needs a dataset") as raised:
        plan.plan_job(request(), HANDLERS, "m:evaluate", [], job_id="j")
    assert "--dataset" in raised.value.hint


def test_no_handlers_is_refused() -> None:
    with pytest.raises(HandlerError, match="no handlers in m"):
        plan.plan_job(request(), {}, "0", [], job_id="j")


def test_step_runs_alone_without_its_needs() -> None:
    job = plan.plan_job(request(step="m:evaluate"), HANDLERS, "m:evaluate", [pinned()], job_id="j")
    assert [(step.name, step.needs) for step in job.steps] == [("m:evaluate", ())]
    with pytest.raises(UsageError, match="no step") as raised:
        plan.plan_job(request(step="m:evaluat"), HANDLERS, "m:evaluate", [pinned()], job_id="j")
    assert "m:evaluate" in raised.value.hint


def test_one_task_of_a_step() -> None:
    asked = request(step="m:evaluate", task_index=3, task_count=5)
    job = plan.plan_job(asked, HANDLERS, "m:evaluate", [pinned()], job_id="j")
    tasks = plan.plan_tasks(job, job.steps[0])
    assert [(task.index, task.total) for task in tasks] == [(3, 5)]


def test_one_of_several_tasks_that_share_rows_is_refused() -> None:
    """In a process of its own it would take all of them."""
    asked = request(step="m:predict", task_index=3, task_count=5)
    with pytest.raises(NotBuiltYetError, match="task 3 of 5"):
        plan.plan_job(asked, HANDLERS, "m:predict", [pinned()], job_id="j")


def test_threads_may_not_share_seeded_generators() -> None:
    seeded = {"m:predict": dataclasses.replace(HANDLERS["m:predict"], needs=(), seed_globals=True)}
    with pytest.raises(UsageError, match="global random generators"):
        plan.plan_job(request(replicas=2), seeded, "m:predict", [pinned()], job_id="j")
    assert plan.plan_job(request(replicas=1), seeded, "m:predict", [pinned()], job_id="j").steps


@pytest.mark.parametrize(
    "changes", [{"task_index": 0}, {"step": "m:predict", "task_index": 2}, {"step": "m:evaluate", "task_index": 1}]
)
def test_task_index_that_is_not_there_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="--task-index"):
        plan.plan_job(request(**changes), HANDLERS, "m:predict", [pinned()], job_id="j")


def test_head_is_for_each_dataset_and_limit_for_all() -> None:
    datasets = [pinned("a", "1" * 40, 10), pinned("b", "2" * 40, 10), pinned("c", "3" * 40, 2)]
    cut = plan.cut_datasets(datasets, head=4, limit=7)
    assert [each.row_count for each in cut] == [4, 3, 0]
    assert [each.row_count for each in plan.cut_datasets(datasets, head=0, limit=0)] == [10, 10, 2]


def test_same_version_is_consumed_once_and_two_versions_are_told_apart() -> None:
    first, second = pinned("a", "1" * 40), pinned("a", "2" * 40)
    cut = plan.cut_datasets([first, second, first], head=0, limit=0)
    assert [(each.version, each.id_suffix) for each in cut] == [("1" * 40, "@" + "1" * 12), ("2" * 40, "@" + "2" * 12)]
