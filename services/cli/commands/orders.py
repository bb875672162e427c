"""`ordermesh orders`, `trades` and `cancel`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.markup import escape

from ordermesh.order.v1 import order_entry_pb2, order_pb2, order_query_pb2
from ordermesh.type.v1 import error_pb2, trading_pb2
from services.cli import options, output, terms
from services.cli.address import Where
from services.cli.commands.place import sentence
from services.cli.failure import ExitCode
from services.cli.mesh import Mesh, run
from services.cli.output import Column

_ORDER_COLUMNS = (
    Column("order"),
    Column("time"),
    Column("instrument"),
    Column("side"),
    Column("quantity", number=True),
    Column("limit", number=True),
    Column("stop", number=True),
    Column("tif"),
    Column("terms"),
    Column("filled", number=True),
    Column("average", number=True),
    Column("status"),
    Column("reason"),
)
_TRADE_COLUMNS = (
    Column("time"),
    Column("instrument"),
    Column("side"),
    Column("quantity", number=True),
    Column("price", number=True),
    Column("fee", number=True),
    Column("adjusted"),
    Column("execution"),
    Column("order"),
)


def orders(
    everything: Annotated[bool, typer.Option("--all/--live", help="Also those that have ended.")] = False,
    account: options.Account = options.DEMO,
    instrument: options.InstrumentFilter = "",
    most: options.Most = 50,
    *,
    json: options.Json = False,
    address: options.Address = "",
    ca: options.Ca = None,
) -> None:
    """Lists orders, newest first: the live ones, or all."""
    request = order_query_pb2.ListOrdersRequest(
        account_id=account,
        instrument=instrument.upper(),
        status=() if everything else terms.LIVE_STATUSES,
        page_size=most,
    )
    run(Where(address, ca), lambda mesh: _list_orders(mesh, request, as_json=json))


def trades(
    account: options.Account = options.DEMO,
    instrument: options.InstrumentFilter = "",
    most: options.Most = 50,
    json: options.Json = False,
    address: options.Address = "",
    ca: options.Ca = None,
) -> None:
    """Lists the account's fills, newest first."""
    request = order_query_pb2.ListTradesRequest(account_id=account, instrument=instrument.upper(), page_size=most)
    run(Where(address, ca), lambda mesh: _list_trades(mesh, request, as_json=json))


def cancel(  # noqa: PLR0917 - each is a word of the command line
    order_id: Annotated[str, typer.Argument(metavar="[ORDER_ID]", help="The order; or --all.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Every live order of the account.")] = False,
    account: options.Account = options.DEMO,
    instrument: options.InstrumentFilter = "",
    order_list: Annotated[str, typer.Option("--list", metavar="ID", help="With --all: only those of a list.")] = "",
    strategy: Annotated[str, typer.Option("--strategy", metavar="NAME", help="With --all: only a strategy's.")] = "",
    json: options.Json = False,
    address: options.Address = "",
    ca: options.Ca = None,
) -> None:
    """Asks for the cancel of an order, or of every live one of the account."""
    if bool(order_id) == everything:
        raise typer.BadParameter("give the ORDER_ID of one order, or --all")
    if everything:
        request = order_entry_pb2.CancelAllOrdersRequest(
            account_id=account, instrument=instrument.upper(), order_list_id=order_list, strategy_id=strategy
        )
        run(Where(address, ca), lambda mesh: _cancel_all(mesh, request, as_json=json))
    run(Where(address, ca), lambda mesh: _cancel(mesh, order_id, as_json=json))


async def _list_orders(mesh: Mesh, request: order_query_pb2.ListOrdersRequest, *, as_json: bool) -> int:
    answer = await mesh.orders.ListOrders(request)
    if as_json:
        output.print_json(answer)
        return ExitCode.DONE
    kind = "live orders" if request.status else "orders"
    output.show(
        _ORDER_COLUMNS,
        [_order_row(order) for order in answer.orders],
        f"no {kind} of {request.account_id or 'any account'}",
    )
    if answer.next_page_token:
        output.say(f"the newest {len(answer.orders)} {kind}; --most shows more")
    return ExitCode.DONE


async def _list_trades(mesh: Mesh, request: order_query_pb2.ListTradesRequest, *, as_json: bool) -> int:
    answer = await mesh.orders.ListTrades(request)
    if as_json:
        output.print_json(answer)
        return ExitCode.DONE
    output.show(
        _TRADE_COLUMNS,
        [_trade_row(trade) for trade in answer.trades],
        f"no trades of {request.account_id or 'any account'}",
    )
    if answer.next_page_token:
        output.say(f"the newest {len(answer.trades)} trades; --most shows more")
    return ExitCode.DONE


async def _cancel(mesh: Mesh, order_id: str, *, as_json: bool) -> int:
    answer = await mesh.orders.CancelOrder(order_entry_pb2.CancelOrderRequest(order_id=order_id))
    if as_json:
        output.print_json(answer.order)
    else:
        output.console().print(sentence(answer.order))
    return ExitCode.DONE


async def _cancel_all(mesh: Mesh, request: order_entry_pb2.CancelAllOrdersRequest, *, as_json: bool) -> int:
    answer = await mesh.orders.CancelAllOrders(request)
    if as_json:
        output.print_json(answer)
    else:
        orders = "order" if answer.count == 1 else "orders"
        output.console().print(f"cancel of {answer.count} {orders} asked for")
    return ExitCode.DONE


def _order_row(order: order_pb2.Order) -> Sequence[str]:
    reason = error_pb2.ErrorReason.Name(order.reason).removeprefix("ERROR_REASON_") if order.reason else ""
    return (
        order.order_id,
        output.local_time(order.created_at),
        escape(order.instrument),
        output.side(trading_pb2.Side.Name(order.side)),
        order.quantity,
        order.limit_price or "market",
        order.stop_price,
        output.word(trading_pb2.TimeInForce.Name(order.time_in_force), "TIME_IN_FORCE_"),
        terms.instructions_in_words(order),
        order.cumulative_quantity,
        order.average_price,
        output.word(order_pb2.OrderStatus.Name(order.order_status), "ORDER_STATUS_"),
        escape(reason),
    )


def _trade_row(trade: order_pb2.Trade) -> Sequence[str]:
    return (
        output.local_time(trade.executed_at),
        escape(trade.instrument),
        output.side(trading_pb2.Side.Name(trade.side)),
        trade.quantity,
        trade.price,
        trade.fee,
        output.word(order_pb2.TradeAdjustmentType.Name(trade.adjustment_type), "TRADE_ADJUSTMENT_TYPE_")
        if trade.adjustment_type
        else "",
        escape(trade.venue_execution_id),
        trade.order_id,
    )
