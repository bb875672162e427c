"""How much of each limit is used."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from services.kernel.decimals import ZERO
from services.risk.domain.breach import Breach, Rule
from services.risk.domain.checks import TRADES, UNITS
from services.risk.domain.exposure import Account
from services.risk.domain.limits import Limits


@dataclass(frozen=True, slots=True)
class LimitUse:
    """How much of a limit is used.

    Attributes:
        instrument: Where most of it is used; empty for limits of the account as a whole.
    """

    rule: Rule
    instrument: str
    limit: Decimal
    used: Decimal
    unit: str

    @property
    def exceeded(self) -> bool:
        """Whether more is used than there is; a loss counts from the limit on."""
        return self.used >= self.limit if self.rule == Rule.MAX_DAILY_LOSS else self.used > self.limit

    def breach(self) -> Breach:
        """Returns it as a breach."""
        return Breach.of(self.rule, self.limit, self.used, self.unit)


def limit_uses(account: Account, limits: Limits) -> list[LimitUse]:
    """Returns the limits that are set and can fill up, with their use."""
    uses = _position_uses(account, limits)
    if limits.daily_loss is not None:
        losses = {currency: max(-profit, ZERO) for currency, profit in account.day_profits().items()}
        currency = max(losses, key=losses.__getitem__, default="")
        uses.append(LimitUse(Rule.MAX_DAILY_LOSS, "", limits.daily_loss, losses.get(currency, ZERO), currency))
    if limits.daily_trades is not None:
        trades = Decimal(account.day_trades + account.open_orders)
        uses.append(LimitUse(Rule.MAX_DAILY_TRADES, "", Decimal(limits.daily_trades), trades, TRADES))
    if limits.daily_volume is not None:
        volume = account.day_volume + account.open_quantity
        uses.append(LimitUse(Rule.MAX_DAILY_VOLUME, "", limits.daily_volume, volume, UNITS))
    return uses


def _position_uses(account: Account, limits: Limits) -> list[LimitUse]:
    sizes: list[LimitUse] = []
    values: list[LimitUse] = []
    for name, exposure in account.exposures.items():
        most = max(exposure.most_long, -exposure.most_short, ZERO)
        if not most:
            continue
        if limits.position_size is not None:
            sizes.append(LimitUse(Rule.MAX_POSITION_SIZE, name, limits.position_size, most, UNITS))
        if limits.position_value is not None:
            market = exposure.market
            value = most * abs(exposure.mark()) * market.multiplier
            values.append(LimitUse(Rule.MAX_POSITION_VALUE, name, limits.position_value, value, market.currency))
    return [max(uses, key=lambda use: use.used) for uses in (sizes, values) if uses]
