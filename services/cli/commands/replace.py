"""`ordermesh replace`: gives an order other terms and says what became of it."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from ordermesh.order.v1 import order_entry_pb2, order_pb2, order_query_pb2, order_replace_pb2
from services.cli import options, output, terms
from services.cli.address import Where
from services.cli.commands.place import Wait, sentence
from services.cli.failure import ExitCode
from services.cli.mesh import Mesh, run
from services.kernel.identifiers import UuidV7

_FIRST_PAUSE_SECONDS = 0.01
_LONGEST_PAUSE_SECONDS = 0.2
_PENDING = order_replace_pb2.REPLACE_STATUS_PENDING

Quantity = Annotated[
    str, typer.Option("--quantity", metavar="QUANTITY", help="New quantity of the whole order, fills included.")
]
ReplaceId = Annotated[
    str, typer.Option("--replace-id", metavar="ID", help="Your id: the same again never replaces twice.")
]
Version = Annotated[
    int, typer.Option("--version", min=0, metavar="N", help="Only if the order is still at this version.")
]


def replace(  # noqa: PLR0917 - each is a word of the command line
    order_id: Annotated[str, typer.Argument(metavar="ORDER_ID", help="The order.")],
    price: Annotated[str, typer.Option("--price", metavar="PRICE", help="New limit price.")] = "",
    stop: Annotated[str, typer.Option("--stop", metavar="PRICE", help="New stop price, while it waits.")] = "",
    trail: Annotated[str, typer.Option("--trail", metavar="DISTANCE", help="New distance, while it waits.")] = "",
    quantity: Quantity = "",
    until: Annotated[str, typer.Option("--until", metavar="TIME", help="New expiry of an order that has one.")] = "",
    replace_id: ReplaceId = "",
    version: Version = 0,
    wait: Wait = 3.0,
    json: options.Json = False,
    address: options.Address = "",
    ca: options.Ca = None,
) -> None:
    """Gives an order another price, stop price, distance, quantity or expiry, and says what became of it."""
    if not (price or quantity or stop or trail or until):
        raise typer.BadParameter("give --price, --quantity, --stop, --trail or --until")
    request = order_entry_pb2.ReplaceOrderRequest(
        order_id=order_id,
        replace_id=replace_id or UuidV7().new_id(),
        quantity=quantity,
        limit_price=price,
        stop_price=stop,
        trailing_stop=terms.trailing_of(trail),
        expire_at=terms.time_of(until),
        expected_version=version,
    )
    run(Where(address, ca), lambda mesh: _replace(mesh, request, wait, as_json=json))


async def _replace(
    mesh: Mesh, request: order_entry_pb2.ReplaceOrderRequest, wait_seconds: float, *, as_json: bool
) -> int:
    """Replaces an order, waits for the venue's answer, and shows the order as it stands then.

    Returns:
        REFUSED, when the venue refused the replace, or the order ended before it.
    """
    order = (await mesh.orders.ReplaceOrder(request)).order
    order = await _decided(mesh, order, wait_seconds)
    if as_json:
        output.print_json(order)
    else:
        output.console().print(sentence(order))
    ours = order.replace.replace_id == request.replace_id
    refused = ours and order.replace.replace_status == order_replace_pb2.REPLACE_STATUS_REJECTED
    if refused and not as_json:
        output.say("the order was not replaced; its history says why")
    return ExitCode.REFUSED if refused else ExitCode.DONE


async def _decided(mesh: Mesh, order: order_pb2.Order, seconds: float) -> order_pb2.Order:
    """Returns an order once the venue has answered its replace."""
    pause, until = _FIRST_PAUSE_SECONDS, asyncio.get_running_loop().time() + seconds
    while order.replace.replace_status == _PENDING and asyncio.get_running_loop().time() + pause <= until:
        await asyncio.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
        order = (await mesh.orders.GetOrder(order_query_pb2.GetOrderRequest(order_id=order.order_id))).order
    return order
