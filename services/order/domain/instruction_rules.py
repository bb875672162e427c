"""Which instructions go with which order, and what an instrument allows of them."""

from __future__ import annotations

from typing import Final

from services.kernel.errors import CodedError, invalid_field
from services.order.domain.algorithms.rules import check_algorithm
from services.order.domain.instructions import Instructions
from services.order.domain.terms import OrderTerms
from services.order.domain.values import OrderType, TimeInForce

STOP_TYPES: Final = (
    OrderType.STOP,
    OrderType.STOP_LIMIT,
    OrderType.MARKET_IF_TOUCHED,
    OrderType.LIMIT_IF_TOUCHED,
)
"""Types that wait for a price which must be given."""
CONDITIONAL_TYPES: Final = (*STOP_TYPES, OrderType.TRAILING_STOP)
"""Types that wait for a price."""
LIMIT_TYPES: Final = (OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.LIMIT_IF_TOUCHED)
_RESTING: Final = (TimeInForce.DAY, TimeInForce.GTC, TimeInForce.GTD)
_NONE: Final = Instructions()
_RELEASED: Final = "cannot change any more: the order was released"


def check_condition(terms: OrderTerms) -> None:
    """Refuses an order that waits and does not say for what, and another order that does.

    Raises:
        CodedError: STOP_PRICE_MISMATCH or TRAILING_STOP_MISMATCH.
    """
    instructions, trails = terms.instructions or _NONE, terms.type is OrderType.TRAILING_STOP
    if (instructions.trailing is not None) != trails:
        rule = "must be given for a trailing stop order" if trails else "goes with trailing stop orders only"
        raise _mismatch("trailing_stop", rule, "TRAILING_STOP_MISMATCH")
    given = instructions.stop_price is not None
    if trails or given == (terms.type in STOP_TYPES):
        return
    rule = (
        "goes with orders that wait for a price only" if given else "must be given for an order that waits for a price"
    )
    raise _mismatch("stop_price", rule, "STOP_PRICE_MISMATCH")


def check_new_stop_price(terms: OrderTerms) -> None:
    """Refuses another stop price for an order that was released, or whose own follows the market.

    Raises:
        CodedError: STOP_PRICE_MISMATCH.
    """
    instructions = terms.instructions or _NONE
    if instructions.triggered:
        raise _mismatch("stop_price", _RELEASED, "STOP_PRICE_MISMATCH")
    if instructions.trailing is not None:
        raise _mismatch("stop_price", "follows the market; its distance can be replaced", "STOP_PRICE_MISMATCH")


def check_new_trailing(terms: OrderTerms) -> None:
    """Refuses another distance for an order that was released.

    Raises:
        CodedError: TRAILING_STOP_MISMATCH.
    """
    if terms.instructions is not None and terms.instructions.triggered:
        raise _mismatch("trailing_stop", _RELEASED, "TRAILING_STOP_MISMATCH")


def check_entry(terms: OrderTerms, at_ns: int) -> None:
    """Refuses instructions that do not go with the rest of a new order, or have no time left.

    Raises:
        CodedError: EXPIRE_AT_MISMATCH, EXPIRE_AT_REACHED, POST_ONLY_MISMATCH, DISPLAY_QUANTITY_MISMATCH or those of
            `check_algorithm`; each names the field.
    """
    instructions = terms.instructions or _NONE
    if instructions.algorithm is not None:
        check_algorithm(terms, instructions, instructions.algorithm, at_ns)
    _check_expiry(terms, instructions, at_ns)
    rests = terms.time_in_force in _RESTING
    if instructions.post_only and not (terms.type is OrderType.LIMIT and rests):
        raise _mismatch("post_only", "goes with limit orders that may rest (DAY, GTC, GTD) only", "POST_ONLY_MISMATCH")
    if (display := instructions.display_quantity) is None:
        return
    if not (terms.type in LIMIT_TYPES and rests):
        rule = "goes with limit, stop-limit and limit-if-touched orders that may rest (DAY, GTC, GTD) only"
        raise _mismatch("display_quantity", rule, "DISPLAY_QUANTITY_MISMATCH")
    if display >= terms.quantity:
        raise _mismatch("display_quantity", "must be less than the quantity", "DISPLAY_QUANTITY_MISMATCH")


def check_new_expiry(terms: OrderTerms, expire_at_ns: int | None, at_ns: int) -> None:
    """Refuses another expiry for an order that has none, or one that has come already; None: it is not to be changed.

    Raises:
        CodedError: EXPIRE_AT_MISMATCH or EXPIRE_AT_REACHED.
    """
    if expire_at_ns is None:
        return
    if terms.time_in_force is not TimeInForce.GTD:
        raise _mismatch("expire_at", "must be absent unless the time in force is GTD", "EXPIRE_AT_MISMATCH")
    if expire_at_ns <= at_ns:
        raise _mismatch("expire_at", "must be in the future", "EXPIRE_AT_REACHED")


def _check_expiry(terms: OrderTerms, instructions: Instructions, at_ns: int) -> None:
    dated, expire_at_ns = terms.time_in_force is TimeInForce.GTD, instructions.expire_at_ns
    if expire_at_ns is None:
        if dated:
            raise _mismatch("expire_at", "must be given with GTD", "EXPIRE_AT_MISMATCH")
        return
    check_new_expiry(terms, expire_at_ns, at_ns)


def _mismatch(field: str, rule: str, reason: str) -> CodedError:
    return invalid_field(field, rule, reason=reason)
