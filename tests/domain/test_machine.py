"""What tasks ask for, what fits on a machine, and what is refused."""

from __future__ import annotations

import re

import pytest

from starwhale.domain.machine import ACCELERATOR, Accelerator, Demand, Fit, Machine, check_demand, fit_tasks
from starwhale.domain.resources import parse_resources
from starwhale.errors import UsageError

GIB = 2**30
SMALL = Machine(cores=2, memory_bytes=4 * GIB)
LARGE = Machine(
    cores=16, memory_bytes=64 * GIB, accelerators=tuple(Accelerator(id=str(each), name="L4") for each in range(4))
)


def _demand(**resources: object) -> Demand:
    named = {ACCELERATOR if name == "gpu" else name: value for name, value in resources.items()}
    asked = [{"type": each.type, "request": each.request, "limit": each.limit} for each in parse_resources(named)]
    return Demand.of(asked, is_confined=True)


def test_a_request_is_held_and_a_limit_alone_is_shared() -> None:
    assert _demand(cpu=2, memory="1Gi", gpu=1) == Demand(cpu=2, memory_bytes=GIB, accelerators=1, is_confined=True)
    assert _demand(gpu={"request": 0, "limit": 2}) == Demand(shared_accelerators=2, is_confined=True)
    assert _demand(gpu={"request": 1, "limit": 2}) == Demand(accelerators=1, is_confined=True)
    assert _demand(gpu=0) == Demand(is_confined=True)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"gpu": 1}, "asks for 1 accelerator, and there are 2 cores, 4.0 GiB of memory and no accelerators"),
        ({"cpu": 3, "memory": "8Gi"}, "asks for 3 cores and 8.0 GiB of memory, and there are 2 cores"),
    ],
)
def test_what_no_task_can_ever_get_is_refused(asked: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        check_demand("m:predict", _demand(**asked), SMALL)


def test_what_is_there_or_can_be_done_without_is_not_refused() -> None:
    check_demand("m:predict", _demand(cpu=2, memory="4Gi", gpu={"request": 0, "limit": 8}), SMALL)
    check_demand("m:predict", _demand(gpu=4), LARGE)


def test_the_names_of_accelerators_are_told() -> None:
    assert LARGE.describe() == "16 cores, 64.0 GiB of memory and 4 accelerators (L4)"


@pytest.mark.parametrize(
    ("machine", "demand", "worker_bytes", "batches", "fit"),
    [
        (SMALL, Demand(), 0, 100, Fit(count=2, reason="2 cores")),
        (SMALL, Demand(), 3 * GIB, 100, Fit(count=1, reason="4.0 GiB of memory, 3.00 GiB each")),
        (SMALL, Demand(), 9 * GIB, 100, Fit(count=1, reason="4.0 GiB of memory, 9.00 GiB each")),
        (LARGE, Demand(), 0, 3, Fit(count=3, reason="3 batches of rows")),
        (LARGE, Demand(accelerators=1), 0, 100, Fit(count=4, reason="4 accelerators")),
        (LARGE, Demand(accelerators=2), 0, 100, Fit(count=2, reason="4 accelerators, 2 each")),
        (LARGE, Demand(accelerators=1, cpu=8), 0, 100, Fit(count=2, reason="16 cores, 8 each")),
        (LARGE, Demand(memory_bytes=GIB * 16), 0, 100, Fit(count=4, reason="64.0 GiB of memory, 16.00 GiB each")),
        (Machine(cores=96), Demand(), 0, 100, Fit(count=32, reason="at most 32 run at a time")),
        (Machine(cores=0.5), Demand(), 0, 0, Fit(count=1, reason="0.5 cores")),
    ],
)
def test_as_many_tasks_fit_as_the_scarcest_resource_allows(
    machine: Machine, demand: Demand, worker_bytes: int, batches: int, fit: Fit
) -> None:
    assert fit_tasks(demand, machine, worker_bytes=worker_bytes, batches=batches) == fit
