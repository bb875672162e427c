"""Orders that may only reduce a position: what lets one in, and which of them must go when the position shrinks."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from decimal import Decimal
from typing import Final, NamedTuple

from services.kernel.decimals import ZERO, format_decimal
from services.risk.domain.breach import Breach, Rule
from services.risk.domain.exposure import Exposure
from services.risk.domain.values import Proposal, Side

_UNITS: Final = "units"
REDUCE_ONLY_TEXT: Final = "the position has become smaller than the reduce-only orders that would close it"


class OpenOrder(NamedTuple):
    """An order that may trade.

    Attributes:
        quantity: What it may still trade.
        group: The orders that it shares that with; None for one that counts itself.
    """

    order_id: str
    side: int
    quantity: Decimal
    group: Hashable | None = None


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


def exceeding(position: Decimal, orders: Iterable[OpenOrder]) -> list[str]:
    """Returns which reduce-only orders in one instrument must go, so that the others at most close the position.

    The newest go first, whole: an order that is canceled in part would be another one than was asked for. Of those that
    share what they may trade, the largest counts.

    Args:
        position: Bought less sold.
        orders: The orders, oldest first.
    """
    left = {Side.BUY: room(position, Side.BUY), Side.SELL: room(position, Side.SELL)}
    counted: dict[Hashable, Decimal] = {}
    full: set[Side] = set()
    found = []
    for order_id, number, quantity, group in orders:
        side = Side(number)
        before = ZERO if group is None else counted.get(group, ZERO)
        more = max(quantity - before, ZERO)
        left[side] -= more
        if group is not None:
            counted[group] = before + more
        if left[side] < ZERO:
            full.add(side)
        if side in full:
            found.append(order_id)
    return found
