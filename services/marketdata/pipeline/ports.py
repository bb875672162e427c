"""What the pipeline needs from outside: the venue, its feed, and the store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from services.marketdata.domain.auction import Auction, AuctionKind, Uncrossed
from services.marketdata.domain.candle import Candle, Interval
from services.marketdata.domain.instrument import Instrument, Terms, TradingStatus
from services.marketdata.domain.trade import Trade


@dataclass(frozen=True, slots=True)
class VenueListing:
    """An instrument as the venue knows it."""

    number: int
    symbol: str
    status: TradingStatus


class Venue(Protocol):
    """Lists, halts and resumes instruments, runs auctions. All methods raise CodedError VENUE_UNAVAILABLE."""

    async def listings(self) -> list[VenueListing]:
        """Returns every instrument that the venue knows."""
        ...

    async def define(self, instrument: Instrument) -> None:
        """Lists an instrument; the same again changes nothing."""
        ...

    async def set_status(self, number: int, status: TradingStatus) -> None:
        """Halts or resumes trading; where an auction goes on, its call phase goes on after a halt."""
        ...

    async def begin_auction(self, number: int, kind: AuctionKind) -> bool:
        """Begins a call phase, which ends a halt; returns False when it went on already, and changes nothing then.

        Raises:
            CodedError: AUCTION_PHASE_MISMATCH.
        """
        ...

    async def uncross_auction(self, number: int, reference_price: int | None) -> Uncrossed:
        """Ends a call phase: what can trade trades at one price.

        Args:
            number: The instrument.
            reference_price: In ticks; None for the last trade's.

        Raises:
            CodedError: AUCTION_PHASE_MISMATCH, or PRICE_OUT_OF_RANGE.
        """
        ...

    async def auction(self, number: int) -> Auction | None:
        """Returns the auction that goes on; None without one."""
        ...


@dataclass(frozen=True, slots=True)
class Recovered:
    """A part of what the feed told in the past.

    Attributes:
        trades: Trades, oldest first.
        sequence: How far the part reaches: no other trade came up to this event.
        forgotten: Whether events before it are no longer kept; the part then holds no trades.
    """

    trades: list[Trade]
    sequence: int
    forgotten: bool = False


class PastFeed(Protocol):
    """Tells the past of a feed."""

    def recover(self, number: int, after: int, to: int) -> AsyncIterator[Recovered]:
        """Yields the trades of an instrument after one position, up to another at least, both of one epoch.

        Raises:
            CodedError: VENUE_UNAVAILABLE, or the feed is in another epoch by now.
        """
        ...


@dataclass(slots=True)
class HistoryPart:
    """What goes to the store for one instrument.

    Attributes:
        instrument: The instrument.
        trades: New trades, and what became of trades, oldest first.
        cursor: Position in the feed that its history reaches with them.
    """

    instrument: Instrument
    trades: list[Trade]
    cursor: int


@dataclass(slots=True)
class HistoryBatch:
    """What goes to the store in one transaction.

    Attributes:
        parts: One for each instrument.
        epochs: The epochs that positions count in, by our number; they may be new to the store.
    """

    parts: list[HistoryPart] = field(default_factory=list)
    epochs: dict[int, str] = field(default_factory=dict)

    @property
    def trade_count(self) -> int:
        """Number of trades."""
        return sum(len(part.trades) for part in self.parts)


@dataclass(frozen=True, slots=True)
class StoredHistory:
    """Where an instrument's history stood when the service started.

    Attributes:
        cursor: Position that it reaches.
        trades: The last trades, oldest first.
        candles: The newest candle of each interval and the one before it.
    """

    cursor: int
    trades: list[Trade]
    candles: dict[Interval, tuple[Candle | None, Candle | None]]


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list to read, newest first.

    Attributes:
        limit: Most entries.
        since: Not before this time; None: from the first.
        until: Before this time; None: to the last.
        before: Only entries older than this one: its time in nanoseconds and its position; None: from the newest.
    """

    limit: int
    since: datetime | None = None
    until: datetime | None = None
    before: tuple[int, int] | None = None


class InstrumentStore(Protocol):
    """Keeps instruments. All methods raise CodedError STORE_UNAVAILABLE."""

    async def instruments(self) -> list[Instrument]:
        """Returns all instruments by name."""
        ...

    async def add(self, terms: Terms, number: int, at: datetime) -> tuple[Instrument, bool]:
        """Stores an instrument under a number; returns the one there is, and whether it is new."""
        ...

    async def set_status(self, name: str, status: TradingStatus, expected_version: int, at: datetime) -> Instrument:
        """Changes the status.

        Raises:
            CodedError: VERSION_MISMATCH, when the version is not the expected one (0: any).
        """
        ...


class HistoryStore(Protocol):
    """Keeps trades and candles. All methods raise CodedError STORE_UNAVAILABLE."""

    async def epochs(self) -> dict[str, int]:
        """Returns the numbers of the epochs met so far."""
        ...

    async def history(self, instrument: Instrument) -> StoredHistory:
        """Returns where an instrument's history stands."""
        ...

    async def write(self, batch: HistoryBatch) -> dict[int, int]:
        """Stores a batch as one, leaving out what is stored already; returns the positions reached, by number."""
        ...

    async def trades(self, instrument: Instrument, page: Page) -> tuple[list[Trade], int]:
        """Returns a page of trades, newest first, and the cursor of the history that it shows."""
        ...

    async def candles(self, instrument: Instrument, interval: Interval, page: Page) -> tuple[list[Candle], int]:
        """Returns a page of candles, newest first, and the cursor of the history that it shows."""
        ...
