"""Live markets and the turns in which their changes are told."""

from __future__ import annotations

import pytest

from services.marketdata.domain.book import Level
from services.marketdata.domain.candle import SECOND_NS, Interval
from services.marketdata.domain.market import FeedGapError
from services.marketdata.domain.trade import position_of
from services.marketdata.pipeline.ports import StoredHistory
from tests.fakes.market_feed import HandFeed

APPLE, BITCOIN = "AAPL.XNAS", "BTC-USDT.BINANCE"


@pytest.fixture
def feed() -> HandFeed:
    """A feed that is open, its first turn told."""
    made = HandFeed()
    made.open()
    made.turn()
    return made


def test_changes_of_one_turn_are_told_once(feed: HandFeed) -> None:
    """Many changes between two turns of the loop make one telling, with each market once and every trade."""
    feed.level(APPLE, 100, 5)
    feed.level(APPLE, 101, 5)
    feed.trade(APPLE, 101)
    feed.trade(BITCOIN, 7)
    feed.trade(APPLE, 102)
    turn = feed.turn()
    assert turn is not None
    assert [market.name for market in turn.quotes] == [APPLE, BITCOIN]
    assert [market.name for market in turn.books] == [APPLE]
    assert [(market.name, trade.price) for market, trade in turn.trades] == [(APPLE, 101), (BITCOIN, 7), (APPLE, 102)]
    assert feed.turn() is None


def test_a_change_behind_the_best_price_is_no_new_quote(feed: HandFeed) -> None:
    """The book is told, the quote is not."""
    feed.level(APPLE, 100, 5)
    feed.turn()
    feed.level(APPLE, 99, 5)
    turn = feed.turn()
    assert turn is not None
    assert turn.quotes == []
    assert [market.name for market in turn.books] == [APPLE]


def test_a_best_price_that_comes_back_within_a_turn_is_no_new_quote(feed: HandFeed) -> None:
    """Only what differs from the last telling is told."""
    feed.level(APPLE, 100, 5)
    feed.turn()
    feed.level(APPLE, 101, 5)
    feed.level(APPLE, 101, 0)
    turn = feed.turn()
    assert turn is not None
    assert turn.quotes == []


def test_a_lost_feed_marks_quotes_and_a_new_one_unmarks_them(feed: HandFeed) -> None:
    """While the feed is lost every quote is told as stale, and told anew when it is back."""
    feed.level(APPLE, 100, 5)
    feed.turn()
    feed.hub.lost()
    lost = feed.turn()
    assert lost is not None
    assert all(market.stale for market in lost.quotes)
    assert len(lost.quotes) == len(feed.hub.markets)
    feed.hub.opened("e-1", 1)
    back = feed.turn()
    assert back is not None
    assert not any(market.stale for market in back.quotes)


def test_a_missing_event_is_noticed_and_a_repeated_one_ignored(feed: HandFeed) -> None:
    """Sequences have no gaps: an event further on raises, one that is known changes nothing."""
    market = feed.hub.markets[APPLE]
    assert not market.advance(1, 0)
    assert market.advance(2, 0)
    with pytest.raises(FeedGapError, match="event 4 came after 2"):
        market.advance(4, 0)


def test_the_recorder_is_told_every_trade_and_every_jump(feed: HandFeed) -> None:
    """Trades go to the recorder at once; a snapshot tells it where the feed was and where it goes on."""
    feed.trade(APPLE, 100)
    number = feed.hub.markets[APPLE].number
    assert [(at, trade.price) for at, trade in feed.sink.trades] == [(number, 100)]
    feed.snapshot(APPLE, sequence=9, bids=(Level(99, 1, 1),))
    assert feed.sink.restarts[-1] == (number, position_of(1, 2), position_of(1, 9), 0)


