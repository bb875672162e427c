"""Stand-ins for what MarketDataService needs from outside: its stores, the venue, and the venue's feed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from services.kernel.clock import to_ns
from services.kernel.errors import CodedError, aborted, precondition, unavailable
from services.marketdata.domain.auction import Auction, AuctionKind, Uncrossed
from services.marketdata.domain.candle import SECOND_NS, Candle, Interval, candles_of
from services.marketdata.domain.instrument import Instrument, Terms, TradingStatus
from services.marketdata.domain.trade import Trade, adjusted, epoch_number_of, sequence_of
from services.marketdata.pipeline.ports import (
    HistoryBatch,
    Page,
    Recovered,
    StoredHistory,
    VenueListing,
)


def away() -> CodedError:
    """The error of something that is away."""
    return unavailable("STORE_UNAVAILABLE", "away")


@dataclass
class FakeHistoryStore:
    """Keeps history in memory, as the port demands."""

    kept: dict[int, list[Trade]] = field(default_factory=dict)
    cursors: dict[int, int] = field(default_factory=dict)
    known_epochs: dict[str, int] = field(default_factory=dict)
    failures: int = 0
    writes: int = 0

    async def epochs(self) -> dict[str, int]:
        """Returns the epochs."""
        return dict(self.known_epochs)

    async def history(self, instrument: Instrument) -> StoredHistory:
        """Returns what is there."""
        trades = self.kept.get(instrument.number, [])
        candles: dict[Interval, tuple[Candle | None, Candle | None]] = {}
        for interval in Interval:
            newest = [*sorted(candles_of(_counting(trades), interval).values(), reverse=True), None, None]
            candles[interval] = (newest[0], newest[1])
        return StoredHistory(self.cursors.get(instrument.number, 0), list(trades), candles)

    async def write(self, batch: HistoryBatch) -> dict[int, int]:
        """Keeps a batch; fails as often as it was told to."""
        if self.failures:
            self.failures -= 1
            raise away()
        self.writes += 1
        for number, epoch in batch.epochs.items():
            self.known_epochs[epoch] = number
        reached = {}
        for part in batch.parts:
            number = part.instrument.number
            cursor = self.cursors.get(number, 0)
            kept = self.kept.setdefault(number, [])
            for trade in part.trades:
                if trade.position > cursor and not trade.adjusts:
                    kept.append(trade)
                elif trade.position > cursor:
                    self._adjust(kept, trade)
            reached[number] = self.cursors[number] = max(cursor, part.cursor)
        return reached

    @staticmethod
    def _adjust(kept: list[Trade], entry: Trade) -> None:
        for number, trade in enumerate(kept):
            if trade.key == entry.key:
                kept[number] = adjusted(trade, entry)

    async def trades(self, instrument: Instrument, page: Page) -> tuple[list[Trade], int]:
        """Returns a page of trades."""
        trades = [
            trade
            for trade in self.kept.get(instrument.number, [])
            if (page.since is None or trade.time_ns >= to_ns(page.since))
            and (page.until is None or trade.time_ns < to_ns(page.until))
            and (
                page.before is None
                or (trade.time_ns // 1000, trade.position) < (page.before[0] // 1000, page.before[1])
            )
        ]
        trades.sort(key=lambda trade: (trade.time_ns // 1000, trade.position), reverse=True)
        return trades[: page.limit], self.cursors.get(instrument.number, 0)

    async def candles(self, instrument: Instrument, interval: Interval, page: Page) -> tuple[list[Candle], int]:
        """Returns a page of candles."""
        candles = [
            candle
            for candle in candles_of(_counting(self.kept.get(instrument.number, [])), interval).values()
            if (page.since is None or candle.open_second * SECOND_NS >= to_ns(page.since))
            and (page.until is None or candle.open_second * SECOND_NS < to_ns(page.until))
            and (page.before is None or candle.open_second * SECOND_NS < page.before[0])
        ]
        return sorted(candles, reverse=True)[: page.limit], self.cursors.get(instrument.number, 0)


def _counting(trades: list[Trade]) -> list[Trade]:
    return [trade for trade in trades if not trade.canceled]


@dataclass
class FakePast:
    """A feed's past: all trades that the venue made, of which the first may be forgotten."""

    tape: dict[int, list[Trade]] = field(default_factory=dict)
    forgotten_before: int = 0
    part_size: int = 3
    failures: int = 0

    async def recover(self, number: int, after: int, to: int) -> AsyncIterator[Recovered]:
        """Yields parts after a position."""
        if self.failures:
            self.failures -= 1
            raise unavailable("VENUE_UNAVAILABLE", "away")
        epoch = [t for t in self.tape.get(number, []) if t.epoch_number == epoch_number_of(to)]
        if sequence_of(after) < self.forgotten_before:
            yield Recovered([], sequence_of(to), forgotten=True)
            return
        rest = [trade for trade in epoch if trade.position > after]
        for begin in range(0, len(rest), self.part_size):
            part = rest[begin : begin + self.part_size]
            yield Recovered(part, part[-1].sequence)
        yield Recovered([], sequence_of(to))


