"""Instruments: kept in the store, listed at the venue, followed by the hub."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from decimal import Decimal

from services.kernel.clock import Clock
from services.kernel.errors import invalid_field, precondition
from services.marketdata.domain.auction import AuctionKind, Uncrossed
from services.marketdata.domain.instrument import (
    MOST_TICKS,
    Instrument,
    Terms,
    TradingStatus,
    differing_terms,
    instrument_exists,
    price_out_of_range,
    unknown_instrument,
)
from services.marketdata.domain.scale import scales_of
from services.marketdata.pipeline.ports import InstrumentStore, Venue, VenueListing
from services.mesh.audit import Change, Notes, asked


class Catalogue:
    """All instruments.

    Attributes:
        listed: Whether every instrument was listed at the venue at least once since the start.
    """

    def __init__(
        self,
        store: InstrumentStore,
        venue: Venue,
        clock: Clock,
        seeds: Iterable[Terms],
        follow: Callable[[Instrument], Awaitable[None]],
        notes: Notes,
    ) -> None:
        """Knows no instrument yet.

        Args:
            store: Keeps instruments.
            venue: Where they are listed.
            clock: Tells when terms change.
            seeds: What a new installation begins with.
            follow: Is told of every instrument that is known or changed, and again when it is listed.
            notes: Records auctions, which the venue keeps.
        """
        self._store, self._venue, self._clock, self._seeds, self._follow = store, venue, clock, tuple(seeds), follow
        self._notes = notes
        self._instruments: dict[str, Instrument] = {}
        self._at_venue: set[int] = set()
        self._one_at_a_time = asyncio.Lock()
        self.listed = False

    def all(self) -> list[Instrument]:
        """Returns all instruments by name."""
        return sorted(self._instruments.values(), key=lambda instrument: instrument.name)

    def get(self, name: str, field: str = "instrument") -> Instrument:
        """Returns an instrument.

        Raises:
            CodedError: UNKNOWN_INSTRUMENT, naming the field.
        """
        instrument = self._instruments.get(name)
        if instrument is None:
            raise unknown_instrument(name, field)
        return instrument

    async def load(self) -> None:
        """Reads what the store has; raises STORE_UNAVAILABLE."""
        for instrument in await self._store.instruments():
            self._instruments[instrument.name] = instrument
            await self._follow(instrument)

    async def list_all(self) -> None:
        """Makes sure that the venue lists every instrument, with the status that the store has; seeds an empty store.

        Raises:
            CodedError: VENUE_UNAVAILABLE or STORE_UNAVAILABLE; FAILED_PRECONDITION when the venue has given an
                instrument's number to another.
        """
        async with self._one_at_a_time:
            listings = {listing.symbol: listing for listing in await self._venue.listings()}
            if not self._instruments:
                for terms in self._seeds:
                    await self._add(terms, listings)
            self._at_venue = set()
            for instrument in self.all():
                await self._list(instrument, listings.get(instrument.name))
            self.listed = True

    async def create(self, terms: Terms) -> tuple[Instrument, bool]:
        """Makes an instrument and lists it; returns it, and whether it is new.

        Raises:
            CodedError: INVALID_FIELD for terms that do not go together; INSTRUMENT_EXISTS; VENUE_UNAVAILABLE or
                STORE_UNAVAILABLE, after which the same call completes what was begun.
        """
        terms.check()
        async with self._one_at_a_time:
            known = self._instruments.get(str(terms.name))
            if known is not None and known.number in self._at_venue:
                return _same(known, terms), False
            listings = {listing.symbol: listing for listing in await self._venue.listings()}
            instrument, created = (known, False) if known is not None else await self._add(terms, listings)
            _same(instrument, terms)
            await self._list(instrument, listings.get(instrument.name))
            return instrument, created

    async def set_status(self, name: str, status: TradingStatus, expected_version: int) -> Instrument:
        """Halts or resumes trading, in the store and then at the venue.

        Raises:
            CodedError: UNKNOWN_INSTRUMENT; VERSION_MISMATCH; VENUE_UNAVAILABLE, in which case the venue is told when
                it is back; STORE_UNAVAILABLE.
        """
        async with self._one_at_a_time:
            self.get(name)
            instrument = await self._store.set_status(name, status, expected_version, self._clock.now())
            self._instruments[name] = instrument
            await self._follow(instrument)
            await self._venue.set_status(instrument.number, status)
            return instrument

    async def begin_auction(self, name: str, kind: AuctionKind) -> tuple[Instrument, bool]:
        """Begins an auction's call phase; returns the instrument, and whether this call did.

        The venue keeps auctions, and the store halts, which it ends: a call that fails in between is completed by the
        same call again.

        Raises:
            CodedError: UNKNOWN_INSTRUMENT; AUCTION_PHASE_MISMATCH; VENUE_UNAVAILABLE; STORE_UNAVAILABLE.
        """
        async with self._one_at_a_time:
            instrument = self.get(name)
            change = Change("auction", name, new={"kind": kind, "phase": "call"})
            async with asked(self._notes, change):
                begun = await self._venue.begin_auction(instrument.number, kind)
            if instrument.status is TradingStatus.HALTED:
                instrument = await self._store.set_status(name, TradingStatus.TRADING, 0, self._clock.now())
                self._instruments[name] = instrument
                await self._follow(instrument)
                await self._venue.set_status(instrument.number, TradingStatus.TRADING)
            return instrument, begun

    async def uncross_auction(self, name: str, reference_price: Decimal | None) -> tuple[Instrument, Uncrossed]:
        """Ends an auction's call phase; returns the instrument, and what the auction came to.

        Raises:
            CodedError: UNKNOWN_INSTRUMENT; PRICE_OFF_TICK or PRICE_OUT_OF_RANGE; AUCTION_PHASE_MISMATCH;
                VENUE_UNAVAILABLE, in which case it may have ended.
        """
        instrument = self.get(name)
        ticks = None if reference_price is None else _ticks(instrument, reference_price)
        async with self._one_at_a_time:
            change = Change("auction", name, new={"phase": "uncross", "reference_price": reference_price})
            async with asked(self._notes, change) as answer:
                uncrossed = await self._venue.uncross_auction(instrument.number, ticks)
                answer.new = uncrossed
            return instrument, uncrossed

    async def _add(self, terms: Terms, listings: dict[str, VenueListing]) -> tuple[Instrument, bool]:
        name = str(terms.name)
        taken = {listing.number for listing in listings.values()} | {i.number for i in self._instruments.values()}
        # What the venue knows already keeps its number: our store may be younger than the venue's journal.
        number = listings[name].number if name in listings else max(taken, default=0) + 1
        instrument, created = await self._store.add(terms, number, self._clock.now())
        self._instruments[instrument.name] = instrument
        return instrument, created

    async def _list(self, instrument: Instrument, listing: VenueListing | None) -> None:
        if listing is not None and listing.number != instrument.number:
            raise precondition(
                "INSTRUMENT_EXISTS",
                f"the venue lists {instrument.name} under number {listing.number}, the store under {instrument.number}",
            )
        await self._venue.define(instrument)
        venue_status = listing.status if listing is not None else TradingStatus.TRADING
        # A call phase is the venue's own, and goes on.
        if (venue_status is TradingStatus.HALTED) is not (instrument.status is TradingStatus.HALTED):
            await self._venue.set_status(instrument.number, instrument.status)
        self._at_venue.add(instrument.number)
        await self._follow(instrument)


def _ticks(instrument: Instrument, price: Decimal) -> int:
    try:
        ticks = scales_of(instrument.terms).prices.count(price)
    except ValueError as error:
        raise invalid_field("reference_price", str(error), reason="PRICE_OFF_TICK") from error
    if ticks > MOST_TICKS:
        raise price_out_of_range()
    return ticks


def _same(instrument: Instrument, terms: Terms) -> Instrument:
    if differing := differing_terms(instrument.terms, terms):
        raise instrument_exists(instrument.name, differing)
    return instrument
