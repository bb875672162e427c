"""The agents of the simulated market, at a naive book."""

from __future__ import annotations

import asyncio
import statistics
from dataclasses import dataclass
from decimal import Decimal
from random import Random

from services.market.agents.fair_value import REVERSION_SECONDS, TRADING_YEAR_SECONDS, FairValue
from services.market.agents.loop import AgentLoop, open_markets
from services.market.agents.profile import PROFILES
from services.market.orders import NewOrder, Side
from tests.fakes.matching import NaiveSession

STEP = 0.1


@dataclass(frozen=True)
class Listed:
    """An instrument as listed."""

    name: str
    engine_id: int
    tick_size: Decimal = Decimal("0.01")
    lot_size: Decimal = Decimal(1)
    last_price: Decimal | None = None


APPLE, BITCOIN = Listed("AAPL.XNAS", 1), Listed("BTC-USDT.BINANCE", 5, lot_size=Decimal("0.00001"))


def live(seed: int, steps: int, *instruments: Listed) -> NaiveSession:
    """Lets agents trade alone for some steps."""
    session = NaiveSession()

    async def steps_() -> None:
        loop = AgentLoop(session, open_markets(instruments, seed, run=1), STEP)
        await loop.start()
        for _ in range(steps):
            await loop.step()

    asyncio.run(steps_())
    return session


def test_the_same_seed_gives_the_same_tape() -> None:
    """Two runs of a seed trade the same, to the order; another seed does not."""
    tape = live(42, 300, APPLE, BITCOIN).tape
    assert len(tape) > 20
    assert live(42, 300, APPLE, BITCOIN).tape == tape
    assert live(43, 300, APPLE, BITCOIN).tape != tape


def test_a_market_does_not_depend_on_which_others_there_are() -> None:
    """An instrument trades the same alone as beside others."""
    alone = [trade[:2] for trade in live(42, 100, APPLE).tape]
    beside = [trade[:2] for trade in live(42, 100, BITCOIN, APPLE).tape if trade[0] < 100_000]
    assert alone == beside


def test_there_is_always_a_market() -> None:
    """Both sides are quoted after every step, and they do not cross."""
    session = NaiveSession()

    async def check() -> None:
        loop = AgentLoop(session, open_markets([APPLE], 42, run=1), STEP)
        await loop.start()
        for _ in range(200):
            await loop.step()
            bids, asks = session.book(1, Side.BUY), session.book(1, Side.SELL)
            assert len(bids) >= 3
            assert len(asks) >= 3
            assert max(bids) < min(asks)

    asyncio.run(check())


def test_the_book_does_not_grow_without_bound() -> None:
    """Orders of noise expire and ladders move, so the book stays of one size."""
    early, late = live(42, 200, APPLE), live(42, 1500, APPLE)
    assert len(late.book(1, Side.BUY)) < 3 * len(early.book(1, Side.BUY))


def test_somebody_else_s_order_is_traded_with() -> None:
    """A buy far above the market trades at once; one at the market's edge is hit before long."""
    session = NaiveSession()

    async def check() -> bool:
        loop = AgentLoop(session, open_markets([APPLE], 42, run=1), STEP)
        await loop.start()
        await loop.step()
        best = max(session.book(1, Side.BUY))
        await session.submit([NewOrder(b"u" * 16, 1, Side.BUY, best + 1, 10)])
        for _ in range(600):
            await loop.step()
            if any(b"u" * 16 in trade[2:] for trade in session.tape):
                return True
        return False

    assert asyncio.run(check())


def test_a_market_goes_on_from_the_last_trade() -> None:
    """After a restart prices begin where they were, not at the profile's."""
    (market,) = open_markets([Listed("AAPL.XNAS", 1, last_price=Decimal("250.00"))], 42, run=1)
    assert round(market.fair_ticks) == 25_000


def test_every_profile_is_in_the_range_of_its_instrument() -> None:
    """Prices, spreads and quantities are positive, and the spread is small beside the price."""
    for profile in PROFILES.values():
        assert profile.price > 0
        assert profile.quantity > 0
        assert 0 < profile.half_spread < profile.price / 1000


def test_agents_of_an_earlier_run_are_cleared_away() -> None:
    """The first thing the agents do is to cancel what they find of their own."""
    session = NaiveSession()
    asyncio.run(session.submit([NewOrder(b"o" * 16, 1, Side.BUY, 1, 1)]))
    asyncio.run(AgentLoop(session, [], STEP).start())
    assert session.book(1, Side.BUY) == {}


def test_fair_value_has_the_variance_of_its_law() -> None:
    """After a long time the deviation's variance is sigma^2 theta / 2 (Uhlenbeck and Ornstein), in whatever steps."""
    sigma, count = 0.3, 4000
    for steps in (1, 4):
        draw, ends = Random(1), []
        for _ in range(count):
            value = FairValue(1.0, sigma, draw)
            for _ in range(steps):
                value.step(20 * REVERSION_SECONDS / steps)
            ends.append(value.ticks - 1.0)
        expected = sigma**2 / TRADING_YEAR_SECONDS * REVERSION_SECONDS / 2
        assert abs(statistics.pvariance(ends) / expected - 1) < 0.1
