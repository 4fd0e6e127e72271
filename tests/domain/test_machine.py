"""What tasks ask for, what fits on a machine, and what is refused."""

from __future__ import annotations

import re

import pytest

from starwhale.domain.machine import ACCELERATOR, Accelerator, Fit, Machine, Needs, check_needs, fit_tasks
from starwhale.domain.resources import parse_resources
from starwhale.errors import UsageError

GIB = 2**30
SMALL = Machine(cores=2, memory_bytes=4 * GIB)
LARGE = Machine(
    cores=16, memory_bytes=64 * GIB, accelerators=tuple(Accelerator(id=str(each), name="L4") for each in range(4))
)


def _needs(**resources: object) -> Needs:
    named = {ACCELERATOR if name == "gpu" else name: value for name, value in resources.items()}
    asked = [{"type": each.type, "request": each.request, "limit": each.limit} for each in parse_resources(named)]
    return Needs.of(asked, is_confined=True)


def test_a_request_is_held_and_a_limit_alone_is_shared() -> None:
    assert _needs(cpu=2, memory="1Gi", gpu=1) == Needs(cpu=2, memory_bytes=GIB, accelerators=1, is_confined=True)
    assert _needs(gpu={"request": 0, "limit": 2}) == Needs(shared_accelerators=2, is_confined=True)
    assert _needs(gpu={"request": 1, "limit": 2}) == Needs(accelerators=1, is_confined=True)
    assert _needs(gpu=0) == Needs(is_confined=True)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"gpu": 1}, "asks for 1 accelerator, and there are 2 cores, 4.0 GiB of memory and no accelerators"),
        ({"cpu": 3, "memory": "8Gi"}, "asks for 3 cores and 8.0 GiB of memory, and there are 2 cores"),
    ],
)
def test_what_no_task_can_ever_get_is_refused(asked: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        check_needs("m:predict", _needs(**asked), SMALL)


def test_what_is_there_or_can_be_done_without_is_not_refused() -> None:
    check_needs("m:predict", _needs(cpu=2, memory="4Gi", gpu={"request": 0, "limit": 8}), SMALL)
    check_needs("m:predict", _needs(gpu=4), LARGE)


def test_the_names_of_accelerators_are_told() -> None:
    assert LARGE.describe() == "16 cores, 64.0 GiB of memory and 4 accelerators (L4)"


@pytest.mark.parametrize(
    ("machine", "needs", "worker_bytes", "batches", "fit"),
    [
        (SMALL, Needs(), 0, 100, Fit(count=2, reason="2 cores")),
        (SMALL, Needs(), 3 * GIB, 100, Fit(count=1, reason="4.0 GiB of memory, 3.00 GiB each")),
        (SMALL, Needs(), 9 * GIB, 100, Fit(count=1, reason="4.0 GiB of memory, 9.00 GiB each")),
        (LARGE, Needs(), 0, 3, Fit(count=3, reason="3 batches of rows")),
        (LARGE, Needs(accelerators=1), 0, 100, Fit(count=4, reason="4 accelerators")),
        (LARGE, Needs(accelerators=2), 0, 100, Fit(count=2, reason="4 accelerators, 2 each")),
        (LARGE, Needs(accelerators=1, cpu=8), 0, 100, Fit(count=2, reason="16 cores, 8 each")),
        (LARGE, Needs(memory_bytes=GIB * 16), 0, 100, Fit(count=4, reason="64.0 GiB of memory, 16.00 GiB each")),
        (Machine(cores=96), Needs(), 0, 100, Fit(count=32, reason="at most 32 run at a time")),
        (Machine(cores=0.5), Needs(), 0, 0, Fit(count=1, reason="0.5 cores")),
    ],
)
def test_as_many_tasks_fit_as_the_scarcest_resource_allows(
    machine: Machine, needs: Needs, worker_bytes: int, batches: int, fit: Fit
) -> None:
    assert fit_tasks(needs, machine, worker_bytes=worker_bytes, batches=batches) == fit
