"""The checks of one order against what its account holds and may hold.

Quantities count per side as if every open order of that side were filled and none of the other: an order that only
reduces a position is never refused for its size.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from services.kernel.decimals import ZERO
from services.risk.domain.breach import NO_REFERENCE, Breach, Rule
from services.risk.domain.exposure import Account, Exposure
from services.risk.domain.limits import Limits
from services.risk.domain.market import Market
from services.risk.domain.values import Proposal, Side

UNITS: Final = "units"
PERCENT: Final = "percent"
TRADES: Final = "trades"
_HUNDRED: Final = Decimal(100)
_PLACES: Final = Decimal("0.000001")


def check(proposal: Proposal, account: Account, exposure: Exposure, limits: Limits, *, fresh: bool) -> Breach | None:
    """Returns the first rule that an order breaks; None when it may go on.

    Args:
        proposal: The order.
        account: Its account.
        exposure: The account's exposure in its instrument.
        limits: What holds for the account.
        fresh: Whether prices are fresh. If not, market orders are refused; others are checked against the last prices
            known, however old.
    """
    market = exposure.market
    price = proposal.limit_price
    if price is None and (price := _at_market(proposal, market, fresh=fresh)) is None:
        return NO_REFERENCE
    return (
        _order(proposal, market, limits, price)
        or _band(proposal, market, limits)
        or _position(proposal, exposure, limits, price)
        or _day(proposal, account, limits)
    )


def daily_loss(account: Account, limits: Limits) -> Breach | None:
    """Returns the breach when the account has lost as much today as it may, in any one currency."""
    if (limit := limits.daily_loss) is None:
        return None
    for currency, profit in account.day_profits().items():
        if -profit >= limit:
            return Breach.of(Rule.MAX_DAILY_LOSS, limit, -profit, currency)
    return None


def _at_market(proposal: Proposal, market: Market, *, fresh: bool) -> Decimal | None:
    """Returns the price that an order without a limit is valued at; None when there is none.

    A stop order counts at its stop price, where it comes to the market; or at what it would trade at now, if that is
    dearer and prices are fresh: its stop price may be reached already.
    """
    taking = market.taking(proposal.side) if fresh else None
    stop = proposal.stop_price
    return taking if stop is None or (taking is not None and taking > stop) else stop


def _order(proposal: Proposal, market: Market, limits: Limits, price: Decimal) -> Breach | None:
    quantity = proposal.ordered or proposal.quantity
    if limits.order_size is not None and quantity > limits.order_size:
        return Breach.of(Rule.MAX_ORDER_SIZE, limits.order_size, quantity, UNITS)
    if limits.order_value is not None:
        value = quantity * price * market.multiplier
        if value > limits.order_value:
            return Breach.of(Rule.MAX_ORDER_VALUE, limits.order_value, value, market.currency)
    return None


def _band(proposal: Proposal, market: Market, limits: Limits) -> Breach | None:
    """A price may be as far away as the band says, on either side; before any price is known there is no band.

    A stop order comes to the market at its stop price: that is held against the reference price, its limit against it.
    """
    band, limit, stop = limits.band_percent, proposal.limit_price, proposal.stop_price
    if band is None or (limit is None and stop is None):
        return None
    reference = market.reference()
    if stop is None or limit is None:
        return _distance(band, limit if stop is None else stop, reference)
    return _distance(band, stop, reference) or _distance(band, limit, stop)


def _distance(band: Decimal, price: Decimal | None, reference: Decimal | None) -> Breach | None:
    if price is None or not reference:
        return None
    distance = abs(price - reference) * _HUNDRED
    if distance <= band * abs(reference):
        return None
    return Breach.of(Rule.PRICE_BAND, band, (distance / abs(reference)).quantize(_PLACES), PERCENT)


def _position(proposal: Proposal, exposure: Exposure, limits: Limits, price: Decimal) -> Breach | None:
    buying = proposal.side == Side.BUY
    after = exposure.most_long if buying else -exposure.most_short
    after += proposal.quantity
    if after <= ZERO:
        return None
    if limits.position_size is not None and after > limits.position_size:
        return Breach.of(Rule.MAX_POSITION_SIZE, limits.position_size, after, UNITS)
    if limits.position_value is not None:
        market = exposure.market
        reference = market.reference()
        dearer = price if reference is None or price > reference else reference
        value = after * dearer * market.multiplier
        if value > limits.position_value:
            return Breach.of(Rule.MAX_POSITION_VALUE, limits.position_value, value, market.currency)
    return None


def _day(proposal: Proposal, account: Account, limits: Limits) -> Breach | None:
    if limits.daily_trades is not None:
        trades = account.day_trades + account.open_orders + 1
        if trades > limits.daily_trades:
            return Breach.of(Rule.MAX_DAILY_TRADES, limits.daily_trades, trades, TRADES)
    if limits.daily_volume is not None:
        volume = account.day_volume + account.open_quantity + proposal.quantity
        if volume > limits.daily_volume:
            return Breach.of(Rule.MAX_DAILY_VOLUME, limits.daily_volume, volume, UNITS)
    return None
