"""How a venue's report changes an order, and what becomes of one that its venue has lost."""

from __future__ import annotations

from services.kernel.decimals import ZERO
from services.order.domain.ignored import Ignored
from services.order.domain.order import Order
from services.order.domain.order_event import OrderEvent
from services.order.domain.replacing import ReplaceStatus, released, with_terms
from services.order.domain.values import CHANGING, ON_REQUEST, ExecutionType, OrderStatus, RestatementReason
from services.order.domain.venue import VenueReport


def apply(order: Order, report: VenueReport, sequence: int, at_ns: int) -> OrderEvent | Ignored:
    """Returns what a venue's report makes of an order.

    Args:
        order: The order as it stands.
        report: The report.
        sequence: What the event will have in the log, if there is one.
        at_ns: Time of the event.
    """
    return _APPLIERS[report.type](order, report, sequence, at_ns)


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
    after.reason = after.text = ""
    return OrderEvent(ExecutionType.CANCEL_REJECTED, after, report, report.reason, report.text)


def _replace_rejected(order: Order, report: VenueReport, sequence: int, at_ns: int) -> OrderEvent:
    after = order.successor(_status_after_replace(order, order.status), live=True, sequence=sequence, at_ns=at_ns)
    if order.replacing is not None:
        after.replace = order.replacing.decided(ReplaceStatus.REJECTED)
    # The log has one reason for each entry, and this one's is why the replace was refused.
    after.reason = after.text = ""
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
    # All that a venue knows of is our request.
    kept = order.reason and report.reason in ("", ON_REQUEST)
    reason, text = (order.reason, order.text) if kept else (report.reason, report.text)
    return _end(order, status, type_, report, sequence, at_ns, reason=reason, text=text)


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
