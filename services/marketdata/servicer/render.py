"""Domain objects as messages of the contract."""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf.timestamp_pb2 import Timestamp

from ordermesh.marketdata.v1 import auction_pb2, book_pb2, candle_pb2, instrument_pb2, market_trade_pb2, quote_pb2
from ordermesh.type.v1 import trading_pb2
from services.kernel.decimals import format_decimal
from services.marketdata.domain.auction import Auction
from services.marketdata.domain.book import BookView, Levels
from services.marketdata.domain.candle import SECOND_NS, Candle, Interval
from services.marketdata.domain.day import Day
from services.marketdata.domain.instrument import Instrument
from services.marketdata.domain.market import Market
from services.marketdata.domain.scale import Scales
from services.marketdata.domain.trade import Aggressor, Trade, sequence_of
from services.mesh.streams import timestamp

INTERVAL_OF_CONTRACT = {
    candle_pb2.CANDLE_INTERVAL_UNSPECIFIED: Interval.MINUTE,
    candle_pb2.CANDLE_INTERVAL_1S: Interval.SECOND,
    candle_pb2.CANDLE_INTERVAL_1M: Interval.MINUTE,
    candle_pb2.CANDLE_INTERVAL_5M: Interval.FIVE_MINUTES,
    candle_pb2.CANDLE_INTERVAL_15M: Interval.FIFTEEN_MINUTES,
    candle_pb2.CANDLE_INTERVAL_1H: Interval.HOUR,
    candle_pb2.CANDLE_INTERVAL_1D: Interval.DAY,
}
_CONTRACT_OF_INTERVAL = {interval: value for value, interval in INTERVAL_OF_CONTRACT.items() if value}
_STATUS = instrument_pb2.InstrumentStatus.ValueType
_SIDES = {
    Aggressor.UNKNOWN: trading_pb2.SIDE_UNSPECIFIED,
    Aggressor.BUY: trading_pb2.SIDE_BUY,
    Aggressor.SELL: trading_pb2.SIDE_SELL,
}


def instrument_message(instrument: Instrument, market: Market | None = None) -> instrument_pb2.Instrument:
    """Returns an instrument; its status is what the feed says, where it has said something."""
    terms = instrument.terms
    status = market.status if market is not None and market.told else instrument.status
    message = instrument_pb2.Instrument(
        instrument=instrument.name,
        symbol=terms.name.symbol,
        venue=terms.name.venue,
        description=terms.description,
        asset_class=instrument_pb2.AssetClass.ValueType(terms.asset_class),
        currency=terms.currency,
        tick_size=format_decimal(terms.tick_size),
        lot_size=format_decimal(terms.lot_size),
        min_quantity=format_decimal(terms.min_quantity),
        max_quantity=format_decimal(terms.max_quantity),
        contract_multiplier=format_decimal(terms.contract_multiplier),
        engine_instrument_id=instrument.number,
        status=_STATUS(status),
        version=instrument.version,
    )
    message.updated_at.FromDatetime(instrument.updated_at)
    if terms.expires_at is not None:
        message.expires_at.FromDatetime(terms.expires_at)
    return message


def quote_message(market: Market) -> quote_pb2.Quote:
    """Returns the quote of a market as it is now."""
    bid, ask, last, status, stale, auction = market.quote_state()
    price, quantity = market.scales.prices.text, market.scales.quantities.text
    return quote_pb2.Quote(
        instrument=market.name,
        bid_price=price(bid.price) if bid else "",
        bid_quantity=quantity(bid.quantity) if bid else "",
        ask_price=price(ask.price) if ask else "",
        ask_quantity=quantity(ask.quantity) if ask else "",
        last_price=price(last.price) if last else "",
        last_quantity=quantity(last.quantity) if last else "",
        sequence=market.sequence,
        venue_time=_time_or_none(market.time_ns),
        stale=stale,
        status=_STATUS(status),
        auction=None if auction is None else auction_message(auction, market.scales),
        last_trade_time=_time_or_none(last.time_ns) if last else None,
    )


def auction_message(auction: Auction, scales: Scales) -> auction_pb2.Auction:
    """Returns an auction in its call phase."""
    surplus = auction.surplus
    return auction_pb2.Auction(
        kind=auction_pb2.AuctionKind.ValueType(auction.kind),
        indicative_price="" if auction.price is None else scales.prices.text(auction.price),
        indicative_quantity=scales.quantities.text(auction.quantity),
        surplus_quantity=scales.quantities.text(abs(surplus)),
        surplus_side=_SIDES[Aggressor.BUY if surplus > 0 else Aggressor.SELL if surplus else Aggressor.UNKNOWN],
    )


