"""What goes to a venue and what comes back, the same for every adapter.

These are made and dropped by the ten thousand a second: named tuples cost a third of a frozen dataclass.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import NamedTuple


class Side(enum.IntEnum):
    """Side of an order or a fill, numbered as in the contract."""

    BUY = 1
    SELL = 2


class OrderType(enum.IntEnum):
    """How the price of an order is set, numbered as in the contract."""

    MARKET = 1
    LIMIT = 2
    STOP = 3
    STOP_LIMIT = 4


class TimeInForce(enum.IntEnum):
    """How long an order lives, numbered as in the contract."""

    DAY = 1
    GTC = 2
    IOC = 3
    FOK = 4
    GTD = 5
    AT_THE_OPENING = 6
    AT_THE_CLOSE = 7


class ReportKind(enum.IntEnum):
    """What a report says, numbered as in the contract."""

    OTHER = 0
    ACCEPTED = 1
    TRADE = 2
    CANCELED = 3
    CANCEL_REJECTED = 4
    REJECTED = 5
    EXPIRED = 6
    REPLACED = 7
    TRIGGERED = 8
    TRADE_CANCELED = 9
    TRADE_CORRECTED = 10
    RESTATED = 11


class RestatementReason(enum.IntEnum):
    """Why a venue changed an order on its own, numbered as in the contract; those that adapters name."""

    PARTIAL_DECLINE = 6
    OTHER = 8


class Adjustment(NamedTuple):
    """What a venue changes on its own.

    Attributes:
        reference_id: The venue's id of the execution that is canceled or corrected.
        leaves_quantity: What is open of the order afterwards; empty when the venue does not say.
        quantity: Quantity of a restated order as a whole; empty: as before.
        limit_price: Limit price of a restated order; empty: as before.
        reason: Why it was restated, a number of `RestatementReason`; 0 for others.
    """

    reference_id: str = ""
    leaves_quantity: str = ""
    quantity: str = ""
    limit_price: str = ""
    reason: int = 0


class Correction(NamedTuple):
    """What a trade shall be.

    Attributes:
        instrument: Of the trade.
    """

    instrument: str
    price: str
    quantity: str


class Instructions(NamedTuple):
    """What few orders have beside price and quantity.

    Attributes:
        stop_price: Price at which the order is released; empty for one that does not wait.
        expire_at_ns: When it expires, nanoseconds since 1970 UTC; 0 for one that is not good till date.
        post_only: Whether it never takes.
        display_quantity: The most that the book shows of it at a time; empty for all.
    """

    stop_price: str = ""
    expire_at_ns: int = 0
    post_only: bool = False
    display_quantity: str = ""


class NewOrder(NamedTuple):
    """A new order for a venue.

    Attributes:
        command_sequence: Number of the command, rising within the shard.
        connection_id: Connection that the caller names; empty when it leaves the choice.
        limit_price: Empty for a market or stop order.
        instructions: None for most orders.
    """

    command_sequence: int
    connection_id: str
    order_id: str
    account_id: str
    instrument: str
    side: int
    order_type: int
    time_in_force: int
    quantity: str
    limit_price: str
    instructions: Instructions | None = None


class CancelOrder(NamedTuple):
    """The wish to cancel an order at its venue."""

    command_sequence: int
    connection_id: str
    order_id: str
    venue_order_id: str


class ReplaceOrder(NamedTuple):
    """The wish to give an order other terms at its venue, in one step.

    Attributes:
        quantity: Of the order as a whole, what has traded included.
        limit_price: Empty for a market or stop order.
        stop_price: Empty: as before.
        expire_at_ns: Nanoseconds since 1970 UTC; 0: as before.
    """

    command_sequence: int
    connection_id: str
    order_id: str
    venue_order_id: str
    instrument: str
    quantity: str
    limit_price: str
    stop_price: str = ""
    expire_at_ns: int = 0


Command = NewOrder | CancelOrder | ReplaceOrder


class Report(NamedTuple):
    """What a venue says of an order.

    Attributes:
        sequence: Within connection and shard, without gaps; 0 for an answer of BrokerService itself.
        reason: Name out of the contract's `ErrorReason`; empty when there is nothing to explain.
        time_ns: When the venue made it, nanoseconds since 1970 UTC.
        command_sequence: Command that it answers, of what is replaced or refused to change; 0 when it is not told.
        adjustment: What the venue changes on its own; None for most reports.
    """

    sequence: int
    kind: int
    order_id: str
    venue_order_id: str = ""
    venue_execution_id: str = ""
    last_price: str = ""
    last_quantity: str = ""
    cumulative_quantity: str = ""
    fee: str = ""
    reason: str = ""
    text: str = ""
    time_ns: int = 0
    command_sequence: int = 0
    adjustment: Adjustment | None = None


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far the reports of a connection were consumed.

    Attributes:
        epoch: Incarnation of the venue's sequence; empty when nothing was consumed yet.
        sequence: Last report consumed.
    """

    epoch: str = ""
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class VenuePosition:
    """How far a venue is with a connection when it is opened.

    Attributes:
        epoch: Incarnation of its sequence of reports.
        last_command_sequence: Last command it has applied.
        last_report_sequence: Last report it has made.
    """

    epoch: str
    last_command_sequence: int
    last_report_sequence: int


@dataclass(frozen=True, slots=True)
class VenueOrder:
    """An order that is open at a venue, as the venue tells it.

    Attributes:
        order_id: Empty when it is none of ours.
        order_type: How its price is set now. Stop orders wait; one that was released is a limit order.
    """

    order_id: str
    venue_order_id: str
    instrument: str
    side: Side
    limit_price: str
    quantity: str
    cumulative_quantity: str
    leaves_quantity: str
    order_type: OrderType = OrderType.LIMIT
    instructions: Instructions | None = None


@dataclass(frozen=True, slots=True)
class OpenOrders:
    """The orders open at a venue at one instant.

    Attributes:
        as_of: Last report that they reflect.
    """

    orders: tuple[VenueOrder, ...]
    as_of: int
