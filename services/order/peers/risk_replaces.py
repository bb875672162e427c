"""What risk is told of replaces: new terms beside those that an order has."""

from __future__ import annotations

from ordermesh.risk.v1.reservation_service_pb2 import ReplaceReservation, Reservation
from services.kernel.decimals import ZERO, format_decimal
from services.order.domain.order import Order
from services.order.domain.replacing import with_terms
from services.order.domain.terms import OrderTerms
from services.order.wire import decimal_text


def with_new_terms(reservation: Reservation, order: Order, terms: OrderTerms) -> Reservation:
    """Adds new terms to what an open order reserves, and returns it."""
    leaves = max(terms.quantity - order.cumulative, ZERO)
    replace = ReplaceReservation(
        quantity=format_decimal(leaves),
        order_quantity=format_decimal(terms.quantity),
        limit_price=decimal_text(terms.limit_price),
    )
    if terms.instructions is not None and terms.instructions.waits:
        replace.stop_price = decimal_text(terms.instructions.stop_price)
    reservation.replace.CopyFrom(replace)
    return reservation


def terms_on_their_way(order: Order) -> OrderTerms | None:
    """Returns the new terms of an order whose replace is committed and not decided yet; None when there are none."""
    replace = order.replacing
    if replace is None:
        return None
    return with_terms(
        order.terms, replace.new_quantity, replace.new_limit_price, replace.stop_price, replace.expire_at_ns
    )
