"""Sums execution quality up over many fills, without keeping orders waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

from services.kernel.errors import CodedError
from services.order.domain.execution_summary import JudgedFill, QualityTotal
from services.order.pipeline.judging import FILLS_PER_TURN, Contract, MarketRecord
from services.order.pipeline.queries import FillFilter, FillPlace

Group = tuple[str, str]
"""Instrument and connection."""


class JudgedFills(Protocol):
    """Fills with the quotes at the arrival of their orders. Raises STORE_UNAVAILABLE."""

    async def judged(
        self, wanted: FillFilter, before: FillPlace | None, limit: int
    ) -> Sequence[tuple[FillPlace, JudgedFill]]:
        """Returns fills, newest first, older than the one at `before`."""
        ...


class QualitySummaries:
    """Adds fills up by instrument and connection, a few at a time."""

    def __init__(self, fills: JudgedFills, market: MarketRecord) -> None:
        self._fills, self._market = fills, market

    async def summarize(self, wanted: FillFilter) -> Mapping[Group, QualityTotal]:
        """Returns the totals of the fills that are wanted, by group.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        totals: dict[Group, QualityTotal] = {}
        before: FillPlace | None = None
        while rows := await self._fills.judged(wanted, before, FILLS_PER_TURN):
            for _, judged in rows:
                if not judged.fill.quantity:
                    continue  # Its venue has canceled it.
                group = (judged.fill.instrument, judged.fill.connection_id)
                total = totals.get(group)
                if total is None:
                    total = totals[group] = QualityTotal()
                total.add(judged)
            before = rows[-1][0]
            await asyncio.sleep(0)
        return totals

    async def contracts(self, instruments: Sequence[str]) -> Mapping[str, Contract]:
        """Returns what prices mean of those instruments of which MarketDataService tells it."""
        told: dict[str, Contract] = {}
        for name in instruments:
            try:
                told[name] = await self._market.contract(name)
            except CodedError:
                # Money is left out then, as the contract says; the rest is told.
                continue
        return told
