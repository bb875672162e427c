"""Lists of orders that depend on each other: what makes one, and what is kept of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace as changed
from enum import IntEnum
from hashlib import blake2b
from typing import Final

from services.kernel.errors import CodedError, invalid_field
from services.order.domain.instruction_rules import CONDITIONAL_TYPES
from services.order.domain.instructions import Instructions
from services.order.domain.links import Links, ListRole
from services.order.domain.order import Order
from services.order.domain.terms import FINGERPRINT_BYTES, OrderTerms
from services.order.domain.values import OrderType, TimeInForce

_RESTING: Final = (TimeInForce.DAY, TimeInForce.GTC, TimeInForce.GTD)


class ContingencyType(IntEnum):
    """How the orders of a list depend on each other, numbered as in the contract (FIX tag 1385)."""

    ONE_CANCELS_THE_OTHER = 1
    ONE_TRIGGERS_THE_OTHER = 2
    BRACKET = 3


_SIZES: Final = {
    ContingencyType.ONE_CANCELS_THE_OTHER: (2, 5),
    ContingencyType.ONE_TRIGGERS_THE_OTHER: (2, 2),
    ContingencyType.BRACKET: (3, 6),
}


@dataclass(frozen=True, slots=True)
class ListRecord:
    """What is kept of a list beside its orders.

    Attributes:
        order_list_id: Our id, a UUIDv7.
        client_order_list_id: The caller's id, unique in the account.
        account_id: Account of its orders.
        contingency_type: How they depend on each other.
        created_at_ns: When it was committed, nanoseconds since 1970.
    """

    order_list_id: str
    client_order_list_id: str
    account_id: str
    contingency_type: ContingencyType
    created_at_ns: int = 0


@dataclass(frozen=True, slots=True)
class OrderList:
    """A list and its orders as they stand, the entry first."""

    record: ListRecord
    orders: Sequence[Order]

    @property
    def live(self) -> bool:
        """Whether one of its orders is."""
        return any(order.live for order in self.orders)


def link(record: ListRecord, orders: Sequence[OrderTerms]) -> list[OrderTerms]:
    """Returns the terms of orders as those of a list, the entry first."""
    paired = record.contingency_type is ContingencyType.ONE_CANCELS_THE_OTHER
    return [
        _linked(record, terms, ListRole.LEG if paired else ListRole.EXIT if index else ListRole.ENTRY)
        for index, terms in enumerate(orders)
    ]


def _linked(record: ListRecord, terms: OrderTerms, role: ListRole) -> OrderTerms:
    instructions = terms.instructions or Instructions()
    strategy_id = "" if instructions.links is None else instructions.links.strategy_id
    links = Links(record.order_list_id, role, strategy_id=strategy_id, ordered=terms.quantity)
    # The same order alone, or in another list, is another request.
    told = f"{record.client_order_list_id}|{terms.client_order_id}|{role:d}|{record.contingency_type:d}|".encode()
    return terms.changed(
        instructions=changed(instructions, links=links),
        fingerprint=blake2b(told + terms.fingerprint, digest_size=FINGERPRINT_BYTES).digest(),
    )


def check_list(contingency_type: ContingencyType, orders: Sequence[OrderTerms]) -> None:
    """Refuses orders that do not make a list.

    Raises:
        CodedError: ORDER_LIST_MISMATCH, which names the field.
    """
    least, most = _SIZES[contingency_type]
    if not least <= len(orders) <= most:
        count = str(least) if least == most else f"from {least} to {most}"
        raise _mismatch("orders", f"must be {count} for {contingency_type.name}")
    _check_alike(orders)
    paired = contingency_type is ContingencyType.ONE_CANCELS_THE_OTHER
    _check_sharing(orders, 0 if paired else 1)
    if contingency_type is ContingencyType.BRACKET:
        for index, terms in enumerate(orders[1:], 1):
            if terms.side is orders[0].side:
                raise _mismatch(f"orders[{index}].side", "must not be that of the entry")


def _check_alike(orders: Sequence[OrderTerms]) -> None:
    first = orders[0]
    for index, terms in enumerate(orders):
        for name in ("account_id", "instrument", "connection_id", "quantity"):
            if getattr(terms, name) != getattr(first, name):
                raise _mismatch(f"orders[{index}].{name}", "must be the same for all orders of a list")
        if terms.instructions is not None and terms.instructions.display_quantity is not None:
            raise _mismatch(f"orders[{index}].display_quantity", "must be absent in a list")
    if len({terms.client_order_id for terms in orders}) < len(orders):
        raise _mismatch("orders.client_order_id", "must be one of its own for each order")


def _check_sharing(orders: Sequence[OrderTerms], first: int) -> None:
    """Of orders that share a quantity one may rest at its venue; the others must have something to wait for."""
    resting = 0
    for index, terms in enumerate(orders[first:], first):
        if terms.type in CONDITIONAL_TYPES:
            continue
        if terms.type is not OrderType.LIMIT:
            raise _mismatch(f"orders[{index}].type", "must be a limit order or one that waits for a price")
        if terms.time_in_force not in _RESTING:
            raise _mismatch(f"orders[{index}].time_in_force", "must be DAY, GTC or GTD for a limit order of a list")
        resting += 1
        if resting > 1:
            rule = "must wait for a price: one limit order of those that share a quantity may rest at its venue"
            raise _mismatch(f"orders[{index}].type", rule)


def _mismatch(field: str, rule: str) -> CodedError:
    return invalid_field(field, rule, reason="ORDER_LIST_MISMATCH")
