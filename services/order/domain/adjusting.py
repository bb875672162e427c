"""What becomes of an order when its venue cancels or corrects a trade (FIX ExecType H and G), also long after its end.

By the order state matrices J.1.a and J.1.b of FIX 5.0 (D34 and D35 of FIX 4.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from services.kernel.decimals import ZERO
from services.order.domain.ignored import Ignored
from services.order.domain.order import Order
from services.order.domain.order_event import OrderEvent
from services.order.domain.order_trades import Execution, Executions
from services.order.domain.replacing import with_terms
from services.order.domain.values import CHANGING, ExecutionType, OrderStatus
from services.order.domain.venue import VenueAdjustment, VenueReport, VenueReportType

TRADE_CANCELED = "TRADE_CANCELED"
_TEXT = "the venue has taken back quantity that had traded, and does not open it again"
_CLOSED = (OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED)


@dataclass(frozen=True, slots=True)
class Adjustment:
    """What a cancel or correction of a trade does.

    Attributes:
        before: The trade as it counted until then.
        reference_id: The venue's id of the execution that it names.
        price: What the trade counts from then on; as before when canceled.
        quantity: The same; zero when canceled.
        fee: The same; zero when canceled.
    """

    before: Execution
    reference_id: str
    price: Decimal
    quantity: Decimal
    fee: Decimal

    def after(self, execution_id: str, venue_execution_id: str) -> Execution:
        """Returns the trade as the report with an id leaves it."""
        if not self.quantity:
            return self.before.as_canceled(execution_id)
        return self.before.as_corrected(execution_id, venue_execution_id, self.price, self.quantity, self.fee)


class AdjustmentEvent(OrderEvent):
    """A trade was canceled or corrected.

    Attributes:
        adjustment: What it does.
    """

    __slots__ = ("adjustment",)

    def __init__(self, type_: ExecutionType, order: Order, report: VenueReport, adjustment: Adjustment) -> None:
        super().__init__(type_, order, report, order.reason, order.text)
        self.adjustment = adjustment


def adjust(
    order: Order, report: VenueReport, executions: Executions, sequence: int, at_ns: int
) -> AdjustmentEvent | Ignored:
    """Returns what the cancel or correction of a trade makes of an order, live or ended.

    Args:
        order: The order as it stands.
        report: The report.
        executions: The trades of the order as they count now.
        sequence: What the event will have in the log, if there is one.
        at_ns: Time of the event.

    Raises:
        ValueError: A correction without price or quantity.
    """
    told = report.adjustment
    found = None if told is None else executions.find(told.reference_id)
    if told is None or found is None:
        return Ignored.UNKNOWN_EXECUTION
    wanted = _wanted(found, report, told)
    if found.canceled:
        return Ignored.REPEATED_ADJUSTMENT if not wanted.quantity else Ignored.CANCELED_EXECUTION
    if (wanted.price, wanted.quantity, wanted.fee) == (found.price, found.quantity, found.fee):
        return Ignored.REPEATED_ADJUSTMENT
    cumulative = order.cumulative - found.quantity + wanted.quantity
    notional = order.notional - found.quantity * found.price + wanted.quantity * wanted.price
    after = _after(order, cumulative, told.leaves_quantity, sequence, at_ns)
    after.cumulative, after.notional = cumulative, notional
    if after.live and after.status not in CHANGING:
        after.status = after.resting_status
    type_ = ExecutionType.TRADE_CORRECT if wanted.quantity else ExecutionType.TRADE_CANCEL
    return AdjustmentEvent(type_, after, report, wanted)


def adjust_parent(parent: Order, quantity: Decimal, notional: Decimal, sequence: int, at_ns: int) -> OrderEvent:
    """Returns the event of a parent, live or ended, when its venue has changed what one of its child orders has traded.

    Args:
        parent: The parent.
        quantity: How much more its children have traded; negative when a trade was taken back.
        notional: The same of price x quantity.
        sequence: Sequence of the event.
        at_ns: Time of the event.
    """
    cumulative = parent.cumulative + quantity
    after = _after(parent, cumulative, None, sequence, at_ns)
    after.cumulative, after.notional = cumulative, parent.notional + notional
    if after.live:
        # Why it is to end stays with it until it has.
        after.reason, after.text = parent.reason, parent.text
        if after.status not in CHANGING:
            after.status = after.resting_status
    return OrderEvent(ExecutionType.ORDER_STATUS, after, None, after.reason, after.text)


def _wanted(found: Execution, report: VenueReport, told: VenueAdjustment) -> Adjustment:
    if report.type is VenueReportType.TRADE_CANCELED:
        return Adjustment(found, told.reference_id, found.price, ZERO, ZERO)
    price, quantity = report.last_price, report.last_quantity
    if price is None or not quantity:
        raise ValueError("a correction without price or quantity")
    return Adjustment(found, told.reference_id, price, quantity, found.fee if report.fee is None else report.fee)


def _after(order: Order, cumulative: Decimal, leaves: Decimal | None, sequence: int, at_ns: int) -> Order:
    """Returns the order with its state; the caller sets what has traded."""
    if leaves is None:
        leaves = order.terms.quantity - cumulative if order.live else ZERO
    if leaves <= ZERO:
        return _ended(order, cumulative, sequence, at_ns)
    # A live order keeps what it waits for; one that had ended is live again.
    after = order.successor(order.status if order.live else OrderStatus.NEW, live=True, sequence=sequence, at_ns=at_ns)
    if cumulative + leaves != order.terms.quantity:
        # What was taken back and is not open again is no longer ordered.
        stop = None if order.terms.instructions is None else order.terms.instructions.stop_price
        after.terms = with_terms(order.terms, cumulative + leaves, order.terms.limit_price, stop)
    return after


def _ended(order: Order, cumulative: Decimal, sequence: int, at_ns: int) -> Order:
    """Returns an order that nothing is left of: FILLED before CANCELED, by the precedence of FIX."""
    if cumulative >= order.terms.quantity:
        return order.successor(OrderStatus.FILLED, live=False, sequence=sequence, at_ns=at_ns)
    closed = order.status in _CLOSED
    status = order.status if closed else OrderStatus.CANCELED
    after = order.successor(status, live=False, sequence=sequence, at_ns=at_ns)
    after.reason, after.text = (order.reason, order.text) if closed else (TRADE_CANCELED, _TEXT)
    return after
