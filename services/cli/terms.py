"""The terms of orders on the command line: as options are read, and in words."""

from __future__ import annotations

from datetime import datetime

import typer
from google.protobuf.timestamp_pb2 import Timestamp

from ordermesh.order.v1 import order_pb2
from ordermesh.type.v1 import trading_pb2
from services.cli import output

_TYPES = {
    (False, False): trading_pb2.ORDER_TYPE_MARKET,
    (True, False): trading_pb2.ORDER_TYPE_LIMIT,
    (False, True): trading_pb2.ORDER_TYPE_STOP,
    (True, True): trading_pb2.ORDER_TYPE_STOP_LIMIT,
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
    if not order.stop_price:
        return limit
    return f"{limit}, released at {order.stop_price}" if order.triggered else f"{limit} from {order.stop_price} on"


def instructions_in_words(order: order_pb2.Order) -> str:
    """Returns what an order asks for beyond price and quantity; empty for most."""
    parts = (
        "post-only" if order.post_only else "",
        f"shows {order.display_quantity}" if order.display_quantity else "",
        f"until {output.local_time(order.expire_at)}" if order.HasField("expire_at") else "",
        "released" if order.triggered else "",
        _algorithm(order),
    )
    return ", ".join(part for part in parts if part)


def _algorithm(order: order_pb2.Order) -> str:
    if not order.HasField("algorithm"):
        return ""
    name = (order.algorithm.WhichOneof("strategy") or "").replace("_", " ")
    return f"{name} until {output.local_time(order.algorithm.end_time)}"
