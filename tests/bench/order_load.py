"""What an order load sends, and what came of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from ordermesh.order.v1 import order_entry_pb2, order_pb2
from ordermesh.type.v1 import trading_pb2
from tests.bench.desks import Tokens

ENDED = frozenset(
    {
        order_pb2.ORDER_STATUS_FILLED,
        order_pb2.ORDER_STATUS_CANCELED,
        order_pb2.ORDER_STATUS_REJECTED,
        order_pb2.ORDER_STATUS_EXPIRED,
    }
)


@dataclass(frozen=True, slots=True)
class Load:
    """What is sent. With an even number of accounts every second one sells, so that none meets its own orders.

    Attributes:
        orders: Number of orders.
        accounts: Accounts that they are spread over.
        instrument: What they trade.
        price: Their limit price; buys and sells alternate at it, so that they fill one another.
        batch: Orders in one request.
        in_flight: Requests that are open at once.
        rate: Orders a second; 0 for as fast as they are taken.
        streams: Whether the accounts' order streams are read, until all orders have ended.
        resting: Whether all buy, so that none trades.
        tokens: Whose token goes with the orders of which account.
    """

    orders: int = 20_000
    accounts: Sequence[str] = tuple(f"bench-{number}" for number in range(20))
    instrument: str = "AAPL.XNAS"
    price: str = "187.25"
    batch: int = 100
    in_flight: int = 8
    rate: float = 0.0
    streams: bool = True
    resting: bool = False
    tokens: Tokens = field(default_factory=Tokens)


@dataclass(slots=True)
class Outcome:
    """What came of it.

    Attributes:
        orders: Orders accepted.
        refused: Orders refused.
        acknowledged_seconds: Time until the last one was answered.
        ended_seconds: Time until the last one was told as ended; 0 without streams.
        latencies: Seconds from request to answer, one for each order.
    """

    orders: int = 0
    refused: int = 0
    acknowledged_seconds: float = 0.0
    ended_seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)

    def figures(self) -> dict[str, float]:
        """Returns rates per second and latencies in milliseconds."""
        seconds = self.ended_seconds or self.acknowledged_seconds
        ordered = sorted(self.latencies)
        return {
            "orders": self.orders,
            "refused": self.refused,
            "orders_per_second": round(self.orders / seconds, 1),
            "acknowledged_per_second": round(self.orders / self.acknowledged_seconds, 1),
            "ack_p50_ms": round(quantile(ordered, 0.5) * 1e3, 3),
            "ack_p99_ms": round(quantile(ordered, 0.99) * 1e3, 3),
        }


def quantile(ordered: Sequence[float], share: float) -> float:
    """Returns the value that a share of the others is below."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


async def until(start: float, number: int, rate: float) -> None:
    """Waits until it is the turn of a number at a rate a second; a rate of 0 waits for nothing."""
    if rate and (ahead := start + number / rate - time.perf_counter()) > 0:
        await asyncio.sleep(ahead)


def order(load: Load, run: str, number: int) -> order_entry_pb2.PlaceOrderRequest:
    """Returns the order of a number; its account follows from the number."""
    return order_entry_pb2.PlaceOrderRequest(
        client_order_id=f"{run}-{number}",
        account_id=load.accounts[number % len(load.accounts)],
        instrument=load.instrument,
        # An account is always on one side: two of its own orders would not trade, and one of them would never end.
        side=trading_pb2.SIDE_BUY if load.resting or number % 2 == 0 else trading_pb2.SIDE_SELL,
        type=trading_pb2.ORDER_TYPE_LIMIT,
        time_in_force=trading_pb2.TIME_IN_FORCE_GTC,
        quantity="100",
        limit_price=load.price,
    )
