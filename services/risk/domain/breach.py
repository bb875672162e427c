"""Which rule an order breaks, by how much, and how that is told."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from decimal import Decimal

from services.kernel.decimals import format_decimal


class Rule(enum.IntEnum):
    """A rule, numbered as in the contract."""

    MAX_ORDER_SIZE = 1
    MAX_POSITION_SIZE = 2
    MAX_ORDER_VALUE = 3
    MAX_POSITION_VALUE = 4
    PRICE_BAND = 5
    MAX_DAILY_LOSS = 6
    MAX_DAILY_TRADES = 7
    MAX_DAILY_VOLUME = 8
    CIRCUIT_BREAKER = 9
    REFERENCE_PRICE = 10
    TRADING_HALTED = 11
    TRADING_REDUCING = 12
    REDUCE_ONLY = 13


_WORDS = {
    Rule.MAX_ORDER_SIZE: "the order's quantity",
    Rule.MAX_POSITION_SIZE: "the position, open orders included,",
    Rule.MAX_ORDER_VALUE: "the order's value",
    Rule.MAX_POSITION_VALUE: "the position's value, open orders included,",
    Rule.PRICE_BAND: "the distance of the price from its reference",
    Rule.MAX_DAILY_LOSS: "the day's loss",
    Rule.MAX_DAILY_TRADES: "the day's fills, open orders included,",
    Rule.MAX_DAILY_VOLUME: "the day's volume, open orders included,",
}


@dataclass(frozen=True, slots=True)
class Breach:
    """A rule that was broken.

    Attributes:
        limit: In the rule's unit; empty for a rule without one.
        observed: What the order would have made of it; empty for a rule without a limit.
        unit: `units`, `percent`, `trades` or a currency; empty for a rule without a limit.
    """

    rule: Rule
    limit: str = ""
    observed: str = ""
    unit: str = ""
    text: str = ""

    @classmethod
    def of(cls, rule: Rule, limit: Decimal | int, observed: Decimal | int, unit: str) -> Breach:
        """Returns the breach of a limit."""
        told_limit, told_observed = _told(limit), _told(observed)
        text = f"{_WORDS[rule]} would be {told_observed} {unit}; the limit is {told_limit} {unit}"
        if rule == Rule.MAX_DAILY_LOSS:
            text = f"the day's loss is {told_observed} {unit}; the limit is {told_limit} {unit}"
        return cls(rule, told_limit, told_observed, unit, text)


NO_REFERENCE = Breach(Rule.REFERENCE_PRICE, text="no price is known to check a market order against")


def breaker_open(cause: Breach | None) -> Breach:
    """Returns the breach of an order that meets an open circuit breaker."""
    because = f": {cause.text}" if cause is not None and cause.text else ""
    return Breach(Rule.CIRCUIT_BREAKER, text=f"the circuit breaker of the account is open{because}")


def _told(number: Decimal | int) -> str:
    return str(number) if isinstance(number, int) else format_decimal(number)
