"""Judges how well an order was executed: its fills out of the log, held against what the market was."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import reduce
from typing import Final, Protocol, TypeVar

from services.kernel.clock import Clock
from services.kernel.errors import CodedError, precondition
from services.order.domain.execution_quality import Benchmark
from services.order.domain.executions import Executions, Fill, Mark, Traded
from services.order.domain.order import Order
from services.order.domain.quotes import Quote
from services.order.domain.values import OrderStatus
from services.order.pipeline.orders import Orders
from services.order.pipeline.ports import Quotes

FILLS_PER_TURN: Final = 200
"""So many fills are added up before others get their turn: the order path runs in the same loop."""

_NOTHING_TRADED: Final = "nothing of the order has traded"
_SECOND_NS: Final = 1_000_000_000

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Contract:
    """What an instrument's prices mean: value = price x quantity x multiplier, in the currency."""

    currency: str
    multiplier: Decimal


@dataclass(frozen=True, slots=True)
class Beginning:
    """How an order began.

    Attributes:
        arrived_at_ns: When it came in, nanoseconds since 1970.
        arrival: The newest quote then; None when none was known.
    """

    arrived_at_ns: int
    arrival: Quote | None


class ExecutionRecords(Protocol):
    """What the log says of executions. Each raises STORE_UNAVAILABLE."""

    async def beginning(self, order_id: str) -> Beginning:
        """Returns how an order began, which must exist."""
        ...

    async def ended_at_ns(self, order_id: str, up_to: int) -> int | None:
        """Returns when an order was canceled, rejected or expired, by the log up to a sequence; None if it was not."""
        ...

    async def children(self, order_id: str) -> Sequence[str]:
        """Returns the orders that were sent to fill an order; none for an order that is no parent."""
        ...

    async def fills(self, order_id: str, after: int, up_to: int, limit: int) -> Sequence[tuple[int, Fill]]:
        """Returns fills of an order with their sequences, after one sequence up to another, oldest first."""
        ...


