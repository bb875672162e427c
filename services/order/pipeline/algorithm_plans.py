"""What an algorithm goes by beside its terms: made out of the market's history once, and then part of the log."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

from services.order.domain.algorithms.estimates import MINUTE_NS, Bar, shortfall_plan, volume_plan, volume_step
from services.order.domain.algorithms.schedules import DAY_NS
from services.order.domain.algorithms.terms import Algorithm, Plan, Shortfall, Vwap
from services.order.domain.instruments import Instrument
from services.order.pipeline.ports import Quotes

_GIVEN: Final = ("volatility", "temporary_impact", "permanent_impact", "fixed_cost")


class MarketHistory(Protocol):
    """What an instrument's market was."""

    async def bars(self, instrument: str, begin_ns: int, end_ns: int, step_ns: int) -> Sequence[Bar]:
        """Returns the bars with trades that are in a time in part at least, oldest first.

        Raises:
            CodedError: SERVICE_UNAVAILABLE or STORE_UNAVAILABLE.
        """
        ...


class AlgorithmPlans:
    """Makes plans."""

    def __init__(self, history: MarketHistory, quotes: Quotes) -> None:
        self._history, self._quotes = history, quotes

    async def plan(self, algorithm: Algorithm, instrument: Instrument, start_ns: int) -> Plan | None:
        """Returns the plan of an algorithm that begins at a time; None for one that needs none.

        Raises:
            CodedError: SERVICE_UNAVAILABLE or STORE_UNAVAILABLE.
        """
        match algorithm.strategy:
            case Vwap(history_days):
                return await self._volumes(instrument.name, history_days, start_ns, algorithm.end_at_ns)
            case Shortfall() as strategy:
                return await self._shortfall(strategy, instrument, start_ns)
            case _:
                return None

    async def _volumes(self, instrument: str, history_days: int, start_ns: int, end_ns: int) -> Plan:
        step_ns = volume_step(end_ns - start_ns)
        days = await asyncio.gather(
            *(
                self._history.bars(instrument, start_ns - back * DAY_NS, end_ns - back * DAY_NS, step_ns)
                for back in range(1, history_days + 1)
            )
        )
        return volume_plan(days, start_ns, end_ns, step_ns)

    async def _shortfall(self, strategy: Shortfall, instrument: Instrument, start_ns: int) -> Plan:
        minutes: Sequence[Bar] = ()
        if any(getattr(strategy, name) is None for name in _GIVEN):
            minutes = await self._history.bars(instrument.name, start_ns - DAY_NS, start_ns, MINUTE_NS)
        quote = self._quotes.quote(instrument.name)
        spread = None if quote is None else quote.spread
        return shortfall_plan(strategy, minutes, max(spread or instrument.tick_size, instrument.tick_size))
