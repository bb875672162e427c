"""What the log says of executions, and what the public market was, as plain objects that a test sets."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from services.kernel.errors import CodedError
from services.order.domain.execution_summary import JudgedFill
from services.order.domain.executions import Fill, Mark, Traded
from services.order.pipeline.judging import Beginning, Contract
from services.order.pipeline.queries import FillFilter, FillPlace


@dataclass
class FakeExecutions:
    """Tells what it was given, a page at a time.

    Attributes:
        pages: Sizes of the pages of fills that were told.
    """

    began: Beginning = field(default_factory=lambda: Beginning(1_000, None))
    ended_ns: int | None = None
    logged: list[tuple[int, Fill]] = field(default_factory=list)
    child_ids: list[str] = field(default_factory=list)
    of_day: list[tuple[FillPlace, JudgedFill]] = field(default_factory=list)
    pages: list[int] = field(default_factory=list)

    async def beginning(self, order_id: str) -> Beginning:
        await asyncio.sleep(0)
        return self.began

    async def ended_at_ns(self, order_id: str, up_to: int) -> int | None:
        await asyncio.sleep(0)
        return self.ended_ns

    async def children(self, order_id: str) -> Sequence[str]:
        await asyncio.sleep(0)
        return self.child_ids

    async def fills(self, order_id: str, after: int, up_to: int, limit: int) -> Sequence[tuple[int, Fill]]:
        await asyncio.sleep(0)
        own = [(number, fill) for number, fill in self.logged if fill.order_id == order_id]
        page = [(number, fill) for number, fill in own if after < number <= up_to][:limit]
        self.pages.append(len(page))
        return page

    async def judged(
        self, wanted: FillFilter, before: FillPlace | None, limit: int
    ) -> Sequence[tuple[FillPlace, JudgedFill]]:
        await asyncio.sleep(0)
        page = [(at, judged) for at, judged in self.of_day if before is None or at < before][:limit]
        self.pages.append(len(page))
        return page


@dataclass
class FakeMarketRecord:
    """Tells public trades, or fails with `error`.

    Attributes:
        trades: Of every instrument that is not `elsewhere`: time, price and quantity.
        elsewhere: Those of other instruments, by name.
    """

    trades: list[tuple[int, Decimal, Decimal]] = field(default_factory=list)
    elsewhere: dict[str, list[tuple[int, Decimal, Decimal]]] = field(default_factory=dict)
    multiplier: Decimal = Decimal(1)
    error: CodedError | None = None

    async def contract(self, instrument: str) -> Contract:
        await self._answer()
        return Contract("USD", self.multiplier)

    async def last_trade(self, instrument: str, begin_ns: int, end_ns: int) -> Mark | None:
        await self._answer()
        trades = self.elsewhere.get(instrument, self.trades)
        found = [Mark(price, at_ns) for at_ns, price, _ in trades if begin_ns <= at_ns <= end_ns]
        return found[-1] if found else None

    async def traded(self, instrument: str, begin_ns: int, end_ns: int) -> Traded | None:
        await self._answer()
        trades = self.elsewhere.get(instrument, self.trades)
        found = [(price, quantity) for at_ns, price, quantity in trades if begin_ns <= at_ns <= end_ns]
        if not found:
            return None
        paid, volume = sum(p * q for p, q in found), sum(q for _, q in found)
        return Traded(Decimal(paid), Decimal(volume), len(found), begin_ns, end_ns)

    async def _answer(self) -> None:
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
