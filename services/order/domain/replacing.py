"""Replacing an order's terms: the request, what it would make of the order, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import replace as changed
from decimal import Decimal
from enum import IntEnum

from services.order.domain.algorithms.terms import Algorithm
from services.order.domain.instructions import Instructions
from services.order.domain.terms import OrderTerms
from services.order.domain.trailing import TrailingStop
from services.order.domain.values import OrderType, TimeInForce


class ReplaceStatus(IntEnum):
    """What became of a replace, numbered as in the contract."""

    PENDING = 1
    REPLACED = 2
    REJECTED = 3


@dataclass(frozen=True, slots=True)
class ReplaceRequest:
    """What a caller wants of an order.

    Attributes:
        order_id: Our id of the order.
        replace_id: The caller's id of the request, unique among the replaces of the order.
        quantity: New quantity of the order as a whole; None: not to be changed.
        limit_price: New limit price; None: not to be changed.
        expected_version: Version that the order must still have; 0: any.
        stop_price: New stop price; None: not to be changed.
        expire_at_ns: New expiry, nanoseconds since 1970; None: not to be changed.
        trailing: New distance of a trailing stop order; None: not to be changed.
        tick_size: Tick of the instrument, beside a new distance.
    """

    order_id: str
    replace_id: str
    quantity: Decimal | None
    limit_price: Decimal | None
    expected_version: int = 0
    stop_price: Decimal | None = None
    expire_at_ns: int | None = None
    trailing: TrailingStop | None = None
    tick_size: Decimal | None = None

    @property
    def asked(self) -> tuple[object, ...]:
        """What it asks for: what tells it from another one under its id."""
        return self.quantity, self.limit_price, self.stop_price, self.expire_at_ns, _distance(self.trailing)


@dataclass(frozen=True, slots=True)
class Replace:
    """A replace that was committed.

    Attributes:
        replace_id: The caller's id of it.
        quantity: Quantity asked for, what has traded included; None: not to be changed.
        limit_price: Limit price asked for; None: not to be changed.
        original_quantity: Quantity of the order when it was asked for.
        original_limit_price: Limit price of the order then; None for a market or stop order.
        sequence: Sequence of the request in the log, which numbers its command.
        status: What became of it.
        stop_price: Stop price asked for; None: not to be changed.
        original_stop_price: Stop price of the order then; None for an order without one.
        expire_at_ns: Expiry asked for; None: not to be changed.
        original_expire_at_ns: Expiry of the order then; None for an order without one.
        trailing: Distance of a trailing stop order asked for; None: not to be changed.
        original_trailing: How the order followed the market then; None for one that does not.
    """

    replace_id: str
    quantity: Decimal | None
    limit_price: Decimal | None
    original_quantity: Decimal
    original_limit_price: Decimal | None
    sequence: int
    status: ReplaceStatus = ReplaceStatus.PENDING
    stop_price: Decimal | None = None
    original_stop_price: Decimal | None = None
    expire_at_ns: int | None = None
    original_expire_at_ns: int | None = None
    trailing: TrailingStop | None = None
    original_trailing: TrailingStop | None = None

    @property
    def pending(self) -> bool:
        """Whether the venue has not answered yet."""
        return self.status is ReplaceStatus.PENDING

    @property
    def new_quantity(self) -> Decimal:
        """Quantity of the order as a whole under the new terms."""
        return self.original_quantity if self.quantity is None else self.quantity

    @property
    def new_limit_price(self) -> Decimal | None:
        """Limit price under the new terms; None for a market order."""
        return self.original_limit_price if self.limit_price is None else self.limit_price

    @property
    def new_stop_price(self) -> Decimal | None:
        """Stop price under the new terms; None for an order without one."""
        return self.original_stop_price if self.stop_price is None else self.stop_price

    def asks_for(self, request: ReplaceRequest) -> bool:
        """Tells whether a request is this one again. The version expected does not count: it has moved on since."""
        mine = (self.quantity, self.limit_price, self.stop_price, self.expire_at_ns, _distance(self.trailing))
        return mine == request.asked

    def decided(self, status: ReplaceStatus) -> Replace:
        """Returns it with its outcome."""
        return changed(self, status=status)


def begin(request: ReplaceRequest, terms: OrderTerms, sequence: int) -> Replace:
    """Returns the replace that a request makes of an order with these terms."""
    return Replace(
        request.replace_id,
        request.quantity,
        request.limit_price,
        terms.quantity,
        terms.limit_price,
        sequence,
        stop_price=request.stop_price,
        original_stop_price=stop_price_of(terms),
        expire_at_ns=request.expire_at_ns,
        original_expire_at_ns=expiry_of(terms),
        trailing=request.trailing,
        original_trailing=trailing_of(terms),
    )


def only_reduces(request: ReplaceRequest, terms: OrderTerms) -> bool:
    """Tells whether a request takes away from an order at most: what a cancel, of a part or later on, would be."""
    price, quantity = request.limit_price, request.quantity
    same_stop = request.stop_price in (None, stop_price_of(terms))
    same_price = same_stop and request.trailing is None and price in (None, terms.limit_price)
    return same_price and (quantity is None or quantity <= terms.quantity) and not prolongs(request, terms)


def prolongs(request: ReplaceRequest, terms: OrderTerms) -> bool:
    """Tells whether a request lets an order live longer."""
    if request.expire_at_ns is None:
        return False
    expire_at_ns = expiry_of(terms)
    return expire_at_ns is None or request.expire_at_ns > expire_at_ns


def stop_price_of(terms: OrderTerms) -> Decimal | None:
    """Returns the stop price of an order, also of one that was released; None for others."""
    return None if terms.instructions is None else terms.instructions.stop_price


def expiry_of(terms: OrderTerms) -> int | None:
    """Returns when an order expires, nanoseconds since 1970; None for one without an expiry."""
    return None if terms.instructions is None else terms.instructions.expire_at_ns


def trailing_of(terms: OrderTerms) -> TrailingStop | None:
    """Returns how an order follows the market; None for one that does not."""
    return None if terms.instructions is None else terms.instructions.trailing


def with_instructions(terms: OrderTerms, instructions: Instructions) -> OrderTerms:
    """Returns terms with other instructions."""
    return terms.changed(instructions=instructions)


def with_distance(terms: OrderTerms, trailing: TrailingStop, tick_size: Decimal) -> OrderTerms:
    """Returns terms with another distance to the market: the stop price is that of the trade that is followed.

    Before the first trade the one to begin with stays.
    """
    instructions = terms.instructions or Instructions()
    if instructions.trailing is not None:
        trailing = instructions.trailing.at_distance_of(trailing)
    stop_price, reference_price = instructions.stop_price, trailing.reference_price
    if reference_price is not None:
        stop_price = trailing.stop_price(terms.side, reference_price, tick_size)
    return with_instructions(terms, instructions.trailed(trailing, stop_price))


def with_quantity(terms: OrderTerms, quantity: Decimal) -> OrderTerms:
    """Returns terms with another quantity."""
    return terms.changed(quantity=quantity)


def with_terms(
    terms: OrderTerms,
    quantity: Decimal,
    limit_price: Decimal | None,
    stop_price: Decimal | None = None,
    expire_at_ns: int | None = None,
) -> OrderTerms:
    """Returns terms with another quantity and limit price, and another stop price and expiry if they are given.

    The digest stays that of the request that placed the order, so that its repetition is recognised for ever.
    """
    instructions = terms.instructions
    if stop_price is not None and stop_price != stop_price_of(terms):
        instructions = (instructions or Instructions()).with_stop_price(stop_price)
    if expire_at_ns is not None:
        instructions = (instructions or Instructions()).with_expiry(expire_at_ns)
    return terms.changed(quantity=quantity, limit_price=limit_price, instructions=instructions)


def working_by(terms: OrderTerms, algorithm: Algorithm) -> OrderTerms:
    """Returns terms with another state of their algorithm."""
    instructions = (terms.instructions or Instructions()).working_by(algorithm)
    return terms.changed(instructions=instructions)


def released(terms: OrderTerms) -> OrderTerms:
    """Returns the terms of a stop order that was released."""
    instructions = None if terms.instructions is None else terms.instructions.released()
    return terms.changed(instructions=instructions)


def as_released(terms: OrderTerms, type_: OrderType, time_in_force: TimeInForce) -> OrderTerms:
    """Returns the terms of an order that was released, as a venue that has not held it is told them."""
    instructions = None if terms.instructions is None else terms.instructions.for_venue()
    return terms.changed(instructions=instructions, type=type_, time_in_force=time_in_force)


def asked_terms(request: ReplaceRequest, terms: OrderTerms) -> OrderTerms:
    """Returns the terms that an order would have by a request."""
    quantity = terms.quantity if request.quantity is None else request.quantity
    limit_price = terms.limit_price if request.limit_price is None else request.limit_price
    after = with_terms(terms, quantity, limit_price, request.stop_price, request.expire_at_ns)
    if request.trailing is None or request.tick_size is None:
        return after
    return with_distance(after, request.trailing, request.tick_size)


def _distance(trailing: TrailingStop | None) -> object:
    return None if trailing is None else trailing.distance
