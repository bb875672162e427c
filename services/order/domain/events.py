"""What happens to orders: how an order begins, how a venue's report and a request to cancel change it."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum

from services.kernel.decimals import ZERO
from services.order.domain.breach import RiskBreach
from services.order.domain.held import cancel_held, keep_here, replace_here, stays_here
from services.order.domain.order import Order
from services.order.domain.order_event import OrderEvent
from services.order.domain.replacing import ReplaceRequest, ReplaceStatus, begin, released, with_terms
from services.order.domain.terms import OrderTerms
from services.order.domain.values import ExecutionType, OrderStatus, RestatementReason
from services.order.domain.venue import VenueReport


class Ignored(Enum):
    """Why a venue's report changes nothing."""

    ENDED = "ended"
    """The order has ended; what ends or refuses a cancel after that is late, by FIX."""
    FILL_AFTER_END = "fill_after_end"
    """A fill of an order that has ended: never expected, to be looked into."""
    REPEATED_FILL = "repeated_fill"
    """The venue's own count says that this fill is already in it."""
    REPEATED_ACCEPT = "repeated_accept"
    """The order is known to be accepted."""
    NO_CANCEL_PENDING = "no_cancel_pending"
    """A cancel is refused that nobody waits for."""
    NO_REPLACE_PENDING = "no_replace_pending"
    """A replace is told that nobody waits for."""
    NOT_WAITING = "not_waiting"
    """An order is told as released that does not wait, or is known to be released."""
    REPEATED_ADJUSTMENT = "repeated_adjustment"
    """A trade is canceled or corrected that is so already."""
    UNKNOWN_EXECUTION = "unknown_execution"
    """A trade is canceled or corrected that is not of the log: never expected, to be looked into."""
    CANCELED_EXECUTION = "canceled_execution"
    """A trade is corrected that the venue has canceled: never expected, to be looked into."""
    REPEATED_RESTATEMENT = "repeated_restatement"
    """An order is restated to the terms that it has."""


def place(terms: OrderTerms, sequence: int, at_ns: int) -> OrderEvent:
    """Returns the event that an order begins with: on its way to a venue, held here, or worked through child orders."""
    if terms.instructions is not None and stays_here(terms):
        return keep_here(terms, sequence, at_ns)
    order = Order(terms, OrderStatus.PENDING_NEW, sequence=sequence, created_at_ns=at_ns)
    return OrderEvent(ExecutionType.PENDING_NEW, order)


def refuse(
    terms: OrderTerms, sequence: int, at_ns: int, *, reason: str, text: str, breach: RiskBreach | None
) -> OrderEvent:
    """Returns the only event of an order that risk refuses."""
    order = Order(
        terms,
        OrderStatus.REJECTED,
        sequence=sequence,
        created_at_ns=at_ns,
        reason=reason,
        text=text,
        breach=breach,
    )
    return OrderEvent(ExecutionType.REJECTED, order, reason=reason, text=text)


def request_cancel(order: Order, sequence: int, at_ns: int, *, reason: str = "", text: str = "") -> OrderEvent | None:
    """Returns the event of a request to cancel, or None when the order has ended or one is on its way.

    Reason and text are given when it is not the client's own request.
    """
    if not order.live or order.status is OrderStatus.PENDING_CANCEL:
        return None
    if order.held:
        return cancel_held(order, sequence, at_ns, reason=reason, text=text)
    after = order.successor(OrderStatus.PENDING_CANCEL, live=True, sequence=sequence, at_ns=at_ns)
    if order.at_venue:
        after.cancel_sequence = sequence
    else:
        # Of a parent, which ends once its children have: by then it must be known why.
        after.reason, after.text = reason, text
    return OrderEvent(ExecutionType.PENDING_CANCEL, after, reason=reason, text=text)


def request_replace(order: Order, request: ReplaceRequest, sequence: int, at_ns: int) -> OrderEvent | None:
    """Returns the event of a request to replace, or None when the order has ended or another change is on its way."""
    if not order.live or order.status in CHANGING:
        return None
    if order.held:
        return replace_here(order, request, sequence, at_ns)
    # A parent's takes effect once no child is in its way: in the same transaction if none is.
    after = order.successor(OrderStatus.PENDING_REPLACE, live=True, sequence=sequence, at_ns=at_ns)
    after.replace = begin(request, order.terms, sequence)
    return OrderEvent(ExecutionType.PENDING_REPLACE, after)


def lose(order: Order, sequence: int, at_ns: int, text: str) -> OrderEvent | None:
    """Returns the event of an order that its venue has lost, or None when it has ended."""
    if not order.live:
        return None
    return _end(
        order,
        OrderStatus.CANCELED,
        ExecutionType.CANCELED,
        None,
        sequence,
        at_ns,
        reason="VENUE_UNAVAILABLE",
        text=text,
    )


