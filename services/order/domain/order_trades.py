"""The trades of an order as they count now: as made, corrected, or canceled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from services.kernel.decimals import ZERO
from services.order.domain.order import Order


@dataclass(frozen=True, slots=True)
class Execution:
    """A trade of an order.

    Attributes:
        trade_id: Our id of it: the execution id of the report that told it first.
        execution_id: Our id of the last report of it; `trade_id` until it is canceled or corrected.
        venue_execution_ids: The venue's ids of it: of the trade, and of its corrections.
        price: As it counts now.
        quantity: As it counts now; of a canceled one as it was.
        fee: As it counts now.
        executed_at_ns: When the venue matched it, nanoseconds since 1970.
        committed_at_ns: When it was committed here.
        canceled: Whether it counts no more.
    """

    trade_id: str
    execution_id: str
    venue_execution_ids: tuple[str, ...]
    price: Decimal
    quantity: Decimal
    fee: Decimal = ZERO
    executed_at_ns: int = 0
    committed_at_ns: int = 0
    canceled: bool = False

    def as_canceled(self, execution_id: str) -> Execution:
        """Returns it without effect from a report on."""
        return replace(self, execution_id=execution_id, canceled=True)

    def as_corrected(
        self, execution_id: str, venue_execution_id: str, price: Decimal, quantity: Decimal, fee: Decimal
    ) -> Execution:
        """Returns it with what a report corrects."""
        ids = self.venue_execution_ids
        if venue_execution_id and venue_execution_id not in ids:
            ids = (*ids, venue_execution_id)
        return replace(
            self, execution_id=execution_id, venue_execution_ids=ids, price=price, quantity=quantity, fee=fee
        )


class Executions:
    """All trades of an order."""

    def __init__(self, executions: dict[str, Execution] | None = None) -> None:
        self._by_trade_id = dict(executions or {})

    def __iter__(self) -> Iterator[Execution]:
        return iter(self._by_trade_id.values())

    def copy(self) -> Executions:
        """Returns the same trades, to be changed apart."""
        return Executions(self._by_trade_id)

    def put(self, execution: Execution) -> None:
        """Takes a trade in, or what has become of one."""
        self._by_trade_id[execution.trade_id] = execution

    def get(self, trade_id: str) -> Execution | None:
        """Returns a trade by our id of it; None when there is none."""
        return self._by_trade_id.get(trade_id)

    def find(self, venue_execution_id: str) -> Execution | None:
        """Returns the trade that a venue means; None when there is none."""
        return next((each for each in self if venue_execution_id in each.venue_execution_ids), None)

    @property
    def adjusted(self) -> bool:
        """Whether any was canceled or corrected."""
        return any(each.execution_id != each.trade_id for each in self)


@dataclass(frozen=True, slots=True)
class OrderHistory:
    """An order with its trades, as committed.

    Attributes:
        order: The order, live or ended.
        executions: Its trades; not to be changed.
    """

    order: Order
    executions: Executions
