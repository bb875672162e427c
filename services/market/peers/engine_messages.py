"""Orders and executions of the simulated market as messages of the engine."""

from __future__ import annotations

from ordermesh.engine.v1 import execution_pb2, order_pb2
from services.market.orders import Execution, ExecutionKind, NewOrder, Side

_SIDES = {Side.BUY: order_pb2.SIDE_BUY, Side.SELL: order_pb2.SIDE_SELL}

_KINDS = {
    execution_pb2.EXECUTION_TYPE_NEW: ExecutionKind.ACCEPTED,
    execution_pb2.EXECUTION_TYPE_TRADE: ExecutionKind.TRADE,
    execution_pb2.EXECUTION_TYPE_CANCELED: ExecutionKind.ENDED,
    execution_pb2.EXECUTION_TYPE_EXPIRED: ExecutionKind.ENDED,
    execution_pb2.EXECUTION_TYPE_REPLACED: ExecutionKind.CHANGED,
    execution_pb2.EXECUTION_TYPE_REDUCED: ExecutionKind.CHANGED,
    execution_pb2.EXECUTION_TYPE_REJECTED: ExecutionKind.REJECTED,
    execution_pb2.EXECUTION_TYPE_CANCEL_REJECTED: ExecutionKind.CANCEL_REJECTED,
    execution_pb2.EXECUTION_TYPE_MASS_CANCELED: ExecutionKind.CANCELED_ALL,
}


def new_order_message(action: NewOrder) -> order_pb2.NewOrder:
    """Returns a limit order for the engine."""
    return order_pb2.NewOrder(
        order_id=action.order_id,
        instrument_id=action.instrument_id,
        side=_SIDES[action.side],
        order_type=order_pb2.ORDER_TYPE_LIMIT,
        time_in_force=(
            order_pb2.TIME_IN_FORCE_IMMEDIATE_OR_CANCEL
            if action.immediate
            else order_pb2.TIME_IN_FORCE_GOOD_TILL_CANCEL
        ),
        price_ticks=action.price_ticks,
        quantity_lots=action.quantity_lots,
        self_trade_prevention=(
            order_pb2.SELF_TRADE_PREVENTION_CANCEL_OLDEST if action.group else order_pb2.SELF_TRADE_PREVENTION_NONE
        ),
        self_trade_group=action.group,
    )


def execution_of(message: execution_pb2.Execution) -> Execution:
    """Returns what the engine says of an order."""
    return Execution(
        kind=_KINDS[message.execution_type],
        order_id=message.order_id,
        instrument_id=message.instrument_id,
        price_ticks=message.last_price_ticks,
        quantity_lots=message.last_quantity_lots,
        leaves_lots=message.leaves_quantity_lots,
        trade_id=message.trade_id,
        maker=message.liquidity == execution_pb2.LIQUIDITY_MAKER,
        command_sequence=message.command_sequence,
        reason=execution_pb2.ExecutionReason.Name(message.reason).removeprefix("EXECUTION_REASON_"),
    )
