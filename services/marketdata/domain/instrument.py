"""Instruments: their terms, what makes terms sound, and the instrument as it is listed."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from services.kernel.decimals import format_decimal, is_multiple
from services.kernel.errors import CodedError, FieldViolation, already_exists, invalid, invalid_field, not_found
from services.kernel.instrument import InstrumentId

MOST_TICKS = 1_000_000_000_000_000
"""Highest price that the engine can be told, in ticks."""
MOST_LOTS = 1_000_000_000_000
"""Largest quantity of an order that the engine takes, in lots."""
USUAL_MOST_LOTS = 10_000_000
"""Largest quantity of an order, in lots, where the terms do not say."""
MOST_STEP_DIGITS = 12
"""Most digits after the point of a tick, lot or multiplier."""


class AssetClass(enum.IntEnum):
    """Kind of an instrument; the numbers are the contract's."""

    EQUITY = 1
    CRYPTO = 2
    FX = 3
    FUTURE = 4


class TradingStatus(enum.IntEnum):
    """Whether an instrument trades; the numbers are the contract's."""

    TRADING = 1
    HALTED = 2
    CALL_AUCTION = 3


@dataclass(frozen=True, slots=True)
class Terms:
    """What an instrument is. Terms never change: prices and quantities of the past are told in their steps.

    Attributes:
        name: `SYMBOL.VENUE`.
        description: Full name, for people.
        asset_class: Kind.
        currency: Currency that prices are in.
        tick_size: Price step.
        lot_size: Quantity step.
        min_quantity: Smallest quantity of an order.
        max_quantity: Largest quantity of an order.
        contract_multiplier: Units of the underlying in one unit of quantity.
        expires_at: Expiry of a future, else None.
    """

    name: InstrumentId
    description: str
    asset_class: AssetClass
    currency: str
    tick_size: Decimal
    lot_size: Decimal
    min_quantity: Decimal
    max_quantity: Decimal
    contract_multiplier: Decimal
    expires_at: datetime | None = None

    def check(self) -> None:
        """Makes sure that the terms go together.

        Raises:
            CodedError: INVALID_FIELD, naming every field that does not.
        """
        if violations := tuple(self._violations()):
            first = violations[0]
            raise invalid("INVALID_FIELD", f"{first.field}: {first.description}", *violations)

    def _violations(self) -> list[FieldViolation]:
        lot = self.lot_size
        broken = [
            FieldViolation(field, f"must be a multiple of the lot size {format_decimal(lot)}")
            for field, value in (("min_quantity", self.min_quantity), ("max_quantity", self.max_quantity))
            if not is_multiple(value, lot)
        ]
        if self.max_quantity < self.min_quantity:
            broken.append(FieldViolation("max_quantity", "must not be less than min_quantity"))
        if self.max_quantity > lot * MOST_LOTS:
            broken.append(FieldViolation("max_quantity", f"must be at most {MOST_LOTS} lots"))
        is_future = self.asset_class is AssetClass.FUTURE
        if is_future and self.expires_at is None:
            broken.append(FieldViolation("expires_at", "must be given for a future"))
        if not is_future and self.expires_at is not None:
            broken.append(FieldViolation("expires_at", "must be given for a future only"))
        return broken


@dataclass(frozen=True, slots=True)
class Instrument:
    """An instrument as it is listed.

    Attributes:
        terms: What it is.
        number: Number under which the engine knows it.
        status: Whether it trades or is halted; that an auction goes on is the venue's to say.
        version: Counts the changes, from 1.
        updated_at: When it last changed.
    """

    terms: Terms
    number: int
    status: TradingStatus
    version: int
    updated_at: datetime

    @property
    def name(self) -> str:
        """`SYMBOL.VENUE`."""
        return str(self.terms.name)


def unknown_instrument(name: str, field: str = "instrument") -> CodedError:
    """Returns the error for a name that no instrument has."""
    error = not_found("UNKNOWN_INSTRUMENT", f"no instrument {name}", instrument=name)
    error.violations = (FieldViolation(field, f"no instrument is called {name}"),)
    return error


def price_out_of_range(field: str = "reference_price") -> CodedError:
    """Returns the error for a price that the venue does not take."""
    return invalid_field(field, "lies outside what the venue takes", reason="PRICE_OUT_OF_RANGE")


def instrument_exists(name: str, differing: list[str]) -> CodedError:
    """Returns the error for making an instrument anew with other terms."""
    error = already_exists(
        "INSTRUMENT_EXISTS", f"{name} exists with other terms: {', '.join(differing)}", instrument=name
    )
    error.violations = tuple(FieldViolation(field, "differs from the instrument that exists") for field in differing)
    return error


def differing_terms(one: Terms, other: Terms) -> list[str]:
    """Returns the names of the terms in which the two differ."""
    return [field for field in Terms.__dataclass_fields__ if getattr(one, field) != getattr(other, field)]
