"""What was ordered: fixed when the order is placed."""

from __future__ import annotations

from copy import copy
from decimal import Decimal
from hashlib import blake2b
from typing import Any

from services.kernel.decimals import format_decimal
from services.order.domain.instructions import Instructions
from services.order.domain.links import ListRole
from services.order.domain.values import OrderType, Side, TimeInForce

FINGERPRINT_BYTES = 16


class OrderTerms:
    """What was ordered, by whom, under which ids; never changed once made.

    Attributes:
        order_id: Our id, a UUIDv7.
        client_order_id: The caller's id, unique in the account.
        account_id: Account that the order trades for.
        instrument: `SYMBOL.VENUE`.
        side: Buy or sell.
        type: How its price is set.
        time_in_force: How long it lives.
        quantity: Quantity ordered.
        limit_price: Worst price; None for a market or stop order.
        connection_id: Broker connection asked for; empty for the account's own.
        fingerprint: Digest of what was asked, to tell a repeated request from another one.
        received_at_ns: When the request came in, nanoseconds since 1970.
        instructions: What it asks for beyond that; None for most orders.
        encoded: The part of every report that the terms decide, kept by whoever encodes reports.
    """

    __slots__ = (
        "account_id",
        "client_order_id",
        "connection_id",
        "encoded",
        "fingerprint",
        "instructions",
        "instrument",
        "limit_price",
        "order_id",
        "quantity",
        "received_at_ns",
        "side",
        "time_in_force",
        "type",
    )

    def __init__(
        self,
        *,
        order_id: str,
        client_order_id: str,
        account_id: str,
        instrument: str,
        side: Side,
        type: OrderType,  # noqa: A002 - the contract's name
        time_in_force: TimeInForce,
        quantity: Decimal,
        limit_price: Decimal | None,
        connection_id: str = "",
        fingerprint: bytes = b"",
        received_at_ns: int = 0,
        instructions: Instructions | None = None,
    ) -> None:
        self.order_id = order_id
        self.client_order_id = client_order_id
        self.account_id = account_id
        self.instrument = instrument
        self.side = side
        self.type = type
        self.time_in_force = time_in_force
        self.quantity = quantity
        self.limit_price = limit_price
        self.connection_id = connection_id
        self.instructions = instructions
        self.fingerprint = fingerprint or fingerprint_of(self)
        self.received_at_ns = received_at_ns
        self.encoded: bytes | None = None

    def changed(self, **fields: Any) -> OrderTerms:
        """Returns terms with other values of some attributes.

        The digest stays that of the request that placed the order unless it is given too.
        """
        after = copy(self)
        after.encoded = None
        for name, value in fields.items():
            setattr(after, name, value)
        return after

    @property
    def group_id(self) -> str:
        """The id that the orders share which are decided on together; empty for one that stands alone, as most do."""
        instructions = self.instructions
        if instructions is None:
            return ""
        if instructions.works_through_children:
            return self.order_id
        return "" if instructions.links is None else instructions.links.group_id

    @property
    def sharing_id(self) -> str:
        """The id that the orders share of which the largest counts alone for risk; empty for one that counts itself."""
        return "" if self.role is ListRole.ENTRY else self.group_id

    @property
    def role(self) -> ListRole | None:
        """What it is in its list; None for an order in none."""
        instructions = self.instructions
        return None if instructions is None or instructions.links is None else instructions.links.role

    @property
    def parent_order_id(self) -> str:
        """Order that it was sent to fill; empty for an order of its own."""
        instructions = self.instructions
        return "" if instructions is None or instructions.links is None else instructions.links.parent_order_id


def fingerprint_of(terms: OrderTerms) -> bytes:
    """Returns a digest of what the caller asked for: equal for equal values, whatever way they were written.

    Terms that come to orders later are added only when they are set, so that old digests stay valid.
    """
    limit = "" if terms.limit_price is None else format_decimal(terms.limit_price)
    text = (
        f"{terms.instrument}|{terms.side:d}|{terms.type:d}|{terms.time_in_force:d}|"
        f"{format_decimal(terms.quantity)}|{limit}|{terms.connection_id}"
    )
    if terms.instructions is not None:
        text += terms.instructions.digest_text()
    return blake2b(text.encode(), digest_size=FINGERPRINT_BYTES).digest()
