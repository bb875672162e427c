"""Market mode against a naive book."""

from __future__ import annotations

import asyncio
from pathlib import Path

from services.market.orders import Side as EngineSide
from services.market.replay.lobster import (
    Level,
    Message,
    MessageType,
    PublishedBook,
    Side,
    read_books,
    read_messages,
)
from services.market.replay.market_mode import MarketReplay, Outcome
from services.market.replay.player import Pace, Player
from tests.fakes.matching import NaiveSession
from tests.fixtures.recordings import recording

INSTRUMENT, CENT = 7, 100
ADD, CANCEL, DELETE, EXECUTE, HIDDEN, HALT = (
    MessageType.ADD,
    MessageType.PARTIAL_CANCEL,
    MessageType.DELETE,
    MessageType.VISIBLE_EXECUTION,
    MessageType.HIDDEN_EXECUTION,
    MessageType.HALT,
)


def message(
    kind: MessageType, order_id: int, size: int, cents: int, side: Side = Side.BUY, seconds: int = 0
) -> Message:
    """Returns a message with a price in cents."""
    return Message(seconds * 10**9, kind, order_id, size, cents * CENT, side)


def play(
    messages: list[Message], first: PublishedBook | None = None, session: NaiveSession | None = None
) -> tuple[MarketReplay, NaiveSession]:
    """Plays messages at full speed into a naive book."""
    session = session or NaiveSession()
    replay = MarketReplay(INSTRUMENT, CENT, run=1)
    player = Player(session, session, replay, INSTRUMENT, pace=Pace(0, lambda: 0.0), progress=lambda _: None)
    asyncio.run(player.play(messages, first))
    return replay, session


def test_an_execution_trades_with_the_order_it_names() -> None:
    """An execution becomes an order of the other side at the file's price, and hits the oldest order there."""
    replay, session = play(
        [message(ADD, 10, 5, 100), message(ADD, 11, 5, 100), message(EXECUTE, 10, 3, 100), message(EXECUTE, 10, 2, 100)]
    )
    assert replay.outcome.named_hits == replay.outcome.executions == 2
    assert [(price, lots) for price, lots, *_ in session.tape] == [(100, 3), (100, 2)]
    assert session.book(INSTRUMENT, EngineSide.BUY) == {100: 5}


def test_an_order_hit_out_of_turn_is_told_and_the_named_one_leaves_all_the_same() -> None:
    """When priority names another order, that is counted, and the order that is gone on the exchange goes here too."""
    replay, session = play([message(ADD, 10, 5, 100), message(ADD, 11, 5, 100), message(EXECUTE, 11, 5, 100)])
    assert (replay.outcome.named_hits, replay.outcome.other_hits, replay.outcome.better_price) == (0, 1, 0)
    assert session.book(INSTRUMENT, EngineSide.BUY) == {}


def test_cancels_take_from_the_order_they_name() -> None:
    """Partial cancels reduce, deletes remove."""
    _, session = play(
        [message(ADD, 10, 5, 100), message(ADD, 11, 5, 99), message(CANCEL, 10, 2, 100), message(DELETE, 11, 5, 99)]
    )
    assert session.book(INSTRUMENT, EngineSide.BUY) == {100: 3}


def test_hidden_executions_leave_the_visible_book_alone() -> None:
    """A hidden execution is counted and enters no order."""
    replay, session = play([message(ADD, 10, 5, 100), message(HIDDEN, 0, 5, 100)])
    assert session.book(INSTRUMENT, EngineSide.BUY) == {100: 5}
    assert sum(replay.outcome.messages.values()) == 2
    assert session.tape == []


def test_halts_halt_and_resume_the_instrument() -> None:
    """A halt's price says what it does: -1 halts, 0 only lets quotes resume, 1 resumes trading."""
    halted = Message(0, HALT, 0, 0, -1, Side.SELL)
    quotes = Message(0, HALT, 0, 0, 0, Side.SELL)
    resumed = Message(0, HALT, 0, 0, 1, Side.SELL)
    assert play([message(ADD, 10, 5, 100), halted, quotes])[1].halted == {INSTRUMENT}
    assert play([message(ADD, 10, 5, 100), halted, quotes, resumed])[1].halted == set()


def test_orders_from_before_the_file_are_there() -> None:
    """An order that is named but never added rests from the start, with at least the quantity taken from it."""
    replay, session = play([message(ADD, 10, 5, 100), message(EXECUTE, 3, 2, 101), message(DELETE, 3, 4, 101)])
    assert replay.outcome.resting_before == 1
    assert replay.outcome.named_hits == 1
    assert session.book(INSTRUMENT, EngineSide.BUY) == {100: 5}


def test_an_order_with_a_later_number_enters_later() -> None:
    """An order never added whose id is above those of its time was placed deeper than the messages cover, later."""
    replay, _ = play(
        [message(ADD, 10, 5, 100), message(EXECUTE, 10, 5, 100), message(ADD, 30, 1, 90), message(DELETE, 20, 4, 101)]
    )
    assert (replay.outcome.resting_before, replay.outcome.entered_unseen) == (0, 1)
    assert replay.outcome.named_hits == 1


def test_the_first_published_book_rests_from_the_start() -> None:
    """What the first row shows beyond the named orders and the first message is in the book, in nobody's name."""
    first = PublishedBook((Level(100 * CENT, 9),), (Level(102 * CENT, 4),), 2)
    _, session = play([message(ADD, 10, 5, 100)], first)
    assert session.book(INSTRUMENT, EngineSide.BUY) == {100: 9}
    assert session.book(INSTRUMENT, EngineSide.SELL) == {102: 4}


def test_speed_sets_the_time_between_messages() -> None:
    """At ten times the speed, a message 20 seconds later in the file comes 2 seconds later."""
    session, waited = NaiveSession(), []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    player = Player(
        session,
        session,
        MarketReplay(INSTRUMENT, CENT, run=1),
        INSTRUMENT,
        pace=Pace(10, lambda: sum(waited), sleep),
        progress=lambda _: None,
    )
    asyncio.run(player.play([message(ADD, 10, 5, 100), message(ADD, 11, 5, 100, seconds=20)], None))
    assert waited == [2.0]


def test_a_real_minute_hits_every_order_named() -> None:
    """All 98 executions of a real minute hit the order that the file names."""
    outcome = played("AAPL_2012-06-21_message_10_first999.csv", "AAPL_2012-06-21_orderbook_10_first999.csv")
    assert (outcome.named_hits, outcome.executions, outcome.better_price) == (98, 98, 0)


def test_a_real_hour_trades_at_the_file_s_prices() -> None:
    """In a real hour price-time priority names the file's order 99 times of 100, and the price is always the file's."""
    outcome = played("AAPL_2012-06-21_message_50_0930-1030.csv.gz", "AAPL_2012-06-21_orderbook_1_fullday.csv.gz")
    assert (outcome.named_hits, outcome.executions) == (4042, 4067)
    assert outcome.better_price == 0


def played(messages: str, books: str) -> Outcome:
    """Returns the outcome of a recording, played into a naive book."""
    first = next(read_books(Path(recording(books))))
    return play(list(read_messages(recording(messages))), first)[0].outcome
