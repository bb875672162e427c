"""Money: an amount in a currency, added and compared only within it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from services.kernel.decimals import format_decimal, parse_decimal
from services.kernel.errors import invalid_field

_CURRENCY = re.compile(r"[A-Z][A-Z0-9]{2,9}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Money:
    """An exact amount.

    Attributes:
        amount: In whole units of the currency, such as dollars.
        currency: ISO 4217 code, or the usual code of a crypto currency.
    """

    amount: Decimal
    currency: str

    @classmethod
    def parse(cls, amount: str, currency: str, field: str = "amount") -> Money:
        """Returns the money that two strings of the contract stand for.

        Raises:
            CodedError: INVALID_FIELD, when either is not of its form.
        """
        return cls(parse_decimal(amount, field), parse_currency(currency))

    def __add__(self, other: Money) -> Money:
        return Money(self.amount + self._same(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.amount - self._same(other), self.currency)

    def __neg__(self) -> Money:
        return Money(-self.amount, self.currency)

    def __lt__(self, other: Money) -> bool:
        return self.amount < self._same(other)

    def __str__(self) -> str:
        return f"{format_decimal(self.amount)} {self.currency}"

    def _same(self, other: Money) -> Decimal:
        if other.currency != self.currency:
            raise ValueError(f"{self.currency} and {other.currency} do not mix")
        return other.amount


def parse_currency(text: str, field: str = "currency") -> str:
    """Returns the currency code.

    Raises:
        CodedError: INVALID_FIELD, when it is not one.
    """
    if _CURRENCY.fullmatch(text) is None:
        raise invalid_field(field, "must be a currency code such as USD")
    return text
