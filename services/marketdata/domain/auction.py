"""Auctions in their call phase. Prices in ticks, quantities in lots."""

from __future__ import annotations

import enum
from typing import NamedTuple


class AuctionKind(enum.IntEnum):
    """What an auction is for; the numbers are the contract's."""

    OPENING = 1
    CLOSING = 2


class Auction(NamedTuple):
    """An auction, and what it would come to if it ended now.

    Attributes:
        kind: What it is for.
        price: The price that it would have; None while nothing would trade.
        quantity: What would trade.
        surplus: What would be left at that price for want of another side: above zero to buy, below zero to sell.
    """

    kind: AuctionKind
    price: int | None
    quantity: int
    surplus: int


class Uncrossed(NamedTuple):
    """What an auction came to.

    Attributes:
        price: Its price; None when nothing traded.
        quantity: What traded.
    """

    price: int | None
    quantity: int
