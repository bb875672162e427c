"""PreviewOrder."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, TypeVar

from google.rpc.status_pb2 import Status

from ordermesh.broker.v1 import broker_connection_pb2
from ordermesh.order.v1 import algorithm_pb2, order_entry_pb2, order_preview_pb2
from services.kernel.clock import Clock
from services.kernel.decimals import format_decimal
from services.kernel.errors import CodedError
from services.mesh.status import to_status
from services.order.domain.algorithms.planned import Planned
from services.order.domain.preview import Cost
from services.order.domain.values import Side
from services.order.pipeline.ports import Decision
from services.order.pipeline.previewing import Preview, Previewing, Route
from services.order.servicer.messages import result, terms_of
from services.order.wire import breach_message, decimal_text, reason_number, timestamp
from services.order.wire_algorithms import plan_message

T = TypeVar("T")


class PreviewMethods:
    """The method of OrderService that looks at an order before it is placed."""

    _previewing: Previewing
    _clock: Clock

    async def PreviewOrder(
        self, request: order_preview_pb2.PreviewOrderRequest, context: Any
    ) -> order_preview_pb2.PreviewOrderResponse:
        """Tells what would become of an order."""
        terms = terms_of(request.order, "", self._clock.now_ns())
        return preview_message(await self._previewing.preview(terms))


def preview_message(preview: Preview) -> order_preview_pb2.PreviewOrderResponse:
    """Returns the answer that tells a preview."""
    risk, risk_unavailable = _split(preview.risk)
    cost, cost_unavailable = _split(preview.cost)
    route, route_unavailable = _split(preview.route)
    schedule, schedule_unavailable = _split(preview.schedule)
    rate = None if route is None else route.fee_rate
    return order_preview_pb2.PreviewOrderResponse(
        result=_result(preview),
        client_order_id_free=preview.free,
        risk_decision=None if risk is None else _risk(*risk),
        risk_unavailable=risk_unavailable,
        cost_estimate=None if cost is None else _cost(cost, preview.terms.side, rate),
        cost_unavailable=cost_unavailable,
        route=None if route is None else _route(route),
        route_unavailable=route_unavailable,
        as_of=preview.as_of,
        algorithm_schedule=None if schedule is None else _schedule(schedule),
        schedule_unavailable=schedule_unavailable,
    )


def _schedule(schedule: Planned) -> algorithm_pb2.SchedulePreview:
    return algorithm_pb2.SchedulePreview(
        slices=(
            algorithm_pb2.PlannedSlice(
                time=timestamp(each.at_ns),
                quantity=format_decimal(each.quantity),
                cumulative_quantity=format_decimal(each.cumulative),
            )
            for each in schedule.slices
        ),
        plan=None if schedule.plan is None else plan_message(schedule.plan),
        expected_cost=decimal_text(schedule.expected_cost),
        cost_deviation=decimal_text(schedule.cost_deviation),
    )


def _split(part: T | CodedError) -> tuple[T | None, Status | None]:
    return (None, to_status(part)) if isinstance(part, CodedError) else (part, None)


def _result(preview: Preview) -> order_entry_pb2.PlaceOrderResult:
    message = result(preview.outcome)
    if message.HasField("order") and not message.order.sequence:
        # It was never committed: it has no times, and has not changed once.
        for name in ("version", "created_at", "updated_at"):
            message.order.ClearField(name)
    return message


def _risk(decision: Decision, as_of: int) -> order_preview_pb2.RiskPreview:
    return order_preview_pb2.RiskPreview(
        accepted=not decision.reason,
        reason=reason_number(decision.reason),
        risk_breach=None if decision.breach is None else breach_message(decision.breach),
        text=decision.text,
        as_of=as_of,
    )


def _cost(cost: Cost, side: Side, rate: Decimal | None) -> order_preview_pb2.CostEstimate:
    depth = cost.depth
    return order_preview_pb2.CostEstimate(
        currency=depth.currency,
        fill_quantity=format_decimal(cost.filled),
        remaining_quantity=format_decimal(cost.remaining),
        remaining_rests=cost.rests,
        average_price=decimal_text(cost.average),
        worst_price=decimal_text(cost.worst),
        notional=format_decimal(cost.notional),
        bid_price=format_decimal(depth.bids[0].price) if depth.bids else "",
        ask_price=format_decimal(depth.asks[0].price) if depth.asks else "",
        mid_price=decimal_text(cost.mid),
        spread_cost=decimal_text(cost.spread_cost),
        slippage=decimal_text(cost.slippage),
        fee_rate=decimal_text(rate),
        fee="" if rate is None else format_decimal(cost.fee(rate)),
        net_amount="" if rate is None else format_decimal(cost.net(side, rate)),
        limit_notional=decimal_text(cost.limit_notional),
        own_opposite_quantity=format_decimal(cost.own_opposite),
        book_sequence=depth.sequence,
        book_epoch=depth.epoch,
        book_time=timestamp(depth.at_ns) if depth.at_ns else None,
    )


def _route(route: Route) -> order_preview_pb2.RoutingPreview:
    return order_preview_pb2.RoutingPreview(
        connection_id=route.connection_id,
        display_name=route.display_name,
        adapter=route.adapter,
        state=broker_connection_pb2.ConnectionState.ValueType(route.state),
        state_text=route.state_text,
        supported=route.supported,
    )
