"""Which of the jobs that wait are begun."""

from __future__ import annotations

from starwhale.execution.supervise import QueuedJob, QueueLimits, choose


def job(name: str, *, tasks: int = 1, since: float = 0.0) -> QueuedJob:
    """A job of the project that its first letter names."""
    return QueuedJob(id=name, project=name[0], tasks=tasks, since=since)


def names(found: list[QueuedJob]) -> list[str]:
    return [each.id for each in found]


def test_the_oldest_comes_first_and_no_more_than_there_is_room_for() -> None:
    waiting = [job("a3", since=3), job("a1", since=1), job("a2", since=2)]
    assert names(choose(waiting, [], QueueLimits(jobs=2))) == ["a1", "a2"]
    assert names(choose(waiting, [job("a0")], QueueLimits(jobs=2))) == ["a1"]
    assert choose(waiting, [job("a0"), job("b0")], QueueLimits(jobs=2)) == []
    assert choose([], [], QueueLimits(jobs=2)) == []


def test_projects_take_turns() -> None:
    waiting = [*(job(f"a{k}", since=k) for k in range(5)), job("b0", since=10), job("c0", since=11)]
    assert names(choose(waiting, [], QueueLimits(jobs=4))) == ["a0", "b0", "c0", "a1"]
    assert names(choose(waiting, [job("b9"), job("a9")], QueueLimits(jobs=4))) == ["c0", "a0"]


def test_tasks_are_limited_and_a_large_job_is_not_overtaken_for_ever() -> None:
    waiting = [job("a0", tasks=3, since=1), job("b0", tasks=1, since=2)]
    limits = QueueLimits(jobs=9, tasks=4)
    assert names(choose(waiting, [], limits)) == ["a0", "b0"]
    assert choose(waiting, [job("c0", tasks=2)], limits) == [], "a0 is next, and waits for its room"
    assert names(choose([job("a0", tasks=99)], [], limits)) == ["a0"], "one that is larger than all of it runs alone"
    assert choose([job("b0")], [job("a0", tasks=99)], limits) == []
