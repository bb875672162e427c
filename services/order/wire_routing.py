"""Smart order routing between the contract's messages and the domain's values."""

from __future__ import annotations

from decimal import Decimal

from ordermesh.order.v1 import smart_routing_pb2
from services.kernel.decimals import format_decimal
from services.order.domain.algorithms.routing_terms import PlannedRoute, RoutingPlan, SmartRouting


def smart_routing_message(strategy: SmartRouting) -> smart_routing_pb2.SmartRouting:
    """Returns the message of what was asked."""
    return smart_routing_pb2.SmartRouting(
        venues=strategy.venues,
        connection_ids=strategy.connection_ids,
        max_venue_quantity=_text(strategy.max_venue_quantity),
        max_rounds=strategy.max_rounds,
    )


def smart_routing_of(message: smart_routing_pb2.SmartRouting) -> SmartRouting:
    """Returns what was asked, as it was written."""
    return SmartRouting(
        tuple(message.venues),
        tuple(message.connection_ids),
        _number(message.max_venue_quantity),
        message.max_rounds,
    )


def routing_message(plan: RoutingPlan) -> smart_routing_pb2.RoutingPlan:
    """Returns the message of a plan."""
    return smart_routing_pb2.RoutingPlan(
        round=plan.round, routes=map(_route_message, plan.routes), unrouted_quantity=format_decimal(plan.unrouted)
    )


def routing_of(message: smart_routing_pb2.RoutingPlan) -> RoutingPlan:
    """Returns the plan that was written."""
    return RoutingPlan(message.round, tuple(map(_route_of, message.routes)), Decimal(message.unrouted_quantity))


def _route_message(route: PlannedRoute) -> smart_routing_pb2.PlannedRoute:
    return smart_routing_pb2.PlannedRoute(
        instrument=route.instrument,
        connection_id=route.connection_id,
        quantity=format_decimal(route.quantity),
        limit_price=format_decimal(route.limit_price),
        rests=route.rests,
        expected_price=_text(route.expected_price),
        expected_cost=_text(route.expected_cost),
        expected_fee=_text(route.expected_fee),
        fill_probability=format_decimal(route.fill_probability),
        latency_seconds=format_decimal(route.latency_seconds),
    )


def _route_of(message: smart_routing_pb2.PlannedRoute) -> PlannedRoute:
    return PlannedRoute(
        message.instrument,
        message.connection_id,
        Decimal(message.quantity),
        Decimal(message.limit_price),
        Decimal(message.fill_probability),
        Decimal(message.latency_seconds),
        rests=message.rests,
        expected_price=_number(message.expected_price),
        expected_cost=_number(message.expected_cost),
        expected_fee=_number(message.expected_fee),
    )


def _text(value: Decimal | None) -> str:
    return "" if value is None else format_decimal(value)


def _number(text: str) -> Decimal | None:
    return Decimal(text) if text else None