def apply(order: Order, report: VenueReport, sequence: int, at_ns: int) -> OrderEvent | Ignored:
    """Returns what a venue's report makes of an order.

    Args:
        order: The order as it stands.
        report: The report.
        sequence: What the event will have in the log, if there is one.
        at_ns: Time of the event.
    """
    return _APPLIERS[report.type](order, report, sequence, at_ns)


def _accepted(order: Order, report: VenueReport, sequence: int, at_ns: int) -> OrderEvent | Ignored:
    if not order.live:
        return Ignored.ENDED
    if order.accepted:
        return Ignored.REPEATED_ACCEPT
    status = order.status if order.status in CHANGING else OrderStatus.NEW
    return OrderEvent(ExecutionType.NEW, _after(order, report, status, True, sequence, at_ns), report)


def _triggered(order: Order, report: VenueReport, sequence: int, at_ns: int) -> OrderEvent | Ignored:
    if not order.live:
        return Ignored.ENDED
    instructions = order.terms.instructions
    if instructions is None or not instructions.waits:
        return Ignored.NOT_WAITING
    after = _after(order, report, order.status, True, sequence, at_ns)
    if order.status not in CHANGING:
        after.status = after.resting_status
    after.terms = released(order.terms)
    return OrderEvent(ExecutionType.TRIGGERED_OR_ACTIVATED_BY_SYSTEM, after, report)


def _traded(order: Order, report: VenueReport, sequence: int, at_ns: int) -> OrderEvent | Ignored:
    if not order.live:
        return Ignored.FILL_AFTER_END
    told = report.cumulative_quantity
    if told is not None and told <= order.cumulative:
        return Ignored.REPEATED_FILL
    return _fill(order, report, sequence, at_ns)


def fill_anew(order: Order, report: VenueReport, sequence: int, at_ns: int) -> OrderEvent:
    """Returns the event of a fill of an order that has ended and of which the venue has adjusted trades.

    It makes anew what it took back (FIX 5.0, J.1.b): the order has traded more, and stays ended. REJECTED says that
    nothing has traded: such an order is CANCELED from then on.
    """
    made = _fill(order, report, sequence, at_ns)
    after = made.order
    if after.live:
        rejected = order.status is OrderStatus.REJECTED
        after.live, after.status = False, OrderStatus.CANCELED if rejected else order.status
        after.reason, after.text = order.reason, order.text
    return made


def _fill(order: Order, report: VenueReport, sequence: int, at_ns: int) -> OrderEvent:
    last, price = report.last_quantity, report.last_price
    if last is None or price is None:
        raise ValueError("a fill without price or quantity")
    cumulative = order.cumulative + last
    live = cumulative < order.terms.quantity
    after = _after(order, report, _status_after_fill(order, live=live), live, sequence, at_ns)
    after.cumulative = cumulative
    after.notional = order.notional + last * price
    return OrderEvent(ExecutionType.TRADE, after, report)


def _status_after_fill(order: Order, *, live: bool) -> OrderStatus:
    if not live:
        return OrderStatus.FILLED
    # A pending cancel or replace takes precedence over a partial fill; only a full one ends the wait.
    return order.status if order.status in CHANGING else OrderStatus.PARTIALLY_FILLED


def _canceled(order: Order, report: VenueReport, sequence: int, at_ns: int) -> OrderEvent | Ignored:
    return _ended(order, report, OrderStatus.CANCELED, ExecutionType.CANCELED, sequence, at_ns)


def _expired(order: Order, report: VenueReport, sequence: int, at_ns: int) -> OrderEvent | Ignored:
    return _ended(order, report, OrderStatus.EXPIRED, ExecutionType.EXPIRED, sequence, at_ns)


def _rejected(order: Order, report: VenueReport, sequence: int, at_ns: int) -> OrderEvent | Ignored:
    if order.cumulative:
        # REJECTED says that nothing has traded; what is left of an order that has traded is canceled.
        return _canceled(order, report, sequence, at_ns)
    return _ended(order, report, OrderStatus.REJECTED, ExecutionType.REJECTED, sequence, at_ns)


def _change_rejected(order: Order, report: VenueReport, sequence: int, at_ns: int) -> OrderEvent | Ignored:
    if not order.live:
        return Ignored.ENDED
    answered, replace = report.command_sequence, order.replacing
    if replace is not None and answered in (0, replace.sequence):
        return _replace_rejected(order, report, sequence, at_ns)
    if order.status is not OrderStatus.PENDING_CANCEL or answered not in (0, order.cancel_sequence):
        return Ignored.NO_CANCEL_PENDING
    # The replace that the cancel has crossed may still be on its way.
    status = order.resting_status if replace is None else OrderStatus.PENDING_REPLACE
    after = order.successor(status, live=True, sequence=sequence, at_ns=at_ns)
    return OrderEvent(ExecutionType.CANCEL_REJECTED, after, report, report.reason, report.text)


