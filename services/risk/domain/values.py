"""Small values that the domain speaks of."""

from __future__ import annotations

import enum
from decimal import Decimal
from typing import NamedTuple


class Side(enum.IntEnum):
    """Side of an order or a fill, numbered as in the contract."""

    BUY = 1
    SELL = 2


class OrderType(enum.IntEnum):
    """How the price of an order is set, numbered as in the contract."""

    MARKET = 1
    LIMIT = 2


class Proposal(NamedTuple):
    """What an order may at most become.

    Attributes:
        quantity: What may still trade.
        limit_price: None for a market order.
    """

    order_id: str
    account_id: str
    instrument: str
    side: int
    quantity: Decimal
    limit_price: Decimal | None


class Settled(NamedTuple):
    """What the log says of an order.

    Attributes:
        sequence: Place in the log.
        day: UTC day of the commit, as a proleptic ordinal.
        last_quantity: Quantity of the fill; zero when it is none.
        last_price: Price of the fill.
        fee: Fee of the fill.
        leaves: What may still trade; zero once the order has ended.
    """

    sequence: int
    order_id: str
    account_id: str
    instrument: str
    side: int
    day: int
    last_quantity: Decimal
    last_price: Decimal
    fee: Decimal
    leaves: Decimal