@dataclass
class FakeLive:
    """How far the live feed is, and what was recovered beside it."""

    positions: dict[int, int] = field(default_factory=dict)
    told: list[Trade] = field(default_factory=list)
    reloaded: int = 0

    def live_position(self, number: int) -> int:
        """Returns how far it is."""
        return self.positions.get(number, 0)

    def recovered(self, number: int, trades: list[Trade]) -> None:
        """Remembers."""
        assert number in self.positions
        self.told += trades

    def adjusted(self, number: int, stored: StoredHistory, waiting: list[Trade]) -> None:
        """Remembers how often the store had trades anew."""
        assert all(trade.position > stored.cursor for trade in waiting)
        self.reloaded += 1


class NoWaiting:
    """Waits no time between attempts."""

    def __init__(self) -> None:
        self.waits = 0

    def reset(self) -> None:
        """Has nothing to reset."""

    async def wait(self) -> None:
        """Returns at once."""
        self.waits += 1


@dataclass
class FakeInstrumentStore:
    """Keeps instruments in memory."""

    kept: dict[str, Instrument] = field(default_factory=dict)
    failing: bool = False

    async def instruments(self) -> list[Instrument]:
        """Returns all."""
        return sorted(self.kept.values(), key=lambda instrument: instrument.name)

    async def add(self, terms: Terms, number: int, at: datetime) -> tuple[Instrument, bool]:
        """Keeps one."""
        if self.failing:
            raise away()
        name = str(terms.name)
        if name in self.kept:
            return self.kept[name], False
        assert number not in {instrument.number for instrument in self.kept.values()}
        self.kept[name] = Instrument(terms, number, TradingStatus.TRADING, 1, at)
        return self.kept[name], True

    async def set_status(self, name: str, status: TradingStatus, expected_version: int, at: datetime) -> Instrument:
        """Changes one."""
        instrument = self.kept[name]
        if expected_version not in (0, instrument.version):
            raise aborted("VERSION_MISMATCH", "another version")
        if instrument.status is not status:
            instrument = replace(instrument, status=status, version=instrument.version + 1, updated_at=at)
            self.kept[name] = instrument
        return instrument


@dataclass
class FakeVenue:
    """Knows instruments as the engine does."""

    known: dict[int, VenueListing] = field(default_factory=dict)
    failing: bool = False
    auctions: dict[int, Auction] = field(default_factory=dict)

    def _check(self) -> None:
        if self.failing:
            raise unavailable("VENUE_UNAVAILABLE", "away")

    async def listings(self) -> list[VenueListing]:
        """Returns all."""
        self._check()
        return list(self.known.values())

    async def define(self, instrument: Instrument) -> None:
        """Lists one, open unless it is known."""
        self._check()
        listing = VenueListing(instrument.number, instrument.name, TradingStatus.TRADING)
        self.known.setdefault(instrument.number, listing)

    async def set_status(self, number: int, status: TradingStatus) -> None:
        """Halts or resumes one."""
        self._check()
        if status is TradingStatus.TRADING and number in self.auctions:
            status = TradingStatus.CALL_AUCTION
        self.known[number] = replace(self.known[number], status=status)

    async def begin_auction(self, number: int, kind: AuctionKind) -> bool:
        """Begins a call phase, which ends a halt."""
        self._check()
        if (auction := self.auctions.get(number)) is not None:
            if auction.kind is not kind:
                raise precondition("AUCTION_PHASE_MISMATCH", "another auction goes on")
            return False
        self.auctions[number] = Auction(kind, None, 0, 0)
        self.known[number] = replace(self.known[number], status=TradingStatus.CALL_AUCTION)
        return True

    async def uncross_auction(self, number: int, reference_price: int | None) -> Uncrossed:
        """Ends a call phase with what it would come to, at the reference price where one is given."""
        self._check()
        if (auction := self.auctions.pop(number, None)) is None:
            raise precondition("AUCTION_PHASE_MISMATCH", "no auction goes on")
        self.known[number] = replace(self.known[number], status=TradingStatus.TRADING)
        return Uncrossed(reference_price or auction.price, auction.quantity)

    async def auction(self, number: int) -> Auction | None:
        """Returns the auction that goes on."""
        self._check()
        return self.auctions.get(number)
