"""What an order must satisfy before it is entered, beyond the constraints of the contract."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from services.kernel.decimals import format_decimal, is_multiple
from services.kernel.errors import CodedError, invalid_field, precondition
from services.order.domain.algorithms.rules import check_steps
from services.order.domain.instruction_rules import CONDITIONAL_TYPES, LIMIT_TYPES, check_condition, check_entry
from services.order.domain.instructions import Instructions
from services.order.domain.instruments import Instrument
from services.order.domain.terms import OrderTerms
from services.order.domain.values import OrderType, TimeInForce

MAX_TICKS: Final = 2**63 - 1
"""Engines count prices in ticks, in 64 bits."""
# Looked up once: a member of an enumeration costs a plain order more than the comparison with it.
_MARKET: Final = OrderType.MARKET
_LIMIT: Final = OrderType.LIMIT
_GTD: Final = TimeInForce.GTD
_AT_ONCE: Final = (TimeInForce.IOC, TimeInForce.FOK)
_AUCTIONS: Final = (TimeInForce.AT_THE_OPENING, TimeInForce.AT_THE_CLOSE)
_OF_MARKET_ORDERS: Final = _AT_ONCE + _AUCTIONS


def check(terms: OrderTerms, instrument: Instrument, at_ns: int) -> None:
    """Refuses an order that its type or its instrument does not allow.

    Raises:
        CodedError: LIMIT_PRICE_MISMATCH, TIME_IN_FORCE_MISMATCH, PRICE_OFF_TICK, PRICE_OUT_OF_RANGE, QUANTITY_OFF_LOT,
            QUANTITY_OUT_OF_RANGE, those of `instruction_rules.check_entry` (each names the field),
            INSTRUMENT_NOT_TRADING or AUCTION_CALL_PHASE.
    """
    check_terms(terms, instrument)
    if terms.instructions is not None or terms.time_in_force is _GTD:
        check_entry(terms, at_ns)
    if not instrument.trades_at(at_ns):
        raise not_trading(instrument)
    if instrument.collecting and terms.time_in_force in _AT_ONCE and terms.type not in CONDITIONAL_TYPES:
        raise precondition(
            "AUCTION_CALL_PHASE",
            f"{instrument.name} is in an auction's call phase, which takes no order that trades at once or not at all",
            instrument=instrument.name,
        )


def not_trading(instrument: Instrument) -> CodedError:
    """Returns the error for an instrument that does not trade now."""
    return precondition("INSTRUMENT_NOT_TRADING", f"{instrument.name} does not trade now", instrument=instrument.name)


def check_terms(terms: OrderTerms, instrument: Instrument) -> None:
    """Refuses terms that their type or their instrument does not allow, whether or not it trades now.

    Raises:
        CodedError: As `check`, but for its last two and what only a new order must satisfy.
    """
    _check_type(terms)
    _check_quantity(terms.quantity, instrument)
    if terms.limit_price is not None:
        _check_price(terms.limit_price, instrument, "limit_price")
    if terms.instructions is not None:
        _check_steps(terms, terms.instructions, instrument)


def unknown_instrument(name: str) -> CodedError:
    """Returns the error for an instrument that does not exist."""
    return invalid_field("instrument", f"no instrument {name} is known", reason="UNKNOWN_INSTRUMENT")


def _check_type(terms: OrderTerms) -> None:
    if terms.type in LIMIT_TYPES:
        if terms.limit_price is None:
            raise invalid_field("limit_price", "must be given for a limit order", reason="LIMIT_PRICE_MISMATCH")
        if terms.type is not _LIMIT:
            check_condition(terms)
        return
    if terms.limit_price is not None:
        rule = "must be absent for an order without a limit"
        raise invalid_field("limit_price", rule, reason="LIMIT_PRICE_MISMATCH")
    if terms.type is not _MARKET:
        check_condition(terms)
    elif terms.instructions is not None and terms.instructions.algorithm is not None:
        return
    elif terms.time_in_force not in _OF_MARKET_ORDERS:
        rule = "must be IOC, FOK, AT_THE_OPENING or AT_THE_CLOSE for a market order"
        raise invalid_field("time_in_force", rule, reason="TIME_IN_FORCE_MISMATCH")


def _check_steps(terms: OrderTerms, instructions: Instructions, instrument: Instrument) -> None:
    check_condition(terms)
    if terms.type in CONDITIONAL_TYPES and terms.time_in_force in _AUCTIONS:
        rule = "must not be AT_THE_OPENING or AT_THE_CLOSE for an order that waits for a price"
        raise invalid_field("time_in_force", rule, reason="TIME_IN_FORCE_MISMATCH")
    if instructions.stop_price is not None:
        _check_price(instructions.stop_price, instrument, "stop_price")
    display = instructions.display_quantity
    if display is not None and not is_multiple(display, instrument.lot_size):
        raise _off_lot("display_quantity", instrument)
    if instructions.algorithm is not None:
        check_steps(instructions.algorithm, instrument)


def _check_quantity(quantity: Decimal, instrument: Instrument) -> None:
    if not is_multiple(quantity, instrument.lot_size):
        raise _off_lot("quantity", instrument)
    if not instrument.min_quantity <= quantity <= instrument.max_quantity:
        least, most = format_decimal(instrument.min_quantity), format_decimal(instrument.max_quantity)
        rule = f"must be from {least} to {most} for {instrument.name}"
        raise invalid_field("quantity", rule, reason="QUANTITY_OUT_OF_RANGE")


def _off_lot(field: str, instrument: Instrument) -> CodedError:
    rule = f"must be a multiple of {format_decimal(instrument.lot_size)}, the lot of {instrument.name}"
    return invalid_field(field, rule, reason="QUANTITY_OFF_LOT")


def _check_price(price: Decimal, instrument: Instrument, field: str) -> None:
    if not is_multiple(price, instrument.tick_size):
        rule = f"must be a multiple of {format_decimal(instrument.tick_size)}, the tick of {instrument.name}"
        raise invalid_field(field, rule, reason="PRICE_OFF_TICK")
    if price > instrument.tick_size * MAX_TICKS:
        raise invalid_field(field, f"is more than {instrument.name} can carry", reason="PRICE_OUT_OF_RANGE")
