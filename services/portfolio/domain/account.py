"""Accounts and portfolios."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from services.kernel.decimals import EXACT, ZERO
from services.kernel.errors import invalid_field
from services.portfolio.domain.values import Environment

DEFAULT_BASE_CURRENCY = "USD"
OWN_PORTFOLIO_NAME = "account"
"""Name of the portfolio that holds everything an account has."""


@dataclass(frozen=True, slots=True)
class Balance:
    """Cash in one currency.

    Attributes:
        amount: Cash now.
        opening: Cash that the account was opened with.
    """

    amount: Decimal = ZERO
    opening: Decimal = ZERO

    def plus(self, flow: Decimal) -> Balance:
        """Returns the balance after a flow of cash."""
        return Balance(EXACT.add(self.amount, flow), self.opening)


@dataclass(frozen=True, slots=True)
class Account:
    """Who orders trade for.

    Attributes:
        account_id: Its name.
        name: Name for people.
        environment: Simulation or live.
        base_currency: Currency of its totals.
        portfolio_id: The portfolio that holds everything it has.
        balances: Cash by currency.
        change_count: Number of bookings so far: the place of the last one within the account.
        created_at: When it was opened.
        updated_at: When its cash last changed.
    """

    account_id: str
    name: str
    environment: Environment
    base_currency: str
    portfolio_id: str
    balances: Mapping[str, Balance]
    change_count: int
    created_at: datetime
    updated_at: datetime

    def balance(self, currency: str) -> Balance:
        """Returns the cash in a currency."""
        return self.balances.get(currency, Balance())

    def after(self, currency: str, flow: Decimal, at: datetime) -> Account:
        """Returns the account after a booking that let cash flow."""
        return Account(
            account_id=self.account_id,
            name=self.name,
            environment=self.environment,
            base_currency=self.base_currency,
            portfolio_id=self.portfolio_id,
            balances={**self.balances, currency: self.balance(currency).plus(flow)},
            change_count=self.change_count + 1,
            created_at=self.created_at,
            updated_at=at,
        )


@dataclass(frozen=True, slots=True)
class Portfolio:
    """A view of what an account has.

    Attributes:
        portfolio_id: UUIDv7.
        account_id: Account.
        name: Unique in the account.
        description: What it is for.
        base_currency: Currency of its totals.
        account_own: Whether it holds everything, cash included, and cannot be changed by hand.
        instruments: The chosen ones; empty for the account's own.
        version: Counts its changes, from 1.
        created_at: When it was made.
        updated_at: When it last changed.
    """

    portfolio_id: str
    account_id: str
    name: str
    description: str
    base_currency: str
    account_own: bool
    instruments: frozenset[str]
    version: int
    created_at: datetime
    updated_at: datetime

    def holds(self, instrument: str) -> bool:
        """Tells whether the position in an instrument is part of it."""
        return self.account_own or instrument in self.instruments


@dataclass(frozen=True, slots=True)
class NewAccount:
    """An account to open, as asked for.

    Attributes:
        account_id: Its name.
        name: Name for people.
        environment: Simulation or live.
        base_currency: Currency of its totals.
        balances: Opening cash, as pairs of currency and amount.
    """

    account_id: str
    name: str
    environment: Environment
    base_currency: str
    balances: tuple[tuple[str, Decimal], ...]

    def check(self) -> None:
        """Raises INVALID_FIELD for virtual cash in a live account, and for a currency named twice."""
        if self.environment is Environment.LIVE and self.balances:
            raise invalid_field("balances", "must be empty for a live account: its cash is at its broker")
        seen: set[str] = set()
        for index, (currency, _) in enumerate(self.balances):
            if currency in seen:
                raise invalid_field(f"balances[{index}].currency", f"must be named once: {currency} stands there twice")
            seen.add(currency)

    def open(self, portfolio_id: str, at: datetime) -> tuple[Account, Portfolio]:
        """Returns the account, and the portfolio that holds everything it has."""
        balances = {currency: Balance(amount, amount) for currency, amount in self.balances}
        account = Account(
            account_id=self.account_id,
            name=self.name,
            environment=self.environment,
            base_currency=self.base_currency,
            portfolio_id=portfolio_id,
            balances=balances,
            change_count=0,
            created_at=at,
            updated_at=at,
        )
        own = Portfolio(
            portfolio_id=portfolio_id,
            account_id=self.account_id,
            name=OWN_PORTFOLIO_NAME,
            description="",
            base_currency=self.base_currency,
            account_own=True,
            instruments=frozenset(),
            version=1,
            created_at=at,
            updated_at=at,
        )
        return account, own


def demo_account() -> NewAccount:
    """Returns the account that a new installation begins with: cash in each currency that its instruments cost."""
    cash = {"USD": 1_000_000, "USDT": 1_000_000, "INR": 10_000_000, "JPY": 100_000_000}
    return NewAccount(
        account_id="demo",
        name="Demonstration",
        environment=Environment.SIMULATION,
        base_currency=DEFAULT_BASE_CURRENCY,
        balances=tuple((currency, Decimal(amount)) for currency, amount in cash.items()),
    )


def account_of_fill(account_id: str) -> NewAccount:
    """Returns the account to open for a fill whose account is not known: no fill is ever left out."""
    return NewAccount(account_id, "", Environment.SIMULATION, DEFAULT_BASE_CURRENCY, ())
