"""Which instructions go with which order, and what an instrument allows of them."""

from __future__ import annotations

from typing import Final

from services.kernel.errors import CodedError, invalid_field
from services.order.domain.algorithms.rules import check_algorithm
from services.order.domain.instructions import Instructions
from services.order.domain.terms import OrderTerms
from services.order.domain.values import OrderType, TimeInForce

STOP_TYPES: Final = (OrderType.STOP, OrderType.STOP_LIMIT)
LIMIT_TYPES: Final = (OrderType.LIMIT, OrderType.STOP_LIMIT)
_RESTING: Final = (TimeInForce.DAY, TimeInForce.GTC, TimeInForce.GTD)
_NONE: Final = Instructions()


def check_stop_price(terms: OrderTerms) -> None:
    """Refuses a stop order without a stop price, and another order with one.

    Raises:
        CodedError: STOP_PRICE_MISMATCH.
    """
    given = terms.instructions is not None and terms.instructions.stop_price is not None
    if given == (terms.type in STOP_TYPES):
        return
    rule = (
        "must be absent unless the order is a stop or stop-limit order" if given else "must be given for a stop order"
    )
    raise invalid_field("stop_price", rule, reason="STOP_PRICE_MISMATCH")


def check_new_stop_price(terms: OrderTerms) -> None:
    """Refuses another stop price for an order that was released.

    Raises:
        CodedError: STOP_PRICE_MISMATCH.
    """
    if terms.instructions is not None and terms.instructions.triggered:
        raise _mismatch("stop_price", "cannot change any more: the order was released", "STOP_PRICE_MISMATCH")


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
        rule = "goes with limit and stop-limit orders that may rest (DAY, GTC, GTD) only"
        raise _mismatch("display_quantity", rule, "DISPLAY_QUANTITY_MISMATCH")
    if display >= terms.quantity:
        raise _mismatch("display_quantity", "must be less than the quantity", "DISPLAY_QUANTITY_MISMATCH")


def _check_expiry(terms: OrderTerms, instructions: Instructions, at_ns: int) -> None:
    dated, expire_at_ns = terms.time_in_force is TimeInForce.GTD, instructions.expire_at_ns
    if expire_at_ns is None:
        if dated:
            raise _mismatch("expire_at", "must be given with GTD", "EXPIRE_AT_MISMATCH")
        return
    if not dated:
        raise _mismatch("expire_at", "must be absent unless the time in force is GTD", "EXPIRE_AT_MISMATCH")
    if expire_at_ns <= at_ns:
        raise _mismatch("expire_at", "must be in the future", "EXPIRE_AT_REACHED")


def _mismatch(field: str, rule: str, reason: str) -> CodedError:
    return invalid_field(field, rule, reason=reason)
