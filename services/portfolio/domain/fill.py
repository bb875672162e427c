"""What is booked: a fill, and the terms of the instrument that it is in."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from services.portfolio.domain.values import Side


@dataclass(frozen=True, slots=True)
class Adjustment:
    """What a venue has done to a fill after it was made.

    Attributes:
        execution_id: Our id of the report that says so.
        canceled: Whether it was taken back; else it is corrected to what the fill says.
    """

    execution_id: str
    canceled: bool


@dataclass(slots=True)  # not frozen, and never changed: so it is made in a fourth of the time
class Fill:
    """A fill of an order.

    Attributes:
        trade_id: Its id, unique for ever.
        account_id: Account that it belongs to.
        instrument: `SYMBOL.VENUE`.
        side: Bought or sold.
        price: In the instrument's currency.
        quantity: Positive.
        fee: In the instrument's currency; negative for a rebate.
        sequence: Its place in the order log.
        executed_at_ns: When the venue matched it, in nanoseconds since 1970.
        adjustment: What its venue has done to it since; None when it is told for the first time.
    """

    trade_id: str
    account_id: str
    instrument: str
    side: Side
    price: Decimal
    quantity: Decimal
    fee: Decimal
    sequence: int
    executed_at_ns: int
    adjustment: Adjustment | None = None

    @property
    def signed_quantity(self) -> Decimal:
        """The quantity, negative when sold."""
        return self.side.sign * self.quantity


@dataclass(frozen=True, slots=True)
class InstrumentTerms:
    """What bookkeeping needs to know of an instrument.

    Attributes:
        name: `SYMBOL.VENUE`.
        currency: Currency of its prices.
        multiplier: Units of the underlying in one unit of quantity.
        pair_base: For a pair of currencies, the one that is priced, such as EUR of EUR-USD; empty otherwise.
    """

    name: str
    currency: str
    multiplier: Decimal
    pair_base: str = ""
