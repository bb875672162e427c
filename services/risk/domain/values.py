"""Small values that the domain speaks of."""

from __future__ import annotations

import enum
from decimal import Decimal
from typing import NamedTuple

from services.kernel.decimals import ZERO


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


class Proposal(NamedTuple):
    """What an order may at most become.

    Attributes:
        quantity: What may still trade.
        limit_price: None for a market or stop order.
        ordered: Quantity of the order as a whole, what has traded included; zero: `quantity` is all of it.
        stop_price: Price that it waits for; None when it does not wait.
        reduce_only: Whether it may only reduce the position.
        group_id: Orders of one group, instrument and side share what they may trade; empty: in no group.
    """

    order_id: str
    account_id: str
    instrument: str
    side: int
    quantity: Decimal
    limit_price: Decimal | None
    ordered: Decimal = ZERO
    stop_price: Decimal | None = None
    reduce_only: bool = False
    group_id: str = ""


class Change(NamedTuple):
    """An open order and the new terms that it may come to have.

    Attributes:
        order: The order as it is.
        after: The order under the new terms; its quantity may be zero.
    """

    order: Proposal
    after: Proposal


class Adjusted(NamedTuple):
    """A trade as it counted until its venue canceled or corrected it.

    Attributes:
        day: UTC day in which it was committed, as a proleptic ordinal.
        quantity: Quantity until now.
        price: Price until now.
        fee: Fee until now.
        reduce_only: Whether its order may only reduce the position, should the venue open it again.
    """

    day: int
    quantity: Decimal
    price: Decimal
    fee: Decimal
    reduce_only: bool = False


class Settled(NamedTuple):
    """What the log says of an order.

    Attributes:
        sequence: Place in the log.
        day: UTC day of the commit, as a proleptic ordinal.
        last_quantity: Quantity of the fill, or what it is corrected to; zero when it is none, or canceled.
        last_price: Price of the fill, or what it is corrected to.
        fee: Fee of the fill, or what it is corrected to.
        leaves: What may still trade; zero once the order has ended.
        decided: Whether it tells what became of a replace: `leaves` is what holds from here on.
        before: What the fill was until it was canceled or corrected; None for other reports.
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
    decided: bool = False
    before: Adjusted | None = None

    @property
    def traded(self) -> Decimal:
        """How much more the order has traded than before; negative when a fill was taken back."""
        return self.last_quantity if self.before is None else self.last_quantity - self.before.quantity
