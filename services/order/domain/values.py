"""The enumerations of an order. Their numbers are the contract's, which a test proves."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class Side(IntEnum):
    """Side of an order or a fill (FIX tag 54)."""

    BUY = 1
    SELL = 2


class OrderType(IntEnum):
    """How the price of an order is set (FIX tag 40)."""

    MARKET = 1
    LIMIT = 2
    STOP = 3
    STOP_LIMIT = 4
    TRAILING_STOP = 5
    MARKET_IF_TOUCHED = 7
    LIMIT_IF_TOUCHED = 8


class TimeInForce(IntEnum):
    """How long an order lives (FIX tag 59)."""

    DAY = 1
    GTC = 2
    IOC = 3
    FOK = 4
    GTD = 5
    AT_THE_OPENING = 6
    AT_THE_CLOSE = 7


class OrderStatus(IntEnum):
    """State of an order (FIX tag 39)."""

    PENDING_NEW = 1
    NEW = 2
    PARTIALLY_FILLED = 3
    FILLED = 4
    PENDING_CANCEL = 5
    CANCELED = 6
    REJECTED = 7
    EXPIRED = 8
    PENDING_REPLACE = 9
    SUSPENDED = 10


class ExecutionType(IntEnum):
    """What happened to an order (FIX tag 150), apart from the state it is in afterwards."""

    PENDING_NEW = 1
    NEW = 2
    TRADE = 3
    PENDING_CANCEL = 4
    CANCELED = 5
    CANCEL_REJECTED = 6
    REJECTED = 7
    EXPIRED = 8
    PENDING_REPLACE = 9
    REPLACED = 10
    REPLACE_REJECTED = 11
    TRIGGERED_OR_ACTIVATED_BY_SYSTEM = 12
    SUSPENDED = 13
    ORDER_STATUS = 14
    TRADE_CANCEL = 15
    TRADE_CORRECT = 16
    RESTATED = 17


class RestatementReason(IntEnum):
    """Why a venue has changed an open order on its own (FIX tag 378)."""

    GT_CORPORATE_ACTION = 1
    GT_RENEWAL = 2
    VERBAL_CHANGE = 3
    REPRICING = 4
    BROKER_OPTION = 5
    PARTIAL_DECLINE = 6
    MARKET_OPTION = 7
    OTHER = 8


class Topic(IntEnum):
    """Topic of the bus that an event belongs to."""

    PLACED = 1
    EXECUTED = 2
    CANCELED = 3
    TRADE = 4


LIVE_STATUSES = frozenset(
    {
        OrderStatus.PENDING_NEW,
        OrderStatus.NEW,
        OrderStatus.PARTIALLY_FILLED,
        OrderStatus.PENDING_CANCEL,
        OrderStatus.PENDING_REPLACE,
        OrderStatus.SUSPENDED,
    }
)
"""States of an order that may still trade."""


def topic_of(execution_type: ExecutionType) -> Topic:
    """Returns the topic that an event of this type belongs to; what is of a fill is told on `Topic.TRADE` besides."""
    return _TOPICS[execution_type]


ON_REQUEST: Final = "CANCELED_ON_REQUEST"
"""Why an order was canceled whose owner asked for it, and all that a venue knows of one that somebody else did."""
CHANGING = (OrderStatus.PENDING_CANCEL, OrderStatus.PENDING_REPLACE)
"""States of an order while a change that was asked for is on its way."""

ADJUSTMENTS = (ExecutionType.TRADE_CANCEL, ExecutionType.TRADE_CORRECT)
"""What a venue does to a trade after it was made."""

SETTLING = frozenset(
    {
        ExecutionType.TRADE,
        ExecutionType.CANCELED,
        ExecutionType.REJECTED,
        ExecutionType.EXPIRED,
        ExecutionType.REPLACED,
        ExecutionType.REPLACE_REJECTED,
        ExecutionType.ORDER_STATUS,
        ExecutionType.RESTATED,
        *ADJUSTMENTS,
    }
)
"""What changes what an order holds, or what an account has: RiskService hears of it."""

_TOPIC_OF: dict[int, Topic] = {
    ExecutionType.TRADE: Topic.EXECUTED,
    ExecutionType.TRADE_CANCEL: Topic.EXECUTED,
    ExecutionType.TRADE_CORRECT: Topic.EXECUTED,
    ExecutionType.PENDING_CANCEL: Topic.CANCELED,
    ExecutionType.CANCELED: Topic.CANCELED,
    ExecutionType.CANCEL_REJECTED: Topic.CANCELED,
    ExecutionType.EXPIRED: Topic.CANCELED,
}
_TOPICS = tuple(_TOPIC_OF.get(number, Topic.PLACED) for number in range(max(ExecutionType) + 1))
