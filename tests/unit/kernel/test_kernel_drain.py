"""The drain and the wakeup."""

from __future__ import annotations

import asyncio

import pytest

from services.kernel.drain import Drain, DrainClosedError, Pace, Wakeup


async def test_a_call_before_the_sleep_is_not_lost() -> None:
    """Who is called first does not fall asleep."""
    wakeup = Wakeup()
    wakeup.call()
    assert await wakeup.wait()


async def test_the_sleeper_gives_up_in_time() -> None:
    """Without a call the sleep ends with its time, and says so."""
    assert not await Wakeup().wait(0.001)


async def test_a_call_is_used_up() -> None:
    """One call wakes once."""
    wakeup = Wakeup()
    wakeup.call()
    await wakeup.wait()
    assert not await wakeup.wait(0.001)


async def test_a_call_after_the_time_ran_out_counts_for_the_next_sleep() -> None:
    """A late call is not lost."""
    wakeup = Wakeup()
    await wakeup.wait(0.001)
    wakeup.call()
    assert await wakeup.wait(0.001)


async def test_a_cancelled_sleeper_leaves_the_call() -> None:
    """When the sleeper is cancelled while it is called, the next one is woken."""
    wakeup = Wakeup()
    sleeper = asyncio.create_task(wakeup.wait())
    await asyncio.sleep(0)
    wakeup.call()
    sleeper.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sleeper
    assert await wakeup.wait(0.001)


async def test_a_turn_after_a_rest_begins_at_once() -> None:
    """A pace delays nothing that comes alone, nothing that is not to wait, and nothing at all when it is none."""
    async with asyncio.timeout(5):
        pace = Pace(3600)
        await pace.turn()
        await pace.turn(at_once=True)
        hurried = Pace(0)
        await hurried.turn()
        await hurried.turn()


async def test_turns_keep_their_distance() -> None:
    """However fast they are asked for, turns begin at least the interval apart."""
    interval, turns, loop = 0.002, 5, asyncio.get_running_loop()
    pace = Pace(interval)
    begun = loop.time()
    for _ in range(turns):
        await pace.turn()
    assert loop.time() - begun >= interval * (turns - 1)


async def test_a_turn_that_begins_at_once_counts_as_well() -> None:
    """The turn after it keeps its distance from it."""
    loop = asyncio.get_running_loop()
    pace = Pace(0.002)
    begun = loop.time()
    await pace.turn(at_once=True)
    await pace.turn()
    assert loop.time() - begun >= 0.002


async def test_taking_returns_what_has_piled_up_in_order() -> None:
    """Everything that waits comes at once, up to the bound."""
    drain: Drain[int] = Drain()
    drain.put_many(range(5))
    drain.put(5)
    assert await drain.take(4) == [0, 1, 2, 3]
    assert len(drain) == 2
    assert await drain.take(4) == [4, 5]
    assert drain.take_waiting(4) == []


async def test_the_taker_waits_for_something() -> None:
    """Nothing is returned before something was put."""
    drain: Drain[int] = Drain()
    taking = asyncio.create_task(drain.take(10))
    await asyncio.sleep(0)
    assert not taking.done()
    drain.put(1)
    assert await taking == [1]


async def test_a_closed_drain_is_emptied_first() -> None:
    """Closing loses nothing: the taker gets what waits, and only then learns of the end."""
    drain: Drain[int] = Drain()
    drain.put(1)
    drain.close()
    assert await drain.take(10) == [1]
    with pytest.raises(DrainClosedError):
        await drain.take(10)


async def test_no_wakeup_is_lost_among_many_putters() -> None:
    """Whatever the order of putting and taking, all items arrive, each putter's in its order."""
    drain: Drain[tuple[int, int]] = Drain()

    async def put(putter: int) -> None:
        for number in range(200):
            drain.put((putter, number))
            if number % (putter + 2) == 0:
                await asyncio.sleep(0)

    taken: list[tuple[int, int]] = []

    async def take() -> None:
        while len(taken) < 1000:
            taken.extend(await drain.take(7))

    async with asyncio.timeout(10):
        await asyncio.gather(take(), *(put(putter) for putter in range(5)))
    for putter in range(5):
        assert [n for p, n in taken if p == putter] == list(range(200))
