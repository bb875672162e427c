"""The terms of orders on the command line: as options are read, and in words."""

from __future__ import annotations

from datetime import datetime

import typer
from google.protobuf.timestamp_pb2 import Timestamp

from ordermesh.order.v1 import order_pb2, trailing_stop_pb2
from ordermesh.type.v1 import trading_pb2
from services.cli import output

_TYPES = {
    (False, False): trading_pb2.ORDER_TYPE_MARKET,
    (True, False): trading_pb2.ORDER_TYPE_LIMIT,
    (False, True): trading_pb2.ORDER_TYPE_STOP,
    (True, True): trading_pb2.ORDER_TYPE_STOP_LIMIT,
}
_TOUCHED = (trading_pb2.ORDER_TYPE_MARKET_IF_TOUCHED, trading_pb2.ORDER_TYPE_LIMIT_IF_TOUCHED)
_MOST_TICKS = 1_000_000_000
_AUCTIONS = {
    trading_pb2.TIME_IN_FORCE_AT_THE_OPENING: "at the opening",
    trading_pb2.TIME_IN_FORCE_AT_THE_CLOSE: "at the close",
}


LIVE_STATUSES = (
    order_pb2.ORDER_STATUS_PENDING_NEW,
    order_pb2.ORDER_STATUS_NEW,
    order_pb2.ORDER_STATUS_PARTIALLY_FILLED,
    order_pb2.ORDER_STATUS_PENDING_CANCEL,
    order_pb2.ORDER_STATUS_PENDING_REPLACE,
    order_pb2.ORDER_STATUS_SUSPENDED,
)
"""States of an order that may still trade."""


def type_of(limit: str, stop: str) -> trading_pb2.OrderType.ValueType:
    """Returns the type of an order by the prices that are given."""
    return _TYPES[bool(limit), bool(stop)]


def conditional_type_of(limit: str, stop: str, touch: str, trail: str) -> trading_pb2.OrderType.ValueType:
    """Returns the type of an order by what it waits for.

    Raises:
        BadParameter: It waits for two things at once.
    """
    if touch and (stop or trail):
        raise typer.BadParameter("give --touch, or --stop and --trail, not both")
    if trail:
        if limit:
            raise typer.BadParameter("--trail makes a market order once it is released; leave --limit out")
        return trading_pb2.ORDER_TYPE_TRAILING_STOP
    if touch:
        return trading_pb2.ORDER_TYPE_LIMIT_IF_TOUCHED if limit else trading_pb2.ORDER_TYPE_MARKET_IF_TOUCHED
    return type_of(limit, stop)


def trailing_of(text: str) -> trailing_stop_pb2.TrailingStop | None:
    """Returns a distance: a price such as 2.5, per cent such as 1.5%, ticks such as 20t; None for nothing.

    Raises:
        BadParameter: It is a number of ticks that is none.
    """
    if not text:
        return None
    if text.endswith("%"):
        return trailing_stop_pb2.TrailingStop(percent=text.removesuffix("%"))
    if not text.endswith("t"):
        return trailing_stop_pb2.TrailingStop(amount=text)
    ticks = text.removesuffix("t")
    if not (ticks.isascii() and ticks.isdigit() and int(ticks) <= _MOST_TICKS):
        raise typer.BadParameter(f"{text!r} is no number of ticks, such as 20t")
    return trailing_stop_pb2.TrailingStop(ticks=int(ticks))


def time_of(text: str) -> Timestamp | None:
    """Returns a time in ISO 8601, of this machine's time zone unless it says its own; None for nothing.

    Raises:
        BadParameter: It is none.
    """
    if not text:
        return None
    stamp = Timestamp()
    try:
        stamp.FromDatetime(datetime.fromisoformat(text).astimezone())
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"{text!r} is no time, such as 2030-06-28T17:30 or 2030-06-28T15:30:00Z") from None
    return stamp


def price_in_words(order: order_pb2.Order) -> str:
    """Returns at what price an order trades, and what it waits for."""
    limit = f" at {order.limit_price} or better" if order.limit_price else " at the market"
    if order.triggered:
        return f"{limit}, released at {order.stop_price}"
    trails = f", {_distance_in_words(order.trailing_stop)}" if order.HasField("trailing_stop") else ""
    if not order.stop_price:
        return f"{limit}{trails}"
    touched = order.type in _TOUCHED
    waits = f"{limit} once {order.stop_price} is touched" if touched else f"{limit} from {order.stop_price} on"
    return f"{waits}{trails}"


def _distance_in_words(trailing: trailing_stop_pb2.TrailingStop) -> str:
    if trailing.HasField("ticks"):
        return f"{trailing.ticks} ticks behind the market"
    return f"{trailing.percent}% behind the market" if trailing.percent else f"{trailing.amount} behind the market"


def instructions_in_words(order: order_pb2.Order) -> str:
    """Returns what an order asks for beyond price and quantity; empty for most."""
    parts = (
        "post-only" if order.post_only else "",
        f"shows {order.display_quantity}" if order.display_quantity else "",
        f"until {output.local_time(order.expire_at)}" if order.HasField("expire_at") else "",
        "released" if order.triggered else "",
        _algorithm(order),
        "reduce-only" if order.reduce_only else "",
        _AUCTIONS.get(order.time_in_force, ""),
    )
    return ", ".join(part for part in parts if part)


def _algorithm(order: order_pb2.Order) -> str:
    if not order.HasField("algorithm"):
        return ""
    name = (order.algorithm.WhichOneof("strategy") or "").replace("_", " ")
    return f"{name} until {output.local_time(order.algorithm.end_time)}"