def day_message(day: Day, scales: Scales) -> quote_pb2.DayStatistics:
    """Returns a day."""
    price = scales.prices.text
    message = quote_pb2.DayStatistics(
        day=timestamp(day.open_second * SECOND_NS),
        previous_close_price="" if day.previous_close is None else price(day.previous_close),
        change="" if day.change is None else price(day.change),
        change_percent="" if day.change_percent is None else format_decimal(day.change_percent),
        volume="0",
        turnover="0",
    )
    if (candle := day.candle) is not None:
        message.open_price = price(candle.open)
        message.high_price = price(candle.high)
        message.low_price = price(candle.low)
        message.last_price = price(candle.close)
        message.volume = scales.quantities.text(candle.volume)
        message.turnover = scales.values.text(candle.turnover)
        message.trade_count = candle.trade_count
    return message


@dataclass(frozen=True, slots=True)
class BookState:
    """The best levels of a book at one moment, apart from the market that goes on.

    Attributes:
        name: Instrument.
        scales: Its steps.
        epoch: Epoch of the feed.
        view: The levels.
        sequence: Event of the feed that they reflect.
        time_ns: When the venue made it; 0 when unknown.
        stale: Whether the feed is lost.
    """

    name: str
    scales: Scales
    epoch: str
    view: BookView
    sequence: int
    time_ns: int
    stale: bool

    @classmethod
    def of(cls, market: Market, depth: int, epoch: str) -> BookState:
        """Returns the state of a market's book now."""
        view = market.book.top(depth)
        return cls(market.name, market.scales, epoch, view, market.sequence, market.time_ns, market.stale)


def book_message(state: BookState) -> book_pb2.OrderBook:
    """Returns the levels of a book."""
    return book_pb2.OrderBook(
        instrument=state.name,
        bids=_levels(state.view.bids, state.scales),
        asks=_levels(state.view.asks, state.scales),
        sequence=state.sequence,
        epoch=state.epoch,
        venue_time=_time_or_none(state.time_ns),
        stale=state.stale,
    )


def book_change_message(
    state: BookState, changes: BookView, previous_sequence: int | None, folded: int = 0
) -> book_pb2.OrderBookChange:
    """Returns what leads to a state: changed levels, or (without a previous sequence) all levels there are."""
    return book_pb2.OrderBookChange(
        instrument=state.name,
        previous_sequence=previous_sequence or 0,
        sequence=state.sequence,
        bids=_levels(changes.bids, state.scales),
        asks=_levels(changes.asks, state.scales),
        whole=previous_sequence is None,
        folded=folded,
        epoch=state.epoch,
        venue_time=_time_or_none(state.time_ns),
        stale=state.stale,
    )


def trade_message(name: str, trade: Trade, scales: Scales, epoch: str) -> market_trade_pb2.MarketTrade:
    """Returns a trade."""
    return market_trade_pb2.MarketTrade(
        instrument=name,
        trade_id=str(trade.trade_id),
        price=scales.prices.text(trade.price),
        quantity=scales.quantities.text(trade.quantity),
        aggressor_side=_SIDES[trade.aggressor],
        sequence=trade.sequence,
        epoch=epoch,
        venue_time=timestamp(trade.time_ns),
        canceled=trade.canceled,
    )


def candle_message(
    name: str, candle: Candle, interval: Interval, scales: Scales, *, complete: bool
) -> candle_pb2.Candle:
    """Returns a candle."""
    price = scales.prices.text
    return candle_pb2.Candle(
        instrument=name,
        interval=_CONTRACT_OF_INTERVAL[interval],
        open_time=timestamp(candle.open_second * SECOND_NS),
        close_time=timestamp((candle.open_second + interval) * SECOND_NS),
        open_price=price(candle.open),
        high_price=price(candle.high),
        low_price=price(candle.low),
        close_price=price(candle.close),
        volume=scales.quantities.text(candle.volume),
        turnover=scales.values.text(candle.turnover),
        trade_count=candle.trade_count,
        complete=complete,
        sequence=sequence_of(candle.last_position),
    )


def _levels(levels: Levels, scales: Scales) -> list[book_pb2.BookLevel]:
    price, quantity = scales.prices.text, scales.quantities.text
    return [
        book_pb2.BookLevel(price=price(level.price), quantity=quantity(level.quantity), order_count=level.orders)
        for level in levels
    ]


def _time_or_none(time_ns: int) -> Timestamp | None:
    return timestamp(time_ns) if time_ns else None
