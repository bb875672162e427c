"""`ordermesh bracket buy|sell`: an entry with a take-profit and a stop-loss that wait for it."""

from __future__ import annotations

from typing import Annotated

import typer

from ordermesh.order.v1 import order_entry_pb2, order_list_pb2
from ordermesh.type.v1 import trading_pb2
from services.cli import options, output, terms
from services.cli.address import Where
from services.cli.commands.place import Side, sentence
from services.cli.failure import ExitCode
from services.cli.mesh import Mesh, run
from services.kernel.identifiers import UuidV7

_OTHER_SIDE = {Side.BUY: Side.SELL, Side.SELL: Side.BUY}


def bracket(  # noqa: PLR0917 - each is a word of the command line
    side: Annotated[Side, typer.Argument(help="Which side the entry is on.")],
    instrument: Annotated[str, typer.Argument(metavar="INSTRUMENT", help="Such as AAPL.XNAS.")],
    quantity: Annotated[str, typer.Argument(metavar="QUANTITY", help="A decimal, a multiple of the instrument's lot.")],
    take_profit: Annotated[str, typer.Option("--take-profit", metavar="PRICE", help="Limit price of the way out.")],
    stop_loss: Annotated[str, typer.Option("--stop-loss", metavar="PRICE", help="Price that ends it at a loss.")],
    limit: Annotated[
        str, typer.Option("--limit", metavar="PRICE", help="Worst price to enter at; without it, a market order.")
    ] = "",
    account: options.Account = options.DEMO,
    client_order_list_id: Annotated[
        str, typer.Option("--client-order-list-id", metavar="ID", help="Your id: the same again never orders twice.")
    ] = "",
    json: options.Json = False,
    address: options.Address = "",
    ca: options.Ca = None,
) -> None:
    """Places an entry with a take-profit and a stop-loss: what the one fills is taken from the other."""
    list_id = client_order_list_id or UuidV7().new_id()

    def order(name: str, of_side: Side, limit_price: str, stop_price: str) -> order_entry_pb2.PlaceOrderRequest:
        at_once = name == "entry" and not limit_price
        return order_entry_pb2.PlaceOrderRequest(
            client_order_id=f"{list_id}-{name}",
            account_id=account,
            instrument=instrument.upper(),
            side=trading_pb2.Side.Value(f"SIDE_{of_side.upper()}"),
            type=terms.type_of(limit_price, stop_price),
            time_in_force=trading_pb2.TIME_IN_FORCE_IOC if at_once else trading_pb2.TIME_IN_FORCE_GTC,
            quantity=quantity,
            limit_price=limit_price,
            stop_price=stop_price,
        )

    other = _OTHER_SIDE[side]
    request = order_list_pb2.PlaceOrderListRequest(
        client_order_list_id=list_id,
        contingency_type=order_list_pb2.CONTINGENCY_TYPE_BRACKET,
        orders=[
            order("entry", side, limit, ""),
            order("profit", other, take_profit, ""),
            order("loss", other, "", stop_loss),
        ],
    )
    run(Where(address, ca), lambda mesh: _place(mesh, request, as_json=json))


async def _place(mesh: Mesh, request: order_list_pb2.PlaceOrderListRequest, *, as_json: bool) -> int:
    placed = (await mesh.orders.PlaceOrderList(request)).order_list
    if as_json:
        output.print_json(placed)
        return ExitCode.DONE
    for order in placed.orders:
        output.console().print(sentence(order))
    output.say(f"list {placed.order_list_id}: ordermesh cancel --all --list {placed.order_list_id} ends it")
    return ExitCode.DONE
