"""Auctions between venue, store and quotes."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from ordermesh.type.v1 import trading_pb2
from services.kernel.errors import CodedError
from services.marketdata.domain.auction import Auction, AuctionKind
from services.marketdata.domain.book import Level
from services.marketdata.domain.instrument import Instrument, TradingStatus
from services.marketdata.domain.market import Market
from services.marketdata.domain.seeds import seed_terms
from services.marketdata.pipeline.auctions import Auctions
from services.marketdata.pipeline.catalogue import Catalogue
from services.marketdata.servicer.render import quote_message
from tests.fakes.audit import FakeNotes
from tests.fakes.clock import FakeClock
from tests.fakes.market_feed import HandFeed
from tests.fakes.market_history import FakeInstrumentStore, FakeVenue

APPLE = "AAPL.XNAS"
OPENING, CLOSING = AuctionKind.OPENING, AuctionKind.CLOSING


@pytest.fixture
async def venue() -> FakeVenue:
    """A venue that knows no instrument yet."""
    return FakeVenue()


@pytest.fixture
async def notes() -> FakeNotes:
    """The audit."""
    return FakeNotes()


@pytest.fixture
async def catalogue(venue: FakeVenue, notes: FakeNotes) -> Catalogue:
    """All instruments, listed."""
    made = Catalogue(FakeInstrumentStore(), venue, FakeClock(), seed_terms(), _ignore, notes)
    await made.list_all()
    return made


async def _ignore(_: Instrument) -> None:
    pass


async def test_an_auction_begins_once_and_ends_once(catalogue: Catalogue, venue: FakeVenue) -> None:
    """Beginning again changes nothing, another kind is refused, and what has ended cannot be ended."""
    assert [(await catalogue.begin_auction(APPLE, OPENING))[1] for _ in range(2)] == [True, False]
    with pytest.raises(CodedError) as refused:
        await catalogue.begin_auction(APPLE, CLOSING)
    assert refused.value.reason == "AUCTION_PHASE_MISMATCH"
    venue.auctions[1] = Auction(OPENING, 18_700, 30, 5)
    _, found = await catalogue.uncross_auction(APPLE, Decimal("187.25"))
    assert found == (18_725, 30)
    with pytest.raises(CodedError) as refused:
        await catalogue.uncross_auction(APPLE, None)
    assert refused.value.reason == "AUCTION_PHASE_MISMATCH"


@pytest.mark.parametrize(("price", "reason"), [("187.255", "PRICE_OFF_TICK"), ("1" + 17 * "0", "PRICE_OUT_OF_RANGE")])
async def test_a_reference_price_that_the_instrument_does_not_carry_is_refused(
    catalogue: Catalogue, venue: FakeVenue, price: str, reason: str
) -> None:
    """It is named with its reason, and the auction goes on."""
    await catalogue.begin_auction(APPLE, OPENING)
    with pytest.raises(CodedError) as refused:
        await catalogue.uncross_auction(APPLE, Decimal(price))
    assert (refused.value.reason, refused.value.violations[0].field) == (reason, "reference_price")
    assert venue.auctions


async def test_an_auction_ends_a_halt_for_good(catalogue: Catalogue, venue: FakeVenue) -> None:
    """The venue is not halted again when it is connected anew; the same call completes one that failed in between."""
    await catalogue.set_status(APPLE, TradingStatus.HALTED, 0)
    venue.auctions[1] = Auction(OPENING, None, 0, 0)
    instrument, begun = await catalogue.begin_auction(APPLE, OPENING)
    assert (instrument.status, begun) == (TradingStatus.TRADING, False)
    assert venue.known[1].status is TradingStatus.CALL_AUCTION
    await catalogue.list_all()
    assert venue.known[1].status is TradingStatus.CALL_AUCTION


async def test_a_call_phase_outlives_a_connection(catalogue: Catalogue, venue: FakeVenue) -> None:
    """The venue keeps auctions: listing again neither ends one nor halts it, and a halt of the store still holds."""
    await catalogue.begin_auction(APPLE, CLOSING)
    await catalogue.list_all()
    assert venue.known[1].status is TradingStatus.CALL_AUCTION
    await catalogue.set_status(APPLE, TradingStatus.HALTED, 0)
    await catalogue.list_all()
    assert venue.known[1].status is TradingStatus.HALTED
    await catalogue.set_status(APPLE, TradingStatus.TRADING, 0)
    assert venue.known[1].status is TradingStatus.CALL_AUCTION


class Room:
    """A market that a test moves by hand, and what asks the venue for its auctions."""

    def __init__(self) -> None:
        self.feed, self.venue = HandFeed(), FakeVenue()
        self.feed.open()
        self.paused = asyncio.Event()
        self.auctions = Auctions(self.feed.hub, self.venue, self._pause)
        self.feed.hub.listen(self.auctions.turn)
        self.feed.turn()

    async def _pause(self) -> None:
        self.paused.set()
        await asyncio.Event().wait()

    @property
    def market(self) -> Market:
        """Apple's."""
        return self.feed.hub.markets[APPLE]

    def status(self, status: TradingStatus) -> None:
        """The feed tells a status."""
        market = self.market
        assert market.advance(market.sequence + 1, market.time_ns + 1)
        self.feed.hub.status(market, status)
        self.feed.turn()