def test_candles_are_told_complete_when_the_venue_passes_their_end(feed: HandFeed) -> None:
    """A heartbeat past the end of a second tells the candles of that second anew, the longer ones not yet."""
    feed.trade(APPLE, 100)
    feed.time(SECOND_NS // 2)
    feed.turn()
    feed.time(SECOND_NS)
    turn = feed.turn()
    assert turn is not None
    assert [(market.name, interval) for market, interval in turn.candles] == [(APPLE, Interval.SECOND)]
    feed.time(2 * SECOND_NS)
    assert feed.turn() is None
    feed.time(60 * SECOND_NS)
    minute = feed.turn()
    assert minute is not None
    assert [interval for _, interval in minute.candles] == [Interval.MINUTE]


def test_recovered_trades_come_among_the_recent_ones_in_order(feed: HandFeed) -> None:
    """What was missed is put before what came live, and into the candles."""
    market = feed.hub.markets[APPLE]
    feed.trade(APPLE, 100)
    feed.trade(APPLE, 105)
    late = market.recent.popleft()
    feed.hub.recovered(market.number, [late])
    assert [trade.price for trade in market.recent] == [100, 105]
    assert market.last_trade is not None
    assert market.last_trade.price == 105


async def test_waiting_for_all_markets_ends_when_each_was_told() -> None:
    """The service is ready once the feed has told every market."""
    feed = HandFeed()
    waiting = feed.hub.all_told()
    feed.open()
    feed.turn()
    await waiting


def test_a_trade_that_is_taken_back_is_told_anew_and_gives_the_last_price_back(feed: HandFeed) -> None:
    """The one before it is the last again; a correction gives it another price."""
    feed.trade(APPLE, 101)
    feed.trade(APPLE, 105)
    feed.turn()
    market = feed.hub.markets[APPLE]
    first, second = market.recent
    feed.adjust(APPLE, second.trade_id, 105, 0)
    turn = feed.turn()
    assert turn is not None
    assert [(trade.trade_id, trade.canceled) for _, trade in turn.trades] == [(second.trade_id, True)]
    assert [each.name for each in turn.quotes] == [APPLE]
    assert market.last_trade == first
    feed.adjust(APPLE, first.trade_id, 99, 2)
    feed.turn()
    assert market.last_trade is not None
    assert (market.last_trade.price, market.last_trade.quantity) == (99, 2)
    assert [(trade.trade_id, trade.adjusts) for _, trade in feed.sink.trades[2:]] == [
        (second.trade_id, True),
        (first.trade_id, True),
    ]


def test_a_trade_of_a_new_epoch_is_not_taken_for_one_that_was_taken_back(feed: HandFeed) -> None:
    """The venue counts its trades anew: only within an epoch does a number tell which one it is."""
    feed.trade(APPLE, 101)
    market = feed.hub.markets[APPLE]
    (gone,) = market.recent
    feed.adjust(APPLE, gone.trade_id, 101, 0)
    feed.snapshot(APPLE, market.sequence, last_trade_id=gone.trade_id)
    assert market.last_trade is None
    feed.open("e-2", 2)
    feed.snapshot(APPLE, 5, last_trade_id=gone.trade_id)
    assert market.last_trade is not None
    assert market.last_trade.key == (2, gone.trade_id)


def test_what_the_store_has_made_anew_is_taken_over_with_what_waits_behind_it(feed: HandFeed) -> None:
    """Trades and candles; a trade that is not stored yet counts on top."""
    feed.trade(APPLE, 101)
    feed.trade(APPLE, 105)
    market = feed.hub.markets[APPLE]
    first, second = market.recent
    canceled = first._replace(canceled=True)
    stored = StoredHistory(first.position, [canceled], dict.fromkeys(Interval, (None, None)))
    feed.hub.adjusted(market.number, stored, [second])
    turn = feed.turn()
    assert turn is not None
    assert list(market.recent) == [canceled, second]
    newest = market.series[Interval.DAY].newest
    assert newest is not None
    assert (newest.open, newest.trade_count) == (105, 1)
    assert (market, Interval.MINUTE) in turn.candles
