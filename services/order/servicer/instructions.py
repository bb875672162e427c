"""What requests ask for beyond price and quantity."""

from __future__ import annotations

from decimal import Decimal

from ordermesh.order.v1.order_entry_pb2 import PlaceOrderRequest
from ordermesh.order.v1.trailing_stop_pb2 import TrailingStop as TrailingStopMessage
from services.kernel.errors import invalid_field
from services.order.domain.instructions import Instructions
from services.order.domain.links import Links
from services.order.domain.trailing import TrailingStop
from services.order.servicer.algorithms import algorithm_of_request
from services.order.servicer.numbers import nanoseconds_of, number

_HUNDRED = Decimal(100)


def asks_more(request: PlaceOrderRequest) -> bool:
    """Tells whether a request asks for anything beyond price and quantity."""
    return bool(
        request.stop_price
        or request.post_only
        or request.display_quantity
        or request.reduce_only
        or request.strategy_id
        or request.HasField("expire_at")
        or request.HasField("trailing_stop")
        or request.HasField("algorithm")
    )


def instructions_of_request(request: PlaceOrderRequest) -> Instructions:
    """Returns what a request asks for beyond price and quantity.

    Raises:
        CodedError: INVALID_FIELD.
    """
    stop_price, display_quantity = request.stop_price, request.display_quantity
    algorithm = algorithm_of_request(request.algorithm) if request.HasField("algorithm") else None
    return Instructions(
        stop_price=number(stop_price, "stop_price") if stop_price else None,
        expire_at_ns=nanoseconds_of(request.expire_at) if request.HasField("expire_at") else None,
        post_only=request.post_only,
        display_quantity=number(display_quantity, "display_quantity") if display_quantity else None,
        reduce_only=request.reduce_only,
        links=Links(strategy_id=request.strategy_id) if request.strategy_id else None,
        trailing=trailing_of_request(request.trailing_stop) if request.HasField("trailing_stop") else None,
        works_through_children=algorithm is not None,
        algorithm=algorithm,
    )


def trailing_of_request(told: TrailingStopMessage) -> TrailingStop:
    """Returns the distance that a request asks for.

    Raises:
        CodedError: INVALID_FIELD; also when it says what only answers tell.
    """
    if told.reference_price or told.HasField("as_of"):
        field = "trailing_stop.reference_price" if told.reference_price else "trailing_stop.as_of"
        raise invalid_field(field, "is told by the service and cannot be given")
    if told.HasField("ticks"):
        return TrailingStop(ticks=told.ticks)
    if told.HasField("percent"):
        percent = number(told.percent, "trailing_stop.percent")
        if percent >= _HUNDRED:
            raise invalid_field("trailing_stop.percent", "must be less than 100")
        return TrailingStop(percent=percent)
    return TrailingStop(amount=number(told.amount, "trailing_stop.amount"))
