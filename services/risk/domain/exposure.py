"""What an account holds, and did today; how much more it may come to hold by its open orders (`reserved.py`).

The day's profit needs no cost basis: it is the money of the day's fills, plus what the position is worth now, less what
it was worth when the day began.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from services.kernel.decimals import ZERO
from services.risk.domain.market import Market
from services.risk.domain.values import Adjusted, Settled, Side

if TYPE_CHECKING:
    from services.risk.domain.reserved import Group, GroupKey, Reserved


class Exposure:
    """Exposure of an account in one instrument.

    Attributes:
        position: Bought less sold.
        open_buy: What open buy orders may still buy.
        open_sell: What open sell orders may still sell.
        day_cash: Money of the day's fills, fees taken off: negative after purchases.
        start_position: Position when the day began.
        start_price: What it was valued at then.
        last_price: Price of the last fill; None before the first.
        reduce_only: The open reduce-only orders, oldest first; None where there never was one.
    """

    __slots__ = (
        "day_cash",
        "last_price",
        "market",
        "open_buy",
        "open_orders",
        "open_sell",
        "position",
        "reduce_only",
        "start_position",
        "start_price",
    )

    def __init__(self, market: Market) -> None:
        self.market = market
        self.position = ZERO
        self.open_buy = ZERO
        self.open_sell = ZERO
        self.open_orders = 0
        self.day_cash = ZERO
        self.start_position = ZERO
        self.start_price = ZERO
        self.last_price: Decimal | None = None
        self.reduce_only: dict[str, Reserved] | None = None

    @property
    def most_long(self) -> Decimal:
        """The position if every open buy order were filled and no sell order."""
        return self.position + self.open_buy

    @property
    def most_short(self) -> Decimal:
        """The position if every open sell order were filled and no buy order."""
        return self.position - self.open_sell

    def fill(self, settled: Settled) -> None:
        """Books a fill."""
        signed = settled.last_quantity if settled.side == Side.BUY else -settled.last_quantity
        self.position += signed
        self.day_cash -= signed * settled.last_price * self.market.multiplier + settled.fee
        self.last_price = settled.last_price

    def adjust(self, settled: Settled, before: Adjusted) -> None:
        """Books a fill anew: as it was it is taken back, as it is now it is booked. The money of both is the day's."""
        side = 1 if settled.side == Side.BUY else -1
        old, new = side * before.quantity, side * settled.last_quantity
        self.position += new - old
        multiplier = self.market.multiplier
        self.day_cash += (old * before.price - new * settled.last_price) * multiplier + before.fee - settled.fee

    def mark(self) -> Decimal:
        """Returns the price that the position is valued at: the reference price, else that of the last fill."""
        price = self.market.reference()
        return price if price is not None else (self.last_price or ZERO)

    def day_profit(self) -> Decimal:
        """Returns the profit of the day, realised and unrealised, fees taken off."""
        profit = self.day_cash
        multiplier = self.market.multiplier
        if self.position:
            profit += self.position * self.mark() * multiplier
        if self.start_position:
            profit -= self.start_position * self.start_price * multiplier
        return profit

    def begin_day(self) -> None:
        """Begins a day: what is held counts at what it is worth now."""
        self.start_position = self.position
        self.start_price = self.mark() if self.position else ZERO
        self.day_cash = ZERO

    @property
    def idle(self) -> bool:
        """Whether there is nothing to tell of it."""
        return not (self.position or self.open_orders or self.day_cash or self.start_position)


class Account:
    """What is known of one account.

    Attributes:
        shard: Shard of OrderService that it belongs to.
        day: UTC day that the counters count in, as a proleptic ordinal.
        day_trades: Fills of the day.
        day_volume: Quantity traded in the day.
        open_orders: Orders that hold a reservation.
        open_quantity: What they may still trade.
        changed: Instruments whose exposure changed since it was saved.
        groups: Orders that share what they may trade, by group, instrument and side.
    """

    __slots__ = (
        "account_id",
        "changed",
        "day",
        "day_changed",
        "day_trades",
        "day_volume",
        "exposures",
        "groups",
        "open_orders",
        "open_quantity",
        "shard",
    )

    def __init__(self, account_id: str, shard: int, day: int) -> None:
        self.account_id = account_id
        self.shard = shard
        self.day = day
        self.day_trades = 0
        self.day_volume = ZERO
        self.day_changed = False
        self.open_orders = 0
        self.open_quantity = ZERO
        self.exposures: dict[str, Exposure] = {}
        self.changed: set[str] = set()
        self.groups: dict[GroupKey, Group] = {}

    def exposure(self, market: Market) -> Exposure:
        """Returns the exposure in an instrument."""
        if (exposure := self.exposures.get(market.instrument)) is None:
            exposure = self.exposures[market.instrument] = Exposure(market)
        return exposure

    def begin_day(self, day: int) -> None:
        """Begins a day, if it is a later one. A day never comes back: what is late counts in the present one."""
        if day <= self.day:
            return
        self.day = day
        self.day_trades = 0
        self.day_volume = ZERO
        self.day_changed = True
        for instrument, exposure in self.exposures.items():
            exposure.begin_day()
            self.changed.add(instrument)

    def fill(self, settled: Settled, market: Market) -> None:
        """Books a fill."""
        self.begin_day(settled.day)
        self.exposure(market).fill(settled)
        self.day_trades += 1
        self.day_volume += settled.last_quantity
        self.day_changed = True
        self.changed.add(market.instrument)

    def adjust(self, settled: Settled, before: Adjusted, market: Market) -> None:
        """Books a fill anew that was canceled or corrected; what counted in a day that is over counts there no more."""
        self.begin_day(settled.day)
        self.exposure(market).adjust(settled, before)
        if before.day == self.day:
            self.day_trades -= 0 if settled.last_quantity else 1
            self.day_volume += settled.traded
            self.day_changed = True
        self.changed.add(market.instrument)

    def day_profits(self) -> dict[str, Decimal]:
        """Returns the profit of the day in each currency."""
        profits: dict[str, Decimal] = {}
        for exposure in self.exposures.values():
            currency = exposure.market.currency
            profits[currency] = profits.get(currency, ZERO) + exposure.day_profit()
        return profits
