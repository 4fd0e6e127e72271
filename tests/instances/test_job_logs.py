"""What tasks have printed: which logs are meant, and the last lines of each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from starwhale.domain.job import HandlerRecord, Job, RunRequest, Step, Task, TaskUpdate
from starwhale.domain.status import Status
from starwhale.errors import NotFoundError
from starwhale.instances.instance import Instance, open_instance
from starwhale.instances.jobs.job_logs import LogChoice, tail_offset
from starwhale.settings import read_settings
from starwhale.storage.catalog.driver import this_driver
from starwhale.storage.task_side import log_path

ID = "abcd" + "2" * 36
REQUEST = RunRequest(workdir="/w", modules=("m",))
STEPS = tuple(Step(name=name, record=HandlerRecord(name=name, kind="handler"), replicas=2) for name in ("m:a", "m:B.b"))


@pytest.fixture
def instance(instance_root: dict[str, str]) -> Iterator[Instance]:
    with open_instance(read_settings(instance_root)) as opened:
        job = Job(id=ID, request=REQUEST, handler="m:B.b", steps=STEPS, datasets=())
        opened.catalog.jobs.create(job, {}, this_driver())
        yield opened


def start(instance: Instance, position: int, index: int, attempt: int, text: str = "") -> Path:
    """Write down that an attempt starts, and what it prints."""
    step = STEPS[position]
    task = Task(
        id=f"{ID}/{position}/{index}", job_id=ID, step=step, index=index, total=2, attempt=attempt, request=REQUEST
    )
    instance.catalog.jobs.record_attempt_start(task, "thread")
    path = log_path(instance.stores.layout, task)
    path.parent.mkdir(parents=True, exist_ok=True)
    if text:
        path.write_text(text, encoding="utf-8")
    return path


def test_the_last_attempt_of_each_task_is_shown_and_earlier_ones_on_demand(instance: Instance) -> None:
    start(instance, 0, 0, 1, "first\n")
    start(instance, 0, 0, 2, "second\nand more\n")
    start(instance, 0, 1, 1)
    native = start(instance, 1, 0, 1, "other").parent / "worker-0.txt"
    native.write_bytes(b"from C\n\xff\n")
    found = instance.jobs.logs("latest")
    assert [(each.title, each.lines) for each in found] == [
        ("m:a, task 0, attempt 2", ("second", "and more")),
        ("m:B.b, task 0, attempt 1", ("other",)),
        ("worker process 0", ("from C", "\\xff")),
    ]
    limited = instance.jobs.logs("latest", LogChoice(step="a"), limit=1)
    assert [(each.lines, each.has_more) for each in limited] == [(("and more",), True)]
    assert [each.lines for each in instance.jobs.logs(ID, LogChoice(task=0, attempt=1))] == [("first",), ("other",)]
    assert [each.lines for each in instance.jobs.logs(ID, LogChoice(step="b"))] == [("other",)]


def test_what_is_not_there_is_named_with_what_is(instance: Instance) -> None:
    with pytest.raises(NotFoundError, match="no task of job"):
        instance.jobs.logs(ID, LogChoice(task=0))
    start(instance, 0, 0, 1, "first\n")
    start(instance, 0, 0, 2, "second\n")
    with pytest.raises(NotFoundError, match="no task 7") as caught:
        instance.jobs.logs(ID, LogChoice(task=7))
    assert caught.value.hint == "there are: m:a: task 0, attempts 1, 2"
    with pytest.raises(NotFoundError, match="no attempt 3") as caught:
        instance.jobs.logs(ID, LogChoice(task=0, attempt=3))
    assert "attempts 1, 2" in caught.value.hint
    with pytest.raises(NotFoundError, match="no step 'c'"):
        instance.jobs.logs(ID, LogChoice(step="c"))


def test_what_comes_is_followed_to_the_end_of_the_job(instance: Instance) -> None:
    path = start(instance, 0, 0, 1, "old\nnew\nbeg")
    following = instance.jobs.follow_logs(ID, limit=2)
    assert next(following).lines == ("new",), "the line that was begun counts as one, and waits for its end"
    path.write_text("old\nnew\nbegun\nlast", encoding="utf-8")
    assert next(following).lines == ("begun",)
    instance.catalog.jobs.record_attempt_end(TaskUpdate(task_id=f"{ID}/0/0", attempt=1, status=Status.SUCCESS))
    for status in (Status.RUNNING, Status.SUCCESS):
        instance.catalog.jobs.set_status(ID, status)
    assert [each.lines for each in following] == [("last",)]


@given(st.lists(st.text("ab\n", max_size=40), max_size=6), st.integers(0, 8), st.integers(1, 9))
def test_the_last_lines_are_found_from_the_end(pieces: list[str], limit: int, block: int) -> None:
    text = "".join(pieces)
    found = text[
        tail_offset(lambda at, size: text[at : at + size].encode(), len(text), limit, block=block) :
    ].splitlines()
    assert found == (text.splitlines()[-limit:] if limit else text.splitlines())
