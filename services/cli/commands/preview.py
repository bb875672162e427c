"""`ordermesh order ... --preview`: what would become of an order, in a few lines."""

from __future__ import annotations

from collections.abc import Iterator

from google.rpc.status_pb2 import Status
from rich.markup import escape

from ordermesh.broker.v1 import broker_connection_pb2
from ordermesh.order.v1 import order_entry_pb2, order_preview_pb2, smart_routing_pb2
from ordermesh.type.v1 import error_pb2, trading_pb2
from services.cli import output
from services.cli.failure import ExitCode
from services.cli.mesh import Mesh
from services.mesh.status import from_status

_MOST_SLICES = 24


async def preview(mesh: Mesh, request: order_entry_pb2.PlaceOrderRequest, *, as_json: bool) -> int:
    """Shows what would become of an order.

    Returns:
        REFUSED, when it would be refused.
    """
    answer = await mesh.orders.PreviewOrder(order_preview_pb2.PreviewOrderRequest(order=request))
    if as_json:
        output.print_json(answer)
    else:
        for line in lines(request, answer):
            output.console().print(line)
    return ExitCode.REFUSED if answer.result.HasField("error") else ExitCode.DONE


def lines(request: order_entry_pb2.PlaceOrderRequest, answer: order_preview_pb2.PreviewOrderResponse) -> Iterator[str]:
    """Returns a preview in lines, with markup: outcome, risk, cost, route."""
    what = f"{output.side(trading_pb2.Side.Name(request.side))} {escape(request.quantity)} {escape(request.instrument)}"
    if answer.result.HasField("error"):
        yield f"[bold red]would be refused[/]: {what}: {_why(answer.result.error)}"
    elif answer.result.order.order_id:
        yield f"[bold]was placed before[/]: {what}  [dim]{answer.result.order.order_id}[/]"
    else:
        yield f"[bold green]would be accepted[/]: {what}"
    yield f"risk   {_risk(answer)}"
    yield from _cost(answer)
    yield f"route  {_route(answer)}"
    yield from _schedule(answer)


def _why(status: Status) -> str:
    error = from_status(status)
    return escape(f"{error.reason}: {error.message}")


def _risk(answer: order_preview_pb2.PreviewOrderResponse) -> str:
    if answer.HasField("risk_unavailable"):
        return f"[dim]{_why(answer.risk_unavailable)}[/]"
    decision = answer.risk_decision
    if decision.accepted:
        return "accepts"
    reason = error_pb2.ErrorReason.Name(decision.reason).removeprefix("ERROR_REASON_")
    return f"[red]refuses[/]: {escape(f'{reason}: {decision.text}')}"


def _cost(answer: order_preview_pb2.PreviewOrderResponse) -> Iterator[str]:
    if answer.HasField("cost_unavailable"):
        yield f"cost   [dim]{_why(answer.cost_unavailable)}[/]"
        return
    cost = answer.cost_estimate
    left = "" if cost.remaining_quantity == "0" else f"; {cost.remaining_quantity} {_left(cost)}"
    if not cost.average_price:
        yield f"cost   nothing fills at once{left}"
        return
    yield f"cost   {cost.fill_quantity} at {cost.average_price} on average, {cost.worst_price} at worst{left}"
    net = f", fee {cost.fee}, net {cost.net_amount}" if cost.fee else ""
    yield f"       value {cost.notional} {escape(cost.currency)}{net}"
    if cost.mid_price:
        yield f"       against the middle {cost.mid_price}: spread {cost.spread_cost}, slippage {cost.slippage}"
    if cost.own_opposite_quantity != "0":
        yield f"       [yellow]{cost.own_opposite_quantity} of it would meet the account's own orders[/]"


def _schedule(answer: order_preview_pb2.PreviewOrderResponse) -> Iterator[str]:
    if answer.HasField("schedule_unavailable"):
        yield f"slices [dim]{_why(answer.schedule_unavailable)}[/]"
    if not answer.HasField("algorithm_schedule"):
        return
    schedule = answer.algorithm_schedule
    for index, each in enumerate(schedule.slices):
        if index == _MOST_SLICES:
            yield f"       and {len(schedule.slices) - index} more"
            break
        yield f"{'slices' if not index else '      '} {output.local_time(each.time)}: {each.quantity}"
    yield from map(_route_planned, schedule.plan.routing.routes)
    if schedule.plan.basis:
        yield f"       by {escape(schedule.plan.basis)}"
    if schedule.expected_cost:
        yield f"       expected cost {schedule.expected_cost}, give or take {schedule.cost_deviation}"


def _route_planned(route: smart_routing_pb2.PlannedRoute) -> str:
    what = f"{escape(route.instrument)} over {escape(route.connection_id)}: {route.quantity} up to {route.limit_price}"
    return f"routed {what}, " + ("rests" if route.rests else f"expected cost {route.expected_cost}")


def _left(cost: order_preview_pb2.CostEstimate) -> str:
    return "would rest" if cost.remaining_rests else "would be canceled"


def _route(answer: order_preview_pb2.PreviewOrderResponse) -> str:
    if answer.HasField("route_unavailable"):
        return f"[dim]{_why(answer.route_unavailable)}[/]"
    route = answer.route
    state = output.word(broker_connection_pb2.ConnectionState.Name(route.state), "CONNECTION_STATE_")
    why = f" ({escape(route.state_text)})" if route.state_text else ""
    unsupported = "" if route.supported else ", which does not take such orders"
    return f"{escape(route.connection_id)}, {state}{why}{unsupported}"
