"""Orders that may only reduce a position: what lets one in, and which of them must go when the position shrinks."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from services.kernel.decimals import ZERO, format_decimal
from services.risk.domain.breach import Breach, Rule
from services.risk.domain.exposure import Exposure
from services.risk.domain.values import Proposal, Side

_UNITS: Final = "units"
REDUCE_ONLY_TEXT: Final = "the position has become smaller than the reduce-only orders that would close it"


def room(position: Decimal, side: int) -> Decimal:
    """Returns how much may be traded on a side before the position is closed; zero on the side that enlarges it."""
    return max(position if side == Side.SELL else -position, ZERO)


def not_reducing(proposal: Proposal, exposure: Exposure, rule: Rule, because: str) -> Breach | None:
    """Returns the breach of an order that could, with all open orders of its side, do more than close the position.

    Args:
        proposal: The order.
        exposure: The account's exposure in its instrument.
        rule: Which rule wants that.
        because: What holds, for people.
    """
    opened = exposure.open_buy if proposal.side == Side.BUY else exposure.open_sell
    limit, observed = room(exposure.position, proposal.side), opened + proposal.quantity
    if observed <= limit:
        return None
    told_limit, told_observed = format_decimal(limit), format_decimal(observed)
    side = Side(proposal.side).name.lower()
    text = f"{because}; to reduce the position at most {told_limit} {_UNITS} may be open to {side}"
    return Breach(rule, told_limit, told_observed, _UNITS, f"{text}, with this order it would be {told_observed}")


def check_reduce_only(proposal: Proposal, exposure: Exposure) -> Breach | None:
    """Returns why a reduce-only order may not come in; None when it may."""
    return not_reducing(proposal, exposure, Rule.REDUCE_ONLY, "the order is reduce-only")


def exceeding(position: Decimal, orders: Iterable[tuple[str, int, Decimal]]) -> list[str]:
    """Returns which reduce-only orders in one instrument must go, so that the others at most close the position.

    The newest go first, whole: an order that is canceled in part would be another one than was asked for.

    Args:
        position: Bought less sold.
        orders: Order id, side and what may still trade, oldest first.
    """
    left = {Side.BUY: room(position, Side.BUY), Side.SELL: room(position, Side.SELL)}
    full: set[Side] = set()
    found = []
    for order_id, number, quantity in orders:
        side = Side(number)
        left[side] -= quantity
        if left[side] < ZERO:
            full.add(side)
        if side in full:
            found.append(order_id)
    return found
