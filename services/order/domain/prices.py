"""The average price of an order."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal

AVERAGE_PRICE_DIGITS = 12
"""Digits after the point of an average price that is told."""

_STEP = Decimal(1).scaleb(-AVERAGE_PRICE_DIGITS)
_CONTEXT = Context(prec=96, rounding=ROUND_HALF_EVEN)


def average_price(notional: Decimal, cumulative: Decimal) -> Decimal | None:
    """Returns notional / cumulative, or None while nothing has traded.

    An order keeps the exact sum of price x quantity of its fills and never an average, so that no error adds up. The
    quotient is exact when it has at most 12 digits after the point; else it is rounded half to even to 12.
    """
    if not cumulative:
        return None
    return _CONTEXT.divide(notional, cumulative).quantize(_STEP, context=_CONTEXT)