async def test_what_an_auction_would_come_to_is_told_with_the_quote() -> None:
    """Asking begins by itself with the call phase; a change is a new quote, and the end of the phase takes it away."""
    room = Room()
    room.venue.auctions[room.market.number] = Auction(CLOSING, 18_725, 30, -5)
    running = asyncio.create_task(room.auctions.run())
    await asyncio.sleep(0)
    assert not room.market.auction
    room.status(TradingStatus.CALL_AUCTION)
    async with asyncio.timeout(5):
        await room.paused.wait()
    running.cancel()
    turn = room.feed.turn()
    assert turn is not None
    assert [market.name for market in turn.quotes] == [APPLE]
    told = quote_message(room.market).auction
    assert (told.indicative_price, told.indicative_quantity) == ("187.25", "30")
    assert (told.surplus_quantity, told.surplus_side) == ("5", trading_pb2.SIDE_SELL)
    await room.auctions.look()
    turn = room.feed.turn()
    assert turn is not None
    assert not turn.quotes, "nothing is new"
    room.status(TradingStatus.TRADING)
    assert not quote_message(room.market).HasField("auction")
    assert not await room.auctions.look()


async def test_an_answer_that_comes_after_the_end_changes_nothing() -> None:
    """The feed has the last word, and a venue that does not answer leaves what is known."""
    room = Room()
    room.status(TradingStatus.CALL_AUCTION)
    room.venue.auctions[room.market.number] = Auction(CLOSING, None, 0, 7)
    await room.auctions.look()
    room.venue.failing = True
    assert await room.auctions.look()
    assert room.market.auction == Auction(CLOSING, None, 0, 7)
    room.status(TradingStatus.TRADING)
    room.feed.hub.auction(room.market, Auction(CLOSING, None, 0, 7))
    assert room.market.auction is None


def test_a_crossed_book_has_no_best_prices() -> None:
    """A bid at or above the ask is told by the book alone: nobody could trade at either."""
    room = Room()
    room.feed.level(APPLE, 18_720, 5)
    room.feed.level(APPLE, 18_725, 5, bid=False)
    room.feed.turn()
    assert quote_message(room.market).bid_price == "187.2"
    room.feed.level(APPLE, 18_725, 5)
    turn = room.feed.turn()
    assert turn is not None
    assert turn.quotes
    told = quote_message(room.market)
    assert (told.bid_price, told.bid_quantity, told.ask_price, told.ask_quantity) == ("", "", "", "")
    assert room.market.book.bids.best == Level(18_725, 5, 1)


async def test_auctions_are_recorded_before_and_after(catalogue: Catalogue, venue: FakeVenue, notes: FakeNotes) -> None:
    """What the venue keeps is recorded when it is asked for, and what came of it; without a record nothing is asked."""
    await catalogue.begin_auction(APPLE, OPENING)
    with pytest.raises(CodedError):
        await catalogue.begin_auction(APPLE, CLOSING)
    venue.auctions[1] = Auction(OPENING, 18_700, 30, 5)
    await catalogue.uncross_auction(APPLE, Decimal("187.25"))
    told = [(each.entity_id, each.asked, each.refused) for each in notes.changes]
    mismatch = "AUCTION_PHASE_MISMATCH"
    outcomes = [(True, ""), (False, ""), (True, ""), (False, mismatch), (True, ""), (False, "")]
    assert told == [(APPLE, *outcome) for outcome in outcomes]
    assert notes.changes[-1].new == (18_725, 30)
    notes.broken = True
    with pytest.raises(CodedError) as failure:
        await catalogue.begin_auction(APPLE, OPENING)
    assert (failure.value.reason, venue.auctions) == ("STORE_UNAVAILABLE", {})
