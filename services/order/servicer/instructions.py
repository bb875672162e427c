"""What requests ask for beyond price and quantity."""

from __future__ import annotations

from ordermesh.order.v1.order_entry_pb2 import PlaceOrderRequest
from services.order.domain.instructions import Instructions
from services.order.domain.links import Links
from services.order.servicer.algorithms import algorithm_of_request
from services.order.servicer.numbers import nanoseconds_of, number


def instructions_of_request(request: PlaceOrderRequest) -> Instructions:
    """Returns what a request asks for beyond price and quantity.

    Raises:
        CodedError: INVALID_FIELD.
    """
    stop_price, display_quantity = request.stop_price, request.display_quantity
    algorithm = algorithm_of_request(request.algorithm) if request.HasField("algorithm") else None
    return Instructions(
        stop_price=number(stop_price, "stop_price") if stop_price else None,
        expire_at_ns=nanoseconds_of(request.expire_at, "expire_at") if request.HasField("expire_at") else None,
        post_only=request.post_only,
        display_quantity=number(display_quantity, "display_quantity") if display_quantity else None,
        links=Links(strategy_id=request.strategy_id) if request.strategy_id else None,
        works_through_children=algorithm is not None,
        algorithm=algorithm,
    )