class MarketRecord(Protocol):
    """What the public market was. Each raises SERVICE_UNAVAILABLE, and what MarketDataService answers with."""

    async def contract(self, instrument: str) -> Contract:
        """Returns what the instrument's prices mean."""
        ...

    async def last_trade(self, instrument: str, begin_ns: int, end_ns: int) -> Mark | None:
        """Returns the last public trade from one time to another, both inclusive; None when there was none."""
        ...

    async def traded(self, instrument: str, begin_ns: int, end_ns: int) -> Traded | None:
        """Returns what the public traded from one time to another, both inclusive; None when that is nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Judgement:
    """How well an order was executed.

    Attributes:
        order: The order.
        executions: Its fills.
        benchmark: What they are held against.
        beginning: How it began.
        ended_at_ns: When it ended; None while it lives.
        currency: Currency of money; empty when it is not known.
        untold: Names of figures that cannot be told, and why.
        as_of: Sequence of the log that this reflects.
    """

    order: Order
    executions: Executions
    benchmark: Benchmark
    beginning: Beginning
    ended_at_ns: int | None
    currency: str
    untold: Sequence[tuple[str, str]]
    as_of: int


class Judging:
    """Judges orders. The order path has no part in it, and never waits for it."""

    def __init__(
        self, orders: Orders, records: ExecutionRecords, market: MarketRecord, quotes: Quotes, clock: Clock
    ) -> None:
        self._orders, self._records, self._market = orders, records, market
        self._quotes, self._clock = quotes, clock

    async def judge(self, order_id: str, impact_ns: int) -> Judgement:
        """Returns how well an order was executed.

        Args:
            order_id: The order.
            impact_ns: How long after the last fill the market is looked at, in nanoseconds.

        Raises:
            CodedError: UNKNOWN_ORDER or STORE_UNAVAILABLE.
        """
        order, as_of = await self._orders.get(order_id)
        beginning = await self._records.beginning(order_id)
        executions = Executions()
        for each in (order_id, *await self._records.children(order_id)):
            await self._add_fills(executions, each, as_of)
        ended_at_ns = await self._ended_at_ns(order, executions, as_of)
        name, total = order.terms.instrument, executions.total
        names = executions.instruments or (name,)
        begin_ns = beginning.arrived_at_ns
        end_ns = max(self._clock.now_ns() if ended_at_ns is None else ended_at_ns, begin_ns)
        contract, end, after, traded = await asyncio.gather(
            _or_error(self._market.contract(name)),
            _or_error(self._end(order, begin_ns, end_ns)),
            _or_error(self._after(names, total.last_ns, impact_ns)),
            _or_error(self._traded(names, begin_ns, end_ns)),
        )
        benchmark = Benchmark(
            order.terms.side,
            order.terms.quantity,
            beginning.arrival,
            multiplier=None if isinstance(contract, CodedError) else contract.multiplier,
            end=None if isinstance(end, CodedError) else end,
            after=None if isinstance(after, CodedError) else after,
            traded=None if isinstance(traded, CodedError) else traded,
        )
        return Judgement(
            order,
            executions,
            benchmark,
            beginning,
            ended_at_ns,
            currency="" if isinstance(contract, CodedError) else contract.currency,
            untold=_untold(benchmark, executions, contract, end, after, traded),
            as_of=as_of,
        )

    async def _add_fills(self, executions: Executions, order_id: str, up_to: int) -> None:
        after = 0
        while rows := await self._records.fills(order_id, after, up_to, FILLS_PER_TURN):
            executions.add(fill for _, fill in rows)
            after = rows[-1][0]
            await asyncio.sleep(0)

    async def _ended_at_ns(self, order: Order, executions: Executions, up_to: int) -> int | None:
        if order.live:
            return None
        if order.status is OrderStatus.FILLED and executions.total.count:
            return executions.total.last_ns
        return await self._records.ended_at_ns(order.terms.order_id, up_to) or order.updated_at_ns

    async def _end(self, order: Order, begin_ns: int, end_ns: int) -> Mark:
        """Returns the price of what has not filled: now, while it may still fill, else when the order ended."""
        name = order.terms.instrument
        if not order.live:
            mark = await self._market.last_trade(name, begin_ns, end_ns)
            if mark is None:
                raise _no_data("there was no public trade between the order's arrival and its end")
            return mark
        quote = self._quotes.quote(name)
        if quote is None or quote.stale or quote.mid is None:
            raise _no_data("there is no fresh quote with both sides now")
        return Mark(quote.mid, quote.quoted_at_ns)

    async def _traded(self, names: Sequence[str], begin_ns: int, end_ns: int) -> Traded | None:
        """Returns what the public traded in all that the order has traded in: a part of it is no market of its own."""
        parts = await asyncio.gather(*(self._market.traded(name, begin_ns, end_ns) for name in names))
        told = [part for part in parts if part is not None]
        return reduce(Traded.and_also, told) if told else None

    async def _after(self, names: Sequence[str], last_ns: int, impact_ns: int) -> Mark:
        """Returns the price that the market has come to after the last fill."""
        if not last_ns:
            raise _no_data(_NOTHING_TRADED)
        seconds = f"{impact_ns / _SECOND_NS:g} s after the last fill"
        if self._clock.now_ns() < last_ns + impact_ns:
            raise _no_data(f"it is known {seconds}")
        last = (self._market.last_trade(name, last_ns + 1, last_ns + impact_ns) for name in names)
        marks = [mark for mark in await asyncio.gather(*last) if mark is not None]
        if not marks:
            raise _no_data(f"there was no public trade up to {seconds}")
        return max(marks, key=lambda mark: mark.at_ns)


def _untold(
    benchmark: Benchmark,
    executions: Executions,
    contract: Contract | CodedError,
    end: Mark | CodedError,
    after: Mark | CodedError,
    traded: Traded | CodedError | None,
) -> list[tuple[str, str]]:
    """Returns which figures cannot be told, and why; each is named where its own reason lies."""
    nothing = not executions.total.count
    no_mid = _no_mid(benchmark)
    reasons = {
        "contract_multiplier": contract.message if isinstance(contract, CodedError) else "",
        "arrival": "no quote was known at arrival" if benchmark.arrival is None else "",
        "arrival_mid_price": no_mid,
        "decision_price": "" if benchmark.decision is not None else no_mid,
        "average_price": _NOTHING_TRADED if nothing else "",
        "market_impact": after.message if isinstance(after, CodedError) else no_mid,
        "market": _NOTHING_TRADED if nothing else _why(traded, "no public trade is known of the order's life"),
    }
    unfilled = executions.total.quantity < benchmark.quantity
    reasons["implementation_shortfall"] = (
        reasons["decision_price"]
        or reasons["contract_multiplier"]
        or (end.message if unfilled and isinstance(end, CodedError) else "")
    )
    return [(figure, text) for figure, text in reasons.items() if text]


def _no_mid(benchmark: Benchmark) -> str:
    """Returns why there is no mid price at arrival; nothing when there is one."""
    if benchmark.mid is not None:
        return ""
    if benchmark.arrival is None:
        return "no quote was known at arrival"
    if benchmark.arrival.stale:
        return "the quote at arrival was stale: the feed was lost"
    return "a side of the book was empty at arrival"


def _why(part: Traded | CodedError | None, nothing: str) -> str:
    if isinstance(part, CodedError):
        return part.message
    return nothing if part is None else ""


def _no_data(text: str) -> CodedError:
    return precondition("NO_MARKET_DATA", text)


async def _or_error(part: Awaitable[T]) -> T | CodedError:
    """Returns a part of the judgement, or why it cannot be told."""
    try:
        return await part
    except CodedError as error:
        return error
