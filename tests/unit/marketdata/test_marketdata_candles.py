"""Candles: functions of sets of trades."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.marketdata.domain.candle import (
    SECOND_NS,
    Candle,
    Interval,
    add_candle,
    candle_of,
    candles_of,
    coarsen,
    extended,
    merge,
)
from services.marketdata.domain.day import day_of
from services.marketdata.domain.series import CandleSeries, is_complete
from services.marketdata.domain.trade import Aggressor, Trade, epoch_number_of, position_of, sequence_of

MIDNIGHT = 1_700_006_400
"""2023-11-15, 00:00 UTC."""


def trade(position: int, second: float, price: int, quantity: int = 1) -> Trade:
    """A trade so many seconds after midnight."""
    return Trade(position, MIDNIGHT * SECOND_NS + round(second * SECOND_NS), price, quantity, Aggressor.BUY, position)


@st.composite
def tapes(draw: st.DrawFn) -> list[Trade]:
    """Trades in the order of the feed, within two hours or so."""
    steps = draw(st.lists(st.tuples(st.floats(0, 90), st.integers(1, 50), st.integers(1, 9)), max_size=60))
    second, tape = 0.0, []
    for position, (step, price, quantity) in enumerate(steps, 1):
        second += step
        tape.append(trade(position, second, price, quantity))
    return tape


@given(tapes(), st.sampled_from([interval for interval in Interval if interval is not Interval.SECOND]))
def test_candles_of_a_second_make_those_of_longer_intervals(tape: list[Trade], interval: Interval) -> None:
    """Candles of any length made out of candles of a second equal those made out of the trades."""
    seconds = candles_of(tape, Interval.SECOND)
    assert coarsen(seconds.values(), interval) == candles_of(tape, interval)


@given(tapes())
def test_a_candle_extended_is_the_candle_merged(tape: list[Trade]) -> None:
    """The short way for a trade that comes last gives what the long one gives."""
    candle: Candle | None = None
    for each in tape:
        alone = candle_of(each, Interval.DAY)
        merged = alone if candle is None else merge(candle, alone)
        assert candle is None or extended(candle, each) == merged
        candle = merged


@given(tapes(), st.randoms(use_true_random=False), st.integers(1, 5))
def test_a_candle_does_not_depend_on_how_its_trades_came(tape: list[Trade], chance: random.Random, parts: int) -> None:
    """Trades in any order, cut into any parts whose candles are merged, give the same candles."""
    shuffled = list(tape)
    chance.shuffle(shuffled)
    merged: dict[int, Candle] = {}
    for part in range(parts):
        for candle in candles_of(shuffled[part::parts], Interval.MINUTE).values():
            add_candle(merged, candle)
    assert merged == candles_of(tape, Interval.MINUTE)


def test_a_candle_holds_what_a_hand_count_gives() -> None:
    """Open, high, low, close, volume, turnover and count of four trades within a minute and one after it."""
    tape = [
        trade(1, 0, 100, 5),
        trade(2, 10, 104, 1),
        trade(3, 20, 97, 2),
        trade(4, 59.999999999, 101, 4),
        trade(5, 60, 102, 1),
    ]
    first, second = candles_of(tape, Interval.MINUTE).values()
    assert first == Candle(MIDNIGHT, 1, 4, 100, 104, 97, 101, 12, 500 + 104 + 194 + 404, 4)
    assert (second.open_second, second.open, second.close, second.trade_count) == (MIDNIGHT + 60, 102, 102, 1)


@pytest.mark.parametrize("interval", list(Interval))
def test_candles_begin_at_whole_multiples_of_their_length(interval: Interval) -> None:
    """The first instant belongs to the candle, the last to the next."""
    assert interval.open_second(MIDNIGHT * SECOND_NS) == MIDNIGHT
    assert interval.open_second((MIDNIGHT + interval) * SECOND_NS - 1) == MIDNIGHT
    assert interval.open_second((MIDNIGHT + interval) * SECOND_NS) == MIDNIGHT + interval


@given(tapes())
def test_a_series_holds_the_two_newest_candles(tape: list[Trade]) -> None:
    """After trades in order, the series has the newest candle and the one before it."""
    series = CandleSeries(Interval.MINUTE)
    for each in tape:
        assert series.add(each)
    newest = [*reversed(candles_of(tape, Interval.MINUTE).values()), None, None]
    assert (series.newest, series.before) == (newest[0], newest[1])


def test_a_series_takes_late_trades_for_either_candle_and_leaves_older_ones_to_the_store() -> None:
    """A recovered trade changes the candle it belongs to; one older than both changes none."""
    series = CandleSeries(Interval.MINUTE)
    for each in (trade(10, 120, 5), trade(11, 180, 6)):
        series.add(each)
    assert series.add(trade(9, 150, 9))
    assert series.before is not None
    assert (series.before.open, series.before.close, series.before.high) == (9, 5, 9)
    assert not series.add(trade(1, 10, 1))
    assert series.newest == candle_of(trade(11, 180, 6), Interval.MINUTE)


def test_a_candle_is_complete_when_the_venue_has_passed_its_end() -> None:
    """The first instant after the interval completes it."""
    candle = candle_of(trade(1, 59, 1), Interval.MINUTE)
    assert not is_complete(candle, Interval.MINUTE, (MIDNIGHT + 60) * SECOND_NS - 1)
    assert is_complete(candle, Interval.MINUTE, (MIDNIGHT + 60) * SECOND_NS)


def test_a_day_compares_with_the_close_before_it() -> None:
    """Yesterday's close is the base of the change, in per cent to four places."""
    series = CandleSeries(Interval.DAY)
    series.add(trade(1, -3600, 300))
    series.add(trade(2, 60, 301))
    today = day_of(series, (MIDNIGHT + 7200) * SECOND_NS)
    assert (today.previous_close, today.change, str(today.change_percent)) == (300, 1, "0.3333")
    tomorrow = day_of(series, (MIDNIGHT + 86_400) * SECOND_NS)
    assert (tomorrow.candle, tomorrow.previous_close, tomorrow.change) == (None, 301, None)
    assert day_of(CandleSeries(Interval.DAY), MIDNIGHT * SECOND_NS).change_percent is None


@given(st.integers(0, 2**19 - 1), st.integers(0, 2**44 - 1), st.integers(0, 2**19 - 1), st.integers(0, 2**44 - 1))
def test_positions_sort_by_epoch_and_then_by_sequence(one: int, a: int, other: int, b: int) -> None:
    """A position holds both parts, orders by them, and fits into the store's 64 bits."""
    first, second = position_of(one, a), position_of(other, b)
    assert (epoch_number_of(first), sequence_of(first)) == (one, a)
    assert (first < second) == ((one, a) < (other, b))
    assert first < 2**63
