"""History: every trade once and in order, whatever ends in between."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.kernel.clock import from_ns
from services.marketdata.domain.candle import SECOND_NS, Interval, candles_of
from services.marketdata.domain.instrument import Instrument, TradingStatus
from services.marketdata.domain.seeds import seed_terms
from services.marketdata.domain.trade import Aggressor, Trade, position_of
from services.marketdata.pipeline.epochs import Epochs
from services.marketdata.pipeline.history import History
from services.marketdata.pipeline.ports import Page
from services.marketdata.pipeline.recorder import Recorder, RecorderOptions
from services.marketdata.pipeline.retry import Retry
from tests.fakes.market_history import FakeHistoryStore, FakeLive, FakePast, NoWaiting
from tests.fixtures.waiting import eventually

APPLE = Instrument(seed_terms()[0], 1, TradingStatus.TRADING, 1, datetime(2026, 1, 1, tzinfo=UTC))
NIGHT = 1_767_225_600 * SECOND_NS


def trade(sequence: int, epoch: int = 1) -> Trade:
    """A trade; only odd events of the feed are trades."""
    position = position_of(epoch, sequence)
    return Trade(
        position, NIGHT + position_of(0, sequence) * SECOND_NS * 7, 100 + sequence % 13, 1, Aggressor.BUY, sequence
    )


async def no_time(_seconds: float) -> None:
    """Lets no time pass but for the other tasks."""
    await asyncio.sleep(0)


class World:
    """A recorder on fakes, whose feed tells a tape."""

    def __init__(self, store: FakeHistoryStore, past: FakePast, options: RecorderOptions | None = None) -> None:
        self.store, self.past, self.live = store, past, FakeLive({1: 0})
        self.recorder = Recorder(
            store, past, Epochs({"e-1": 1, "e-2": 2}), Retry(NoWaiting, no_time), options or RecorderOptions()
        )
        self.recorder.attach(self.live)

    async def begin(self) -> None:
        """Begins where the store stands, as a service that starts."""
        history = await self.store.history(APPLE)
        self.recorder.begin(APPLE, history.cursor, history.trades[-1].trade_id if history.trades else 0)

    def tell(self, *trades: Trade, live: bool = True) -> None:
        """The venue makes trades; the live feed tells them, unless it is lost."""
        for each in trades:
            self.past.tape.setdefault(1, []).append(each)
            if live:
                self.live.positions[1] = each.position
                self.recorder.add(1, each)

    def jump(self, sequence: int, epoch: int = 1) -> None:
        """The live feed goes on after an event that it did not tell."""
        before, self.live.positions[1] = self.live.positions[1], position_of(epoch, sequence)
        told = [t for t in self.past.tape.get(1, []) if t.epoch_number == epoch and t.sequence <= sequence]
        tape = [t for t in told if not t.adjusts]
        self.recorder.restarted(1, before, self.live.positions[1], tape[-1].trade_id if tape else 0)

    async def settle(self) -> None:
        """Lets the recorder recover and store everything."""
        recovery = asyncio.create_task(self.recorder.run_recovery())
        try:
            await eventually(lambda: self.recorder.complete, seconds=5)
            await self.recorder.flush()
        finally:
            recovery.cancel()
            with suppress(asyncio.CancelledError):
                await recovery


@pytest.fixture
async def world() -> World:
    """A world that has begun."""
    made = World(FakeHistoryStore(), FakePast())
    await made.begin()
    return made


async def test_live_trades_are_stored_in_order(world: World) -> None:
    """What the feed tells is in the store, with a cursor at the last event, and nothing waits."""
    tape = [trade(sequence) for sequence in (1, 3, 5)]
    world.tell(*tape)
    world.live.positions[1] = position_of(1, 8)
    await world.settle()
    assert world.store.kept[1] == tape
    assert world.store.cursors[1] == position_of(1, 8)
    assert (world.recorder.waiting, world.recorder.counts.stored) == (0, 3)
    assert world.store.known_epochs == {"e-1": 1}


async def test_a_restart_recovers_what_was_told_while_away() -> None:
    """After a restart the feed begins at a later event; what lies between is recovered before anything newer."""
    store, past = FakeHistoryStore(), FakePast()
    first = World(store, past)
    await first.begin()
    first.tell(trade(1), trade(3))
    await first.settle()
    first.tell(trade(5), trade(7), trade(9), trade(11), live=False)

    second = World(store, past)
    await second.begin()
    second.jump(11)
    second.tell(trade(13))
    await second.settle()
    assert store.kept[1] == [trade(sequence) for sequence in (1, 3, 5, 7, 9, 11, 13)]
    assert second.live.told == [trade(sequence) for sequence in (5, 7, 9, 11)]
    assert second.recorder.counts.gaps == 0


async def test_a_past_that_is_no_longer_kept_is_a_gap_that_is_counted(world: World) -> None:
    """When the feed has forgotten what is missing, history goes on after the gap, and the gap is counted."""
    world.tell(trade(1))
    world.tell(trade(3), trade(5), live=False)
    world.past.forgotten_before = 5
    world.jump(6)
    world.tell(trade(7))
    await world.settle()
    assert world.store.kept[1] == [trade(1), trade(7)]
    assert world.recorder.counts.gaps == 1


async def test_forgotten_events_without_a_trade_are_no_gap(world: World) -> None:
    """When the last trade of all is known, nothing is missing, though the events between are forgotten."""
    world.tell(trade(1))
    world.past.forgotten_before = 50
    world.jump(60)
    world.tell(trade(61))
    await world.settle()
    assert world.store.kept[1] == [trade(1), trade(61)]
    assert world.recorder.counts.gaps == 0


@pytest.mark.parametrize("restarts", [False, True])
async def test_what_became_of_a_trade_is_recovered_though_no_trade_came_after_it(restarts: bool) -> None:
    """It comes as an entry of its own: that the last trade is known does not show that none is missing."""
    world = World(FakeHistoryStore(), FakePast())
    await world.begin()
    world.tell(trade(1), trade(3))
    await world.settle()
    world.tell(trade(1)._replace(position=position_of(1, 5), canceled=True, adjusts=True), live=False)
    if restarts:
        live, world = world.live, World(world.store, world.past)
        world.live.positions = live.positions
        await world.begin()
    world.jump(6)
    await world.settle()
    assert world.store.kept[1] == [trade(1)._replace(canceled=True), trade(3)]
    assert world.store.cursors[1] == position_of(1, 6)
    assert (world.live.reloaded, world.recorder.counts.gaps) == (1, 0)


async def test_a_new_epoch_is_recovered_from_its_beginning(world: World) -> None:
    """A venue that began anew starts its sequences again; its trades come after those of the epoch before."""
    world.tell(trade(1), trade(3))
    world.tell(trade(1, 2), trade(3, 2), live=False)
    world.jump(3, 2)
    world.tell(trade(5, 2))
    await world.settle()
    assert world.store.kept[1] == [trade(1), trade(3), trade(1, 2), trade(3, 2), trade(5, 2)]
    assert world.store.known_epochs == {"e-1": 1, "e-2": 2}


async def test_a_store_that_is_away_loses_nothing(world: World) -> None:
    """Trades wait until the store is back, and are then stored once."""
    world.store.failures = 3
    world.tell(trade(1), trade(3))
    await world.settle()
    assert world.store.kept[1] == [trade(1), trade(3)]
    assert world.recorder.counts.failures == 3


async def test_too_many_waiting_trades_are_let_go_and_recovered() -> None:
    """Memory is bounded: beyond it trades are forgotten here, and recovered from the feed's past."""
    world = World(FakeHistoryStore(), FakePast(), RecorderOptions(most_waiting=5))
    await world.begin()
    tape = [trade(sequence) for sequence in range(1, 41, 2)]
    world.tell(*tape)
    assert world.recorder.waiting <= 6
    assert not world.recorder.complete
    await world.settle()
    assert world.store.kept[1] == tape
    assert world.recorder.counts.gaps == 0


