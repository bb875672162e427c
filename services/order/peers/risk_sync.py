"""What RiskService is told of all orders that are live, in parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Final

from ordermesh.risk.v1.reservation_service_pb2 import Reservation, ReserveRequest
from services.order.domain.order import Order
from services.order.domain.terms import OrderTerms
from services.order.peers.risk_messages import remaining_of, reservation_of
from services.order.peers.risk_replaces import terms_on_their_way, with_new_terms

PER_MESSAGE: Final = 1_000


def sync(
    orders: Sequence[Order], reserved: Sequence[OrderTerms], replacing: Mapping[str, OrderTerms], sequence: int
) -> Iterator[ReserveRequest]:
    """Yields the messages, each made when its turn comes; nobody may change what they are made of meanwhile.

    Args:
        orders: The live orders.
        reserved: Orders that hold a reservation and are on their way to the commit.
        replacing: New terms of live orders that are on their way there, by order.
        sequence: Last sequence of the log that all this reflects.
    """
    held = chain((_held(order, replacing) for order in orders), map(reservation_of, reserved))
    count = len(orders) + len(reserved)
    for first in range(0, max(count, 1), PER_MESSAGE):
        request = ReserveRequest()
        request.sync.reservations.extend(islice(held, PER_MESSAGE))
        request.sync.sequence, request.sync.last = sequence, first + PER_MESSAGE >= count
        yield request


def _held(order: Order, replacing: Mapping[str, OrderTerms]) -> Reservation:
    """Returns what an open order holds: with new terms beside its own, if they are committed or about to be."""
    terms = terms_on_their_way(order) or replacing.get(order.terms.order_id)
    remaining = remaining_of(order)
    return remaining if terms is None else with_new_terms(remaining, order, terms)
