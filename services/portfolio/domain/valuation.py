"""What positions and cash are worth: in each currency, and in total as far as rates are quoted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import ROUND_HALF_EVEN, Decimal

from services.kernel.decimals import EXACT, ZERO
from services.portfolio.domain.account import Balance
from services.portfolio.domain.position import Position
from services.portfolio.domain.price import Price, Rate, Rates

TOTAL_PLACES = Decimal(1).scaleb(-8)


@dataclass(frozen=True, slots=True)
class Amounts:
    """The figures that are summed, in one currency."""

    cash: Decimal = ZERO
    market_value: Decimal = ZERO
    realised_profit: Decimal = ZERO
    unrealised_profit: Decimal = ZERO
    fees: Decimal = ZERO

    @property
    def equity(self) -> Decimal:
        """Cash and positions."""
        return EXACT.add(self.cash, self.market_value)

    @property
    def is_zero(self) -> bool:
        """Whether there is nothing in it."""
        return not any((self.cash, self.market_value, self.realised_profit, self.unrealised_profit, self.fees))

    def plus(self, other: Amounts) -> Amounts:
        """Returns both together."""
        return Amounts(
            EXACT.add(self.cash, other.cash),
            EXACT.add(self.market_value, other.market_value),
            EXACT.add(self.realised_profit, other.realised_profit),
            EXACT.add(self.unrealised_profit, other.unrealised_profit),
            EXACT.add(self.fees, other.fees),
        )

    def at(self, rate: Decimal) -> Amounts:
        """Returns them in another currency, rounded to 8 places."""
        return Amounts(
            _converted(self.cash, rate),
            _converted(self.market_value, rate),
            _converted(self.realised_profit, rate),
            _converted(self.unrealised_profit, rate),
            _converted(self.fees, rate),
        )


@dataclass(frozen=True, slots=True)
class CurrencyTotal:
    """Everything in one currency.

    Attributes:
        currency: Currency.
        amounts: The sums.
        opening_cash: Cash that the account was opened with.
        unpriced: Open positions without a price, which are in no value.
        stale: Whether a price of a lost feed was used.
        rate: What one unit is worth in the base currency; None when no pair says.
    """

    currency: str
    amounts: Amounts = Amounts()
    opening_cash: Decimal = ZERO
    unpriced: int = 0
    stale: bool = False
    rate: Rate | None = None


@dataclass(frozen=True, slots=True)
class Valuation:
    """What a portfolio is worth.

    Attributes:
        base_currency: Currency of the total.
        currencies: Each currency, by code.
        total: The sum of those with a rate.
        unconverted: Currencies with an amount but no rate.
        unpriced: Open positions without a price.
        stale: Whether a price or rate of a lost feed was used.
    """

    base_currency: str
    currencies: tuple[CurrencyTotal, ...]
    total: Amounts
    unconverted: tuple[str, ...]
    unpriced: int
    stale: bool


@dataclass(slots=True)
class _Sums:
    of: dict[str, CurrencyTotal] = field(default_factory=dict)

    def total(self, currency: str) -> CurrencyTotal:
        return self.of.get(currency) or CurrencyTotal(currency)

    def add_cash(self, currency: str, balance: Balance) -> None:
        total = self.total(currency)
        amounts = total.amounts.plus(Amounts(cash=balance.amount))
        self.of[currency] = replace(total, amounts=amounts, opening_cash=balance.opening)

    def add_position(self, position: Position, price: Price | None) -> None:
        total = self.total(position.currency)
        amounts = total.amounts.plus(_amounts_of(position, price))
        unpriced = total.unpriced + (position.is_open and price is None)
        stale = total.stale or (position.is_open and price is not None and price.stale)
        self.of[position.currency] = replace(total, amounts=amounts, unpriced=unpriced, stale=stale)


def value(
    base_currency: str,
    balances: Mapping[str, Balance],
    positions: Iterable[Position],
    prices: Mapping[str, Price],
    rates: Rates,
) -> Valuation:
    """Values cash and positions.

    Args:
        base_currency: Currency of the total.
        balances: Cash by currency.
        positions: Positions, closed ones included: what they realised counts.
        prices: Prices by instrument.
        rates: Rates between currencies.
    """
    sums = _Sums()
    for currency, balance in balances.items():
        sums.add_cash(currency, balance)
    for position in positions:
        sums.add_position(position, prices.get(position.instrument))
    return _total(base_currency, [replace(t, rate=rates.rate(c, base_currency)) for c, t in sorted(sums.of.items())])


def _total(base_currency: str, currencies: list[CurrencyTotal]) -> Valuation:
    total = Amounts()
    for each in currencies:
        if each.rate is not None:
            total = total.plus(each.amounts if each.currency == base_currency else each.amounts.at(each.rate.value))
    return Valuation(
        base_currency=base_currency,
        currencies=tuple(currencies),
        total=total,
        unconverted=tuple(t.currency for t in currencies if t.rate is None and not t.amounts.is_zero),
        unpriced=sum(t.unpriced for t in currencies),
        stale=any(t.stale or (t.rate is not None and t.rate.stale) for t in currencies),
    )


def _amounts_of(position: Position, price: Price | None) -> Amounts:
    booked = Amounts(realised_profit=position.realised_profit, fees=position.fees)
    if price is None or not position.is_open:
        return booked
    return replace(
        booked,
        market_value=position.market_value(price.value),
        unrealised_profit=position.unrealised_profit(price.value),
    )


def _converted(amount: Decimal, rate: Decimal) -> Decimal:
    return EXACT.multiply(amount, rate).quantize(TOTAL_PLACES, ROUND_HALF_EVEN, context=EXACT)
