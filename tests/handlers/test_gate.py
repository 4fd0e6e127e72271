"""How many calls are let in when a service is busy, and when it answers again."""

from __future__ import annotations

import asyncio

from starwhale.handlers.calls.gate import STEPS, Gate


class Clock:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_one_refusal_halves_and_those_of_the_same_round_do_not_halve_again() -> None:
    clock = Clock()
    gate = Gate(100, clock)
    clock.now = 1.0
    assert gate.busy(began=0.0, wait_s=2.0)
    assert (gate.limit, gate.held_s) == (50, 2.0)
    assert not gate.busy(began=0.5, wait_s=2.0), "it began before the last decrease: no news"
    assert gate.limit == 50
    clock.now = 3.5
    assert gate.busy(began=3.2, wait_s=1.0)
    assert gate.limit == 25
    for k in range(20):
        gate.busy(began=4.0 + k, wait_s=0.0)
        clock.now = 5.0 + k
    assert gate.limit == 1, "one call is always let in"


def test_answers_bring_the_limit_back_and_no_further() -> None:
    clock = Clock()
    gate = Gate(64, clock)
    gate.busy(began=0.0, wait_s=0.0)
    assert gate.limit == 32
    rounds = 0
    while gate.limit < 64:
        for _ in range(gate.limit):
            gate.answered()
        rounds += 1
    assert STEPS // 2 <= rounds <= STEPS // 2 + 2
    gate.answered()
    assert gate.limit == 64


def test_nobody_is_let_in_while_all_are_held_and_those_that_wait_come_first() -> None:
    async def scene() -> list[str]:
        loop = asyncio.get_running_loop()
        gate = Gate(4, loop.time)
        gate.take()
        order: list[str] = []
        gate.busy(began=loop.time(), wait_s=0.05)
        assert not gate.is_open
        ended = loop.time() + 0.05

        async def again(name: str) -> None:
            assert await gate.enter()
            assert loop.time() >= ended
            order.append(name)
            await asyncio.sleep(0.01)
            gate.leave()

        tries = [asyncio.create_task(again(name)) for name in "abc"]
        await asyncio.sleep(0)
        assert not gate.is_open, "those that wait come first"
        await asyncio.gather(*tries)
        assert (gate.active, gate.is_open) == (1, True)
        return order

    assert asyncio.run(scene()) == ["a", "b", "c"]


def test_a_closed_gate_sends_everybody_home() -> None:
    async def scene() -> None:
        gate = Gate(1, asyncio.get_running_loop().time)
        gate.take()
        waits = asyncio.create_task(gate.enter())
        await asyncio.sleep(0)
        gate.close()
        assert await waits is False
        assert await gate.enter() is False
        gate.leave()
        assert gate.active == 0

    asyncio.run(scene())


def test_a_call_that_is_given_up_while_it_waits_keeps_no_place() -> None:
    async def scene() -> None:
        gate = Gate(1, asyncio.get_running_loop().time)
        gate.take()
        waits = asyncio.create_task(gate.enter())
        await asyncio.sleep(0)
        gate.leave()  # lets it in
        waits.cancel()
        await asyncio.gather(waits, return_exceptions=True)
        assert (gate.active, gate.is_open) == (0, True)

    asyncio.run(scene())
