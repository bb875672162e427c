"""Instruments between store and venue."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from services.kernel.errors import CodedError
from services.kernel.instrument import InstrumentId
from services.marketdata.domain.instrument import Instrument, Terms, TradingStatus
from services.marketdata.domain.seeds import seed_terms
from services.marketdata.pipeline.catalogue import Catalogue
from services.marketdata.pipeline.ports import VenueListing
from tests.fakes.audit import FakeNotes
from tests.fakes.clock import FakeClock
from tests.fakes.market_history import FakeInstrumentStore, FakeVenue


class World:
    """A catalogue on fakes."""

    def __init__(self, store: FakeInstrumentStore | None = None, venue: FakeVenue | None = None) -> None:
        self.store, self.venue = store or FakeInstrumentStore(), venue or FakeVenue()
        self.followed: list[str] = []
        self.catalogue = Catalogue(self.store, self.venue, FakeClock(), seed_terms(), self._follow, FakeNotes())

    async def _follow(self, instrument: Instrument) -> None:
        assert instrument.number in self.venue.known or instrument.name in self.store.kept
        self.followed.append(instrument.name)


def terms(name: str = "AAPL.REPLAY", **others: object) -> Terms:
    """Terms of a share at a replay."""
    return replace(seed_terms()[0], name=InstrumentId.parse(name), **others)  # type: ignore[arg-type]  # as each test says


async def test_an_empty_store_is_seeded_and_listed() -> None:
    """Every seed gets a number, is listed at the venue under it, and is followed."""
    world = World()
    await world.catalogue.load()
    assert world.catalogue.all() == []
    await world.catalogue.list_all()
    names = {str(seed.name) for seed in seed_terms()}
    assert {i.name for i in world.catalogue.all()} == names == set(world.followed)
    assert {listing.number for listing in world.venue.known.values()} == set(range(1, len(names) + 1))
    assert world.catalogue.listed


async def test_a_venue_that_began_anew_is_told_all_instruments_again() -> None:
    """Listing again after the venue has lost everything gives it the same numbers and the halts of the store."""
    world = World()
    await world.catalogue.list_all()
    await world.catalogue.set_status("AAPL.XNAS", TradingStatus.HALTED, 0)
    known = dict(world.venue.known)
    world.venue.known.clear()
    await world.catalogue.list_all()
    assert world.venue.known == known
    assert world.venue.known[1].status is TradingStatus.HALTED


async def test_a_number_that_the_venue_gave_before_is_kept() -> None:
    """When the store is younger than the venue's journal, an instrument keeps the number that the venue knows it by."""
    venue = FakeVenue({7: VenueListing(7, "NVDA.XNAS", TradingStatus.TRADING)})
    world = World(venue=venue)
    await world.catalogue.list_all()
    assert world.catalogue.get("NVDA.XNAS").number == 7
    assert len({instrument.number for instrument in world.catalogue.all()}) == len(seed_terms())


async def test_a_number_that_belongs_to_another_instrument_stops_the_listing() -> None:
    """When venue and store disagree about a number, the listing fails and says which instrument it is."""
    world = World()
    await world.catalogue.list_all()
    world.venue.known.clear()
    world.venue.known[99] = VenueListing(99, "AAPL.XNAS", TradingStatus.TRADING)
    with pytest.raises(CodedError, match=r"AAPL\.XNAS under number 99, the store under 1"):
        await world.catalogue.list_all()


async def test_making_an_instrument_twice_answers_the_same() -> None:
    """The same terms again answer the same instrument, other terms are refused by the terms that differ."""
    world = World()
    await world.catalogue.list_all()
    made, created = await world.catalogue.create(terms())
    assert created
    assert await world.catalogue.create(terms(min_quantity=Decimal("1.0"))) == (made, False)
    with pytest.raises(CodedError) as refusal:
        await world.catalogue.create(terms(currency="EUR", tick_size=Decimal("0.05")))
    assert refusal.value.reason == "INSTRUMENT_EXISTS"
    assert [violation.field for violation in refusal.value.violations] == ["currency", "tick_size"]
    assert world.followed.count("AAPL.REPLAY") == 1


async def test_nothing_is_stored_while_the_venue_is_away_and_the_same_call_completes_it_later() -> None:
    """A venue that does not answer fails the making; once it is back the same call makes the instrument."""
    world = World()
    await world.catalogue.list_all()
    world.venue.failing = True
    with pytest.raises(CodedError, match="away"):
        await world.catalogue.create(terms())
    assert "AAPL.REPLAY" not in world.store.kept
    world.venue.failing = False
    assert (await world.catalogue.create(terms()))[1]


async def test_an_unknown_instrument_is_named_with_its_field() -> None:
    """The error has the reason of the contract and the field that named it."""
    with pytest.raises(CodedError) as refusal:
        World().catalogue.get("NOPE.XNAS", "instruments[3]")
    assert refusal.value.reason == "UNKNOWN_INSTRUMENT"
    assert refusal.value.violations[0].field == "instruments[3]"


async def test_a_halt_is_stored_before_the_venue_is_told() -> None:
    """A venue that is away when trading is halted is told at the next listing."""
    world = World()
    await world.catalogue.list_all()
    world.venue.failing = True
    with pytest.raises(CodedError, match="away"):
        await world.catalogue.set_status("AAPL.XNAS", TradingStatus.HALTED, 1)
    world.venue.failing = False
    await world.catalogue.list_all()
    assert world.venue.known[1].status is TradingStatus.HALTED
    assert world.catalogue.get("AAPL.XNAS").version == 2