async def test_a_recovery_that_is_interrupted_is_begun_again(world: World) -> None:
    """A past that does not answer is asked again, and nothing is stored twice."""
    world.tell(trade(1))
    world.tell(*(trade(sequence) for sequence in range(3, 15, 2)), live=False)
    world.past.failures = 2
    world.jump(14)
    await world.settle()
    assert world.store.kept[1] == [trade(sequence) for sequence in range(1, 15, 2)]


STEPS = st.lists(st.sampled_from(["trade", "quiet", "lose", "flush", "restart", "fail", "settle"]), max_size=40)


@given(STEPS)
@settings(max_examples=150)
def test_history_is_the_tape_whatever_happens(steps: list[str]) -> None:
    """Any order of trades, losses of the feed, failures and restarts leaves each trade of the tape stored once."""
    asyncio.run(_history_is_the_tape(steps))


async def _history_is_the_tape(steps: list[str]) -> None:  # noqa: C901 - a step is a branch
    store, past = FakeHistoryStore(), FakePast()
    world = World(store, past)
    await world.begin()
    sequence, tape, lost = 0, [], False
    for step in [*steps, "found"]:
        if lost and step in {"found", "restart", "settle"}:
            lost = False
            world.jump(sequence)
        if step in {"trade", "quiet"}:
            sequence += 1
            if step == "trade":
                tape.append(trade(sequence))
                world.tell(tape[-1], live=not lost)
            elif not lost:
                world.live.positions[1] = position_of(1, sequence)
        match step:
            case "lose":
                lost = True
            case "flush":
                await world.recorder.flush()
            case "fail":
                store.failures = 1
            case "restart":
                world = World(store, past)
                await world.begin()
                world.jump(sequence)
            case "settle":
                await world.settle()
    await world.settle()
    assert store.kept.get(1, []) == tape
    assert world.recorder.counts.gaps == 0
    assert store.cursors.get(1, 0) == position_of(1, sequence) or not sequence


