"""Requests into terms and filters, outcomes into answers and errors."""

from __future__ import annotations

from ordermesh.order.v1 import order_entry_pb2, order_query_pb2
from services.kernel.errors import CodedError, invalid_field, precondition
from services.mesh.status import to_status
from services.mesh.times import span
from services.order.domain.order import Order
from services.order.domain.replacing import ReplaceRequest
from services.order.domain.terms import OrderTerms
from services.order.pipeline.ports import Decision
from services.order.pipeline.queries import FillFilter, OrderFilter
from services.order.pipeline.tickets import Outcome
from services.order.pipeline.work import CancelFilter
from services.order.servicer.instructions import asks_more, instructions_of_request, trailing_of_request
from services.order.servicer.numbers import nanoseconds_of, number
from services.order.wire import (
    ORDER_TYPES,
    SIDES,
    STATUSES,
    TIMES_IN_FORCE,
    breach_message,
    order_message,
)

DEFAULT_PAGE_SIZE = 100


def terms_of(request: order_entry_pb2.PlaceOrderRequest, order_id: str, received_at_ns: int) -> OrderTerms:
    """Returns what a request orders.

    Raises:
        CodedError: INVALID_FIELD.
    """
    side, type_, time_in_force = SIDES[request.side], ORDER_TYPES[request.type], TIMES_IN_FORCE[request.time_in_force]
    if side is None or type_ is None or time_in_force is None:
        raise invalid_field("side, type, time_in_force", "must be given")
    return OrderTerms(
        order_id=order_id,
        client_order_id=request.client_order_id,
        account_id=request.account_id,
        instrument=request.instrument,
        side=side,
        type=type_,
        time_in_force=time_in_force,
        quantity=number(request.quantity, "quantity"),
        limit_price=number(request.limit_price, "limit_price") if request.limit_price else None,
        connection_id=request.connection_id,
        received_at_ns=received_at_ns,
        instructions=instructions_of_request(request) if asks_more(request) else None,
    )


def replace_request(request: order_entry_pb2.ReplaceOrderRequest) -> ReplaceRequest:
    """Returns what a request asks of an order.

    Raises:
        CodedError: INVALID_FIELD, when it asks for nothing.
    """
    dated, trails = request.HasField("expire_at"), request.HasField("trailing_stop")
    if not (request.quantity or request.limit_price or request.stop_price or dated or trails):
        raise invalid_field("quantity", "quantity, limit_price, stop_price, expire_at or trailing_stop must be given")
    return ReplaceRequest(
        request.order_id.lower(),
        request.replace_id,
        number(request.quantity, "quantity") if request.quantity else None,
        number(request.limit_price, "limit_price") if request.limit_price else None,
        request.expected_version,
        number(request.stop_price, "stop_price") if request.stop_price else None,
        nanoseconds_of(request.expire_at) if dated else None,
        trailing_of_request(request.trailing_stop) if trails else None,
    )


def refused_by_risk(decision: Decision, **metadata: str) -> CodedError:
    """Returns the error for what risk refuses and what is not stored."""
    details = () if decision.breach is None else (breach_message(decision.breach),)
    return precondition(decision.reason, decision.text, *details, **metadata)


def placed(outcome: Outcome) -> order_entry_pb2.PlaceOrderResponse:
    """Returns the answer to one order.

    Raises:
        CodedError: The order was refused.
    """
    if isinstance(outcome, CodedError):
        raise outcome
    if outcome.refused_at_entry:
        raise refusal(outcome)
    return order_entry_pb2.PlaceOrderResponse(order=order_message(outcome))


def result(outcome: Outcome) -> order_entry_pb2.PlaceOrderResult:
    """Returns the answer to one order of a batch."""
    if isinstance(outcome, CodedError):
        return order_entry_pb2.PlaceOrderResult(error=to_status(outcome))
    if outcome.refused_at_entry:
        return order_entry_pb2.PlaceOrderResult(error=to_status(refusal(outcome)))
    return order_entry_pb2.PlaceOrderResult(order=order_message(outcome))


def refusal(order: Order) -> CodedError:
    """Returns the error for an order that risk refused: the same each time it is asked about."""
    details = () if order.breach is None else (breach_message(order.breach),)
    return precondition(order.reason, order.text, *details, order_id=order.terms.order_id)


def order_filter(request: order_query_pb2.ListOrdersRequest) -> OrderFilter:
    """Returns which orders a request wants.

    Raises:
        CodedError: INVALID_FIELD, when the time ends before it begins.
    """
    begin, end = span(request)
    return OrderFilter(
        account_id=request.account_id,
        instrument=request.instrument,
        statuses=tuple(status for number in request.status if (status := STATUSES[number]) is not None),
        client_order_id=request.client_order_id,
        parent_order_id=request.parent_order_id,
        order_list_id=request.order_list_id,
        strategy_id=request.strategy_id,
        begin=begin,
        end=end,
    )


def cancel_filter(request: order_entry_pb2.CancelAllOrdersRequest) -> CancelFilter:
    """Returns which orders a request wants canceled."""
    return CancelFilter(
        request.account_id,
        request.instrument,
        SIDES[request.side],
        request.order_list_id.lower(),
        request.strategy_id,
    )


def fill_filter(request: order_query_pb2.ListTradesRequest) -> FillFilter:
    """Returns which fills a request wants.

    Raises:
        CodedError: INVALID_FIELD, when the time ends before it begins.
    """
    begin, end = span(request)
    return FillFilter(request.account_id, request.instrument, request.order_id, begin, end)


def page_size(asked: int) -> int:
    """Returns how many entries a page has."""
    return asked or DEFAULT_PAGE_SIZE
