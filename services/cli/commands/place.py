"""`ordermesh order buy|sell`: places an order and says what became of it."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import Annotated

import typer
from rich.markup import escape

from ordermesh.order.v1 import order_entry_pb2, order_pb2, order_query_pb2
from ordermesh.type.v1 import error_pb2, trading_pb2
from services.cli import algorithms, options, output, terms
from services.cli.address import Where
from services.cli.commands.preview import preview
from services.cli.failure import ExitCode
from services.cli.mesh import Mesh, run
from services.kernel.identifiers import UuidV7

_FIRST_PAUSE_SECONDS = 0.01
_LONGEST_PAUSE_SECONDS = 0.2
_UNANSWERED = frozenset({order_pb2.ORDER_STATUS_PENDING_NEW})
_AT_ONCE = frozenset({trading_pb2.TIME_IN_FORCE_IOC, trading_pb2.TIME_IN_FORCE_FOK})


class Side(StrEnum):
    """Which side an order is on."""

    BUY = "buy"
    SELL = "sell"


class TimeInForce(StrEnum):
    """How long an order lives."""

    DAY = "day"
    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"
    AT_THE_OPENING = "at-the-opening"
    AT_THE_CLOSE = "at-the-close"


Limit = Annotated[
    str, typer.Option("--limit", metavar="PRICE", help="Worst price to trade at; without it, a market order.")
]
Stop = Annotated[
    str, typer.Option("--stop", metavar="PRICE", help="Waits until a trade is at this price or beyond it.")
]
Touch = Annotated[
    str,
    typer.Option("--touch", metavar="PRICE", help="Waits until the market comes to this price: the mirror of --stop."),
]
Trail = Annotated[
    str,
    typer.Option(
        "--trail", metavar="DISTANCE", help="A stop that follows the market, such as 2.5, 1.5% or 20t (ticks)."
    ),
]
Display = Annotated[
    str, typer.Option("--display", metavar="QUANTITY", help="Iceberg: the most that the book shows at a time.")
]
PostOnly = Annotated[bool, typer.Option("--post-only", help="Never takes: refused if it would trade at once.")]
ReduceOnly = Annotated[
    bool,
    typer.Option("--reduce-only", help="Only reduces the position: refused, or canceled later, if it would do more."),
]
Until = Annotated[
    str, typer.Option("--until", metavar="TIME", help="When it expires, such as 2030-06-28T17:30; instead of --tif.")
]
Tif = Annotated[
    TimeInForce | None,
    typer.Option("--tif", help="How long it lives. Default: day, and for a market order ioc."),
]
ClientOrderId = Annotated[
    str, typer.Option("--client-order-id", metavar="ID", help="Your id: the same again never orders twice.")
]
Strategy = Annotated[
    str, typer.Option("--strategy", metavar="NAME", help="Your name of the strategy behind it, to find it by.")
]
Wait = Annotated[
    float, typer.Option("--wait", min=0, metavar="SECONDS", help="How long to wait for the venue's answer.")
]

Preview = Annotated[
    bool,
    typer.Option("--preview", help="Only says what would become of it, what it would cost and where it would go."),
]


def order(  # noqa: PLR0917 - each is a word of the command line
    side: Annotated[Side, typer.Argument(help="Which side.")],
    instrument: Annotated[str, typer.Argument(metavar="INSTRUMENT", help="Such as AAPL.XNAS.")],
    quantity: Annotated[str, typer.Argument(metavar="QUANTITY", help="A decimal, a multiple of the instrument's lot.")],
    limit: Limit = "",
    tif: Tif = None,
    stop: Stop = "",
    touch: Touch = "",
    trail: Trail = "",
    display: Display = "",
    post_only: PostOnly = False,
    reduce_only: ReduceOnly = False,
    until: Until = "",
    account: options.Account = options.DEMO,
    client_order_id: ClientOrderId = "",
    strategy: Strategy = "",
    wait: Wait = 3.0,
    only_preview: Preview = False,
    algorithm: algorithms.Algorithm = None,
    end: algorithms.End = "",
    start: algorithms.Start = "",
    slice_length: algorithms.Slice = "",
    style: algorithms.StyleOption = None,
    rate: algorithms.Rate = "",
    max_participation: algorithms.MaxParticipation = "",
    risk_aversion: algorithms.RiskAversion = "",
    cross_at_end: algorithms.CrossAtEnd = False,
    venue: algorithms.Venue = None,
    json: options.Json = False,
    address: options.Address = "",
    ca: options.Ca = None,
) -> None:
    """Places an order, and says what became of it."""
    if tif and until:
        raise typer.BadParameter("give --tif or --until, not both")
    works = algorithms.algorithm_of(
        algorithms.Asked(
            algorithm,
            end,
            start,
            slice_length,
            style,
            rate,
            max_participation,
            risk_aversion,
            cross_at_end,
            tuple(venue or ()),
        )
    )
    waits = stop or touch or trail
    lives = tif or (TimeInForce.DAY if limit or waits or works else TimeInForce.IOC)
    time_in_force = trading_pb2.TimeInForce.Value(f"TIME_IN_FORCE_{lives.name}")
    request = order_entry_pb2.PlaceOrderRequest(
        client_order_id=client_order_id or UuidV7().new_id(),
        account_id=account,
        instrument=instrument.upper(),
        side=trading_pb2.Side.Value(f"SIDE_{side.upper()}"),
        type=terms.conditional_type_of(limit, stop, touch, trail),
        time_in_force=trading_pb2.TIME_IN_FORCE_GTD if until else time_in_force,
        quantity=quantity,
        limit_price=limit,
        stop_price=touch or stop,
        trailing_stop=terms.trailing_of(trail),
        expire_at=terms.time_of(until),
        post_only=post_only,
        display_quantity=display,
        reduce_only=reduce_only,
        strategy_id=strategy,
        algorithm=works,
    )
    if only_preview:
        run(Where(address, ca), lambda mesh: preview(mesh, request, as_json=json))
    run(Where(address, ca), lambda mesh: place(mesh, request, wait, as_json=json))


async def place(mesh: Mesh, request: order_entry_pb2.PlaceOrderRequest, wait_seconds: float, *, as_json: bool) -> int:
    """Places an order, waits for the venue's answer, and shows the order as it stands then.

    Returns:
        REFUSED, when the order was rejected, or has ended without any trade.
    """
    order = (await mesh.orders.PlaceOrder(request)).order
    order = await settled(mesh, order, wait_seconds)
    if as_json:
        output.print_json(order)
    else:
        output.console().print(sentence(order))
    ended = order.order_status not in terms.LIVE_STATUSES
    return ExitCode.REFUSED if ended and order.cumulative_quantity in {"", "0"} else ExitCode.DONE


async def settled(mesh: Mesh, order: order_pb2.Order, seconds: float) -> order_pb2.Order:
    """Returns an order once the venue has answered; one that only trades at once, once it has ended."""
    pause, until = _FIRST_PAUSE_SECONDS, asyncio.get_running_loop().time() + seconds
    waits = order.stop_price or order.HasField("trailing_stop")
    waits_for_end = order.time_in_force in _AT_ONCE and not waits
    while order.order_status in (terms.LIVE_STATUSES if waits_for_end else _UNANSWERED):
        if asyncio.get_running_loop().time() + pause > until:
            break
        await asyncio.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
        order = (await mesh.orders.GetOrder(order_query_pb2.GetOrderRequest(order_id=order.order_id))).order
    return order


def sentence(order: order_pb2.Order) -> str:
    """Returns an order in a sentence, with markup."""
    status = output.word(order_pb2.OrderStatus.Name(order.order_status), "ORDER_STATUS_")
    price, further = terms.price_in_words(order), terms.instructions_in_words(order)
    what = f"{output.side(trading_pb2.Side.Name(order.side))} {order.quantity} {escape(order.instrument)}{price}"
    what += f" ({further})" if further else ""
    traded = f": {order.cumulative_quantity} at {order.average_price} on average" if order.average_price else ""
    why = f" ({_reason(order)})" if order.reason or order.text else ""
    return f"[bold]{status}[/]{traded}{why}: {what}  [dim]{order.order_id}[/]"


def _reason(order: order_pb2.Order) -> str:
    reason = error_pb2.ErrorReason.Name(order.reason).removeprefix("ERROR_REASON_") if order.reason else ""
    return escape(": ".join(part for part in (reason, order.text) if part))