def _replace_rejected(order: Order, report: VenueReport, sequence: int, at_ns: int) -> OrderEvent:
    after = order.successor(_status_after_replace(order, order.status), live=True, sequence=sequence, at_ns=at_ns)
    if order.replacing is not None:
        after.replace = order.replacing.decided(ReplaceStatus.REJECTED)
    return OrderEvent(ExecutionType.REPLACE_REJECTED, after, report, report.reason, report.text)


def _replaced(order: Order, report: VenueReport, sequence: int, at_ns: int) -> OrderEvent | Ignored:
    if not order.live:
        return Ignored.ENDED
    replace = order.replacing
    if replace is None or report.command_sequence not in (0, replace.sequence):
        return Ignored.NO_REPLACE_PENDING
    live = replace.new_quantity > order.cumulative
    after = _after(order, report, OrderStatus.FILLED, live, sequence, at_ns)
    # A replace to less than what has traded cannot take back fills: the order is done with what it has.
    quantity = replace.new_quantity if live else order.cumulative
    after.terms = with_terms(order.terms, quantity, replace.new_limit_price, replace.stop_price, replace.expire_at_ns)
    after.replace = replace.decided(ReplaceStatus.REPLACED)
    if live:
        after.status = _status_after_replace(after, order.status)
    return OrderEvent(ExecutionType.REPLACED, after, report)


def _restated(order: Order, report: VenueReport, sequence: int, at_ns: int) -> OrderEvent | Ignored:
    if not order.live:
        return Ignored.ENDED
    terms, told = order.terms, report.adjustment
    if told is None:
        return Ignored.REPEATED_RESTATEMENT
    quantity = terms.quantity if told.quantity is None else told.quantity
    limit_price = terms.limit_price if told.limit_price is None else told.limit_price
    same = (quantity, limit_price) == (terms.quantity, terms.limit_price)
    if same and told.reason is not RestatementReason.GT_RENEWAL:
        return Ignored.REPEATED_RESTATEMENT
    if quantity <= ZERO:
        raise ValueError("restated to nothing")
    live = quantity > order.cumulative
    after = _after(order, report, order.status if live else OrderStatus.FILLED, live, sequence, at_ns)
    after.terms = with_terms(terms, quantity if live else order.cumulative, limit_price)
    if live and after.status not in CHANGING:
        after.status = after.resting_status
    return OrderEvent(ExecutionType.RESTATED, after, report)


def _status_after_replace(order: Order, before: OrderStatus) -> OrderStatus:
    # A cancel asked for while the replace was on its way is still to be answered.
    return OrderStatus.PENDING_CANCEL if before is OrderStatus.PENDING_CANCEL else order.resting_status


def _ended(
    order: Order, report: VenueReport, status: OrderStatus, type_: ExecutionType, sequence: int, at_ns: int
) -> OrderEvent | Ignored:
    if not order.live:
        return Ignored.ENDED
    return _end(order, status, type_, report, sequence, at_ns, reason=report.reason, text=report.text)


def _end(
    order: Order,
    status: OrderStatus,
    type_: ExecutionType,
    report: VenueReport | None,
    sequence: int,
    at_ns: int,
    *,
    reason: str,
    text: str,
) -> OrderEvent:
    after = order.successor(status, live=False, sequence=sequence, at_ns=at_ns)
    if report is not None:
        _learn(after, report)
    after.reason = reason
    after.text = text
    return OrderEvent(type_, after, report, reason, text)


def _after(order: Order, report: VenueReport, status: OrderStatus, live: bool, sequence: int, at_ns: int) -> Order:
    after = order.successor(status, live=live, sequence=sequence, at_ns=at_ns)
    after.accepted = True
    _learn(after, report)
    return after


def _learn(order: Order, report: VenueReport) -> None:
    order.connection_id = report.connection_id
    if report.venue_order_id:
        order.venue_order_id = report.venue_order_id


def _not_applied(order: Order, report: VenueReport, sequence: int, at_ns: int) -> Ignored:
    """What becomes of a trade needs the trades of the order: `adjusting.adjust`."""
    raise ValueError(f"{report.type.name} of {order.terms.order_id} says no trade, at {sequence}, {at_ns}")


def fill_of(event: OrderEvent) -> tuple[Decimal, Decimal]:
    """Returns price and quantity of a fill."""
    report = event.report
    if report is None or report.last_price is None or report.last_quantity is None:
        raise ValueError("not a fill")
    return report.last_price, report.last_quantity


CHANGING = (OrderStatus.PENDING_CANCEL, OrderStatus.PENDING_REPLACE)
"""States of an order while a change that was asked for is on its way."""

_APPLIERS = (
    _accepted,
    _accepted,
    _traded,
    _canceled,
    _change_rejected,
    _rejected,
    _expired,
    _replaced,
    _triggered,
    _not_applied,
    _not_applied,
    _restated,
)
"""By number of the report's type; there is no type 0."""
