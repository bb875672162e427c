"""Instructions between the contract's messages, which all name them alike, and the domain's values."""

from __future__ import annotations

from decimal import Decimal

from google.protobuf.timestamp_pb2 import Timestamp

from ordermesh.broker.v1.venue_instructions_pb2 import VenueInstructions
from ordermesh.order.v1.execution_report_pb2 import ExecutionReport
from ordermesh.order.v1.order_pb2 import Order, OrderListRole
from services.kernel.decimals import format_decimal
from services.order.domain.instructions import Instructions
from services.order.domain.links import Links, ListRole
from services.order.wire_algorithms import algorithm_message, algorithm_of
from services.order.wire_trailing import trailing_message, trailing_of

_BILLION = 1_000_000_000


def add_instructions(message: Order | ExecutionReport, instructions: Instructions) -> None:
    """Writes instructions into a message of their order."""
    _add_terms(message, instructions)
    if instructions.triggered:
        message.triggered = True
    if instructions.trailing is not None:
        message.trailing_stop.CopyFrom(trailing_message(instructions.trailing))
    if instructions.reduce_only:
        message.reduce_only = True
    if instructions.links is not None:
        _add_links(message, instructions.links)
    if instructions.algorithm is not None:
        message.algorithm.CopyFrom(algorithm_message(instructions.algorithm))


def venue_instructions(instructions: Instructions) -> VenueInstructions:
    """Returns what a venue is told of instructions."""
    message = VenueInstructions()
    _add_terms(message, instructions)
    return message


def instructions_of(message: Order | ExecutionReport) -> Instructions | None:
    """Returns the instructions of an order that was written; None when it has none."""
    dated = message.HasField("expire_at")
    trails = message.HasField("trailing_stop")
    links = _links_of(message)
    algorithm = algorithm_of(message.algorithm) if message.HasField("algorithm") else None
    if not (
        message.stop_price
        or dated
        or trails
        or message.post_only
        or message.display_quantity
        or message.reduce_only
        or links is not None
        or algorithm is not None
    ):
        return None
    return Instructions(
        stop_price=Decimal(message.stop_price) if message.stop_price else None,
        expire_at_ns=message.expire_at.seconds * _BILLION + message.expire_at.nanos if dated else None,
        post_only=message.post_only,
        display_quantity=Decimal(message.display_quantity) if message.display_quantity else None,
        triggered=message.triggered,
        reduce_only=message.reduce_only,
        links=links,
        trailing=trailing_of(message.trailing_stop) if trails else None,
        works_through_children=algorithm is not None,
        algorithm=algorithm,
    )


def _add_links(message: Order | ExecutionReport, links: Links) -> None:
    message.parent_order_id = links.parent_order_id
    message.order_list_id = links.order_list_id
    message.strategy_id = links.strategy_id
    if links.role is not None:
        message.list_role = OrderListRole.ValueType(links.role)
    if links.ordered is not None:
        message.ordered_quantity = format_decimal(links.ordered)


def _links_of(message: Order | ExecutionReport) -> Links | None:
    if not (message.parent_order_id or message.order_list_id or message.strategy_id):
        return None
    return Links(
        message.order_list_id,
        ListRole(message.list_role) if message.list_role else None,
        message.parent_order_id,
        message.strategy_id,
        Decimal(message.ordered_quantity) if message.ordered_quantity else None,
    )


def _add_terms(message: Order | ExecutionReport | VenueInstructions, instructions: Instructions) -> None:
    if instructions.stop_price is not None:
        message.stop_price = format_decimal(instructions.stop_price)
    if (expire_at_ns := instructions.expire_at_ns) is not None:
        seconds, nanos = divmod(expire_at_ns, _BILLION)
        message.expire_at.CopyFrom(Timestamp(seconds=seconds, nanos=nanos))
    if instructions.post_only:
        message.post_only = True
    if instructions.display_quantity is not None:
        message.display_quantity = format_decimal(instructions.display_quantity)
