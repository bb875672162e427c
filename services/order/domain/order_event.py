"""One change of one order."""

from __future__ import annotations

from decimal import Decimal

from services.order.domain.order import Order
from services.order.domain.values import ExecutionType
from services.order.domain.venue import VenueReport


class OrderEvent:
    """One change of one order; an entry of the log to be.

    Attributes:
        type: What happened.
        order: The order afterwards.
        report: The venue's report that caused it; None when the venue did not.
        reason: Why, out of the contract's error reasons; empty when there is nothing to say.
        text: The same in words.
    """

    __slots__ = ("order", "reason", "report", "text", "type")

    def __init__(
        self,
        type: ExecutionType,  # noqa: A002 - the contract's name
        order: Order,
        report: VenueReport | None = None,
        reason: str = "",
        text: str = "",
    ) -> None:
        self.type = type
        self.order = order
        self.report = report
        self.reason = reason
        self.text = text

    @property
    def is_fill(self) -> bool:
        """Whether the order traded."""
        return self.type is ExecutionType.TRADE


def fill_of(event: OrderEvent) -> tuple[Decimal, Decimal]:
    """Returns price and quantity of a fill."""
    report = event.report
    if report is None or report.last_price is None or report.last_quantity is None:
        raise ValueError("not a fill")
    return report.last_price, report.last_quantity
