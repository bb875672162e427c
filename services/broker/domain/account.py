"""What a broker or venue holds for a connection."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from services.broker.domain.books import BookPosition
from services.broker.domain.terms import Terms
from services.kernel.decimals import EXACT, ZERO

_PLACES: Final = Decimal("1e-12")


@dataclass(frozen=True, slots=True)
class Funds:
    """Money in one currency; the balance contains the fees."""

    currency: str
    balance: Decimal
    fees: Decimal


@dataclass(frozen=True, slots=True)
class Position:
    """Position in one instrument.

    Attributes:
        average_price: None when nothing is held.
        held_outright: Whether what is bought is paid for and owned, unlike a future.
    """

    instrument: str
    currency: str
    quantity: Decimal
    average_price: Decimal | None
    bought_quantity: Decimal
    sold_quantity: Decimal
    held_outright: bool = True


@dataclass(frozen=True, slots=True)
class VenueAccount:
    """Money by currency and positions by instrument."""

    funds: tuple[Funds, ...]
    positions: tuple[Position, ...]

    @property
    def holdings(self) -> tuple[Position, ...]:
        """What is owned: long positions, but for those in futures."""
        return tuple(each for each in self.positions if each.quantity > 0 and each.held_outright)


def account_of(positions: Iterable[BookPosition], terms_of: Callable[[int], Terms]) -> VenueAccount:
    """Returns what the books of all shards of a connection come to together."""
    merged: dict[int, BookPosition] = {}
    for position in positions:
        _merge(merged.setdefault(position.venue_number, BookPosition(position.venue_number)), position)
    told = [(terms_of(number), position) for number, position in merged.items()]
    funds: dict[str, Funds] = {}
    for terms, position in told:
        paid = EXACT.multiply(Decimal(position.paid), terms.value_of_one)
        before = funds.get(terms.currency, Funds(terms.currency, ZERO, ZERO))
        balance = EXACT.subtract(EXACT.subtract(before.balance, paid), position.fees)
        funds[terms.currency] = Funds(terms.currency, balance, EXACT.add(before.fees, position.fees))
    return VenueAccount(
        tuple(funds[currency] for currency in sorted(funds)),
        tuple(sorted((_told(terms, position) for terms, position in told), key=lambda each: each.instrument)),
    )


def _merge(into: BookPosition, position: BookPosition) -> None:
    into.lots += position.lots
    into.cost = EXACT.add(into.cost, position.cost)
    into.bought_lots += position.bought_lots
    into.sold_lots += position.sold_lots
    into.paid += position.paid
    into.fees = EXACT.add(into.fees, position.fees)


def _told(terms: Terms, position: BookPosition) -> Position:
    lot = terms.quantities.step
    average: Decimal | None = None
    if position.lots:
        ticks = EXACT.divide(position.cost, Decimal(position.lots))
        average = EXACT.multiply(ticks, terms.prices.step).quantize(_PLACES, context=EXACT)
    return Position(
        terms.instrument,
        terms.currency,
        EXACT.multiply(Decimal(position.lots), lot),
        average,
        EXACT.multiply(Decimal(position.bought_lots), lot),
        EXACT.multiply(Decimal(position.sold_lots), lot),
        terms.held_outright,
    )