@given(st.integers(0, 30), st.integers(0, 30), st.integers(1, 7), st.sampled_from([Interval.SECOND, Interval.MINUTE]))
def test_pages_of_the_past_join_store_and_memory(stored: int, waiting: int, size: int, interval: Interval) -> None:
    """Read page by page, trades and candles are those of the tape, newest first, wherever the store's part ends."""
    asyncio.run(_pages_join(stored, waiting, size, interval))


async def _pages_join(stored: int, waiting: int, size: int, interval: Interval) -> None:
    world = World(FakeHistoryStore(), FakePast())
    await world.begin()
    tape = [trade(sequence) for sequence in range(1, stored + waiting + 1)]
    world.tell(*tape[:stored])
    await world.settle()
    world.tell(*tape[stored:])
    history = History(world.store, world.recorder)
    trades, candles = [], []
    more, before = True, None
    while more:
        page, more = await history.trades(APPLE, Page(size, before=before))
        trades += page
        before = (page[-1].time_ns, page[-1].position) if page else None
    more, before = True, None
    while more:
        part, more = await history.candles(APPLE, interval, Page(size, before=before))
        candles += part
        before = (part[-1].open_second * SECOND_NS, 0) if part else None
    assert trades == tape[::-1]
    assert candles == sorted(candles_of(tape, interval).values(), reverse=True)


async def test_pages_keep_to_the_time_asked_for(world: World) -> None:
    """The beginning belongs to the page, the end does not, in the store and in memory alike."""
    tape = [trade(sequence) for sequence in range(1, 9)]
    world.tell(*tape[:4])
    await world.settle()
    world.tell(*tape[4:])
    page = Page(100, since=from_ns(tape[2].time_ns), until=from_ns(tape[6].time_ns))
    trades, more = await History(world.store, world.recorder).trades(APPLE, page)
    assert (trades, more) == (tape[2:6][::-1], False)


async def test_the_recorder_runs_until_it_is_ended(world: World) -> None:
    """The task stores what comes while it runs."""
    task = asyncio.create_task(world.recorder.run())
    world.tell(trade(1))
    await eventually(lambda: world.store.kept.get(1) == [trade(1)])
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
