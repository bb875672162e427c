"""Steps the markets of all instruments together, through one session with the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from decimal import Decimal
from typing import Protocol

from services.market.agents.market import InstrumentMarket, Terms
from services.market.agents.profile import PROFILES
from services.market.orders import Action, CancelAll, Execution


class Instrument(Protocol):
    """An instrument as listed."""

    @property
    def name(self) -> str:
        """`SYMBOL.VENUE`."""
        ...

    @property
    def engine_id(self) -> int:
        """Number at the engine."""
        ...

    @property
    def tick_size(self) -> Decimal:
        """Price of one tick."""
        ...

    @property
    def lot_size(self) -> Decimal:
        """Quantity of one lot."""
        ...

    @property
    def last_price(self) -> Decimal | None:
        """Price of the last trade, None before the first."""
        ...


class Session(Protocol):
    """A participant of the engine, in lockstep."""

    async def submit(self, actions: Sequence[Action]) -> list[Execution]:
        """Does actions and returns what has happened to the participant's orders since the last call."""
        ...


def open_markets(instruments: Iterable[Instrument], seed: int, run: int) -> list[InstrumentMarket]:
    """Returns a market for every instrument that has a profile, by the number of the instrument.

    A market goes on from the last trade there was, so that a restart does not move prices.
    """
    known = sorted((i for i in instruments if i.name in PROFILES), key=lambda instrument: instrument.engine_id)
    return [InstrumentMarket(_terms(instrument), f"{seed}/{instrument.name}", run) for instrument in known]


class AgentLoop:
    """Lets the agents act, step by step; what they do depends on the seed and on executions alone.

    Args:
        session: Participant that all agents trade through.
        markets: One for each instrument.
        step_seconds: Time between two steps.
    """

    def __init__(self, session: Session, markets: Sequence[InstrumentMarket], step_seconds: float) -> None:
        self._session = session
        self._markets = {market.engine_id: market for market in markets}
        self._step_seconds = step_seconds

    async def start(self) -> None:
        """Takes out of the books what agents of an earlier run left there."""
        await self._session.submit([CancelAll()])

    async def step(self) -> list[Execution]:
        """Does one step in all markets and returns what came of it."""
        actions = [action for market in self._markets.values() for action in market.step(self._step_seconds)]
        executions = await self._session.submit(actions)
        for execution in executions:
            if (market := self._markets.get(execution.instrument_id)) is not None:
                market.observe(execution)
        return executions

    async def run(self, now: Callable[[], float], sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Steps for ever in real time; a step that comes late is not made up for."""
        due = now()
        while True:
            await self.step()
            due = max(due + self._step_seconds, now())
            await sleep(due - now())


def _terms(instrument: Instrument) -> Terms:
    profile = PROFILES[instrument.name]
    return Terms(
        engine_id=instrument.engine_id,
        price_ticks=float((instrument.last_price or profile.price) / instrument.tick_size),
        half_spread_ticks=float(profile.half_spread / instrument.tick_size),
        quantity_lots=max(1, round(profile.quantity / instrument.lot_size)),
        volatility=profile.volatility,
        activity=profile.activity,
    )
