"""Conflating fan-out."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.bus.fanout import Fanout, Latest


async def test_a_reader_gets_the_newest_value_and_how_many_it_missed() -> None:
    """Three states of one key since the last look are one, with two folded."""
    fanout: Fanout[str, int] = Fanout()
    reader = fanout.subscribe(["a", "b"])
    for key, value in (("a", 1), ("b", 2), ("a", 3), ("a", 4), ("c", 5)):
        fanout.publish(key, value)
    assert await reader.wait(0)
    assert reader.take() == [Latest("a", 4, 2), Latest("b", 2, 0)]
    assert reader.take() == []


async def test_a_late_reader_begins_with_what_is_newest() -> None:
    """It need not wait for the next change."""
    fanout: Fanout[str, int] = Fanout()
    fanout.publish("a", 1)
    fanout.publish("a", 2)
    assert fanout.subscribe(["a", "b"]).take() == [Latest("a", 2, 0)]
    assert fanout.subscribe().take() == [Latest("a", 2, 0)]
    assert (fanout.newest("a"), fanout.newest("b")) == (2, None)


async def test_values_are_shared_not_copied() -> None:
    """What a publisher encoded once is what every reader holds."""
    fanout: Fanout[str, bytes] = Fanout()
    readers = [fanout.subscribe(["a"]) for _ in range(3)]
    value = bytes(range(100))
    fanout.publish("a", value)
    assert all(reader.take()[0].value is value for reader in readers)


async def test_waiting_ends_with_a_change_a_wake_or_its_time() -> None:
    """A reader sleeps until there is something to see."""
    fanout: Fanout[str, int] = Fanout()
    reader = fanout.subscribe(["a"])
    assert not await reader.wait(0.001)
    waiting = asyncio.create_task(reader.wait(10))
    await asyncio.sleep(0)
    fanout.publish("a", 1)
    assert await waiting
    reader.take()
    reader.wake()
    assert await reader.wait(0.001)


@pytest.mark.parametrize("keys", [["a"], None])
async def test_a_closed_reader_gets_nothing_and_leaves_nothing(keys: list[str] | None) -> None:
    """Publishing costs nothing for readers that are gone."""
    fanout: Fanout[str, int] = Fanout()
    reader = fanout.subscribe(keys)
    reader.close()
    reader.close()
    fanout.publish("a", 1)
    assert reader.take() == []
    assert not fanout._readers
    assert not fanout._of_all


@given(st.lists(st.one_of(st.none(), st.tuples(st.sampled_from("abc"), st.integers())), max_size=60))
async def test_values_taken_and_folded_are_all_that_were_published(steps: list[tuple[str, int] | None]) -> None:
    """However reads and writes alternate: newest values in order of time, and no state uncounted."""
    fanout: Fanout[str, int] = Fanout()
    reader = fanout.subscribe()
    written: dict[str, list[int]] = {}
    counted: dict[str, int] = {}
    for step in [*steps, None]:
        if step is not None:
            fanout.publish(*step)
            written.setdefault(step[0], []).append(step[1])
            continue
        for latest in reader.take():
            counted[latest.key] = counted.get(latest.key, 0) + 1 + latest.folded
            assert latest.value == written[latest.key][-1]
    assert counted == {key: len(values) for key, values in written.items()}
